//! The built binary over real sockets: a home of its own, a scripted browser,
//! an authorization server that can misbehave byte by byte.

#![allow(clippy::unwrap_used)]

mod support;

#[cfg(unix)]
mod accounts;
#[cfg(unix)]
mod actions;
mod answers;
mod bodies;
mod browser;
mod chromium;
mod chromium_attack;
mod clients;
mod crowd;
mod device;
#[cfg(unix)]
mod faults;
#[cfg(target_os = "linux")]
mod flood;
#[cfg(target_os = "linux")]
mod forward_proxy;
mod help;
mod hostile;
mod hosts;
mod https;
#[cfg(target_os = "linux")]
mod injected;
#[cfg(unix)]
mod lies;
mod listener;
mod login;
#[cfg(unix)]
mod lying_bodies;
mod man;
#[cfg(target_os = "linux")]
mod neighbours;
mod output;
mod paste;
#[cfg(unix)]
mod places;
mod proxy;
mod readme;
mod readme_logins;
#[cfg(unix)]
mod recovery;
#[cfg(unix)]
mod sandbox;
mod sandbox_faults;
mod sandbox_grants;
mod sandbox_pages;
mod sandbox_tokens;
mod saved;
#[cfg(unix)]
mod secrets;
#[cfg(target_os = "linux")]
mod shells;
#[cfg(unix)]
mod signals;
mod status;
#[cfg(target_os = "linux")]
mod tls;
mod together;
mod usage;
