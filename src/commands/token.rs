//! `token`: prints a saved token that is good for long enough.

use std::process::ExitCode;

use super::destination::Destination;
use super::saved::Saved;
use super::{location, no_renew};
use crate::cli;
use crate::error::Error;

pub fn run(options: cli::Token) -> Result<ExitCode, Error> {
    let location = location(options.location)?;
    let saved = Saved {
        location: &location,
        application: &options.application,
    };
    let token = saved.valid(options.min_ttl, no_renew(options.no_renew)?)?;
    Destination::print(options.result.output.as_deref(), options.result.format)?.put(&token)?;
    Ok(ExitCode::SUCCESS)
}
