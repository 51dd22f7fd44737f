//! The stand-in server.

pub mod bodies;
pub mod clients;
pub mod faults;
mod formats;
pub mod grants;
pub mod pages;
#[cfg(unix)]
pub mod program;
pub mod tokens;
