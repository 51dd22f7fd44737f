//! The last line of a login: whose token it is, and where it is saved.

use std::time::Duration;

use super::Session;
use crate::error::Error;
use crate::oauth::user_info::user_info;
use crate::output;
use crate::store::Location;
use crate::store::token::StoredToken;

/// How long a finished login waits for the name of the account.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(5);

impl Session {
    pub fn report(&self, token: &StoredToken) {
        let Some(saving) = &self.saving else {
            if self.destination.is_terminal() && self.sandbox.is_none() {
                output::info("The token was not saved. To save it, log in with --save.");
            }
            return;
        };
        let failed = |error: Error| output::debug(&error.to_string());
        let client_secret = self.client.client_secret.as_ref();
        let client_secret = client_secret.map(|given| &given.secret);
        let others: Vec<_> = token
            .secrets
            .refresh_token
            .iter()
            .chain(client_secret)
            .collect();
        let user = user_info(
            &self.client.server,
            &token.secrets.access_token,
            &others,
            ACCOUNT_TIMEOUT,
        );
        let account = user
            .map_err(failed)
            .ok()
            .map(|user| user.login.unwrap_or(user.id));
        let mut line = "Logged in".to_owned();
        if let Some(account) = &account {
            saving
                .location
                .note_account(token, account)
                .unwrap_or_else(failed);
            if let Some(previous) = saving.previous_account.as_ref().filter(|it| *it != account) {
                output::warn(&format!(
                    "this replaces the token of another account, {}",
                    output::short(previous)
                ));
            }
            line += &format!(" as {}", output::short(account));
        }
        line += &match &saving.location {
            Location::Profile(name) => format!(". Saved as profile {name}"),
            Location::File(path) => format!(". Saved in {}", path.display()),
        };
        if let Some(time) = token.expires_at.and_then(output::utc) {
            line += &format!(", expires {}", &time[..10]);
        }
        output::info(&format!("{line}."));
    }
}
