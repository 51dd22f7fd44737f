//! A response as a value. tiny_http writes it; the headers of [`ALWAYS`] are
//! part of every one.

use std::io;
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
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    pub delivery: Delivery,
}

/// How a response goes out. The sandbox breaks it on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    Late(Duration),
    HalfBody,
    NoBody,
    Nothing,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        let mut response = Response::empty(status).with("Content-Type", content_type);
        response.body = body.into();
        response
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
        let response = Response {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delivery: Delivery::Whole,
        };
        response
            .with("Server", "yandex-token")
            .with("Content-Security-Policy", NO_CONTENT)
    }

    /// Sets a header. Its value is ASCII without line breaks.
    pub fn with(mut self, name: &'static str, value: &str) -> Response {
        self.headers.retain(|header| !header.field.equiv(name));
        self.headers.extend(Header::from_bytes(name, value));
        self
    }

    /// The bytes to send: for HEAD without the body.
    pub fn into_bytes(mut self, is_head: bool) -> io::Result<Vec<u8>> {
        match self.delivery {
            Delivery::Nothing => return Ok(Vec::new()),
            Delivery::NoBody => self.body.clear(),
            Delivery::Whole | Delivery::Late(_) | Delivery::HalfBody => {}
        }
        let length = self.body.len();
        let status = self.status.into();
        let mut bytes = Vec::with_capacity(length + 1024);
        tiny_http::Response::new(status, self.headers, &*self.body, Some(length), None)
            .with_chunked_threshold(usize::MAX)
            .raw_print(&mut bytes, HTTPVersion(1, 1), &[], is_head, None)?;
        let status_line = bytes.iter().position(|byte| *byte == b'\n');
        let status_line = status_line.map_or(0, |at| at + 1);
        bytes.splice(status_line..status_line, ALWAYS.iter().copied());
        if self.delivery == Delivery::HalfBody {
            bytes.truncate(bytes.len() - length.div_ceil(2));
        }
        Ok(bytes)
    }
}
