//! A client's connection, plain or TLS, on which nothing takes longer than it
//! may: a handshake or a request that drips in byte by byte is cut off too.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Bytes that are read and forgotten of one client.
const MOST_FORGOTTEN: usize = 1 << 20;

pub enum Wire<'a> {
    Plain(Timed<'a>),
    Tls(Box<StreamOwned<ServerConnection, Timed<'a>>>),
}

impl<'a> Wire<'a> {
    /// With a configuration, the client is to speak TLS. `waiting` is told
    /// when a wait for the client's bytes begins, and when they have come.
    pub fn new(
        stream: &'a TcpStream,
        tls: Option<&Arc<ServerConfig>>,
        time: Duration,
        waiting: &'a dyn Fn(bool),
    ) -> io::Result<Wire<'a>> {
        let timed = Timed {
            stream,
            waiting,
            deadline: Cell::new(Instant::now() + time),
        };
        let Some(config) = tls else {
            return Ok(Wire::Plain(timed));
        };
        let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(Wire::Tls(Box::new(StreamOwned::new(connection, timed))))
    }

    pub fn is_plain(&self) -> bool {
        matches!(self, Wire::Plain(_))
    }

    /// Sends the last bytes, within a time of its own.
    pub fn finish(&mut self, bytes: &[u8], time: Duration) -> io::Result<()> {
        match self {
            Wire::Plain(timed) => timed.deadline.set(Instant::now() + time),
            Wire::Tls(stream) => stream.sock.deadline.set(Instant::now() + time),
        }
        self.write_all(bytes)?;
        if let Wire::Tls(stream) = self {
            stream.conn.send_close_notify();
        }
        self.flush()
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(timed) => timed.read(buffer),
            Wire::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(timed) => timed.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(timed) => timed.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket with one deadline for all reads and writes.
pub struct Timed<'a> {
    stream: &'a TcpStream,
    waiting: &'a dyn Fn(bool),
    deadline: Cell<Instant>,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self
            .deadline
            .get()
            .saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(ErrorKind::TimedOut.into()),
            false => Ok(Some(left)),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        // Only looked at while we wait: there is no moment at which bytes are
        // neither unread nor known to be worked on.
        (self.waiting)(true);
        self.stream.peek(&mut [0])?;
        (self.waiting)(false);
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Reads and forgets until the client hangs up. True where it may yet send.
pub fn drain(mut stream: &TcpStream, deadline: Instant) -> bool {
    let mut scrap = [0; 4096];
    let mut total = 0;
    while total < MOST_FORGOTTEN {
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() && stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        match stream.read(&mut scrap) {
            Ok(0) => return false,
            Ok(read) => total += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    false
}
