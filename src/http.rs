//! The HTTP server under the login's listener and the sandbox: bind, accept
//! within limits, read one request per connection, write one response. A
//! handler is a function from a request to a response, called on the
//! connection's own thread.
//!
//! Responses are written by tiny_http, but its accept loop is not used: it has
//! no timeouts and no limits, a browser's spare connections can starve the one
//! that carries the code, an endless header fills the memory, and one failing
//! `accept` ends it.

mod bind;
mod connection;
pub mod page;
pub mod request;
pub mod response;
mod server;
pub mod tls;

use std::net::IpAddr;

pub use bind::{BindError, bind};
pub use request::Request;
pub use response::{Delivery, Response};
pub use server::{Options, Server};

/// A host that only this machine answers to.
pub fn is_loopback_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = address.unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}
