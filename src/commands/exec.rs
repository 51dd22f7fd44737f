//! `exec`: runs a program with a valid access token in its environment.

use std::process::{Command, ExitCode};

use secrecy::ExposeSecret;

use super::saved::Saved;
use super::{location, not_started};
use crate::cli;
use crate::error::Error;
use crate::flows::browser::SECRET_VARIABLES;

pub fn run(options: cli::Exec) -> Result<ExitCode, Error> {
    let location = location(options.location)?;
    let saved = Saved {
        location: &location,
        application: &options.application,
    };
    let token = saved.valid(options.min_ttl)?;
    let mut command = Command::new(&options.program[0]);
    command.args(&options.program[1..]);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    command.env(options.env, token.access_token.expose_secret());
    become_program(command)
}

#[cfg(unix)]
fn become_program(mut command: Command) -> Result<ExitCode, Error> {
    // Returns only where the program could not be started.
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Ok(not_started(&command, &error))
}

#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<ExitCode, Error> {
    match command.status() {
        Ok(status) => Ok(super::exit_code(status)),
        Err(error) => Ok(not_started(&command, &error)),
    }
}
