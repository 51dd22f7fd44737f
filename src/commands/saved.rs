//! What `token`, `refresh`, `exec` and `revoke` have in common: a saved token,
//! the application and server it belongs to, and its refresh under a lock.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::application::{client_secret, server};
use super::variable;
use crate::cli;
use crate::error::{Error, Kind};
use crate::oauth::Server;
use crate::oauth::client::Client;
use crate::output;
use crate::signals;
use crate::store::Location;
use crate::store::atomic_file::{Lock, Turn};
use crate::store::token::StoredToken;

/// A token is refreshed when it has less life left than this.
const DEFAULT_MIN_TTL: Duration = Duration::from_secs(300);

/// A saved token, and what the command line says about its application.
pub struct Saved<'a> {
    pub location: &'a Location,
    pub application: &'a cli::Application,
}

impl Saved<'_> {
    /// Reads the token.
    ///
    /// # Errors
    /// Exit 7 where there is none, 2 where an option contradicts it.
    pub fn load(&self) -> Result<StoredToken, Error> {
        let token = self.location.load()?.ok_or_else(|| self.none_saved())?;
        if let (Some(given), Some(its)) = (&self.application.client_id, &token.client_id)
            && given != its
        {
            return Err(Error::usage(
                "--client-id",
                format!("the saved token was issued to {its}"),
            )
            .hint("Leave the option out, or name another saved token with --profile."));
        }
        if let (Some(given), Some(its)) = (&self.application.oauth_url, &token.oauth_url)
            && Server::parse(its).as_ref() != Ok(given)
        {
            return Err(
                Error::usage("--oauth-url", format!("the saved token is from {its}"))
                    .hint("Leave the option out, or name another saved token with --profile."),
            );
        }
        Ok(token)
    }

    /// A token with enough life left, refreshed first where it has not.
    /// `min_ttl` is the option as it was given.
    pub fn valid(&self, min_ttl: Option<Duration>) -> Result<StoredToken, Error> {
        let enough = min_ttl.unwrap_or(DEFAULT_MIN_TTL);
        let token = self.load()?;
        if token
            .time_left()
            .is_none_or(|left| left >= enough && !left.is_zero())
        {
            return Ok(token);
        }
        match self.refresh_once(&token) {
            Ok(Fresh::Saved(token)) => Ok(token),
            Ok(Fresh::Unsaved(answered)) => answered.save(),
            Err(error) if min_ttl.is_none() && !token.is_expired() => {
                output::warn(&format!(
                    "the token ends soon and can't be refreshed: {}: {}",
                    error.what, error.why
                ));
                Ok(token)
            }
            Err(error) => Err(error),
        }
    }

    /// Refreshes, unless another process has done so since `seen` was read: of
    /// a hundred at once, one asks the server.
    fn refresh_once(&self, seen: &StoredToken) -> Result<Fresh, Error> {
        if seen.refresh_token.is_none() {
            return Err(self.not_refreshable(seen));
        }
        let changed = || self.load().ok().filter(|token| !token.is_same_as(seen));
        match self.location.file()?.lock_unless(changed)? {
            Turn::Done(token) => Ok(Fresh::Saved(token)),
            Turn::Lock(lock) => match self.load()? {
                token if token.is_same_as(seen) => self.refresh(token, lock).map(Fresh::Unsaved),
                token => Ok(Fresh::Saved(token)),
            },
        }
    }

    /// Refreshes, whatever life is left.
    pub fn refresh_now(&self) -> Result<StoredToken, Error> {
        self.load()?;
        let lock = self.location.file()?.lock()?;
        self.refresh(self.load()?, lock)?.save()
    }

    /// Makes sure of the room, then asks the server.
    fn refresh(&self, token: StoredToken, mut lock: Lock) -> Result<Unsaved, Error> {
        let Some(refresh_token) = token.refresh_token.clone() else {
            return Err(self.not_refreshable(&token));
        };
        let (client, client_id, origin) = self.client(&token)?;
        let held = signals::BlockedSignals::hold();
        lock.reserve()?;
        let answer = client
            .refresh(&refresh_token)
            .map_err(|error| login_again(error, self.log_in_again(&token)))?;
        Ok(Unsaved {
            token: token.refreshed(answer, client_id, origin),
            lock,
            _held: held,
        })
    }

    /// The client for a saved token, its ID and its server's origin.
    ///
    /// # Errors
    /// Exit 2 where a file names a server that the user has not: a planted
    /// file must not send secrets anywhere.
    pub fn client(&self, token: &StoredToken) -> Result<(Client, String, String), Error> {
        let named = server(self.application)?;
        let server = match &token.oauth_url {
            None => named.unwrap_or_default(),
            Some(url) => {
                let its = Server::parse(url).map_err(|why| {
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
            Error::usage(
                "--client-id",
                "the token file does not say which application it is of",
            )
            .hint("Write --client-id ID or set YANDEX_CLIENT_ID.")
        })?;
        let secret = client_secret(self.application)?;
        let origin = server.origin();
        Ok((
            Client::new(server, client_id.clone(), secret)?.knowing(
                [Some(&token.access_token), token.refresh_token.as_ref()]
                    .into_iter()
                    .flatten()
                    .cloned(),
            ),
            client_id,
            origin,
        ))
    }

    fn none_saved(&self) -> Error {
        let what = match self.location {
            Location::Profile(name) => format!("profile {name}"),
            Location::File(path) => path.display().to_string(),
        };
        Error::new(Kind::NoToken, what, "no token is saved there")
            .hint(format!("Get one: `{}`", self.location.login(None)))
    }

    fn not_refreshable(&self, token: &StoredToken) -> Error {
        let why = match token.is_expired() {
            true => "the token has expired, and there is no refresh token",
            false => "there is no refresh token",
        };
        Error::new(Kind::NoToken, "refreshing the token", why).hint(self.log_in_again(token))
    }

    fn log_in_again(&self, token: &StoredToken) -> String {
        let command = self.location.login(token.oauth_url.as_deref());
        format!("Log in again: `{command}`")
    }
}

/// A token that is good for what it was asked for.
enum Fresh {
    Saved(StoredToken),
    Unsaved(Unsaved),
}

/// An answer that spent the old refresh token. From here on nothing but the
/// disk can fail, and that must never pass in silence.
struct Unsaved {
    token: StoredToken,
    lock: Lock,
    /// Signals wait until the token is on the disk.
    _held: signals::BlockedSignals,
}

impl Unsaved {
    fn save(self) -> Result<StoredToken, Error> {
        let content = self.token.to_json();
        self.lock
            .commit_or_rescue(content.expose_secret().as_bytes())?;
        Ok(self.token)
    }
}

/// What a refused refresh means: the refresh token is no good any more.
pub fn login_again(error: Error, hint: String) -> Error {
    match error.refusal.as_deref() {
        Some("invalid_grant") => Error {
            kind: Kind::NoToken,
            ..error.hint(hint)
        },
        _ => error,
    }
}
