//! A user without a browser: follows the redirects from the authorization page
//! to the page that ends the login, all on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use super::Consent;
use super::state::State;
use crate::output;

const MAX_REDIRECTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

pub struct User(pub(super) Arc<Mutex<State>>);

impl User {
    /// Answers an authorization request in a thread of its own. Where that
    /// fails, the login finds out by its deadline.
    pub fn follow(&self, url: Url) {
        let user = User(Arc::clone(&self.0));
        thread::spawn(move || user.answer(url));
    }

    /// Answers an authorization request; returns the address that it ends at.
    pub fn answer(&self, mut url: Url) -> Url {
        super::lock(&self.0).consent = Consent::Allow;
        for _ in 0..MAX_REDIRECTS {
            match location(&url) {
                Ok(Some(next)) => url = next,
                Ok(None) => break,
                Err(error) => {
                    output::warn(&format!("the sandbox's user: {error}"));
                    break;
                }
            }
        }
        url
    }

    /// Enters a device code and allows the access.
    pub fn enter(&self, user_code: &str) {
        if let Some(code) = super::lock(&self.0).waiting(user_code, Instant::now()) {
            code.answer(code.scopes.granted(|_, _| true));
        }
    }
}

/// One GET: where it redirects to, if it does.
fn location(url: &Url) -> std::io::Result<Option<Url>> {
    let addresses = url.socket_addrs(|| None)?;
    let mut stream = TcpStream::connect(addresses.as_slice())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let next = head
        .lines()
        .find_map(|line| line.strip_prefix("Location: "));
    Ok(next.and_then(|next| url.join(next).ok()))
}
