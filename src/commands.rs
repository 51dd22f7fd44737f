//! One command each, and what they share: options with the variables behind
//! them, and usage errors in the form that every error has.

mod application;
mod completions;
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
use std::path::PathBuf;
use std::process::{self, ExitCode, ExitStatus};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{self, Command};
use crate::error::Error;
use crate::output;
use crate::platform;
use crate::store::Location;

pub fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Login(options) => login::run(*options),
        Command::Token(options) => token::run(options),
        Command::Refresh(options) => refresh::run(options),
        Command::Revoke(options) => revoke::run(options),
        Command::Status(options) => status::run(options),
        Command::Exec(options) => exec::run(options),
        Command::Sandbox(options) => sandbox::run(options),
        Command::Completions(options) => completions::run(options),
        Command::Man(options) => man::run(options),
    }
}

/// Prints help and version as clap has them, and anything else as an error of
/// ours: one line, and one that says what to write instead.
pub fn usage(error: &clap::Error) -> ExitCode {
    if let Some(url) = sandbox::url_to_browse() {
        return sandbox::browse(&url);
    }
    let text = error.to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match output::result(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    output::error(&error);
                    ExitCode::from(error.exit_code())
                }
            };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            for line in text.trim_end().lines() {
                output::prompt(line);
            }
            return ExitCode::from(2);
        }
        _ => {}
    }
    let failed = bad_value(error).unwrap_or_else(|| bad_usage(error, &text));
    output::error(&failed);
    ExitCode::from(failed.exit_code())
}

/// A value that its own parser refused. It is not repeated: it may be a URL
/// with a password in it, or a screenful.
fn bad_value(error: &clap::Error) -> Option<Error> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let why =
        std::error::Error::source(error).filter(|_| error.kind() == ErrorKind::ValueValidation);
    why.map(|why| Error::usage(option, why))
}

/// clap's own finding: its first paragraph, and then its tips.
fn bad_usage(error: &clap::Error, text: &str) -> Error {
    let mut paragraphs = text.trim().split("\n\n").map(|paragraph| {
        let lines: Vec<_> = paragraph.lines().map(str::trim).collect();
        lines.join(" ")
    });
    let why = paragraphs.next().unwrap_or_default();
    let why = why.strip_prefix("error: ").unwrap_or(&why);
    let tips: Vec<_> = paragraphs
        .filter_map(|line| Some(line.strip_prefix("tip: ")?.to_owned()))
        .chain([help_of(error)])
        .collect();
    Error::usage("usage", why).hint(tips.join(". "))
}

/// Where to read on: the help of the command that was meant, where clap has it
/// in the usage line of the error.
fn help_of(error: &clap::Error) -> String {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let usage = usage.unwrap_or_default();
    let named = usage.split_whitespace().nth(2);
    let named = named.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    let Some(name) = named else {
        return "`yandex-token --help` lists what there is.".to_owned();
    };
    let program = match error.kind() {
        ErrorKind::UnknownArgument if usage.contains("-- ") => "A program goes behind `--`. ",
        _ => "",
    };
    format!("{program}`yandex-token {name} --help` lists what there is.")
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
    let value = value.trim();
    let value = value.strip_prefix('\u{feff}').unwrap_or(value).trim();
    for quote in ['"', '\''] {
        if value.len() > 1 && value.starts_with(quote) && value.ends_with(quote) {
            return Err(
                Error::usage(name, format!("the value is in quotes ({quote})"))
                    .hint("Remove the quotes: whatever set the variable has kept them."),
            );
        }
    }
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// A variable that holds a path, which need not be UTF-8.
fn path_variable(name: &str) -> Result<Option<PathBuf>, Error> {
    match env::var_os(name) {
        Some(path) if path.to_str().is_none() => Ok(Some(path.into())),
        _ => Ok(variable(name)?.map(PathBuf::from)),
    }
}

/// Whether the option or its variable forbids to ask the server.
fn no_renew(option: bool) -> Result<bool, Error> {
    match variable("YANDEX_TOKEN_NO_RENEW")?.as_deref() {
        _ if option => Ok(true),
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Error::usage("YANDEX_TOKEN_NO_RENEW", "write 1 or 0")),
    }
}

/// The option, or else the variable behind it.
fn option_or_variable<T>(
    option: Option<T>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    if option.is_some() {
        return Ok(option);
    }
    match variable(name)? {
        Some(value) => parse(&value)
            .map(Some)
            .map_err(|why| Error::usage(name, why)),
        None => Ok(None),
    }
}

/// The saved token that the options name, or else the variables, or else the
/// default one.
fn location(options: cli::Location) -> Result<Location, Error> {
    let named = named_location(options)?;
    Ok(named.unwrap_or_else(|| Location::Profile("default".to_owned())))
}

fn named_location(options: cli::Location) -> Result<Option<Location>, Error> {
    if let Some(name) = options.profile {
        return Ok(Some(Location::Profile(name)));
    }
    if let Some(path) = options.token_file {
        return Ok(Some(Location::File(path)));
    }
    const FILE: &str = "YANDEX_TOKEN_FILE";
    if let Some(path) = path_variable(FILE)? {
        let path = cli::values::token_file(path.as_os_str());
        let path = path.map_err(|why| Error::usage(FILE, why))?;
        return Ok(Some(Location::File(path)));
    }
    let profile = option_or_variable(None, "YANDEX_TOKEN_PROFILE", cli::values::profile)?;
    Ok(profile.map(Location::Profile))
}

/// 127 for a program that isn't there, 126 for one that can't be run: what a
/// shell says.
fn not_started(command: &process::Command, error: &std::io::Error) -> ExitCode {
    let program = command.get_program().to_string_lossy();
    output::error(&Error::local(format!("running {program}"), error));
    ExitCode::from(match error.kind() {
        std::io::ErrorKind::NotFound => 127,
        _ => 126,
    })
}

fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(match platform::signal_of(status) {
        Some(signal) => 128u8.wrapping_add(signal),
        None => status.code().map_or(1, |code| code as u8),
    })
}
