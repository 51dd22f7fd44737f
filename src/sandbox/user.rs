//! A user without a browser: follows the redirects from the authorization page
//! to the page that ends the login.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ureq::{Agent, ResponseExt};
use url::Url;

use super::Consent;
use super::state::State;
use crate::output;

/// The listener answers once it has exchanged the code.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct User(pub(super) Arc<Mutex<State>>);

impl User {
    /// Answers an authorization request in a thread of its own. Where that
    /// fails, the login finds out by its deadline.
    pub fn follow(&self, url: Url) {
        let user = User(Arc::clone(&self.0));
        thread::spawn(move || user.answer(url));
    }

    /// Answers an authorization request; returns the address that it ends at.
    pub fn answer(&self, url: Url) -> Url {
        super::lock(&self.0).consent = Consent::Allow;
        follow(&url).unwrap_or_else(|why| {
            output::warn(&format!("the sandbox's user: {why}"));
            url
        })
    }

    /// Enters a device code and allows the access.
    pub fn enter(&self, user_code: &str) {
        if let Some(code) = super::lock(&self.0).waiting(user_code, Instant::now()) {
            code.answer(code.scopes.granted(|_, _| true));
        }
    }
}

/// Opens a page and follows its redirects; returns the address of the last.
pub fn follow(url: &Url) -> Result<Url, String> {
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_recv_response(Some(TIMEOUT))
        .build()
        .new_agent();
    let response = agent.get(url.as_str()).call();
    let response = response.map_err(|error| error.to_string())?;
    Url::parse(&response.get_uri().to_string()).map_err(|error| error.to_string())
}
