//! What a person or a script meets: commands, options, output, exit codes.

#[cfg(unix)]
pub mod actions;
pub mod again;
pub mod browser;
pub mod device;
#[cfg(unix)]
pub mod documents;
pub mod help;
pub mod login;
pub mod man;
pub mod output;
pub mod paste;
pub mod saved;
#[cfg(target_os = "linux")]
pub mod shells;
#[cfg(unix)]
pub mod signals;
pub mod status;
pub mod usage;
