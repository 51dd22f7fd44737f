//! Options that several commands have. The doc comments are the help; the
//! groups themselves have none, since clap would take it for the command's.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::values::{client_id, profile, token_file};
use crate::oauth::Server;
use crate::store;

// The application and the server that knows it.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Application {
    /// Application ID (client ID)
    /// [default: the one that the saved token was issued to]
    /// [env: YANDEX_CLIENT_ID]
    #[arg(long, value_name = "ID", value_parser = client_id,
        help_heading = "Application", verbatim_doc_comment)]
    pub client_id: Option<String>,

    /// File with the client secret, `-` for standard input; without
    /// one the application is a public client
    /// [env: YANDEX_CLIENT_SECRET_FILE, or YANDEX_CLIENT_SECRET with the
    /// secret itself]
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

// Which saved token.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Location {
    /// The saved token with this name [default: default]
    /// [env: YANDEX_TOKEN_PROFILE]
    #[arg(short, long, value_name = "NAME", value_parser = profile,
        add = ArgValueCompleter::new(complete_profile), conflicts_with = "token_file",
        help_heading = "Result", verbatim_doc_comment)]
    pub profile: Option<String>,

    /// The saved token in this very file [env: YANDEX_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Result",
        value_parser = OsStringValueParser::new().try_map(|path| token_file(&path)),
        value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
}

// What is printed, and where.
#[derive(Args, Debug, Default, PartialEq)]
pub struct Output {
    /// What to print [default: token]
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        help_heading = "Result",
        long_help = "What to print [default: token]\n\
            token: the access token    json: all that a token file holds\n\
            env: YANDEX_TOKEN=...        header: Authorization: OAuth ...\n\
            bearer: Authorization: Bearer ..., for Direct"
    )]
    pub format: Option<Format>,

    /// Write to this file, mode 0600, instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Result")]
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
