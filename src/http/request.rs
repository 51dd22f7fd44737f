//! One request, read within limits and checked (RFC 9112).

use std::io::{Read, Write};

use httparse::Status::{Complete, Partial};

const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 100;
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Why a request is not handled.
#[derive(Debug, PartialEq)]
pub enum Rejection {
    /// The client left, or took too long: nobody to answer.
    Gone,
    /// A TLS handshake where plain HTTP is spoken.
    Tls,
    Status(u16),
}

const BAD_REQUEST: Rejection = Rejection::Status(400);

#[derive(Debug)]
pub struct Request {
    pub method: String,
    /// Printable ASCII, as it came.
    pub path: String,
    /// What stands behind the `?`.
    pub query: String,
    /// `Host` or the authority of an absolute target, as it came.
    pub authority: String,
    pub body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Checks a head: None where it goes on. Also returns its length.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Rejection> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let length = match parsed.parse(bytes) {
            Ok(Complete(length)) => length,
            Ok(Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Rejection::Status(431)),
            Err(_) => return Err(BAD_REQUEST),
        };
        let (method, target) = parsed.method.zip(parsed.path).ok_or(BAD_REQUEST)?;
        if !target.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BAD_REQUEST);
        }
        let (authority, target) = split_target(target).ok_or(BAD_REQUEST)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |header: &httparse::Header<'_>| {
            // One that is not UTF-8 is not for us.
            let value = String::from_utf8_lossy(header.value).trim().to_owned();
            (header.name.to_owned(), value)
        };
        let mut request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            authority: String::new(),
            body: Vec::new(),
            headers: parsed.headers.iter().map(header).collect(),
        };
        let host = request.only("Host")?;
        if host.is_none() && parsed.version == Some(1) {
            return Err(BAD_REQUEST);
        }
        let authority = authority.or(host).unwrap_or_default();
        if !authority.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(BAD_REQUEST);
        }
        request.authority = authority.to_owned();
        Ok(Some((request, length)))
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The header of this name, which must not be repeated.
    fn only(&self, name: &str) -> Result<Option<&str>, Rejection> {
        let is_it = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        match self.headers.iter().filter(is_it).count() {
            0 | 1 => Ok(self.header(name)),
            _ => Err(BAD_REQUEST),
        }
    }

    /// The host that the request is for, in lower case and without its port.
    pub fn host(&self) -> String {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        host.to_ascii_lowercase()
    }

    /// The length of the body; None where it comes in chunks.
    fn length(&self) -> Result<Option<usize>, Rejection> {
        match (
            self.only("Content-Length")?,
            self.only("Transfer-Encoding")?,
        ) {
            (None, None) => Ok(Some(0)),
            (Some(length), None) if length.bytes().all(|b| b.is_ascii_digit()) => {
                length.parse().map(Some).map_err(|_| BAD_REQUEST)
            }
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(None),
            _ => Err(BAD_REQUEST),
        }
    }
}

/// Splits an absolute-form target (RFC 9112, 3.2.2) into authority and path.
fn split_target(target: &str) -> Option<(Option<&str>, &str)> {
    if target.starts_with('/') || target == "*" {
        return Some((None, target));
    }
    let (scheme, rest) = target.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    (scheme == "http" || scheme == "https").then_some((Some(authority), path))
}

/// Reads a request from a client's bytes, as they come.
pub struct Reader<'a, S> {
    stream: &'a mut S,
    buffer: Vec<u8>,
}

impl<'a, S: Read + Write> Reader<'a, S> {
    pub fn new(stream: &'a mut S) -> Reader<'a, S> {
        let buffer = Vec::new();
        Reader { stream, buffer }
    }

    /// Reads and checks the head.
    pub fn head(&mut self) -> Result<Request, Rejection> {
        loop {
            self.more()?;
            match self.buffer[0] {
                TLS_HANDSHAKE => return Err(Rejection::Tls),
                b'\r' | b'\n' => return Err(BAD_REQUEST),
                _ => {}
            }
            if let Some((request, length)) = Request::parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(request);
            }
            if self.buffer.len() >= MAX_HEAD {
                return Err(Rejection::Status(431));
            }
        }
    }

    /// Reads the body, where one of at most `max` bytes was announced.
    pub fn body(&mut self, mut request: Request, max: usize) -> Result<Request, Rejection> {
        let length = request.length()?;
        if max == 0 || length == Some(0) {
            return Ok(request);
        }
        if request.header("Expect").is_some() {
            let sent = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            sent.map_err(|_| Rejection::Gone)?;
        }
        request.body = match length {
            Some(length) if length > max => return Err(Rejection::Status(413)),
            Some(length) => self.take(length)?,
            None => self.chunks(max)?,
        };
        Ok(request)
    }

    fn chunks(&mut self, max: usize) -> Result<Vec<u8>, Rejection> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(Complete(found)) => break found,
                    Ok(Partial) if self.buffer.len() < MAX_HEAD => self.more()?,
                    _ => return Err(BAD_REQUEST),
                }
            };
            self.buffer.drain(..start);
            if size == 0 {
                return Ok(body); // Trailers are not ours to read.
            }
            if size > (max - body.len()) as u64 {
                return Err(Rejection::Status(413));
            }
            body.extend(self.take(size as usize)?);
            if self.take(2)? != b"\r\n" {
                return Err(BAD_REQUEST);
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Rejection> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Waits for bytes, as long as the stream allows.
    fn more(&mut self) -> Result<(), Rejection> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) | Err(_) => Err(Rejection::Gone),
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::properties;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_that_passes_is_well_formed(
            head in prop_oneof![
                any::<Vec<u8>>(),
                "(GET|POST|X) (http://)?[!-~]{0,20} HTTP/1\\.[01]\r\n(Host: [!-~]{0,9}\r\n)?([A-Za-z-]{1,9}: ?[ -~\u{80}-\u{ff}]{0,12}\r\n){0,5}\r\n"
                    .prop_map(String::into_bytes),
            ]
        ) {
            properties::request_head(&head);
        }
    }
}
