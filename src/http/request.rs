//! One request, read within limits and checked (RFC 9112).

use std::io::{ErrorKind, Read, Write};

use httparse::Status::{Complete, Partial};

pub const MAX_HEAD: usize = 16 << 10;
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

#[derive(Debug)]
pub struct Request {
    pub method: String,
    /// Printable ASCII, as it came.
    pub path: String,
    /// What stands behind the `?`.
    pub query: String,
    pub body: Vec<u8>,
    headers: Vec<(String, String)>,
    /// `Host` or the authority of an absolute target, as it came.
    authority: Option<String>,
    length: Length,
    expects_continue: bool,
}

#[derive(Debug, PartialEq)]
enum Length {
    Known(usize),
    Chunked,
}

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The host that the request is for, in lower case and without its port.
    pub fn host(&self) -> Option<String> {
        let authority = self.authority.as_deref()?;
        let host = match authority.strip_prefix('[') {
            Some(rest) => &authority[..rest.find(']')? + 2],
            None => authority.split(':').next()?,
        };
        let port = &authority[host.len()..];
        let fits = !host.is_empty()
            && !host.contains(['/', '@', '?', '#', ' '])
            && (port.is_empty() || port.strip_prefix(':')?.chars().all(|c| c.is_ascii_digit()));
        fits.then(|| host.to_ascii_lowercase())
    }

    /// What the request says that it is for, as it came.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_default()
    }
}

/// Reads a request from a client's bytes, as they come.
pub struct Reader<'a, S> {
    stream: &'a mut S,
    is_tls: bool,
    buffer: Vec<u8>,
}

impl<'a, S: Read + Write> Reader<'a, S> {
    pub fn new(stream: &'a mut S, is_tls: bool) -> Reader<'a, S> {
        Reader {
            stream,
            is_tls,
            buffer: Vec::new(),
        }
    }

    /// Reads and checks the head.
    pub fn head(&mut self) -> Result<Request, Rejection> {
        let mut searched = 0;
        loop {
            if self.buffer.first() == Some(&TLS_HANDSHAKE) && !self.is_tls {
                return Err(Rejection::Tls);
            }
            if let Some(end) = end_of_head(&self.buffer, searched) {
                let head: Vec<u8> = self.buffer.drain(..end).collect();
                return parse(&head).map_err(Rejection::Status);
            }
            if self.buffer.len() >= MAX_HEAD {
                return Err(Rejection::Status(431));
            }
            searched = self.buffer.len();
            self.more()?;
        }
    }

    /// Reads the body, where one of at most `max` bytes was announced.
    pub fn body(&mut self, mut request: Request, max: usize) -> Result<Request, Rejection> {
        if max == 0 || request.length == Length::Known(0) {
            return Ok(request);
        }
        if request.expects_continue {
            self.stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .map_err(|_| Rejection::Gone)?;
        }
        request.body = match request.length {
            Length::Known(length) if length > max => return Err(Rejection::Status(413)),
            Length::Known(length) => self.take(length)?,
            Length::Chunked => self.chunks(max)?,
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
                    _ => return Err(Rejection::Status(400)),
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
                return Err(Rejection::Status(400));
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
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Rejection::Gone),
                Ok(read) => {
                    self.buffer.extend_from_slice(&chunk[..read]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Rejection::Gone),
            }
        }
    }
}

/// The index behind the empty line, looking only where it can be new.
pub fn end_of_head(buffer: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let tail = &buffer[from..];
    let crlf = tail
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map(|i| i + 4);
    let lf = tail.windows(2).position(|w| w == b"\n\n").map(|i| i + 2);
    crlf.into_iter().chain(lf).min().map(|end| from + end)
}

/// Checks a whole head; an error is the status to refuse it with.
pub fn parse(head: &[u8]) -> Result<Request, u16> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        _ => return Err(400),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(400);
    };
    let (authority, target) = split_target(target)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: Vec::new(),
        headers: Vec::new(),
        authority: authority.map(str::to_owned),
        length: Length::Known(0),
        expects_continue: false,
    };
    let (mut hosts, mut lengths) = (0, 0);
    for header in parsed.headers.iter() {
        // One that is not UTF-8 is not for us.
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        match header.name.to_ascii_lowercase().as_str() {
            "host" => {
                hosts += 1;
                if !is_plain(&value) {
                    return Err(400);
                }
                request.authority.get_or_insert(value);
            }
            "content-length" => {
                lengths += 1;
                if !value.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(400);
                }
                request.length = Length::Known(value.parse().map_err(|_| 400u16)?);
            }
            "transfer-encoding" => {
                lengths += 1;
                if !value.eq_ignore_ascii_case("chunked") {
                    return Err(400);
                }
                request.length = Length::Chunked;
            }
            "expect" => request.expects_continue = true,
            _ => request.headers.push((header.name.to_owned(), value)),
        }
    }
    let needs_host = parsed.version == Some(1);
    if hosts > 1 || lengths > 1 || (needs_host && hosts == 0) {
        return Err(400);
    }
    Ok(request)
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// Splits an absolute-form target (RFC 9112, 3.2.2) into authority and path.
fn split_target(target: &str) -> Result<(Option<&str>, &str), u16> {
    if !target.bytes().all(|b| (b'!'..=b'~').contains(&b)) {
        return Err(400);
    }
    if target.starts_with('/') || target == "*" {
        return Ok((None, target));
    }
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| {
            let start = target.get(..scheme.len())?;
            start
                .eq_ignore_ascii_case(scheme)
                .then(|| &target[scheme.len()..])
        })
        .ok_or(400u16)?;
    match rest.find(['/', '?']) {
        Some(end) if rest.as_bytes()[end] == b'/' => Ok((Some(&rest[..end]), &rest[end..])),
        Some(_) => Err(400),
        None => Ok((Some(rest), "/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties;
    use proptest::prelude::*;

    fn host(head: &str) -> Option<String> {
        parse(head.as_bytes()).ok()?.host()
    }

    #[test]
    fn the_host_is_compared_without_port_or_case() {
        assert_eq!(
            host("GET / HTTP/1.1\r\nHost: LocalHost:80\r\n\r\n").as_deref(),
            Some("localhost")
        );
        assert_eq!(
            host("GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n").as_deref(),
            Some("[::1]")
        );
        assert_eq!(
            host("GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n").as_deref(),
            Some("a.example"),
            "an absolute target beats the header"
        );
        for odd in ["a@b", "a/b", "a:b", "[::1", "[::1]x", ""] {
            assert_eq!(
                host(&format!("GET / HTTP/1.1\r\nHost: {odd}\r\n\r\n")),
                None
            );
        }
    }

    #[test]
    fn an_ambiguous_head_is_refused() {
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("PRI * HTTP/2.0\r\n\r\n", 400),
            ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
        ] {
            assert_eq!(parse(head.as_bytes()).map(|_| ()), Err(status), "{head:?}");
        }
        let many = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "x: y\r\n".repeat(200)
        );
        assert_eq!(parse(many.as_bytes()).map(|_| ()), Err(431));
    }

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
