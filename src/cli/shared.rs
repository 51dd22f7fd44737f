//! Options that several commands have. The doc comments are the help; the
//! groups themselves have none, since clap would take it for the command's.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::values::{client_id, duration, profile, token_file};
use crate::oauth::Server;
use crate::store;

// The application and the server that knows it.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Application {
    /// Application ID [env: YANDEX_CLIENT_ID]
    #[arg(long, value_name = "ID", value_parser = client_id)]
    pub client_id: Option<String>,

    /// File with the client secret, or - for stdin
    /// [env: YANDEX_CLIENT_SECRET_FILE, or
    /// YANDEX_CLIENT_SECRET: the secret itself]
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub client_secret_file: Option<PathBuf>,

    /// Authorization server [env: YANDEX_OAUTH_URL]
    /// [default: https://oauth.yandex.com; at
    /// yandex.ru it is https://oauth.yandex.ru]
    #[arg(long, hide_short_help = true, value_name = "URL", value_parser = Server::parse,
        verbatim_doc_comment)]
    pub oauth_url: Option<Server>,
}

// Which saved token.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Location {
    /// Name of the saved token [default: default]
    /// [env: YANDEX_TOKEN_PROFILE]
    #[arg(short, long, value_name = "NAME", value_parser = profile,
        add = ArgValueCompleter::new(complete_profile), conflicts_with = "token_file",
        verbatim_doc_comment)]
    pub profile: Option<String>,

    /// Token file instead of a profile
    /// [env: YANDEX_TOKEN_FILE]
    #[arg(long, hide_short_help = true, value_name = "FILE", verbatim_doc_comment,
        value_parser = OsStringValueParser::new().try_map(|path| token_file(&path)),
        value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
}

impl Location {
    pub fn is_given(&self) -> bool {
        self.profile.is_some() || self.token_file.is_some()
    }
}

// A saved token, and its application.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Saved {
    #[command(flatten)]
    pub location: Location,

    #[command(flatten)]
    pub application: Application,
}

// How fresh a saved token must be.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Renewal {
    /// Renew if it expires within this: 90s, 5m, 1h
    /// [default: 5m, or less if it can't be renewed]
    #[arg(long, value_name = "DURATION", value_parser = duration, verbatim_doc_comment)]
    pub min_ttl: Option<Duration>,

    /// Never ask the server: exit 7 if less than
    /// --min-ttl left [env: YANDEX_TOKEN_NO_RENEW=1]
    #[arg(long, verbatim_doc_comment)]
    pub no_renew: bool,
}

// What is printed, and where.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Output {
    /// token, json, env (YANDEX_TOKEN=...), header
    /// (Authorization: OAuth ...), or bearer (header
    /// for Direct) [default: token]
    #[arg(long, hide_possible_values = true, verbatim_doc_comment)]
    pub format: Option<Format>,

    /// Write to FILE (mode 0600) instead of printing
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The access token
    #[default]
    Token,
    /// All that a token file holds
    Json,
    /// YANDEX_TOKEN=...
    Env,
    /// Authorization: OAuth ...
    Header,
    /// Authorization: Bearer ..., for Direct
    Bearer,
}

fn complete_profile(begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    let names = store::profiles().unwrap_or_default();
    let fitting = names.into_iter().filter(|name| name.starts_with(&*begun));
    fitting.map(CompletionCandidate::new).collect()
}
