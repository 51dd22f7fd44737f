//! What an authorization server, and what lies before it, may do to us.

pub mod answers;
pub mod foreign;
#[cfg(target_os = "linux")]
pub mod forward_proxy;
#[cfg(unix)]
pub mod lies;
#[cfg(unix)]
pub mod lying_bodies;
#[cfg(unix)]
pub mod secrets;
#[cfg(target_os = "linux")]
pub mod tls;
