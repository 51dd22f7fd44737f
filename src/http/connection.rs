//! One connection, plain or TLS: one request is read, handled and answered.
//! A handshake or a request that comes byte by byte is cut off too.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};

use super::request::{Reader, Rejection};
use super::response::{Delivery, Response};
use super::server::{Phase, Shared};
use super::{Request, is_loopback_name};
use crate::output;

/// From the first byte that could be sent to the last of head and body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client has to hang up once it has its response.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of one client that are read and dropped.
const MAX_DISCARDED: usize = 1 << 20;

/// Frees its slot when it is dropped.
pub struct Connection {
    server: Arc<Shared>,
    id: u64,
    stream: Option<Arc<TcpStream>>,
    /// For all reads and writes.
    deadline: Cell<Instant>,
}

impl Connection {
    pub fn new(server: Arc<Shared>, id: u64, stream: Arc<TcpStream>) -> Connection {
        Connection {
            server,
            id,
            stream: Some(stream),
            deadline: Cell::new(Instant::now() + REQUEST_TIMEOUT),
        }
    }

    /// A client that has left, or is too slow, has no use for an error.
    pub fn serve(self) {
        let _ = self.try_serve();
    }

    fn try_serve(&self) -> io::Result<()> {
        self.stream()?.set_nodelay(true)?;
        match &self.server.options.tls {
            None => self.exchange(&mut &*self)?,
            Some(config) => {
                let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                let mut wire = StreamOwned::new(tls, self);
                self.exchange(&mut wire)?;
                wire.conn.send_close_notify();
                wire.flush()?;
            }
        }
        self.stream()?.shutdown(Shutdown::Write)?;
        // What is still unread when the socket closes would make the kernel
        // reset the connection, and the response could be lost with it.
        self.discard(LINGER);
        Ok(())
    }

    fn exchange(&self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        let mut reader = Reader::new(&mut *wire, self.server.options.tls.is_some());
        let (is_head, response) = match self.receive(&mut reader) {
            Ok(request) => (request.method == "HEAD", (self.server.handler)(&request)),
            Err(Rejection::Status(status)) => (false, Response::status_only(status)),
            Err(Rejection::Gone) => return Err(ErrorKind::ConnectionAborted.into()),
            Err(Rejection::Tls) => {
                self.warn_of_tls();
                return Err(ErrorKind::InvalidData.into());
            }
        };
        if let Delivery::Late(delay) = response.delivery
            && !self.discard(delay)
        {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.server.set_phase(self.id, Phase::Serving);
        self.deadline.set(Instant::now() + RESPONSE_TIMEOUT);
        wire.write_all(&response.into_bytes(is_head)?)?;
        wire.flush()
    }

    fn receive(&self, reader: &mut Reader<impl Read + Write>) -> Result<Request, Rejection> {
        let request = reader.head()?;
        let hosts = &self.server.options.hosts;
        match request.host() {
            Some(host) if is_loopback_name(&host) || hosts.contains(&host) => {}
            _ => {
                self.warn_of_host(request.authority());
                return Err(Rejection::Status(421));
            }
        }
        reader.body(request, self.server.options.max_body)
    }

    fn warn_of_host(&self, authority: &str) {
        if !self.server.has_warned_of_host.swap(true, Ordering::Relaxed) {
            let named: String = authority.chars().take(100).collect();
            output::warn(&format!(
                "a request for another host was refused (Host: {named}): \
                 a web page may be trying to reach this port by DNS rebinding"
            ));
        }
    }

    fn warn_of_tls(&self) {
        if !self.server.has_warned_of_tls.swap(true, Ordering::Relaxed) {
            output::warn(
                "a client speaks HTTPS to the listener, which speaks plain HTTP: \
                 use http:// here, or HTTPS at a reverse proxy in front",
            );
        }
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        self.stream.as_deref().ok_or(ErrorKind::NotConnected.into())
    }

    /// The time left for reading or writing.
    fn left(&self) -> io::Result<Option<Duration>> {
        let deadline = self.deadline.get();
        let left = deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(ErrorKind::TimedOut.into()),
            false => Ok(Some(left)),
        }
    }

    /// Reads and drops what still comes, for so long. Meanwhile the client may
    /// be disconnected for another. False where it has left, or has to.
    fn discard(&self, time: Duration) -> bool {
        self.deadline.set(Instant::now() + time);
        let mut buffer = [0; 4096];
        let mut total = 0;
        while total < MAX_DISCARDED {
            match (&mut &*self).read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => total += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        }
        false
    }
}

impl Read for &Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream()?;
        stream.set_read_timeout(self.left()?)?;
        // A client with unread bytes is not disconnected, so there is no
        // moment between waiting and serving at which it could be.
        self.server.set_phase(self.id, Phase::Waiting);
        stream.peek(&mut [0])?;
        self.server.set_phase(self.id, Phase::Serving);
        stream.read(buffer)
    }
}

impl Write for &Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream()?;
        stream.set_write_timeout(self.left()?)?;
        stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream()?.flush()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The descriptor first: whoever waits for the slot wants it.
        self.stream = None;
        self.server.close(self.id);
    }
}
