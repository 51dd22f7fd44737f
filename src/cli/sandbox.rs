//! The options of `sandbox`. The doc comments are the help.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{any_uri, client_id, duration, loopback, scope, subject};
use crate::sandbox::{Consent, Fault};

const SANDBOX_EXAMPLES: &str = "\
Examples:
  yandex-token sandbox -- ./your-script
      run a script against the sandbox; what it asks for is allowed
  yandex-token sandbox -- bash
      try things out in a shell of its own
  yandex-token sandbox --listen 127.0.0.1:8888 --client-id app
      serve it; the three lines it prints are for the environment of others
  yandex-token sandbox --fault token/refresh_token:503:2 -- ./your-script
      see whether the script outlives two failed refreshes";

#[derive(Args)]
#[command(after_help = SANDBOX_EXAMPLES, next_line_help = true)]
pub struct Sandbox {
    /// A loopback address [default: 127.0.0.1 and any free port]
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,

    /// What the user answers: ask (shows a page), allow or deny
    /// [default: ask, and with a program allow]
    #[arg(
        long,
        value_enum,
        value_name = "ANSWER",
        hide_possible_values = true,
        verbatim_doc_comment
    )]
    pub consent: Option<Consent>,

    /// Its client ID, so that a client's own configuration need not change
    /// [default: drawn at random]
    #[arg(long, value_name = "ID", value_parser = client_id,
        help_heading = "The application", verbatim_doc_comment)]
    pub client_id: Option<String>,

    /// File with its client secret, `-` for standard input
    /// [default: drawn at random]
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "The application",
        verbatim_doc_comment
    )]
    pub client_secret_file: Option<PathBuf>,

    /// Register this Redirect URI as well; any http URI on a loopback
    /// address is registered anyway. Repeatable
    #[arg(long, value_name = "URI", value_parser = any_uri,
        help_heading = "The application", verbatim_doc_comment)]
    pub redirect_uri: Vec<String>,

    /// The scopes that were chosen when it was registered: repeatable, or
    /// one string with spaces [default: any that its kind can have]
    #[arg(long, value_name = "SCOPE", value_parser = scope,
        help_heading = "The application", verbatim_doc_comment)]
    pub scope: Vec<String>,

    /// It is "for API access": its only Redirect URI is the page that
    /// shows a code, and it has no scopes of the group login
    #[arg(
        long,
        conflicts_with = "redirect_uri",
        help_heading = "The application",
        verbatim_doc_comment
    )]
    pub api_access: bool,

    /// The users of the organisation whose tokens the application may ask
    /// for as a service application: e-mail addresses or uids, repeatable
    #[arg(long, value_name = "USER", value_parser = subject, value_delimiter = ',',
        help_heading = "The application", verbatim_doc_comment)]
    pub service_users: Vec<String>,

    /// How long a token lives, and its refresh token with it: a number with
    /// s, m, h or d [default: 365d]
    #[arg(long, value_name = "DURATION", value_parser = duration,
        help_heading = "Tokens and faults", verbatim_doc_comment)]
    pub token_lifetime: Option<Duration>,

    /// A refresh token stays good instead of being replaced at each use
    #[arg(long, help_heading = "Tokens and faults")]
    pub no_rotation: bool,

    /// ENDPOINT:ANSWER, or ENDPOINT:ANSWER:TIMES for so many times only.
    /// Repeatable: the first that is left counts.
    /// ENDPOINT: authorize, token, device/code, revoke_token, info; or one
    /// grant, as in token/refresh_token
    /// ANSWER: an OAuth error (invalid_grant), a status with HTML (503),
    /// slow=10s, empty, torn (half of the body), lost (nothing at all)
    #[arg(long, value_name = "FAULT", value_parser = Fault::parse,
        help_heading = "Tokens and faults", verbatim_doc_comment)]
    pub fault: Vec<Fault>,

    /// A program to run, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}
