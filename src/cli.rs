//! The command line. The doc comments here are the help that users read; no
//! logic beyond parsing a value.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::flows::redirect_uri::RedirectUri;
use crate::oauth::Server;
use crate::store;

const EXAMPLES: &str = "\
Try it, without an account or a network:
  yandex-token login --sandbox

Log in, with an application registered at https://oauth.yandex.com/client/new:
  yandex-token login --client-id ID

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
    /// Show the steps taken, with hosts, statuses and waits; never a secret
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Show only errors and what you must act on
    #[arg(short, long, global = true)]
    pub quiet: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Login(Box<Login>),
    Sandbox(Sandbox),
}

const LOGIN_EXAMPLES: &str = "\
Examples:
  yandex-token login --sandbox
      try it, without an account
  yandex-token login --client-id ID --profile work
      log in and keep the token as `work`
  TOKEN=$(yandex-token login --client-id ID)
      in a script that a person attends

The application must have the Redirect URI registered, to the letter, as one
of its own: that is possible for applications \"for user login\".";

/// Get a token, through the browser
///
/// Opens Yandex's page in the browser, waits on a loopback address for the
/// redirect that carries the code, exchanges the code, and prints the access
/// token on standard output. Everything else goes to standard error.
#[derive(Args)]
#[command(after_help = LOGIN_EXAMPLES, next_line_help = true, verbatim_doc_comment)]
pub struct Login {
    #[command(flatten)]
    pub application: Application,

    #[command(flatten)]
    pub location: Location,

    /// A Redirect URI of the application, to the letter. Repeatable: the
    /// first one whose port is free is used; port 0 takes any free port, for
    /// servers that allow it
    /// [default: http://127.0.0.1:8000/] [env: YANDEX_REDIRECT_URI]
    #[arg(long, value_name = "URI", value_parser = RedirectUri::parse,
        help_heading = "Redirect", verbatim_doc_comment)]
    pub redirect_uri: Vec<RedirectUri>,

    /// Where the listener binds, if not at the Redirect URI itself: in a
    /// container, for instance, 0.0.0.0:8000
    #[arg(
        long,
        value_name = "ADDR:PORT",
        help_heading = "Redirect",
        verbatim_doc_comment
    )]
    pub listen: Option<SocketAddr>,

    /// Only print the URL. Without this, other users of this machine can
    /// see it in the process list while a browser is started with it
    #[arg(long, help_heading = "Redirect", verbatim_doc_comment)]
    pub no_browser: bool,

    /// How long to wait in all: a number with s, m, h or d
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration,
        help_heading = "Redirect", verbatim_doc_comment)]
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

/// The application and the server that knows it.
#[derive(Args)]
pub struct Application {
    /// Application ID (client ID) [env: YANDEX_CLIENT_ID]
    /// [default: the one that the saved token was issued to]
    #[arg(long, value_name = "ID", value_parser = client_id,
        help_heading = "Application", verbatim_doc_comment)]
    pub client_id: Option<String>,

    /// File with the application password, `-` for standard input; without
    /// one the application is a public client
    /// [env: YANDEX_CLIENT_SECRET_FILE, or YANDEX_CLIENT_SECRET with the
    /// password itself]
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Application",
        verbatim_doc_comment
    )]
    pub client_secret_file: Option<PathBuf>,

    /// The authorization server; https://oauth.yandex.ru shows a Russian
    /// user the accounts signed in there
    /// [default: https://oauth.yandex.com] [env: YANDEX_OAUTH_URL]
    #[arg(long, value_name = "URL", value_parser = Server::parse,
        help_heading = "Application", verbatim_doc_comment)]
    pub oauth_url: Option<Server>,
}

/// Which saved token.
#[derive(Args)]
pub struct Location {
    /// The saved token with this name [default: default]
    /// [env: YANDEX_TOKEN_PROFILE]
    #[arg(long, value_name = "NAME", value_parser = profile, conflicts_with = "token_file",
        help_heading = "Result", verbatim_doc_comment)]
    pub profile: Option<String>,

    /// The saved token in this very file [env: YANDEX_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub token_file: Option<PathBuf>,
}

/// What is printed, and where.
#[derive(Args)]
pub struct Output {
    /// What to print [default: token]
    #[arg(long, value_enum, hide_possible_values = true, help_heading = "Result",
        long_help = "What to print [default: token]\n\
            token: the access token    json: all that a token file holds\n\
            env: YANDEX_TOKEN=…        header: Authorization: OAuth …\n\
            bearer: Authorization: Bearer …, for Direct",
        conflicts_with_all = ["save", "profile", "token_file"])]
    pub format: Option<Format>,

    /// Write to this file, mode 0600, instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Result",
        conflicts_with_all = ["save", "profile", "token_file"])]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Token,
    Json,
    Env,
    Header,
    Bearer,
}

const SANDBOX_EXAMPLES: &str = "\
Examples:
  yandex-token sandbox -- sh -c 'yandex-token login --no-browser'
      run a script against the sandbox
  yandex-token sandbox
      serve it; the three lines it prints are for the environment of others";

/// Serve a local stand-in for the Yandex OAuth server
///
/// Prints YANDEX_OAUTH_URL, YANDEX_CLIENT_ID and YANDEX_CLIENT_SECRET, one a
/// line, and serves until it is interrupted. With a program, runs it with
/// these in its environment instead, and ends with its status.
#[derive(Args)]
#[command(after_help = SANDBOX_EXAMPLES, next_line_help = true, verbatim_doc_comment)]
pub struct Sandbox {
    /// A loopback address [default: 127.0.0.1 and any free port]
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,

    /// What the user answers; ask shows a page. Without this: ask, and
    /// with a program allow
    #[arg(long, value_enum, value_name = "ANSWER", verbatim_doc_comment)]
    pub consent: Option<Consent>,

    /// Register this Redirect URI as well; any http URI on a loopback
    /// address is registered anyway. Repeatable
    #[arg(long, value_name = "URI", value_parser = any_uri, verbatim_doc_comment)]
    pub redirect_uri: Vec<String>,

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

pub fn profile(text: &str) -> Result<String, String> {
    if store::is_profile_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name of letters, digits and . _ - @ +, never a path; \
         for a file write --token-file FILE"
        .into())
}

pub fn client_id(text: &str) -> Result<String, String> {
    let fits = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
        .ok_or_else(|| "an application ID is printable ASCII without blanks".into())
}

/// RFC 6749, 3.3.
fn scope(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let fits = |word: &&str| {
        word.bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    if words.is_empty() || !words.iter().all(fits) {
        return Err("scopes are printable ASCII, separated by spaces".into());
    }
    Ok(words.join(" "))
}

fn device_id(text: &str) -> Result<String, String> {
    store::is_device_id(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "6 to 50 printable ASCII characters".into())
}

fn device_name(text: &str) -> Result<String, String> {
    (1..=100)
        .contains(&text.chars().count())
        .then(|| text.to_owned())
        .ok_or_else(|| "1 to 100 characters".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err("a whole number with s, m, h or d, such as 90s or 5m".into()),
    };
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u64>().ok()?.checked_mul(unit))
        .flatten()
        .filter(|seconds| *seconds <= 100 * 365 * 86400)
        .map(Duration::from_secs)
        .ok_or_else(|| "a whole number with s, m, h or d, of at most 100 years".into())
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write ADDR:PORT, such as 127.0.0.1:8080")?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("the sandbox is for this machine only: write 127.0.0.1:PORT".into())
}

fn any_uri(text: &str) -> Result<String, String> {
    url::Url::parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("not a URL ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_fits_into_80_columns() {
        let mut root = Cli::command();
        root.build();
        let names: Vec<_> = root
            .get_subcommands()
            .map(|c| c.get_name().to_owned())
            .collect();
        let mut pages = vec![root.render_long_help().to_string()];
        for name in names {
            let command = root.find_subcommand_mut(&name).expect("listed");
            pages.push(command.render_long_help().to_string());
            pages.push(command.render_help().to_string());
        }
        for page in pages {
            for line in page.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for bad in [
            "",
            "5",
            "m",
            "1.5h",
            "-1s",
            "+1s",
            "5 m",
            "99999999999999999999d",
            "5ms",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
