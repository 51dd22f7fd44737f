//! One command each, and what they share: options with the variables behind
//! them.

mod application;
pub mod completions;
mod destination;
mod exec;
mod login;
mod man;
mod refresh;
mod renewal;
mod revoke;
mod sandbox;
mod saved;
mod status;
mod token;

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{self, ExitCode, ExitStatus};

use crate::cli::{self, Command, values};
use crate::error::Error;
use crate::output;
use crate::platform;
use crate::store::Location;

pub fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Login(options) => login::run(*options)?,
        Command::Token(options) => token::run(options)?,
        Command::Refresh(options) => refresh::run(options)?,
        Command::Revoke(options) => revoke::run(options)?,
        Command::Completions(options) => completions::run(options)?,
        Command::Man(options) => man::run(options)?,
        Command::Status(options) => return status::run(options),
        Command::Exec(options) => return exec::run(options),
        Command::Sandbox(options) => return sandbox::run(options),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints help, version and errors of the command line in clap's own form.
pub fn usage(error: &clap::Error) -> Result<ExitCode, Error> {
    if let Some(url) = sandbox::url_to_browse() {
        return sandbox::browse(&url);
    }
    let is_result = !error.use_stderr();
    if is_result {
        output::check_stdout()?;
    }
    match error.print() {
        Err(cause) if is_result => Err(output::written("writing to standard output", &cause)),
        _ => Ok(ExitCode::from(error.exit_code() as u8)),
    }
}

/// A variable's value, without white space and a byte order mark around it.
/// An empty one counts as unset.
///
/// # Errors
/// Not UTF-8; or in quotes, which a shell would have removed and the reader of
/// an environment file has not.
pub fn variable(name: &str) -> Result<Option<String>, Error> {
    let value = match env::var(name) {
        Ok(value) => value,
        Err(env::VarError::NotPresent) => return Ok(None),
        Err(env::VarError::NotUnicode(_)) => return Err(Error::usage(name, "not UTF-8")),
    };
    let value = trimmed(&value);
    for quote in ['"', '\''] {
        if value.len() > 1 && value.starts_with(quote) && value.ends_with(quote) {
            let error = Error::usage(name, format!("the value is in quotes ({quote})"));
            return Err(error.hint("Remove the quotes: they are part of the value."));
        }
    }
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// A text without white space and a byte order mark around it.
fn trimmed(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('\u{feff}').unwrap_or(text).trim()
}

/// A variable that holds a path, which need not be UTF-8.
fn path_variable(name: &str) -> Result<Option<PathBuf>, Error> {
    match env::var_os(name) {
        Some(path) if path.to_str().is_none() => Ok(Some(path.into())),
        _ => Ok(variable(name)?.map(PathBuf::from)),
    }
}

/// The option, or else the variable behind it.
fn option_or_variable<T>(
    option: Option<T>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    let value = match option {
        None => variable(name)?,
        given => return Ok(given),
    };
    let parsed = value.map(|value| parse(&value)).transpose();
    parsed.map_err(|why| Error::usage(name, why))
}

/// The saved token that the options name, or else the variables, or else the
/// default one.
fn location(options: cli::Location) -> Result<Location, Error> {
    Ok(named_location(options)?.unwrap_or_default())
}

fn named_location(options: cli::Location) -> Result<Option<Location>, Error> {
    const FILE: &str = "YANDEX_TOKEN_FILE";
    let file = match &options.profile {
        Some(_) => None,
        None if options.token_file.is_some() => options.token_file,
        None => {
            let path = path_variable(FILE)?;
            let path = path.map(|path| values::token_file(path.as_os_str()));
            path.transpose().map_err(|why| Error::usage(FILE, why))?
        }
    };
    if file.is_some() {
        return Ok(file.map(Location::File));
    }
    let name = option_or_variable(options.profile, "YANDEX_TOKEN_PROFILE", values::profile)?;
    Ok(name.map(Location::Profile))
}

/// The status of a program: 127 for one that isn't there, 126 for one that
/// can't be run, 128 and more for a signal. What a shell says.
fn exit_code(command: &process::Command, ended: io::Result<ExitStatus>) -> ExitCode {
    let code = match ended {
        Ok(status) => match platform::signal_of(status) {
            Some(signal) => 128u8.wrapping_add(signal),
            None => status.code().map_or(1, |code| code as u8),
        },
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            output::error(&Error::local(format!("running {program}"), &error));
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            if is_missing { 127 } else { 126 }
        }
    };
    ExitCode::from(code)
}
