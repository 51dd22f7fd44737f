//! The command line. The doc comments here are the help that users read; no
//! logic beyond parsing a value.

mod login;
mod plain;
mod printed;
mod sandbox;
mod shared;
#[cfg(test)]
mod tests;
mod usage;
pub mod values;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::error::EXIT_STATUS;
pub use login::{Login, Redirect, Request};
pub use printed::{Completions, Man};
pub use sandbox::Sandbox;
pub use shared::{Application, Format, Location, Output, Renewal, Saved};
use values::variable_name;

const EXAMPLES: &str = "\
Try it, without an account or a network:
  yandex-token login --sandbox

Log in, with an application registered at https://oauth.yandex.com/client/new:
  yandex-token login --client-id ID

More: `yandex-token COMMAND --help`, `yandex-token man | man -l -`";

fn long_help() -> String {
    let statuses = EXIT_STATUS
        .iter()
        .map(|(status, when)| format!("\n  {status:<13}  {when}"));
    format!("{EXAMPLES}\n\nExit status:{}", statuses.collect::<String>())
}

/// Get, save and renew OAuth tokens for Yandex APIs
#[derive(Parser)]
#[command(
    name = "yandex-token",
    version,
    after_help = EXAMPLES,
    after_long_help = long_help(),
    propagate_version = true,
    // The lines are broken by hand: an option and its help side by side.
    term_width = 0
)]
pub struct Cli {
    /// Show requests and progress, never a secret
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "quiet",
        display_order = 100
    )]
    pub verbose: bool,

    /// Show only errors, and what to open or type
    #[arg(short, long, global = true, display_order = 100)]
    pub quiet: bool,

    #[command(subcommand)]
    pub command: Command,
}

/// What the arguments of this process say.
pub fn parse() -> Result<Cli, clap::Error> {
    match plain::token(std::env::args_os().skip(1)) {
        Some(token) => Ok(Cli {
            verbose: false,
            quiet: false,
            command: Command::Token(token),
        }),
        None => parse_with_clap(std::env::args_os()).map_err(usage::explain),
    }
}

fn parse_with_clap(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    Cli::try_parse_from(&arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => full_help(&arguments).unwrap_or(error),
        _ => error,
    })
}

/// The help of a command that `--help` or `help` asks for: all options, in the
/// narrow form that clap has for `-h` alone.
fn full_help(arguments: &[OsString]) -> Option<clap::Error> {
    let is_asked = |word: &OsString| word == "--help" || word == "help";
    if !arguments.iter().any(is_asked) {
        return None;
    }
    let mut root = Cli::command();
    root.build();
    let mut names = arguments.iter().filter(|name| *name != "help");
    let mut command = names.find_map(|name| root.find_subcommand(name))?.clone();
    if let Some(about) = command.get_long_about().cloned() {
        command = command.about(about);
    }
    let mut command = command.mut_args(|option| option.hide_short_help(false));
    let shown = clap::Command::new("help").override_help(command.render_help());
    shown.try_get_matches_from(["help", "--help"]).err()
}

// Deferred: `token` is run too often to set up the options of all the others.
#[derive(Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Get a token by logging in
    ///
    /// Opens Yandex's page in your browser, waits on a loopback address for the
    /// redirect with the code, exchanges the code, and prints the access token on
    /// standard output, or saves it. All messages go to standard error.
    #[command(verbatim_doc_comment)]
    Login(Box<Login>),

    /// Print a saved token, renewing it first if necessary
    Token(Token),

    /// Renew a token now, and print the new access token
    ///
    /// Renews the saved token, or uses YANDEX_REFRESH_TOKEN if that is set: no
    /// saved token is read or written then.
    #[command(verbatim_doc_comment)]
    Refresh(Refresh),

    /// Revoke a saved token at the server, and delete it
    #[command(visible_alias = "logout")]
    Revoke(Revoke),

    /// List the saved tokens, their accounts and expiry
    #[command(visible_alias = "list")]
    Status(Status),

    /// Run a program with an access token in its environment
    ///
    /// Without a token the program is not started. The exit status is the
    /// program's; 127 if it is not found, 126 if it can't be run.
    #[command(verbatim_doc_comment)]
    Exec(Exec),

    /// Run a local stand-in for the Yandex OAuth server
    ///
    /// Prints YANDEX_OAUTH_URL, YANDEX_CLIENT_ID and YANDEX_CLIENT_SECRET, one
    /// per line, and serves until it is interrupted. With a program, it runs the
    /// program with these variables instead, and exits with its status. -v logs
    /// each request.
    #[command(verbatim_doc_comment)]
    Sandbox(Sandbox),

    /// Print a completion script for a shell
    ///
    /// The script runs yandex-token at every Tab to complete commands, options,
    /// their values, and profiles.
    #[command(verbatim_doc_comment)]
    Completions(Completions),

    /// Print the manual page of yandex-token, or of a command
    Man(Man),
}

#[derive(Args, Debug, Default, PartialEq)]
#[command(after_help = "\
Example:
  TOKEN=$(yandex-token token --profile work) || exit

Most applications need the client secret to renew a token: set
YANDEX_CLIENT_SECRET, or pass --client-secret-file.")]
pub struct Token {
    #[command(flatten)]
    pub saved: Saved,

    #[command(flatten)]
    pub result: Output,

    #[command(flatten)]
    pub renewal: Renewal,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  yandex-token refresh --profile work
      renew a saved token, even if it is still valid
  YANDEX_REFRESH_TOKEN=... yandex-token refresh --format json
      in CI, from a secret: the JSON has the next refresh token")]
pub struct Refresh {
    #[command(flatten)]
    pub saved: Saved,

    #[command(flatten)]
    pub result: Output,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  yandex-token revoke --profile work")]
pub struct Revoke {
    #[command(flatten)]
    pub saved: Saved,

    /// Only delete it here: it stays valid at Yandex
    #[arg(long)]
    pub local: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  yandex-token status
  yandex-token status --profile work --online --format json")]
pub struct Status {
    #[command(flatten)]
    pub location: Location,

    /// Ask the server whose token it is
    #[arg(long)]
    pub online: bool,

    /// table or json [default: table]
    #[arg(long, hide_possible_values = true)]
    pub format: Option<StatusFormat>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum StatusFormat {
    Table,
    Json,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  yandex-token exec --profile work -- ./your-script
      the token is in the script's variable YANDEX_TOKEN")]
pub struct Exec {
    #[command(flatten)]
    pub saved: Saved,

    #[command(flatten)]
    pub renewal: Renewal,

    /// Variable to set [default: YANDEX_TOKEN]
    #[arg(long, value_name = "NAME", default_value = "YANDEX_TOKEN", hide_default_value = true,
        value_parser = variable_name)]
    pub env: String,

    /// The program to run, with its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}
