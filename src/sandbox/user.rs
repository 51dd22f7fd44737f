//! A user without a browser: follows the redirects from the authorization page
//! to the page that ends the login, all on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

use crate::output;

const MAX_REDIRECTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// Where it fails, the login finds out by its deadline.
pub fn follow(url: &str) {
    let Ok(mut url) = Url::parse(url) else {
        return;
    };
    for _ in 0..MAX_REDIRECTS {
        match location(&url) {
            Ok(Some(next)) => url = next,
            Ok(None) => return,
            Err(error) => return output::warn(&format!("the sandbox's user: {error}")),
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
