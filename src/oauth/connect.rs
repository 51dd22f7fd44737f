//! Opens a connection so that a broken IPv6 costs less than a second, as
//! RFC 8305 (Happy Eyeballs) wants: where a host has several addresses, each is
//! tried for a moment before any may take long.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Error, Timeout};

/// How long the first try of an address may take where there are others.
const FIRST_TRY: Duration = Duration::from_millis(250);

pub const CONNECT_TIME: Duration = Duration::from_secs(10);

/// ureq's connector, for one address after the other.
#[derive(Debug, Default)]
pub struct InTurn(TcpConnector);

impl<In: Transport> Connector<In> for InTurn {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // A proxy has opened it.
        if chained.is_some() {
            return self.0.connect(details, chained);
        }
        let limit = details.timeout.not_zero();
        let limit = limit.map_or(CONNECT_TIME, |limit| *limit);
        let connect = |address, limit: Duration| {
            let mut addrs = details.resolver.empty();
            addrs.push(address);
            let timeout = NextTimeout {
                after: limit.into(),
                ..details.timeout
            };
            let details = ConnectionDetails {
                addrs,
                timeout,
                uri: details.uri,
                config: details.config,
                request_level: details.request_level,
                resolver: details.resolver,
                now: details.now,
                current_time: details.current_time.clone(),
                run_connector: details.run_connector.clone(),
                register_shutdown: details.register_shutdown.clone(),
            };
            self.0.connect(&details, None)
        };
        in_turn(&details.addrs, limit, connect).map_err(|error| match error {
            // Not to be confused with a connection that was made and lost.
            Error::Io(error) => Error::Io(io::Error::new(ErrorKind::NotConnected, error)),
            error => error,
        })
    }
}

/// The first connection that can be made: at first an address has a moment, and
/// then its share of the time that is left.
fn in_turn<T>(
    addresses: &[SocketAddr],
    limit: Duration,
    connect: impl Fn(SocketAddr, Duration) -> Result<T, Error>,
) -> Result<T, Error> {
    if let [only] = addresses {
        return connect(*only, limit);
    }
    let until = Instant::now() + limit;
    let count = addresses.len();
    let mut last = Error::Timeout(Timeout::Connect);
    for (at, address) in addresses.iter().chain(addresses).enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let limit = match at < count {
            true => left.min(FIRST_TRY),
            false => left.div_f64((2 * count - at) as f64),
        };
        match connect(*address, limit) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const LIMIT: Duration = Duration::from_millis(900);

    fn connected(addresses: &[SocketAddr]) -> Result<SocketAddr, Error> {
        let connect = |address, limit| Ok(TcpStream::connect_timeout(&address, limit)?);
        Ok(in_turn(addresses, LIMIT, connect)?.peer_addr()?)
    }

    #[test]
    fn a_refused_address_gives_way_to_the_next() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = open.local_addr().unwrap();
        let closed = "127.0.0.1:1".parse().unwrap();
        assert_eq!(connected(&[closed, open]).unwrap(), open);
        for addresses in [&[closed][..], &[closed, closed]] {
            let refused = connected(addresses).unwrap_err();
            assert!(matches!(refused, Error::Io(e) if e.kind() == ErrorKind::ConnectionRefused));
        }
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
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = open.local_addr().unwrap();
        assert_eq!(connected(&[address, address, open]).unwrap(), open);
        let begun = Instant::now();
        connected(&[address, address]).unwrap_err();
        assert!(begun.elapsed() < 2 * LIMIT);
    }
}
