//! `revoke`: has the server forget a token, then forgets it here.

use std::process::ExitCode;

use super::location;
use super::saved::Saved;
use crate::cli;
use crate::error::Error;
use crate::output;

pub fn run(options: cli::Revoke) -> Result<ExitCode, Error> {
    let location = location(options.location)?;
    let saved = Saved {
        location: &location,
        application: &options.application,
    };
    if options.local {
        // Also what can't be read as a token can be forgotten.
        if matches!(location.load(), Ok(None)) {
            saved.load()?;
        }
        location.file()?.lock()?.remove_target()?;
        output::info("The token is forgotten here; it stays valid at the server.");
        return Ok(ExitCode::SUCCESS);
    }
    saved.load()?;
    let lock = location.file()?.lock()?;
    let token = saved.load()?;
    let (client, ..) = saved.client(&token)?;
    client
        .revoke(&token.access_token)
        .map_err(|error| match error.refusal.as_deref() {
            Some("unsupported_token_type") => error.hint(
                "Yandex revokes only tokens that were issued to a device. Withdraw the access at \
                 https://id.yandex.ru/personal/data-access, then forget it here: revoke --local",
            ),
            _ => error,
        })?;
    lock.remove_target()?;
    output::info("The token is revoked and forgotten.");
    Ok(ExitCode::SUCCESS)
}
