//! `revoke`: has the server forget a token, then forgets it here.

use std::process::ExitCode;

use super::location;
use super::saved::{Saved, sharing_device};
use crate::cli;
use crate::error::Error;
use crate::output;
use crate::signals;

/// Where a user withdraws an application's access.
const ACCESS_PAGE: &str = "https://id.yandex.ru/personal/data-access";

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
    let seen = saved.load()?;
    if seen.login.subject.is_some() {
        location.file()?.lock()?.remove_target()?;
        output::info("The token is forgotten here; at the server it ends by itself.");
        return Ok(ExitCode::SUCCESS);
    }
    let issuer = saved.issuer(&seen)?;
    let lock = location.file()?.lock()?;
    let token = saved.load()?;
    issuer.expect_issued(&token)?;
    lock.make_sure_of_room()?;
    // A token that is revoked must not stay here.
    let held = signals::BlockedSignals::hold();
    issuer
        .client_for(&token)
        .revoke(&token.access_token)
        .map_err(|error| match error.refusal.as_deref() {
            Some("unsupported_token_type") => error.hint(format!(
                "Yandex revokes only tokens that were issued to a device. Withdraw the access at \
                 {ACCESS_PAGE}, then forget it here: {} --local",
                location.command("revoke")
            )),
            _ => error,
        })?;
    lock.remove_target()?;
    drop(held);
    output::info("The token is revoked and forgotten.");
    for name in sharing_device(&token, &location) {
        output::info(&format!(
            "The profile {name} has a token of the same application and device: it may be revoked too."
        ));
    }
    Ok(ExitCode::SUCCESS)
}
