//! One command each, and what they share: options with the variables behind
//! them, and usage errors in the form that every error has.

mod destination;
mod exec;
mod login;
mod refresh;
mod revoke;
mod sandbox;
mod saved;
mod status;
mod token;

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{self, ExitCode, ExitStatus};

use clap::error::ErrorKind;
use secrecy::SecretString;

use crate::cli::{self, Command};
use crate::error::Error;
use crate::oauth::Server;
use crate::output;
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
    }
}

/// Prints help and version as clap has them, and anything else as an error of
/// ours: one line, and one that says what to write instead.
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match output::result(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            for line in text.trim_end().lines() {
                output::act(line);
            }
            return ExitCode::from(2);
        }
        _ => {}
    }
    let mut paragraphs = text.trim().split("\n\n").map(|paragraph| {
        let lines: Vec<_> = paragraph.lines().map(str::trim).collect();
        lines.join(" ")
    });
    let why = paragraphs.next().unwrap_or_default();
    let why = why.strip_prefix("error: ").unwrap_or(&why);
    let tips: Vec<_> = paragraphs
        .filter_map(|line| Some(line.strip_prefix("tip: ")?.to_owned()))
        .chain(["`--help` lists what there is.".to_owned()])
        .collect();
    let failed = Error::usage("usage", why).hint(tips.join(". "));
    output::error(&failed);
    ExitCode::from(failed.exit_code())
}

/// A variable's value. An empty one counts as unset.
fn variable(name: &str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::usage(name, "not UTF-8")),
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

fn server(option: Option<Server>) -> Result<Option<Server>, Error> {
    option_or_variable(option, "YANDEX_OAUTH_URL", Server::parse)
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
    let profile = option_or_variable(None, "YANDEX_TOKEN_PROFILE", cli::values::profile)?;
    let file = env::var_os("YANDEX_TOKEN_FILE").filter(|path| !path.is_empty());
    match (profile, file) {
        (Some(_), Some(_)) => Err(Error::usage(
            "YANDEX_TOKEN_PROFILE and YANDEX_TOKEN_FILE",
            "they contradict each other: set one, or name the place with an option",
        )),
        (profile, file) => Ok(profile
            .map(Location::Profile)
            .or_else(|| file.map(|path| Location::File(path.into())))),
    }
}

/// The application password, or None for a public client.
fn client_secret(option: Option<&Path>) -> Result<Option<SecretString>, Error> {
    if let Some(path) = option {
        return read_secret(path).map(Some);
    }
    let file = env::var_os("YANDEX_CLIENT_SECRET_FILE").filter(|path| !path.is_empty());
    let secret = variable("YANDEX_CLIENT_SECRET")?.map(SecretString::from);
    match (file, secret) {
        (Some(_), Some(_)) => Err(Error::usage(
            "YANDEX_CLIENT_SECRET and YANDEX_CLIENT_SECRET_FILE",
            "both are set: unset one of them",
        )),
        (Some(path), None) => read_secret(Path::new(&path)).map(Some),
        (None, secret) => Ok(secret),
    }
}

/// A secret is one line of a file, or of standard input for `-`.
fn read_secret(path: &Path) -> Result<SecretString, Error> {
    const MOST: u64 = 4096;
    let stdin = path.as_os_str() == "-";
    let what = match stdin {
        true => "reading the application password from standard input".to_owned(),
        false => format!("reading the application password from {}", path.display()),
    };
    let mut text = String::new();
    let read = if stdin {
        std::io::stdin()
            .lock()
            .take(MOST + 1)
            .read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text))
    };
    read.map_err(|error| Error::local(&what, error))?;
    let secret = text.trim();
    let why = if secret.is_empty() {
        "nothing is in it"
    } else if text.len() as u64 > MOST {
        "more than 4096 bytes: that is no password"
    } else if secret.contains(char::is_control) {
        "more than one line: that is no password"
    } else {
        return Ok(secret.to_owned().into());
    };
    Err(Error::local(&what, why))
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
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return ExitCode::from(128u8.wrapping_add(signal as u8));
    }
    ExitCode::from(status.code().map_or(1, |code| code as u8))
}
