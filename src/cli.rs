//! The command line. The doc comments here are the help that users read; no
//! logic beyond parsing a value.

mod plain;
mod printed;
mod shared;
#[cfg(test)]
mod tests;
pub mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::flows::redirect_uri::RedirectUri;
use crate::sandbox::Fault;
pub use printed::{Completions, Man, Shell};
pub use shared::{Application, Format, Location, Output};
use values::{any_uri, device_id, device_name, duration, loopback, scope, variable_name};

const EXAMPLES: &str = "\
Try it, without an account or a network:
  yandex-token login --sandbox

Log in, with an application registered at https://oauth.yandex.com/client/new:
  yandex-token login --client-id ID

More: `yandex-token COMMAND --help`, `yandex-token man | man -l -`

Exit status: 0 done, 1 other, 2 usage, 3 access denied, 4 timed out,
  5 refused by the server, 6 server not reached, 7 no usable token, 8 a local
  fault (port, file, lock). A signal ends it as a signal does: 130, 143, 129.";

/// Gets, keeps and hands out Yandex OAuth tokens.
#[derive(Parser)]
#[command(
    name = "yandex-token",
    version,
    after_help = EXAMPLES,
    propagate_version = true
)]
pub struct Cli {
    /// Show the steps taken: hosts, statuses, waits; never a secret
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "quiet",
        display_order = 100
    )]
    pub verbose: bool,

    /// Show only errors and what you must act on
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
        None => Cli::try_parse(),
    }
}

// Deferred: `token` is run too often to set up the options of all the others.
#[derive(Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Get a token, through the browser
    ///
    /// Opens Yandex's page in the browser, waits on a loopback address for the
    /// redirect that carries the code, exchanges the code, and prints the access
    /// token on standard output. Everything else goes to standard error.
    #[command(verbatim_doc_comment)]
    Login(Box<Login>),

    /// Print a saved token, refreshed first when it is about to expire
    Token(Token),

    /// Exchange a refresh token now, and print the new access token
    ///
    /// Takes the saved token, or YANDEX_REFRESH_TOKEN where that is set: then
    /// nothing is read from or written to a saved token.
    #[command(verbatim_doc_comment)]
    Refresh(Refresh),

    /// Revoke a token at the server, then forget it
    Revoke(Revoke),

    /// Show the saved tokens and when they expire; never a token
    Status(Status),

    /// Run a program with a valid access token in its environment
    ///
    /// Without a token the program never starts. Its status is ours; 127 where it
    /// was not found, 126 where it can't be run.
    #[command(verbatim_doc_comment)]
    Exec(Exec),

    /// Serve a local stand-in for the Yandex OAuth server
    ///
    /// Prints YANDEX_OAUTH_URL, YANDEX_CLIENT_ID and YANDEX_CLIENT_SECRET, one a
    /// line, and serves until it is interrupted. With a program, runs it with
    /// these in its environment instead, and ends with its status. -v tells of
    /// each request.
    #[command(verbatim_doc_comment)]
    Sandbox(Sandbox),

    /// Print a completion script for a shell
    ///
    /// The script asks this program, at every Tab, what may follow: commands,
    /// options and their values, the names of the saved tokens; never a token.
    #[command(verbatim_doc_comment)]
    Completions(Completions),

    /// Print a manual page, of this tool or of one of its commands
    Man(Man),
}

const LOGIN_EXAMPLES: &str = "\
Examples:
  yandex-token login --sandbox
      try it, without an account
  yandex-token login --client-id ID --profile work
      log in and keep the token as `work`
  TOKEN=$(yandex-token login --client-id ID)
      in a script that a person attends

  yandex-token login --device --client-id ID --profile direct
      on a server, or with an application \"for API access\"

An application \"for user login\" has Redirect URIs of its own: register the one
that is printed, to the letter. One \"for API access\" (Direct, Metrica) can't:
--device and --paste are for it.";

#[derive(Args)]
#[command(after_help = LOGIN_EXAMPLES, next_line_help = true)]
pub struct Login {
    #[command(flatten)]
    pub application: Application,

    #[command(flatten)]
    pub location: Location,

    /// The device grant: enter a code on any device that has a browser.
    /// Needs no Redirect URI of your own
    #[arg(long, conflicts_with_all = ["paste", "redirect_uri", "listen"],
        help_heading = "Without a browser here", verbatim_doc_comment)]
    pub device: bool,

    /// Copy the code by hand from Yandex's page, or the address that the
    /// browser ends up at. Needs no Redirect URI of your own
    #[arg(
        long,
        conflicts_with = "listen",
        help_heading = "Without a browser here",
        verbatim_doc_comment
    )]
    pub paste: bool,

    /// A Redirect URI of the application, to the letter. Repeatable: the
    /// first one whose port is free is used; port 0 takes any free port, for
    /// servers that allow it
    /// [default: http://127.0.0.1:8000/] [env: YANDEX_REDIRECT_URI]
    #[arg(long, value_name = "URI", value_parser = RedirectUri::parse,
        help_heading = "Redirect", verbatim_doc_comment)]
    pub redirect_uri: Vec<RedirectUri>,

    /// Where the listener binds, if not at the Redirect URI itself: in a
    /// container, or behind a reverse proxy that a public Redirect URI
    /// leads to
    #[arg(
        long,
        value_name = "ADDR:PORT",
        help_heading = "Redirect",
        verbatim_doc_comment
    )]
    pub listen: Option<SocketAddr>,

    /// PEM certificates, of this server first: the listener speaks HTTPS
    /// itself, for a machine with a public address and no proxy
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "listen"],
        help_heading = "Redirect", verbatim_doc_comment)]
    pub tls_cert: Option<PathBuf>,

    /// The PEM private key that belongs to the certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = "Redirect"
    )]
    pub tls_key: Option<PathBuf>,

    /// Only print the URL. Without this, other users of this machine can
    /// see it in the process list while a browser is started with it
    #[arg(long, help_heading = "Redirect", verbatim_doc_comment)]
    pub no_browser: bool,

    /// How long to wait in all: a number with s, m, h or d [default: 5m]
    #[arg(long, value_name = "DURATION", default_value = "5m", hide_default_value = true,
        value_parser = duration, help_heading = "Redirect")]
    pub timeout: Duration,

    /// Scopes to ask for: repeatable, or one string with spaces
    /// [default: all that the application has]
    #[arg(long, value_name = "SCOPE", value_parser = scope,
        help_heading = "What to ask for", verbatim_doc_comment)]
    pub scope: Vec<String>,

    /// Scopes that you can untick on Yandex's page
    #[arg(long, value_name = "SCOPE", value_parser = scope, help_heading = "What to ask for")]
    pub optional_scope: Vec<String>,

    /// The user name or e-mail address to preselect
    #[arg(long, value_name = "USER", help_heading = "What to ask for")]
    pub login_hint: Option<String>,

    /// Always show Yandex's consent page and choice of account
    #[arg(long, help_heading = "What to ask for")]
    pub force_confirm: bool,

    /// The device that the token is for, 6 to 50 printable ASCII characters
    /// [default: this machine's own for a saved login, else none]
    #[arg(long, value_name = "ID", value_parser = device_id,
        help_heading = "What to ask for", verbatim_doc_comment)]
    pub device_id: Option<String>,

    /// The device's name in Yandex's list, at most 100 characters
    /// [default: the host's name for a saved login, else none]
    #[arg(long, value_name = "NAME", value_parser = device_name,
        help_heading = "What to ask for", verbatim_doc_comment)]
    pub device_name: Option<String>,

    /// Keep the token instead of printing it; implied by --profile and
    /// --token-file
    #[arg(long, help_heading = "Result", verbatim_doc_comment)]
    pub save: bool,

    #[command(flatten)]
    pub result: Output,

    /// Log in to a sandbox inside this command: no account, no network.
    /// Without a browser the sandbox plays the user too
    #[arg(long, conflicts_with_all = ["save", "profile", "token_file", "oauth_url"],
        verbatim_doc_comment)]
    pub sandbox: bool,
}

const TOKEN_EXAMPLES: &str = "\
Example:
  TOKEN=$(yandex-token token --profile work) || exit

A refresh needs the application password for most applications:
YANDEX_CLIENT_SECRET or --client-secret-file.";

#[derive(Args, Debug, Default, PartialEq)]
#[command(after_help = TOKEN_EXAMPLES, next_line_help = true)]
pub struct Token {
    #[command(flatten)]
    pub location: Location,

    #[command(flatten)]
    pub application: Application,

    #[command(flatten)]
    pub result: Output,

    /// How much life the token must have left. Without this, 5m, and a token
    /// that can't be refreshed is printed as long as it has not expired
    #[arg(long, value_name = "DURATION", value_parser = duration, verbatim_doc_comment)]
    pub min_ttl: Option<Duration>,
}

const REFRESH_EXAMPLES: &str = "\
Examples:
  yandex-token refresh --profile work
      refresh a saved token whatever life it has left
  YANDEX_REFRESH_TOKEN=... yandex-token refresh --format json
      in CI: from a secret; the JSON holds the next refresh token";

#[derive(Args)]
#[command(after_help = REFRESH_EXAMPLES, next_line_help = true)]
pub struct Refresh {
    #[command(flatten)]
    pub location: Location,

    #[command(flatten)]
    pub application: Application,

    #[command(flatten)]
    pub result: Output,
}

const REVOKE_EXAMPLES: &str = "\
Example:
  yandex-token revoke --profile work";

#[derive(Args)]
#[command(after_help = REVOKE_EXAMPLES, next_line_help = true)]
pub struct Revoke {
    #[command(flatten)]
    pub location: Location,

    #[command(flatten)]
    pub application: Application,

    /// Only forget it here; at the server it stays valid
    #[arg(long)]
    pub local: bool,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  yandex-token status
  yandex-token status --profile work --online --format json";

#[derive(Args)]
#[command(after_help = STATUS_EXAMPLES, next_line_help = true)]
pub struct Status {
    #[command(flatten)]
    pub location: Location,

    /// Ask the server whose token it is
    #[arg(long)]
    pub online: bool,

    /// How to show them: table or json [default: table]
    #[arg(
        long,
        value_enum,
        default_value = "table",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub format: StatusFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    Table,
    Json,
}

const EXEC_EXAMPLES: &str = "\
Example:
  yandex-token exec --profile work -- ./your-script
      the script finds the token in YANDEX_TOKEN";

#[derive(Args)]
#[command(after_help = EXEC_EXAMPLES, next_line_help = true)]
pub struct Exec {
    #[command(flatten)]
    pub location: Location,

    #[command(flatten)]
    pub application: Application,

    /// How much life the token must have left. Without this, 5m, and a token
    /// that can't be refreshed is used as long as it has not expired
    #[arg(long, value_name = "DURATION", value_parser = duration, verbatim_doc_comment)]
    pub min_ttl: Option<Duration>,

    /// The variable that the token is in [default: YANDEX_TOKEN]
    #[arg(long, value_name = "NAME", default_value = "YANDEX_TOKEN", hide_default_value = true,
        value_parser = variable_name)]
    pub env: String,

    /// The program to run, with its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

const SANDBOX_EXAMPLES: &str = "\
Examples:
  yandex-token sandbox -- ./your-script
      run a script against the sandbox; what it asks for is allowed
  yandex-token sandbox
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

    /// How long a token lives, and its refresh token with it: a number with
    /// s, m, h or d [default: 365d]
    #[arg(long, value_name = "DURATION", value_parser = duration,
        help_heading = "Tokens and bad days", verbatim_doc_comment)]
    pub token_lifetime: Option<Duration>,

    /// A refresh token stays good instead of being replaced at each use
    #[arg(long, help_heading = "Tokens and bad days")]
    pub no_rotation: bool,

    /// ENDPOINT:ANSWER, or ENDPOINT:ANSWER:TIMES for so many times only.
    /// Repeatable: the first that is left counts.
    /// ENDPOINT: authorize, token, device/code, revoke_token, info; or one
    /// grant, as in token/refresh_token
    /// ANSWER: an OAuth error (invalid_grant), a status with HTML (503),
    /// slow=10s, empty, torn (half of the body), lost (nothing at all)
    #[arg(long, value_name = "FAULT", value_parser = Fault::parse,
        help_heading = "Tokens and bad days", verbatim_doc_comment)]
    pub fault: Vec<Fault>,

    /// A program to run, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Consent {
    Ask,
    Allow,
    Deny,
}
