//! What `token`, `refresh`, `exec` and `revoke` have in common: a saved token,
//! and the application and server that it belongs to.

use std::path::{Path, PathBuf};

use super::application::{client_secret, read_secret, server};
use super::variable;
use crate::cli;
use crate::error::{Error, Kind};
use crate::oauth::Server;
use crate::oauth::client::{Client, ClientSecret};
use crate::output;
use crate::store::ownership::is_ours_alone;
use crate::store::token::StoredToken;
use crate::store::{self, Location};

/// A saved token, and what the command line says about its application.
pub struct Saved<'a> {
    pub location: &'a Location,
    pub application: &'a cli::Application,
}

/// The application that a saved token belongs to, at its server.
pub struct Issuer {
    pub client: Client,
    pub client_id: String,
    pub origin: String,
    pub has_secret: bool,
}

impl Saved<'_> {
    /// Reads the token.
    ///
    /// # Errors
    /// Exit 7 where there is none, 2 where an option contradicts it.
    pub fn load(&self) -> Result<StoredToken, Error> {
        let token = self
            .location
            .load()?
            .ok_or_else(|| none_saved(self.location))?;
        let contradicts = |option, is| {
            Error::usage(option, format!("the saved token {is}"))
                .hint("Leave the option out, or specify another saved token with --profile.")
        };
        if let (Some(given), Some(its)) = (&self.application.client_id, &token.client_id)
            && given != its
        {
            return Err(contradicts(
                "--client-id",
                format!("was issued to {}", output::short(its)),
            ));
        }
        if let (Some(given), Some(its)) = (&self.application.oauth_url, &token.oauth_url)
            && Server::parse(its).as_ref() != Ok(given)
        {
            return Err(contradicts(
                "--oauth-url",
                format!("is from {}", output::short(its)),
            ));
        }
        Ok(token)
    }

    /// Who issued the token, as far as we may ask there. Reads the client
    /// secret, which may take a prompt: no lock is held meanwhile.
    ///
    /// # Errors
    /// Exit 2 where a file specifies a server that the user has not: a planted
    /// file must not send secrets anywhere.
    pub fn issuer(&self, token: &StoredToken) -> Result<Issuer, Error> {
        let named = server(self.application)?;
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
                        "that is not Yandex, so no secret is sent there unasked",
                    )
                    .hint(format!("If it is right, add --oauth-url {}", its.origin())));
                }
                its
            }
        };
        let client_id = match (&token.client_id, &self.application.client_id) {
            (Some(id), _) | (None, Some(id)) => Some(id.clone()),
            (None, None) => variable("YANDEX_CLIENT_ID")?,
        };
        let client_id = client_id.ok_or_else(|| {
            Error::usage("--client-id", "the token file has no client ID")
                .hint("Pass --client-id ID or set YANDEX_CLIENT_ID.")
        })?;
        let secret = self.client_secret(token)?;
        Ok(Issuer {
            has_secret: secret.is_some(),
            origin: server.origin(),
            client: Client::new(server, client_id.clone(), secret)?,
            client_id,
        })
    }

    /// From the option, else the file that the login was given, else the
    /// variables.
    pub fn client_secret(&self, token: &StoredToken) -> Result<Option<ClientSecret>, Error> {
        let Some(path) = self.remembered_secret_file(token)? else {
            return client_secret(self.application);
        };
        let lost = match read_secret(&path) {
            Ok(secret) => return Ok(Some(secret)),
            Err(error) => error,
        };
        client_secret(self.application)?.map_or(Err(lost), |secret| Ok(Some(secret)))
    }

    /// Only a token file that nobody else can have written says which of our
    /// files is sent to its server.
    fn remembered_secret_file(&self, token: &StoredToken) -> Result<Option<PathBuf>, Error> {
        let path = match &token.login.client_secret_file {
            Some(path) if self.application.client_secret_file.is_none() => Path::new(path),
            _ => return Ok(None),
        };
        let is_profile = self.location.is_in_data_directory();
        if is_profile && path.is_absolute() {
            let is_safe = |path: &Path| is_ours_alone(path).unwrap_or(true);
            if is_safe(&self.location.path()?) && is_safe(path) {
                return Ok(Some(path.to_owned()));
            }
            output::warn(&format!(
                "the client secret file {} is not used: it or the token file can be written by \
                 others",
                output::short(&path.to_string_lossy())
            ));
        }
        Ok(None)
    }
}

impl Issuer {
    /// The client, which shows none of the token's secrets in an error.
    pub fn client_for(&self, token: &StoredToken) -> Client {
        let secrets = [Some(&token.access_token), token.refresh_token.as_ref()];
        let mut client = self.client.clone();
        client.known = secrets.into_iter().flatten().cloned().collect();
        client
    }

    /// # Errors
    /// The token, read again under the lock, is of another application.
    pub fn expect_issued(&self, token: &StoredToken) -> Result<(), Error> {
        let is_same_server = |url| Server::parse(url).is_ok_and(|its| its.origin() == self.origin);
        if token
            .client_id
            .as_ref()
            .is_none_or(|id| *id == self.client_id)
            && token.oauth_url.as_deref().is_none_or(is_same_server)
        {
            return Ok(());
        }
        let why = "a login has replaced it meanwhile by that of another application";
        Err(Error::local("using the saved token", why).hint("Try again."))
    }
}

/// The error where no token is saved.
pub fn none_saved(location: &Location) -> Error {
    let what = match location {
        Location::Profile(name) => format!("profile {name}"),
        Location::File(path) => path.display().to_string(),
    };
    let is_id_set = matches!(variable("YANDEX_CLIENT_ID"), Ok(Some(_)));
    let id = if is_id_set { "" } else { " --client-id ID" };
    Error::new(Kind::NoToken, what, "no token is saved there")
        .hint(format!("Log in: {}{id}", location.login()))
}

/// The other profiles whose token the server may take for the same: Yandex
/// keeps one for an application, a user and a device.
pub fn sharing_device(token: &StoredToken, location: &Location) -> Vec<String> {
    let own = match location {
        Location::Profile(name) => Some(name),
        Location::File(_) => None,
    };
    let is_same = |name: &String| {
        let other = Location::Profile(name.clone()).load_file().ok().flatten();
        other.is_some_and(|other| {
            other.client_id == token.client_id
                && other.device_id.is_some()
                && other.device_id == token.device_id
        })
    };
    let profiles = store::profiles().unwrap_or_default().into_iter();
    profiles
        .filter(|name| Some(name) != own && is_same(name))
        .collect()
}
