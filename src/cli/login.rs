//! The options of `login`. The doc comments are the help.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::values::{device_id, device_name, duration, keychain_helper, scope, subject};
use super::{Application, Location, Output};
use crate::login::redirect_uri::RedirectUri;
use crate::platform;

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
that is printed; it must match exactly. One \"for API access\" (Direct, Metrica)
can't: --device and --paste are for it.";

/// What keeps the token instead of printing it.
const SAVING: [&str; 4] = ["save", "profile", "token_file", "keychain"];

/// What only a login through a person or a browser needs.
const INTERACTIVE: [&str; 11] = [
    "device",
    "paste",
    "redirect_uri",
    "listen",
    "tls_cert",
    "tls_key",
    "no_browser",
    "timeout",
    "optional_scope",
    "login_hint",
    "force_confirm",
];

#[derive(Args)]
#[command(
    after_help = LOGIN_EXAMPLES,
    next_line_help = true,
    mut_arg("output", |arg| arg.conflicts_with_all(SAVING)),
    mut_arg("format", |arg| arg.conflicts_with_all(SAVING))
)]
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

    /// A service application's token for this user of its organisation, an
    /// e-mail address or a numeric uid. Needs the client secret
    #[arg(long, hide_short_help = true, value_name = "USER", value_parser = subject, conflicts_with_all = INTERACTIVE,
        help_heading = "Without a browser here", verbatim_doc_comment)]
    pub subject: Option<String>,

    /// A Redirect URI registered with the application. Repeatable: the
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
        hide_short_help = true,
        value_name = "ADDR:PORT",
        help_heading = "Redirect",
        verbatim_doc_comment
    )]
    pub listen: Option<SocketAddr>,

    /// PEM certificates, of this server first: the listener speaks HTTPS
    /// itself, for a machine with a public address and no proxy
    #[arg(long, hide_short_help = true, value_name = "FILE", requires_all = ["tls_key", "listen"],
        help_heading = "Redirect", verbatim_doc_comment)]
    pub tls_cert: Option<PathBuf>,

    /// The PEM private key that belongs to the certificate
    #[arg(
        long,
        hide_short_help = true,
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
    #[arg(long, hide_short_help = true, value_name = "DURATION", default_value = "5m", hide_default_value = true,
        value_parser = duration, help_heading = "Redirect")]
    pub timeout: Duration,

    /// Scopes to ask for: repeatable, or one string with spaces
    /// [default: all that the application has]
    #[arg(long, value_name = "SCOPE", value_parser = scope,
        help_heading = "What to ask for", verbatim_doc_comment)]
    pub scope: Vec<String>,

    /// Scopes that you can untick on Yandex's page
    #[arg(long, hide_short_help = true, value_name = "SCOPE", value_parser = scope, help_heading = "What to ask for")]
    pub optional_scope: Vec<String>,

    /// The user name or e-mail address to preselect
    #[arg(
        long,
        hide_short_help = true,
        value_name = "USER",
        help_heading = "What to ask for"
    )]
    pub login_hint: Option<String>,

    /// Always show Yandex's consent page and choice of account
    #[arg(long, hide_short_help = true, help_heading = "What to ask for")]
    pub force_confirm: bool,

    /// The device that the token is for, 6 to 50 printable ASCII characters
    /// [default: this machine's own for a saved login, else none]
    #[arg(long, hide_short_help = true, value_name = "ID", value_parser = device_id,
        help_heading = "What to ask for", verbatim_doc_comment)]
    pub device_id: Option<String>,

    /// The device's name in Yandex's list, at most 100 characters
    /// [default: the host's name for a saved login, else none]
    #[arg(long, hide_short_help = true, value_name = "NAME", value_parser = device_name,
        help_heading = "What to ask for", verbatim_doc_comment)]
    pub device_name: Option<String>,

    /// Keep the token instead of printing it; implied by --profile and
    /// --token-file
    #[arg(long, help_heading = "Result", verbatim_doc_comment)]
    pub save: bool,

    /// Keep the token's secrets in the system's keychain, through the program
    /// docker-credential-HELPER; `none` for a file again. Implies --save
    /// [default: secretservice, osxkeychain or wincred, as the system is]
    #[arg(long, hide_short_help = true, value_name = "HELPER", num_args = 0..=1, value_parser = keychain_helper,
        default_missing_value = platform::KEYCHAIN, conflicts_with = "token_file",
        help_heading = "Result", verbatim_doc_comment)]
    pub keychain: Option<String>,

    #[command(flatten)]
    pub result: Output,

    /// Log in to a sandbox inside this command: no account, no network.
    /// Without a browser the sandbox plays the user too
    #[arg(long, conflicts_with_all = ["save", "profile", "token_file", "keychain", "oauth_url"],
        verbatim_doc_comment)]
    pub sandbox: bool,
}

impl Login {
    /// The options that contradict each other by their number or value. clap
    /// finds the others.
    pub fn contradiction(&self) -> Option<&'static str> {
        let secret_file = self.application.client_secret_file.as_deref();
        let several = self.redirect_uri.len() > 1;
        if self.paste && secret_file == Some(Path::new("-")) {
            return Some(
                "'--paste' cannot be used with '--client-secret-file -': both read standard input",
            );
        }
        if self.paste && several {
            return Some("'--paste' cannot be used with more than one '--redirect-uri'");
        }
        if self.listen.is_some() && several {
            return Some("'--listen' cannot be used with more than one '--redirect-uri'");
        }
        None
    }
}
