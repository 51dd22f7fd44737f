//! A scripted browser: real requests over a socket, real redirects.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::TIMEOUT;
use url::Url;

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Where a URL's server listens.
pub fn address(url: &str) -> std::net::SocketAddr {
    Url::parse(url).unwrap().socket_addrs(|| None).unwrap()[0]
}

pub fn get(url: &str) -> Reply {
    request("GET", url, "", "")
}

/// One request. `headers` are whole lines; a `Host` among them replaces ours.
pub fn request(method: &str, url: &str, headers: &str, body: &str) -> Reply {
    let parsed = Url::parse(url).unwrap();
    let target = &parsed[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &parsed[url::Position::BeforeHost..url::Position::AfterPort];
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.to_ascii_lowercase().contains("host:") {
        text.push_str(&format!("Host: {host}\r\n"));
    }
    text.push_str(headers);
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    raw(address(url), text.as_bytes())
}

/// Sends these very bytes and reads to the end of the connection.
pub fn raw(to: impl std::net::ToSocketAddrs, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // A server may refuse before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    reply(&answer)
}

pub fn reply(answer: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Reply {
        status: status.unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A parameter of a URL's query.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    let mut found = url.query_pairs().filter(|(key, _)| key == name);
    let value = found.next().map(|(_, value)| value.into_owned());
    assert!(found.next().is_none(), "{name} is there twice in {url}");
    value
}

/// The redirect URI of an authorize URL, with an answer to it.
pub fn callback(authorize_url: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse(&parameter(authorize_url, "redirect_uri").unwrap()).unwrap();
    let state = parameter(authorize_url, "state").unwrap();
    url.query_pairs_mut()
        .extend_pairs(parameters)
        .append_pair("state", &state);
    url.to_string()
}

/// Does what a browser does with the answer to an authorization request:
/// calls back, follows the 303, and returns the page behind it.
#[track_caller]
pub fn answer(authorize_url: &str, parameters: &[(&str, &str)]) -> Reply {
    let redirected = get(&callback(authorize_url, parameters));
    assert_eq!(redirected.status, 303, "{redirected:#?}");
    get(redirected.header("Location").unwrap())
}
