//! A user without a browser: follows the redirects from the authorization page
//! to the page that ends the login.

use std::thread;
use std::time::Duration;

use ureq::ResponseExt;
use url::Url;

use super::{Consent, Sandbox};
use crate::output;

/// The listener answers once it has exchanged the code.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Sandbox {
    /// Answers an authorization request in a thread of its own. Where that
    /// fails, the login finds out by its deadline.
    pub fn follow(&self, url: Url) {
        let sandbox = self.clone();
        thread::spawn(move || sandbox.allow(url));
    }

    /// Allows an authorization request; returns the address that it ends at.
    pub fn allow(&self, url: Url) -> Url {
        self.state().options.consent = Consent::Allow;
        follow(&url).unwrap_or_else(|why| {
            output::warn(&format!("the sandbox's user: {why}"));
            url
        })
    }

    /// Enters a device code and allows the access.
    pub fn enter(&self, user_code: &str) {
        if let Some(code) = self.state().waiting(user_code) {
            code.answer = Some(code.access.grant(|_| true));
        }
    }
}

/// Opens a page and follows its redirects; returns the address of the last.
///
/// # Errors
/// Where the last page refuses the request: a wrong client ID, for instance.
pub fn follow(url: &Url) -> Result<Url, String> {
    let request = ureq::get(url.as_str()).config().proxy(None);
    let response = request.timeout_global(Some(TIMEOUT)).build().call();
    let response = response.map_err(|error| error.to_string())?;
    Url::parse(&response.get_uri().to_string()).map_err(|error| error.to_string())
}
