//! `yandex-token`: gets, saves and renews OAuth tokens for Yandex APIs.
//!
//! Data goes one way: `cli` parses the command line, a command in `commands`
//! gets a token by one of the methods in `login`, which use `oauth` for the
//! protocol, and then saves it in the `store` or prints it through `output`.
//! The listener and the `sandbox` both use the server in `http`. A file uses
//! what is below it, never what is above or beside it.

mod cli;
mod commands;
mod error;
mod http;
mod json;
mod login;
mod oauth;
mod output;
mod platform;
mod private_dir;
#[cfg(any(test, fuzzing))]
#[path = "../tests/properties/mod.rs"]
pub mod properties;
mod random;
mod sandbox;
mod signals;
mod store;

use std::panic;
use std::process::ExitCode;

use error::{Error, Kind};

fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| output::error(&unexpected(panic))));
    if let Some(code) = commands::completions::answer() {
        return code;
    }
    signals::fail_writes_past_limit();
    let ended = panic::catch_unwind(|| match cli::parse() {
        Ok(cli) => {
            output::set_level(cli.quiet, cli.verbose);
            commands::run(cli.command)
        }
        Err(error) => commands::usage(&error),
    });
    match ended.unwrap_or(Ok(ExitCode::FAILURE)) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// A panic, without its own text, which may quote a secret. One that is known
/// is a library's where the system refuses it a thread.
fn unexpected(panic: &panic::PanicHookInfo) -> Error {
    let place = panic
        .location()
        .map_or_else(String::new, |at| at.to_string());
    Error::new(Kind::Other, "an unexpected error", place)
        .hint("The system may be out of threads. If it is not, please report this line.")
}
