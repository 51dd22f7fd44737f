//! Ways to obtain a code or a token from a person. A flow never touches the
//! store: what becomes of the token is the command's business.

pub mod browser;
pub mod device;
pub mod listener;
pub mod loopback;
pub mod page;
pub mod paste;
pub mod redirect_uri;
pub mod start_link;
