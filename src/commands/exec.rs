//! `exec`: runs a program with a valid access token in its environment.

use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::saved::Saved;
use super::{exit_code, not_started};
use crate::cli;
use crate::error::Error;
use crate::platform;
use crate::signals;

pub fn run(options: cli::Exec) -> Result<ExitCode, Error> {
    let token = Saved::new(options.saved)?.valid(&options.renewal)?;
    let mut command = signals::inheriting(&options.program[0]);
    command.args(&options.program[1..]);
    for name in platform::SECRET_VARIABLES {
        command.env_remove(name);
    }
    command.env(options.env, token.secrets.access_token.expose_secret());
    match signals::delivered(|| platform::become_program(&mut command)) {
        Ok(status) => Ok(exit_code(status)),
        Err(error) => Ok(not_started(&command, &error)),
    }
}
