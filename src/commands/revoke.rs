//! `revoke`: revokes a token at the server, then deletes it here.

use super::saved::{Saved, client_for, sharing_device};
use crate::cli;
use crate::error::Error;
use crate::output;
use crate::signals;
use crate::store::Location;
use crate::store::atomic_file::Lock;

/// Where a user withdraws an application's access.
const ACCESS_PAGE: &str = "https://id.yandex.ru/personal/data-access";

pub fn run(options: cli::Revoke) -> Result<(), Error> {
    let saved = Saved::new(options.saved)?;
    let location = &saved.location;
    let delete_here = |until: &str| {
        forget(location, location.file()?.lock()?)?;
        output::info(&format!(
            "Deleted the saved token. It stays valid at the server{until}."
        ));
        Ok(())
    };
    // Also what can't be read as a token can be deleted.
    if options.local && !matches!(location.load_file(), Ok(None)) {
        return delete_here("");
    }
    let seen = saved.load()?;
    if seen.login.subject.is_some() {
        return delete_here(" until it expires");
    }
    let client = saved.client(&seen)?;
    let lock = location.file()?.lock()?;
    let token = saved.load()?;
    let client = client_for(&token, &client)?;
    lock.make_sure_of_room()?;
    // A token that is revoked must not stay here.
    let held = signals::BlockedSignals::hold();
    let revoked = client.revoke(&token.secrets.access_token);
    revoked.map_err(|error| match error.refusal.as_deref() {
        Some("unsupported_token_type") => error.hint(format!(
            "Yandex revokes only tokens that were issued to a device. Withdraw the access at \
             {ACCESS_PAGE}, then delete it here: {} --local",
            location.command("revoke")
        )),
        _ => error,
    })?;
    forget(location, lock)?;
    drop(held);
    output::info("Revoked the token and deleted it.");
    for name in sharing_device(&token, location) {
        output::info(&format!(
            "Profile {name} has a token for the same application and device, which may be revoked too."
        ));
    }
    Ok(())
}

/// Removes the token file, then the keychain's entry: what is left of it can't
/// be used by mistake.
fn forget(location: &Location, lock: Lock) -> Result<(), Error> {
    let token = location.load_file().ok().flatten();
    let entry = token.and_then(|token| location.entry(&token).ok().flatten());
    lock.remove_target()?;
    entry.map_or(Ok(()), |entry| entry.erase())
}
