//! `yandex-token`: gets, keeps and hands out Yandex OAuth tokens.
//!
//! Data goes one way: `cli` says what is wanted, a command in `commands` gets a
//! token through one of the `flows`, which speak the protocol through `oauth`;
//! the command alone puts it into the `store` or prints it through `output`.
//! The listener and the `sandbox` both stand behind the `gate`. A file uses
//! what stands below it, never above or beside it.

mod cli;
mod commands;
mod error;
mod flows;
mod gate;
mod oauth;
mod output;
mod page;
mod platform;
mod private_dir;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod random;
mod sandbox;
mod signals;
mod store;
mod tls;

use std::process::ExitCode;

use output::Level;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return commands::usage(&error),
    };
    output::set_level(match (cli.quiet, cli.verbose) {
        (true, _) => Level::Quiet,
        (_, true) => Level::Verbose,
        _ => Level::Normal,
    });
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
