//! Connects as RFC 8305 (Happy Eyeballs) advises: where a host has several
//! addresses, the next one is tried a moment after the last, and the first
//! that answers is taken. A broken IPv6 costs that moment.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

/// RFC 8305, section 5.
const NEXT_AFTER: Duration = Duration::from_millis(250);

pub const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The family that worked last: 4, 6, or none yet.
static WORKED: AtomicU8 = AtomicU8::new(0);

/// The part of ureq that opens a connection, unless a proxy has.
#[derive(Debug)]
pub struct RacingConnector;

impl<In: Transport> Connector<In> for RacingConnector {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let addresses = in_turn(details.addrs.iter().copied().collect());
        let limit = details
            .timeout
            .not_zero()
            .map_or(CONNECT_TIME, |left| *left);
        let stream = race(addresses, limit).map_err(|error| timed_out(error, Timeout::Connect))?;
        stream.set_nodelay(true)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Socket { stream, buffers })))
    }
}

/// A connection: ureq keeps its own to itself.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_write_timeout(limit)?;
        let written = self.stream.write_all(&self.buffers.output()[..amount]);
        written.map_err(|error| timed_out(error, timeout.reason))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = timeout.not_zero().map(|limit| *limit);
        self.stream.set_read_timeout(limit)?;
        let read = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|error| timed_out(error, timeout.reason))?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Every request makes a connection of its own.
    fn is_open(&mut self) -> bool {
        false
    }
}

fn timed_out(error: io::Error, reason: Timeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(reason),
        _ => Error::Io(error),
    }
}

fn family(address: &SocketAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// The families alternately: the one that worked last, or else the resolver's
/// first, begins.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = match (WORKED.load(Ordering::Relaxed), addresses.first()) {
        (0, Some(address)) => family(address),
        (worked, _) => worked,
    };
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| family(a) == first);
    let mut places: Vec<_> = one
        .into_iter()
        .enumerate()
        .map(|(i, a)| (2 * i, a))
        .collect();
    places.extend(other.into_iter().enumerate().map(|(i, a)| (2 * i + 1, a)));
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, address)| address).collect()
}

/// The first connection that is made. The others are dropped when they are.
fn race(addresses: Vec<SocketAddr>, limit: Duration) -> io::Result<TcpStream> {
    if let [only] = addresses[..] {
        return TcpStream::connect_timeout(&only, limit);
    }
    let begun = Instant::now();
    let (done, results) = channel();
    let mut last = io::Error::from(ErrorKind::TimedOut);
    let mut waiting = addresses.into_iter();
    let mut running = 0;
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let next = waiting.next();
        if left.is_zero() || next.is_none() && running == 0 {
            return Err(last);
        }
        let mut wait = left;
        if let Some(address) = next {
            let done = done.clone();
            thread::Builder::new().spawn(move || {
                let _ = done.send(TcpStream::connect_timeout(&address, left));
            })?;
            running += 1;
            wait = NEXT_AFTER.min(left);
        }
        match results.recv_timeout(wait) {
            Ok(Ok(stream)) => {
                if let Ok(address) = stream.peer_addr() {
                    WORKED.store(family(&address), Ordering::Relaxed);
                }
                return Ok(stream);
            }
            Ok(Err(error)) => {
                running -= 1;
                last = error;
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const LIMIT: Duration = Duration::from_millis(900);

    #[test]
    fn the_families_take_turns_and_the_resolvers_first_begins() {
        let all = [
            "[::1]:1",
            "[::2]:1",
            "[::3]:1",
            "127.0.0.1:1",
            "127.0.0.2:1",
        ];
        let all: Vec<SocketAddr> = all.iter().map(|a| a.parse().unwrap()).collect();
        let turns: Vec<_> = in_turn(all).iter().map(family).collect();
        // Another test may have connected meanwhile.
        assert!([[6, 4, 6, 4, 6], [4, 6, 4, 6, 6]].contains(&turns[..].try_into().unwrap()));
    }

    #[test]
    fn a_refused_address_gives_way_to_the_next() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = "127.0.0.1:1".parse().unwrap();
        let stream = race(vec![closed, open.local_addr().unwrap()], LIMIT).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
        let refused = race(vec![closed, closed], LIMIT).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    /// A queue that is full answers nothing, as a black hole does.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_that_does_not_answer_costs_less_than_a_second() {
        use nix::sys::socket::{Backlog, listen};

        let hole = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(&hole, Backlog::new(0).unwrap()).unwrap();
        let address = hole.local_addr().unwrap();
        let _full = TcpStream::connect(address).unwrap();
        let alone = TcpStream::connect_timeout(&address, LIMIT).unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::TimedOut);
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = race(vec![address, open.local_addr().unwrap()], LIMIT).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
        let both = race(vec![address, address], LIMIT).unwrap_err();
        assert_eq!(both.kind(), ErrorKind::TimedOut);
    }
}
