//! `token`: prints a saved token that is good for long enough.

use std::process::ExitCode;

use super::destination::Destination;
use super::location;
use super::saved::Saved;
use crate::cli;
use crate::error::Error;

pub fn run(options: cli::Token) -> Result<ExitCode, Error> {
    let location = location(options.location)?;
    let saved = Saved {
        location: &location,
        application: &options.application,
    };
    let token = saved.valid(options.min_ttl)?;
    Destination::print(options.result.output.as_deref(), options.result.format)?.put(&token)?;
    Ok(ExitCode::SUCCESS)
}
