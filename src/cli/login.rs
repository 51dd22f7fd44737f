//! The options of `login`. The doc comments are the help.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{device_id, device_name, duration, keychain_helper, scope, subject};
use super::{Application, Location, Output};
use crate::login::redirect_uri::RedirectUri;
use crate::platform;

/// What keeps the token instead of printing it.
const SAVING: [&str; 4] = ["save", "profile", "token_file", "keychain"];

/// What only a login through a person or a browser needs.
const INTERACTIVE: [&str; 13] = [
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
    "device_id",
    "device_name",
];

#[derive(Args)]
#[command(
    after_help = "\
Examples:
  yandex-token login --client-id ID --save    log in and save the token
  yandex-token login --device --profile direct --client-id ID
      on a server, or with an application \"for API access\"
  yandex-token login --sandbox                try it, without an account

ID is the ClientID of an application that you register \"for user login\" at
https://oauth.yandex.com/client/new, with Redirect URI http://127.0.0.1:8000/.
For one \"for API access\" (Direct, Metrica), use --device or --paste.",
    mut_arg("output", |arg| arg.conflicts_with_all(SAVING)),
    mut_arg("format", |arg| arg.conflicts_with_all(SAVING))
)]
pub struct Login {
    #[command(flatten)]
    pub application: Application,

    /// Save the token, don't print it. Implied by
    /// --profile, --token-file and --keychain
    #[arg(long, verbatim_doc_comment)]
    pub save: bool,

    #[command(flatten)]
    pub location: Location,

    /// Keep the secrets in the system's keychain, by
    /// docker-credential-HELPER; none: in the file
    /// [default: the system's own]
    #[arg(long, hide_short_help = true, value_name = "HELPER", num_args = 0..=1,
        value_parser = keychain_helper, default_missing_value = platform::KEYCHAIN,
        conflicts_with = "token_file", verbatim_doc_comment)]
    pub keychain: Option<String>,

    /// Log in by entering a code on any device
    #[arg(long, conflicts_with_all = ["paste", "redirect_uri", "listen", "tls_cert", "tls_key"])]
    pub device: bool,

    /// Log in by copying a code from Yandex's page
    #[arg(long, conflicts_with_all = ["listen", "tls_cert", "tls_key"])]
    pub paste: bool,

    /// As a service application, get the token of a
    /// user: e-mail address or uid
    #[arg(long, hide_short_help = true, value_name = "USER", value_parser = subject,
        conflicts_with_all = INTERACTIVE, verbatim_doc_comment)]
    pub subject: Option<String>,

    /// Only print the URL. Other users can see it in
    /// the process list while a browser starts
    #[arg(long, verbatim_doc_comment)]
    pub no_browser: bool,

    /// How long to wait: 90s, 5m, 1h [default: 5m]
    #[arg(long, hide_short_help = true, value_name = "DURATION", value_parser = duration,
        default_value = "5m", hide_default_value = true)]
    pub timeout: Duration,

    #[command(flatten)]
    pub result: Output,

    /// Log in to a built-in sandbox, not to Yandex
    #[arg(long, conflicts_with_all = SAVING, conflicts_with = "oauth_url")]
    pub sandbox: bool,

    #[command(flatten, next_help_heading = "Redirect")]
    pub redirect: Redirect,

    #[command(flatten, next_help_heading = "What to ask for")]
    pub request: Request,
}

// Where the browser comes back to.
#[derive(Args)]
pub struct Redirect {
    /// A Redirect URI of the application, exactly as
    /// registered [default: http://127.0.0.1:8000/]
    /// [env: YANDEX_REDIRECT_URI]. Repeatable: the first
    /// whose port is free is used. Port 0: any free port
    #[arg(long, value_name = "URI", value_parser = RedirectUri::parse, verbatim_doc_comment)]
    pub redirect_uri: Vec<RedirectUri>,

    /// Address to listen on, if it is another: behind a
    /// reverse proxy, or in a container
    #[arg(
        long,
        hide_short_help = true,
        value_name = "ADDR:PORT",
        verbatim_doc_comment
    )]
    pub listen: Option<SocketAddr>,

    /// Serve HTTPS with this certificate: PEM, followed
    /// by its intermediate certificates
    #[arg(long, hide_short_help = true, value_name = "FILE",
        requires_all = ["tls_key", "listen"], verbatim_doc_comment)]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(
        long,
        hide_short_help = true,
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
}

// What the authorization server is asked for.
#[derive(Args)]
pub struct Request {
    /// Scopes: repeatable, or one string with spaces
    /// [default: all that the application has]
    #[arg(long, value_name = "SCOPE", value_parser = scope, verbatim_doc_comment)]
    pub scope: Vec<String>,

    /// Scopes that the user can untick
    #[arg(long, hide_short_help = true, value_name = "SCOPE", value_parser = scope)]
    pub optional_scope: Vec<String>,

    /// Name or e-mail address to preselect
    #[arg(long, hide_short_help = true, value_name = "USER")]
    pub login_hint: Option<String>,

    /// Always show the page that asks for consent
    #[arg(long, hide_short_help = true)]
    pub force_confirm: bool,

    /// ID of this device: 6 to 50 characters
    /// [default: a saved token has one of its own]
    #[arg(long, hide_short_help = true, value_name = "ID", value_parser = device_id,
        verbatim_doc_comment)]
    pub device_id: Option<String>,

    /// Name of this device in Yandex's list of devices
    /// [default for a saved token: the host's name]
    #[arg(long, hide_short_help = true, value_name = "NAME", value_parser = device_name,
        verbatim_doc_comment)]
    pub device_name: Option<String>,
}
