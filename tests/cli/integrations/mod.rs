//! The programs of docs/integrations.md and docs/service-applications.md, run
//! by their own blocks.

pub mod api;
pub mod containers;
pub mod mail;
pub mod service_applications;
pub mod systemd;
