//! The last line of a login: whose token it is, and where it is saved.

use std::time::Duration;

use super::{Application, Saving};
use crate::oauth::user_info::user_info;
use crate::output;
use crate::store::Location;
use crate::store::token::StoredToken;

/// How long a finished login waits for the name of the account.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// A login whose token is where it should be.
pub struct Finished {
    pub token: StoredToken,
    pub application: Application,
    pub saving: Option<Saving>,
    pub is_at_terminal: bool,
}

impl Finished {
    /// The last line: whose token it is, and where.
    pub fn report(self) {
        let Some(saving) = self.saving else {
            if self.is_at_terminal {
                output::info("The token was not saved; --save keeps it.");
            }
            return;
        };
        let (server, token) = (&self.application.server, &self.token.access_token);
        let account = match user_info(server, token, ACCOUNT_TIMEOUT) {
            Ok(user) => Some(user.login.unwrap_or(user.id)),
            Err(error) => {
                output::debug(&format!("{}: {}", error.what, error.why));
                None
            }
        };
        if let Some(account) = &account {
            let noted = saving.location.note_account(&self.token, account);
            if let Err(error) = noted {
                output::debug(&format!("{}: {}", error.what, error.why));
            }
        }
        let previous = saving.previous_account.as_ref();
        if let (Some(previous), Some(account)) = (previous, &account)
            && previous != account
        {
            output::warn(&format!(
                "this replaces the token of another account, {}",
                output::short(previous)
            ));
        }
        let login = account.map_or_else(String::new, |account| {
            format!(" as {}", output::short(&account))
        });
        let place = match &saving.location {
            Location::Profile(name) => format!("as profile {name}"),
            Location::File(path) => format!("in {}", path.display()),
        };
        let expiry = self.token.expires_at.and_then(output::utc);
        let expiry = expiry.map_or_else(String::new, |time| format!(", expires {}", &time[..10]));
        output::info(&format!("Logged in{login}. Saved {place}{expiry}."));
    }
}
