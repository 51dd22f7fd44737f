//! Which application asks, at which server: from options, the variables behind
//! them, or a sandbox.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::{option_or_variable, path_variable, trimmed, variable};
use crate::cli;
use crate::cli::values::client_id;
use crate::error::Error;
use crate::oauth::Server;
use crate::oauth::client::{Client, ClientSecret};
use crate::output;
use crate::platform;
use crate::sandbox::{Options, Sandbox};
use crate::signals;

/// From options and variables, or else for the ID this.
pub fn resolve(
    options: &cli::Application,
    saved_id: impl FnOnce() -> Result<String, Error>,
) -> Result<Client, Error> {
    let id = option_or_variable(options.client_id.clone(), "YANDEX_CLIENT_ID", client_id)?;
    let id = id.map_or_else(saved_id, Ok)?;
    Client::new(
        server(options)?.unwrap_or_default(),
        id,
        client_secret(options)?,
    )
}

/// A sandbox's own; variables are left out, since they are for the real one.
/// It is a confidential client where a secret is given, or needed.
pub fn in_sandbox(
    options: &cli::Application,
    needs_secret: bool,
) -> Result<(Client, Sandbox), Error> {
    let given = options.client_secret_file.as_deref().map(read_secret);
    let given = given.transpose()?;
    let has_secret = needs_secret || given.is_some();
    // Before any thread starts.
    signals::before_death(output::end_progress);
    let sandbox = Sandbox::start(Options {
        client_id: options.client_id.clone(),
        client_secret: given.map(|given| given.secret.expose_secret().to_owned()),
        device_interval: Some(1),
        ..Options::default()
    })?;
    let server = Server::parse(&sandbox.origin);
    let server = server.map_err(|why| Error::local("starting the sandbox", why))?;
    let secret = has_secret.then(|| ClientSecret {
        secret: sandbox.client_secret.clone().into(),
        source: "the sandbox".to_owned(),
    });
    let client = Client::new(server, sandbox.client_id.clone(), secret)?;
    Ok((client, sandbox))
}

/// The error where no client ID was given.
pub fn no_client_id(why: &str) -> Error {
    Error::usage("--client-id", why).hint("Pass --client-id ID or set YANDEX_CLIENT_ID.")
}

/// The server that an option or a variable names.
pub fn server(options: &cli::Application) -> Result<Option<Server>, Error> {
    option_or_variable(options.oauth_url.clone(), "YANDEX_OAUTH_URL", Server::parse)
}

/// The file with the client secret, by an option or a variable.
pub fn secret_file(options: &cli::Application) -> Result<Option<PathBuf>, Error> {
    match &options.client_secret_file {
        Some(path) => Ok(Some(path.clone())),
        None => path_variable("YANDEX_CLIENT_SECRET_FILE"),
    }
}

/// The client secret that an option or a variable leads to.
pub fn client_secret(options: &cli::Application) -> Result<Option<ClientSecret>, Error> {
    let is_option = options.client_secret_file.is_some();
    let secret = if is_option {
        None
    } else {
        variable("YANDEX_CLIENT_SECRET")?
    };
    match (secret_file(options)?, secret) {
        (Some(_), Some(_)) => Err(Error::usage(
            "YANDEX_CLIENT_SECRET and YANDEX_CLIENT_SECRET_FILE",
            "both are set: unset one of them",
        )),
        (Some(path), None) => read_secret(&path).map(Some),
        (None, Some(secret)) => {
            let source = "YANDEX_CLIENT_SECRET".to_owned();
            let secret = checked(&secret).map_err(|why| Error::usage(&source, why))?;
            Ok(Some(ClientSecret { secret, source }))
        }
        (None, None) => Ok(None),
    }
}

/// A secret is one line of a file, or of standard input for `-`.
pub fn read_secret(path: &Path) -> Result<ClientSecret, Error> {
    const MAX: u64 = 4096;
    let is_stdin = path.as_os_str() == "-";
    let source = match is_stdin {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let what = format!("reading the client secret from {source}");
    let failed = |why: &dyn Display| Error::local(&what, why);
    let mut text = String::new();
    let read = match is_stdin {
        true if std::io::stdin().is_terminal() => prompt(&mut text),
        true => std::io::stdin()
            .lock()
            .take(MAX + 1)
            .read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(MAX + 1).read_to_string(&mut text)),
    };
    read.map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX {
        return Err(failed(&"more than 4096 bytes: not a client secret"));
    }
    let secret = checked(&text).map_err(|why| failed(&why))?;
    Ok(ClientSecret { secret, source })
}

/// One line from a terminal, which doesn't show it.
fn prompt(line: &mut String) -> std::io::Result<usize> {
    signals::before_death(platform::show_input);
    // What is typed before that is discarded.
    platform::hide_input();
    output::prompt("Client secret (not shown):");
    let read = std::io::stdin().lock().read_line(line);
    platform::show_input();
    output::prompt("");
    read
}

fn checked(text: &str) -> Result<SecretString, &'static str> {
    match trimmed(text) {
        "" => Err("it is empty"),
        text if text.contains(char::is_control) => Err("more than one line: not a client secret"),
        text => Ok(text.into()),
    }
}
