//! The private way from the gate to tiny_http.
//!
//! A few kept-alive connections, all made and tried once before the first
//! client comes. After that tiny_http never accepts again, so running out of
//! descriptors can't make it deaf, and none of its workers ever waits in line
//! behind another. On Unix they go through a socket in a 0700 directory that
//! is removed as soon as they stand, so no other user can join and a kill
//! leaves nothing behind; on Windows through loopback TCP.

use std::io::{self, Read, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tiny_http::{Response, Server};

use super::request::Request;

#[cfg(unix)]
use std::os::unix::net::UnixStream as Stream;

#[cfg(not(unix))]
use std::net::TcpStream as Stream;

const CONNECTIONS: usize = 4;
/// Our ends of them, tiny_http's, which it doubles, and its listener.
pub const DESCRIPTORS: usize = 3 * CONNECTIONS + 1;

/// A header of an answer that is to go out late, in milliseconds. It stays
/// inside, as [`Tear::HEADER`] does.
pub const DELAY: &str = "Gate-Delay";

/// What is missing of an answer that is to go out torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// Half of its body.
    Body,
    All,
}

impl Tear {
    pub const HEADER: &str = "Gate-Tear";

    pub fn as_str(self) -> &'static str {
        match self {
            Tear::Body => "body",
            Tear::All => "all",
        }
    }
}

/// An answer as it goes to the client.
pub struct Answer {
    pub bytes: Vec<u8>,
    pub delay: Duration,
}

pub struct Backend {
    idle: Mutex<Pool>,
    freed: Condvar,
}

struct Pool {
    streams: Vec<Stream>,
    /// Idle or lent; one that failed is not replaced.
    alive: usize,
}

impl Backend {
    pub fn open() -> io::Result<(Server, Backend)> {
        let (server, connect) = listen()?;
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = connect()?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n")?;
            streams.push(stream);
        }
        for _ in 0..CONNECTIONS {
            server
                .recv_timeout(Duration::from_secs(5))?
                .ok_or(io::ErrorKind::TimedOut)?
                .respond(Response::empty(204))?;
        }
        for stream in &mut streams {
            read_answer(stream, true, "")?;
        }
        let pool = Pool {
            alive: streams.len(),
            streams,
        };
        let backend = Backend {
            idle: Mutex::new(pool),
            freed: Condvar::new(),
        };
        Ok((server, backend))
    }

    /// Hands the request over and waits for its answer, to which the lines of
    /// `headers` are added.
    pub fn ask(&self, request: &Request, headers: &str) -> io::Result<Answer> {
        let mut stream = self.borrow()?;
        let answer = stream
            .write_all(&request.to_bytes())
            .and_then(|()| read_answer(&mut stream, request.is_head, headers));
        let mut pool = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(_) => pool.streams.push(stream),
            Err(_) => pool.alive -= 1,
        }
        drop(pool);
        self.freed.notify_one();
        answer
    }

    fn borrow(&self) -> io::Result<Stream> {
        let mut pool = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(stream) = pool.streams.pop() {
                return Ok(stream);
            }
            if pool.alive == 0 {
                return Err(io::ErrorKind::NotConnected.into());
            }
            let woken = self.freed.wait(pool);
            pool = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Reads one answer of ours and writes it out with the gate's headers in place
/// of the ones that only concern the private connection.
fn read_answer(stream: &mut Stream, no_body: bool, headers: &str) -> io::Result<Answer> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    let mut answer = Vec::new();
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&chunk[..read]);
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut fields);
        let status = parsed
            .parse(&received)
            .map_err(|_| bad("an answer that is not HTTP"))?;
        let httparse::Status::Complete(end) = status else {
            continue;
        };
        let (Some(code), Some(reason)) = (parsed.code, parsed.reason) else {
            return Err(bad("an answer without a status"));
        };
        write!(answer, "HTTP/1.1 {code} {reason}\r\n")?;
        let mut length = 0;
        let (mut delay, mut tear) = (Duration::ZERO, None);
        for field in parsed.headers.iter() {
            match field.name.to_ascii_lowercase().as_str() {
                "connection" | "server" => continue,
                "gate-delay" => {
                    let delayed = std::str::from_utf8(field.value);
                    let delayed = delayed.ok().and_then(|value| value.parse().ok());
                    delay = delayed.map_or(Duration::ZERO, Duration::from_millis);
                    continue;
                }
                "gate-tear" if field.value == b"all" => {
                    tear = Some(Tear::All);
                    continue;
                }
                "gate-tear" => {
                    tear = Some(Tear::Body);
                    continue;
                }
                "transfer-encoding" => return Err(bad("an answer in chunks")),
                "content-length" => {
                    length = std::str::from_utf8(field.value)
                        .ok()
                        .and_then(|value| value.parse().ok())
                        .ok_or_else(|| bad("an answer of no length"))?;
                }
                _ => {}
            }
            write!(answer, "{}: ", field.name)?;
            answer.extend_from_slice(field.value);
            answer.extend_from_slice(b"\r\n");
        }
        write!(answer, "{headers}\r\n")?;
        let body = answer.len();
        answer.extend_from_slice(&received[end..]);
        let whole = body + if no_body { 0 } else { length };
        let there = answer.len();
        answer.resize(whole, 0);
        if there < whole {
            stream.read_exact(&mut answer[there..])?;
        }
        match tear {
            Some(Tear::Body) => answer.truncate(body + (whole - body) / 2),
            Some(Tear::All) => answer.clear(),
            None => {}
        }
        return Ok(Answer {
            bytes: answer,
            delay,
        });
    }
}

/// A server on a private address, and how to connect to it. The address goes
/// when the closure is dropped.
#[cfg(unix)]
fn listen() -> io::Result<(Server, impl Fn() -> io::Result<Stream>)> {
    use crate::private_dir::{PrivateDir, runtime_dirs};
    use std::os::unix::fs::PermissionsExt;

    // A long TMPDIR may not fit into a socket's address: /tmp always does.
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for parent in runtime_dirs().into_iter().chain(["/tmp".into()]) {
        let bound = PrivateDir::below(&parent).and_then(|dir| {
            let path = dir.path().join("gate");
            let listener = std::os::unix::net::UnixListener::bind(&path)?;
            // Under a umask of 0777 we could not even connect ourselves.
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
            Ok((listener, dir, path))
        });
        match bound {
            Ok((listener, dir, path)) => {
                let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
                let connect = move || {
                    let _dir = &dir;
                    Stream::connect(&path)
                };
                return Ok((server, connect));
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(not(unix))]
fn listen() -> io::Result<(Server, impl Fn() -> io::Result<Stream>)> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
    Ok((server, move || Stream::connect(address)))
}
