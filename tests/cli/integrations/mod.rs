//! The programs of docs/integrations.md, run by its own blocks: they are asked
//! for what Yandex would see.

pub mod api;
pub mod containers;
pub mod mail;
pub mod systemd;
