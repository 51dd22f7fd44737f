//! One connection, plain or TLS: one request is read, handled and answered.
//! A handshake or a request that comes byte by byte is cut off too.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};

use super::request::{Reader, Rejection};
use super::response::{Delivery, Response};
use super::{Request, Server, is_loopback_name};
use crate::output;

/// From the first byte that could be sent to the last of head and body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client has to hang up once it has its response.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of one client that are read and dropped.
const MAX_DISCARDED: u64 = 1 << 20;

/// Frees its slot when it is dropped.
pub struct Connection {
    server: Arc<Server>,
    id: u64,
    stream: Arc<TcpStream>,
    /// For all reads and writes.
    deadline: Cell<Instant>,
}

impl Connection {
    pub fn new(server: Arc<Server>, id: u64, stream: Arc<TcpStream>) -> Connection {
        Connection {
            server,
            id,
            stream,
            deadline: Cell::new(Instant::now() + REQUEST_TIMEOUT),
        }
    }

    /// # Errors
    /// A client that has left, or is too slow: nobody to tell.
    pub fn serve(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
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
        self.stream.shutdown(Shutdown::Write)?;
        // What is still unread when the socket closes would make the kernel
        // reset the connection, and the response could be lost with it.
        self.discard(LINGER);
        Ok(())
    }

    fn exchange(&self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        let (is_head, response) = match self.receive(&mut Reader::new(&mut *wire)) {
            Ok(request) => {
                self.server.set_answering(self.id, true);
                (request.method == "HEAD", (self.server.handler)(&request))
            }
            Err(Rejection::Status(status)) => (false, Response::status_only(status)),
            Err(Rejection::Gone) => return Err(ErrorKind::ConnectionAborted.into()),
            Err(Rejection::Tls) => {
                self.server.tls_warning.call_once(|| {
                    output::warn(
                        "a client sent HTTPS to the listener, which serves plain HTTP: use \
                         http://, or a reverse proxy for HTTPS",
                    );
                });
                return Err(ErrorKind::InvalidData.into());
            }
        };
        if let Delivery::Late(delay) = response.delivery
            && !self.discard(delay)
        {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.deadline.set(Instant::now() + RESPONSE_TIMEOUT);
        wire.write_all(&response.into_bytes(is_head)?)?;
        wire.flush()
    }

    fn receive(&self, reader: &mut Reader<impl Read + Write>) -> Result<Request, Rejection> {
        let options = &self.server.options;
        let request = reader.head()?;
        let host = request.host();
        if !is_loopback_name(&host) && !options.hosts.contains(&host) {
            let named: String = request.authority.chars().take(100).collect();
            self.server.host_warning.call_once(|| {
                output::warn(&format!(
                    "a request for another host was refused (Host: {named}): \
                     a web page may be trying to reach this port by DNS rebinding"
                ));
            });
            return Err(Rejection::Status(421));
        }
        reader.body(request, options.max_body)
    }

    /// Reads and drops what still comes, for so long. Meanwhile the client may
    /// be disconnected for another. False where it has left, or has to.
    fn discard(&self, time: Duration) -> bool {
        self.server.set_answering(self.id, false);
        self.deadline.set(Instant::now() + time);
        let mut discarded = Read::take(self, MAX_DISCARDED);
        let ended = io::copy(&mut discarded, &mut io::sink());
        ended
            .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
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
}

impl Read for &Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(self.left()?)?;
            match (&*self.stream).read(buffer) {
                // The program was stopped meanwhile.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for &Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        (&*self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.close(self.id);
    }
}
