//! The built binary over real sockets: a home of its own, a scripted browser,
//! an authorization server that can misbehave byte by byte.

#![allow(clippy::unwrap_used)]

mod cli;
mod listener;
mod sandbox;
mod server;
mod store;
mod support;
