//! `token`: prints a saved token that is good for long enough.

use super::destination::Destination;
use super::saved::Saved;
use crate::cli;
use crate::error::Error;

pub fn run(options: cli::Token) -> Result<(), Error> {
    let destination = Destination::print(&options.result)?;
    destination.put(&Saved::new(options.saved)?.valid(&options.renewal)?)
}
