//! A response as a value. tiny_http writes it; the headers of [`ALWAYS`] go
//! out with every one, whoever made it.

use std::io::{self, Cursor};
use std::time::Duration;

use serde::Serialize;
use tiny_http::{HTTPVersion, Header};

/// tiny_http drops a `Connection` that it is given, so these are put in behind
/// the status line.
const ALWAYS: &[u8] = b"Connection: close\r\n\
    Cache-Control: no-store\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n";
/// Nothing is loaded by what is not a page.
const NO_CONTENT: &str = "default-src 'none'";

pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub delivery: Delivery,
}

/// How a response goes out. The sandbox breaks it on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    #[default]
    Whole,
    Late(Duration),
    HalfBody,
    NoBody,
    Nothing,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response::empty(status)
            .with("Content-Type", content_type)
            .with_body(body)
    }

    pub fn json(status: u16, value: &impl Serialize) -> Response {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Response::new(status, "application/json", body)
    }

    pub fn redirect(status: u16, to: &str) -> Response {
        Response::empty(status).with("Location", to)
    }

    /// The status, and its name as text.
    pub fn status_only(status: u16) -> Response {
        let name = tiny_http::StatusCode(status).default_reason_phrase();
        Response::new(status, "text/plain; charset=utf-8", format!("{name}\n"))
    }

    fn empty(status: u16) -> Response {
        Response {
            status,
            headers: vec![("Content-Security-Policy", NO_CONTENT.to_owned())],
            body: Vec::new(),
            delivery: Delivery::Whole,
        }
    }

    fn with_body(mut self, body: impl Into<Vec<u8>>) -> Response {
        self.body = body.into();
        self
    }

    /// Sets a header. Its value is ASCII without line breaks.
    pub fn with(mut self, name: &'static str, value: &str) -> Response {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The bytes to send: for HEAD without the body.
    pub fn into_bytes(mut self, is_head: bool) -> io::Result<Vec<u8>> {
        if self.delivery == Delivery::Nothing {
            return Ok(Vec::new());
        }
        if self.delivery == Delivery::NoBody {
            self.body.clear();
        }
        let length = self.body.len();
        let mut headers = vec![("Server", "yandex-token".to_owned())];
        headers.extend(self.headers);
        let headers: Result<Vec<_>, ()> = headers
            .iter()
            .map(|(name, value)| Header::from_bytes(*name, value.as_bytes()))
            .collect();
        let headers = headers.map_err(|()| io::ErrorKind::InvalidData)?;
        let status = self.status.into();
        let response =
            tiny_http::Response::new(status, headers, Cursor::new(self.body), Some(length), None)
                .with_chunked_threshold(usize::MAX);
        let mut bytes = Vec::with_capacity(length + 1024);
        response.raw_print(&mut bytes, HTTPVersion(1, 1), &[], is_head, None)?;
        let status_line = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        bytes.splice(status_line..status_line, ALWAYS.iter().copied());
        if self.delivery == Delivery::HalfBody {
            bytes.truncate(bytes.len() - length.div_ceil(2));
        }
        Ok(bytes)
    }
}
