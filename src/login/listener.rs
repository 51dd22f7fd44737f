//! Binds the listener: at the Redirect URI itself, or where `--listen` says.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::ServerConfig;

use super::redirect_uri::RedirectUri;
use crate::error::Error;
use crate::http::{self, BindError};

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
        let mut failures = Vec::new();
        for uri in uris {
            let (addresses, port) = match listen {
                Some(address) => (vec![address.ip()], address.port()),
                None => (uri.addresses(), uri.port()),
            };
            match http::bind(&addresses, port) {
                Ok((sockets, port)) => {
                    return Ok(Listener {
                        sockets,
                        redirect_uri: uri.with_port(port),
                        listen_host: listen.and_then(host),
                        tls: None,
                    });
                }
                Err(error) => failures.push(error),
            }
        }
        Err(failure(&failures))
    }
}

/// An IPv6 address in brackets.
fn host(address: SocketAddr) -> Option<String> {
    Some(address.to_string().rsplit_once(':')?.0.to_owned())
}

/// The error for the ports that could not be bound, by name.
fn failure(failures: &[BindError]) -> Error {
    let Some(last) = failures.last() else {
        return Error::usage("--redirect-uri", "none is given");
    };
    let why: Vec<_> = failures.iter().map(BindError::why).collect();
    let error = Error::local(last.what(), why.join("; "));
    match last.kind() {
        ErrorKind::AddrInUse => error.hint(
            "Stop that program, or register a Redirect URI with another port too and give both: \
             --redirect-uri is repeatable.",
        ),
        ErrorKind::PermissionDenied => error.hint(
            "Register a Redirect URI with a port from 1024 up, and give it with --redirect-uri.",
        ),
        _ => error,
    }
}
