//! Binds a port on loopback or elsewhere, on all addresses of a name at once.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::platform::NO_ADDRESS_FAMILY;

/// Ports tried for a port 0 that must be free on both address families.
const FREE_PORT_TRIES: usize = 20;

/// Why a port could not be bound.
pub struct BindError {
    address: SocketAddr,
    error: io::Error,
}

impl BindError {
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    pub fn what(&self) -> String {
        format!("listening on {}", self.address)
    }

    pub fn why(&self) -> String {
        let port = self.address.port();
        match self.error.kind() {
            ErrorKind::AddrInUse => format!("port {port} is in use by another program"),
            ErrorKind::PermissionDenied => format!("port {port} is forbidden to this user"),
            _ => format!("port {port}: {}", self.error),
        }
    }
}

/// Binds the port on each of the addresses that this machine has; also returns
/// it. With port 0 the system chooses one, the same on all addresses.
///
/// # Errors
/// Of the first address that could not be bound.
pub fn bind(addresses: &[IpAddr], port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    for _ in 1..FREE_PORT_TRIES {
        match try_bind(addresses, port) {
            Err(error) if port == 0 && error.kind() == ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
    try_bind(addresses, port)
}

fn try_bind(addresses: &[IpAddr], port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = port;
    for (at, &ip) in addresses.iter().enumerate() {
        let has_other = !listeners.is_empty() || at + 1 < addresses.len();
        let address = SocketAddr::new(ip, port);
        match TcpListener::bind(address) {
            Ok(listener) => {
                port = listener.local_addr().map_or(port, |bound| bound.port());
                listeners.push(listener);
            }
            // `localhost` without IPv6, or without IPv4.
            Err(error) if has_other && is_no_address(&error) => {}
            // Somebody else on one family could be sent our code.
            Err(error) => return Err(BindError { address, error }),
        }
    }
    Ok((listeners, port))
}

fn is_no_address(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_ADDRESS_FAMILY)
}
