//! Token files: what is written where, and what is found after a failure.

#[cfg(unix)]
pub mod accounts;
#[cfg(target_os = "linux")]
pub mod containers;
#[cfg(target_os = "linux")]
pub mod credential_helpers;
#[cfg(unix)]
pub mod faults;
#[cfg(target_os = "linux")]
pub mod injected;
#[cfg(unix)]
pub mod keychain;
#[cfg(target_os = "linux")]
pub mod neighbours;
#[cfg(unix)]
pub mod places;
#[cfg(unix)]
pub mod recovery;
#[cfg(unix)]
pub mod renewal;
#[cfg(unix)]
pub mod revocation;
#[cfg(target_os = "linux")]
pub mod synced;
pub mod together;
#[cfg(target_os = "linux")]
pub mod years;
