//! What `token`, `refresh`, `exec` and `revoke` have in common: a saved token,
//! and the application and server that it belongs to.

use std::path::Path;

use super::application::{self, no_client_id, read_secret, server};
use super::{location, variable};
use crate::cli;
use crate::error::{Error, Kind};
use crate::oauth::Server;
use crate::oauth::client::{Client, ClientSecret};
use crate::output;
use crate::store::ownership::is_ours_alone;
use crate::store::token::{Secrets, StoredToken};
use crate::store::{self, Location};

/// A saved token, and what the command line says about its application.
pub struct Saved {
    pub location: Location,
    pub application: cli::Application,
}

impl Saved {
    pub fn new(options: cli::Saved) -> Result<Saved, Error> {
        Ok(Saved {
            location: location(options.location)?,
            application: options.application,
        })
    }

    /// Reads the token.
    ///
    /// # Errors
    /// Exit 7 where there is none, 2 where an option contradicts it.
    pub fn load(&self) -> Result<StoredToken, Error> {
        let token = self.location.load()?;
        let token = token.ok_or_else(|| none_saved(&self.location))?;
        let contradicts = |option, is, its: &str| {
            Error::usage(
                option,
                format!("the saved token {is} {}", output::short(its)),
            )
            .hint("Leave the option out, or specify another saved token with --profile.")
        };
        let application = &self.application;
        if let (Some(given), Some(its)) = (&application.client_id, &token.client_id)
            && given != its
        {
            return Err(contradicts("--client-id", "was issued to", its));
        }
        if let (Some(given), Some(its)) = (&application.oauth_url, &token.oauth_url)
            && Server::parse(its).as_ref() != Ok(given)
        {
            return Err(contradicts("--oauth-url", "is from", its));
        }
        Ok(token)
    }

    /// Who issued the token, as far as we may ask there. Reads the client
    /// secret, which may take a prompt: no lock is held meanwhile.
    ///
    /// # Errors
    /// Exit 2 where a file specifies a server that the user has not: a planted
    /// file must not send secrets anywhere.
    pub fn client(&self, token: &StoredToken) -> Result<Client, Error> {
        let named = server(&self.application)?;
        let server = match &token.oauth_url {
            None => named.unwrap_or_default(),
            Some(url) => {
                let url = output::short(url);
                let its = Server::parse(&url).map_err(|why| {
                    Error::usage(format!("the saved token's oauth_url {url}"), why)
                })?;
                if !its.is_yandex() && named.as_ref() != Some(&its) {
                    return Err(Error::usage(
                        format!("the saved token is from {}", its.origin()),
                        "it is not Yandex's, so no secret is sent there without --oauth-url",
                    )
                    .hint(format!("If you trust it, add --oauth-url {}", its.origin())));
                }
                its
            }
        };
        let known_id = [&token.client_id, &self.application.client_id];
        let client_id = match known_id.into_iter().flatten().next() {
            Some(id) => id.clone(),
            None => variable("YANDEX_CLIENT_ID")?
                .ok_or_else(|| no_client_id("the token file has no client ID"))?,
        };
        let secret = client_secret(&self.location, &self.application, token)?;
        Client::new(server, client_id, secret)
    }
}

/// From the option, else the file that the token's login was given, else the
/// variables.
pub fn client_secret(
    location: &Location,
    options: &cli::Application,
    token: &StoredToken,
) -> Result<Option<ClientSecret>, Error> {
    let given = || application::client_secret(options);
    let path = match &token.login.client_secret_file {
        Some(path) if options.client_secret_file.is_none() => Path::new(path),
        _ => return given(),
    };
    if !location.is_in_data_directory() || !path.is_absolute() {
        return given();
    }
    // Only a token file that nobody else can have written says which of our
    // files is sent to its server.
    let is_safe = |path: &Path| is_ours_alone(path).unwrap_or(true);
    if !is_safe(&location.path()?) || !is_safe(path) {
        output::warn(&format!(
            "the client secret file {} is not used: others can write it or the token file",
            output::short(&path.to_string_lossy())
        ));
        return given();
    }
    let secret = read_secret(path).or_else(|lost| given()?.ok_or(lost));
    secret.map(Some)
}

/// The client for a token that was read again under the lock; it shows none of
/// its secrets in an error.
///
/// # Errors
/// The token is of another application now.
pub fn client_for(token: &StoredToken, client: &Client) -> Result<Client, Error> {
    let (id, url) = (token.client_id.as_ref(), token.oauth_url.as_ref());
    let is_its_server = |url: &String| Server::parse(url).as_ref() == Ok(&client.server);
    if id.is_some_and(|id| *id != client.client_id) || !url.is_none_or(is_its_server) {
        let why = "a login has replaced it meanwhile by that of another application";
        return Err(Error::local("using the saved token", why).hint("Try again."));
    }
    let Secrets {
        access_token,
        refresh_token,
    } = token.secrets.clone();
    let mut client = client.clone();
    client.known = refresh_token.into_iter().chain([access_token]).collect();
    Ok(client)
}

/// The error where no token is saved.
pub fn none_saved(location: &Location) -> Error {
    let is_id_set = matches!(variable("YANDEX_CLIENT_ID"), Ok(Some(_)));
    let id = match is_id_set {
        true => "",
        false => " --client-id ID (`yandex-token login --help` says where to get an ID)",
    };
    Error::new(Kind::NoToken, location.to_string(), "no token is saved")
        .hint(format!("Log in: {}{id}", location.login()))
}

/// The other profiles whose token the server may take for the same: Yandex
/// keeps one for an application, a user and a device.
pub fn sharing_device(token: &StoredToken, location: &Location) -> Vec<String> {
    let is_sharing = |name: &String| {
        let other = Location::Profile(name.clone());
        let its = other
            .load_file()
            .ok()
            .flatten()
            .filter(|_| other != *location);
        its.is_some_and(|its| {
            its.device_id.is_some()
                && (&its.client_id, &its.device_id) == (&token.client_id, &token.device_id)
        })
    };
    let mut profiles = store::profiles().unwrap_or_default();
    profiles.retain(is_sharing);
    profiles
}
