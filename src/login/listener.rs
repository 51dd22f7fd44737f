//! Binds the listener: at the Redirect URI itself, or where `--listen` says.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::ServerConfig;

use super::redirect_uri::RedirectUri;
use crate::error::Error;
use crate::platform::NO_ADDRESS_FAMILY;

/// Ports tried for a port 0 that must be free on both address families.
const FREE_PORT_TRIES: usize = 20;

/// A bound listener. Nothing is answered yet.
pub struct Listener {
    pub sockets: Vec<TcpListener>,
    /// With the port that was bound.
    pub redirect_uri: RedirectUri,
    /// The host that `--listen` names.
    pub listen_host: Option<String>,
    /// Where it speaks HTTPS itself.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Binds the first redirect URI whose port is free, or `listen` in its
    /// stead.
    ///
    /// # Errors
    /// A port that is in use or forbidden, by name.
    pub fn bind(uris: &[RedirectUri], listen: Option<SocketAddr>) -> Result<Listener, Error> {
        if let (Some(address), Some(uri)) = (listen, uris.first()) {
            let socket =
                TcpListener::bind(address).map_err(|error| cannot_listen(address, &error))?;
            let port = socket
                .local_addr()
                .map_or(address.port(), |bound| bound.port());
            return Ok(Listener {
                sockets: vec![socket],
                redirect_uri: uri.with_port(port),
                tls: None,
                listen_host: Some(match address.ip() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("[{ip}]"),
                }),
            });
        }
        let mut failures = Vec::new();
        for uri in uris {
            match bind_all(&uri.addresses(), uri.port()) {
                Ok((sockets, port)) => {
                    return Ok(Listener {
                        sockets,
                        redirect_uri: uri.with_port(port),
                        listen_host: None,
                        tls: None,
                    });
                }
                Err(error) => failures.push(error),
            }
        }
        let why: Vec<_> = failures.iter().map(|failure| failure.why.clone()).collect();
        Err(match failures.pop() {
            Some(last) => Error {
                why: why.join("; "),
                ..last
            },
            None => Error::usage("--redirect-uri", "none is given"),
        })
    }
}

/// Binds the port on each of the addresses that this machine has. With port 0
/// the system chooses, and all addresses get the same.
fn bind_all(addresses: &[IpAddr], port: u16) -> Result<(Vec<TcpListener>, u16), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut sockets: Vec<TcpListener> = Vec::new();
        let mut bound = port;
        let mut failure = None;
        for &ip in addresses {
            let address = SocketAddr::new(ip, bound);
            match TcpListener::bind(address) {
                Ok(socket) => {
                    bound = socket.local_addr().map_or(bound, |address| address.port());
                    sockets.push(socket);
                }
                // `localhost` without IPv6, or without IPv4.
                Err(error) if addresses.len() > 1 && is_no_address(&error) => {
                    failure = failure.or(Some((address, error)));
                }
                // Somebody else on one family could be sent our code.
                Err(error) => {
                    sockets.clear();
                    failure = Some((address, error));
                    break;
                }
            }
        }
        match failure {
            _ if !sockets.is_empty() => return Ok((sockets, bound)),
            Some((_, error))
                if port == 0 && tries < FREE_PORT_TRIES && error.kind() == ErrorKind::AddrInUse => {
            }
            Some((address, error)) => return Err(cannot_listen(address, &error)),
            None => return Err(Error::local("listening", "no address to listen on")),
        }
    }
}

fn is_no_address(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_ADDRESS_FAMILY)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Error {
    let port = address.port();
    let what = format!("listening on {address}");
    match error.kind() {
        ErrorKind::AddrInUse => {
            Error::local(what, format!("port {port} is in use by another program")).hint(
                "Stop that program, or register a Redirect URI with another port too and \
                 give both: --redirect-uri is repeatable.",
            )
        }
        ErrorKind::PermissionDenied => {
            Error::local(what, format!("port {port} is forbidden to this user")).hint(
                "Register a Redirect URI with a port from 1024 up, and give it with \
                 --redirect-uri.",
            )
        }
        _ => Error::local(what, format!("port {port}: {error}")),
    }
}
