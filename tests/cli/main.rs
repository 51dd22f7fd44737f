//! The built binary over real sockets: a home of its own, a scripted browser,
//! an authorization server that can misbehave byte by byte.

#![allow(clippy::unwrap_used)]
// What only the tests for Linux or Unix use.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

mod cli;
#[cfg(target_os = "linux")]
mod integrations;
mod listener;
mod sandbox;
mod server;
mod store;
mod support;
