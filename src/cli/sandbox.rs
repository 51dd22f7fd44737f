//! The options of `sandbox`. The doc comments are the help.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{any_uri, client_id, duration, loopback, scope, subject};
use crate::sandbox::{Consent, Fault};

#[derive(Args)]
#[command(after_help = "\
Examples:
  yandex-token sandbox -- ./your-script
      run a script against the sandbox
  yandex-token sandbox -- bash
      try things out in a shell
  yandex-token sandbox --listen 127.0.0.1:8888 --client-id app
      run it for programs that you configure yourself
  yandex-token sandbox --fault token/refresh_token:503:2 -- ./your-script
      test how the script handles two failed refreshes")]
pub struct Sandbox {
    /// Loopback address to listen on
    /// [default: 127.0.0.1 and any free port]
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback, verbatim_doc_comment)]
    pub listen: Option<SocketAddr>,

    /// The user's answer: ask (on a page), allow or deny
    /// [default: ask; with a program, allow]
    #[arg(
        long,
        value_name = "ANSWER",
        hide_possible_values = true,
        verbatim_doc_comment
    )]
    pub consent: Option<Consent>,

    /// A program to run, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,

    #[command(flatten, next_help_heading = "The application")]
    pub application: Registered,

    #[command(flatten, next_help_heading = "Tokens and faults")]
    pub tokens: Tokens,
}

// The application that the sandbox knows.
#[derive(Args)]
pub struct Registered {
    /// Client ID [default: a random one]
    #[arg(long, value_name = "ID", value_parser = client_id)]
    pub client_id: Option<String>,

    /// File with the client secret, or - for stdin
    /// [default: a random one]
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub client_secret_file: Option<PathBuf>,

    /// Register this Redirect URI too. Repeatable;
    /// http on a loopback address needs none
    #[arg(long, value_name = "URI", value_parser = any_uri, verbatim_doc_comment)]
    pub redirect_uri: Vec<String>,

    /// Registered scopes: repeatable, or one string
    /// with spaces [default: any]
    #[arg(long, value_name = "SCOPE", value_parser = scope, verbatim_doc_comment)]
    pub scope: Vec<String>,

    /// "For API access": its one Redirect URI is
    /// the page with the code, and no login: scopes
    #[arg(long, conflicts_with = "redirect_uri", verbatim_doc_comment)]
    pub api_access: bool,

    /// Service application that may get tokens for
    /// these users: e-mail addresses or uids,
    /// repeatable or separated by commas
    #[arg(long, value_name = "USER", value_parser = subject, value_delimiter = ',',
        verbatim_doc_comment)]
    pub service_users: Vec<String>,
}

// How long its tokens live, and what goes wrong.
#[derive(Args)]
pub struct Tokens {
    /// Lifetime of an access token and its refresh
    /// token: 90s, 5m, 1h, 2d [default: 365d]
    #[arg(long, value_name = "DURATION", value_parser = duration, verbatim_doc_comment)]
    pub token_lifetime: Option<Duration>,

    /// Keep the refresh token the same on a refresh
    #[arg(long)]
    pub no_rotation: bool,

    /// ENDPOINT:ANSWER[:TIMES]. Repeatable: the
    /// first one that is not used up applies.
    /// ENDPOINT: authorize, token, device/code,
    /// revoke_token, info; or a grant, such as
    /// token/refresh_token
    /// ANSWER: an OAuth error (invalid_grant), a
    /// status with HTML (503), slow=10s, empty, torn
    /// (half of the body), lost (no answer)
    #[arg(long, value_name = "FAULT", value_parser = Fault::parse, verbatim_doc_comment)]
    pub fault: Vec<Fault>,
}
