//! What a client may do to the listener.

pub mod callback;
pub mod chromium;
pub mod chromium_attack;
pub mod crowd;
#[cfg(target_os = "linux")]
pub mod flood;
pub mod hostile;
pub mod hosts;
pub mod https;
pub mod proxy;
