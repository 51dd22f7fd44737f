//! `exec`: runs a program with a valid access token in its environment.

use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::exit_code;
use super::saved::Saved;
use crate::cli;
use crate::error::Error;
use crate::platform;
use crate::signals;

pub fn run(options: cli::Exec) -> Result<ExitCode, Error> {
    let token = Saved::new(options.saved)?.valid(&options.renewal)?;
    let mut command = signals::inheriting(&options.program);
    for name in platform::SECRET_VARIABLES {
        command.env_remove(name);
    }
    command.env(options.env, token.secrets.access_token.expose_secret());
    let ended = signals::delivered(|| platform::become_program(&mut command));
    Ok(exit_code(&command, ended))
}
