//! The built binary over real sockets: a home of its own, a scripted browser,
//! an authorization server that can misbehave byte by byte.

#![allow(clippy::unwrap_used)]

mod support;

mod answers;
mod browser;
mod device;
mod hostile;
mod hosts;
mod listener;
mod login;
mod output;
mod paste;
mod readme;
mod sandbox;
mod saved;
mod signals;
mod status;
mod together;
mod usage;
