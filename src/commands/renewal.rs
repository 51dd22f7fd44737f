//! Renews a saved token: on the way where it is due, at once where it has too
//! little life left or the user says so.
//!
//! The order: secrets, lock, read again, room on the disk, one request, save.
//! Whatever comes of the request is in the token file before the lock is
//! released, so that others neither repeat it nor wait for it in vain.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::destination::rescued;
use super::saved::{Saved, client_for};
use super::variable;
use crate::cli;
use crate::error::{Error, Kind};
use crate::oauth::client::Client;
use crate::oauth::response::TokenResponse;
use crate::output;
use crate::signals;
use crate::store::atomic_file::{Lock, Turn};
use crate::store::token::{StoredToken, UNREACHABLE, now};

/// A token must be renewed when it has less life left than this.
const DEFAULT_MIN_TTL: Duration = Duration::from_secs(300);
/// What a renewal on the way may take to reach the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const RENEWING: &str = "renewing the token";

/// The server's answer, and whether the token in it could be saved: what was
/// spent must never be lost in silence.
type Renewed = Result<(StoredToken, Result<(), Error>), Error>;

impl Saved {
    /// A token with enough life left, renewed first where it has not, or where
    /// it is due.
    pub fn valid(&self, options: &cli::Renewal) -> Result<StoredToken, Error> {
        let no_renew = no_renew(options)?;
        let token = self.load()?;
        let enough = options.min_ttl.unwrap_or(DEFAULT_MIN_TTL);
        let left = token.time_left();
        if left.is_none_or(|left| left >= enough && !left.is_zero()) {
            return Ok(match token.is_due(now()) {
                true => self.renew_on_the_way(token, no_renew),
                false => token,
            });
        }
        if no_renew {
            let enough = enough.as_secs();
            let why = format!("it has less than {enough} s left, and renewal is off (--no-renew)");
            let error = Error::new(Kind::NoToken, "the saved token", why);
            return Err(error.hint(self.location.login_again()));
        }
        match self.wait_and_renew(&token, false) {
            Err(error) if options.min_ttl.is_none() && !token.is_expired() => {
                self.warn(&token, &error);
                Ok(token)
            }
            renewed => renewed.and_then(|(token, saved)| saved.map(|()| token)),
        }
    }

    /// Renews, whatever life is left, also where another process has just done
    /// so.
    pub fn refresh_now(&self) -> Result<StoredToken, Error> {
        let (token, saved) = self.wait_and_renew(&self.load()?, true)?;
        saved.map(|()| token)
    }

    /// Renews, unless another process has asked the server since `seen` was
    /// read: of a hundred at once, one does. With `always`, only its failure
    /// counts.
    fn wait_and_renew(&self, seen: &StoredToken, always: bool) -> Renewed {
        self.expect_renewable(seen)?;
        let client = self.client(seen)?;
        let outcome = |token: &StoredToken| {
            if token.is_same_as(seen) {
                self.noted_since(seen, token).map(Err)
            } else {
                (!always).then(|| Ok((token.clone(), Ok(()))))
            }
        };
        // A keychain is too slow to be asked while waiting.
        let done_meanwhile = || match seen.keychain {
            Some(_) => None,
            None => outcome(&self.load().ok()?),
        };
        let lock = match self.location.file()?.lock_unless(done_meanwhile)? {
            Turn::Done(outcome) => return outcome,
            Turn::Lock(lock) => lock,
        };
        let token = self.load()?;
        if let Some(outcome) = outcome(&token) {
            return outcome;
        }
        lock.make_sure_of_room()?;
        self.renew(token, &client, lock)
    }

    /// Renews a due token, never at the cost of the one at hand.
    fn renew_on_the_way(&self, token: StoredToken, no_renew: bool) -> StoredToken {
        let renewed = match no_renew {
            true => Err(Error::new(Kind::NoToken, RENEWING, "it is off (--no-renew)").into()),
            false => self.try_to_renew(&token),
        };
        match renewed {
            Ok(renewed) => return renewed,
            Err(Skipped { error, is_silent }) if is_silent && !token.is_in_warning_time(now()) => {
                output::debug(&format!("not renewed: {}", error.why));
            }
            Err(Skipped { error, .. }) => self.warn(&token, &error),
        }
        token
    }

    /// The renewed token, or the one at hand while another process is at it.
    fn try_to_renew(&self, seen: &StoredToken) -> Result<StoredToken, Skipped> {
        self.expect_renewable(seen)?;
        let is_paused = seen.paused_until(now()).is_some();
        if is_paused && seen.renew_without_secret != Some(true) {
            return Err(self.noted(seen).into());
        }
        // What the user can set right is reported at once.
        let mut client = self.client(seen).map_err(|error| Skipped {
            error,
            is_silent: false,
        })?;
        let has_secret = client.client_secret.is_some();
        let needs_secret = seen.renew_error.as_deref() == Some("invalid_client");
        let is_early = is_paused || !seen.is_in_warning_time(now());
        if !has_secret && needs_secret && is_early {
            return Err(self.noted(seen).into());
        }
        client.connect_limit = CONNECT_LIMIT;
        let Some(lock) = self.location.file()?.try_lock()? else {
            return Ok(seen.clone());
        };
        let token = self.load()?;
        if !token.is_same_as(seen) {
            return Ok(token);
        }
        if token.renew_failed_at != seen.renew_failed_at {
            return Err(self.noted(&token).into());
        }
        lock.make_sure_of_room()?;
        match self.renew(token, &client, lock) {
            Ok((renewed, saved)) => {
                // Said even where warnings are not wanted: where the new
                // refresh token is. The old access token may be dead now.
                saved.unwrap_or_else(|error| output::error(&error));
                Ok(renewed)
            }
            Err(error) => {
                let needs_secret = error.refusal.as_deref() == Some("invalid_client");
                let is_silent = needs_secret && !has_secret;
                Err(Skipped { error, is_silent })
            }
        }
    }

    /// Asks the server, once, and saves what it said. There is room for that.
    /// Signals wait until it is on the disk.
    fn renew(&self, token: StoredToken, client: &Client, lock: Lock) -> Renewed {
        self.expect_renewable(&token)?;
        let client = client_for(&token, client)?;
        let _held = signals::BlockedSignals::hold();
        match ask(&token, &client) {
            Ok(answer) => {
                let token = token.refreshed(answer, &client);
                let saved = self.location.commit(lock, &token);
                let saved = saved.map_err(|error| rescued(error, &token));
                Ok((token, saved))
            }
            Err(error) => {
                let code = error.refusal.as_deref().map(output::short);
                let noted = token.not_renewed(now(), code, client.client_secret.is_some());
                // Without the note, others ask the server once more.
                let _ = lock.commit(noted.to_file().expose_secret().as_bytes());
                // For a subject, the application is refused, not the token.
                Err(match noted.secrets.refresh_token {
                    Some(_) => login_again(error, self.location.login_again()),
                    None => error,
                })
            }
        }
    }

    fn expect_renewable(&self, token: &StoredToken) -> Result<(), Error> {
        if token.secrets.refresh_token.is_some() || token.login.subject.is_some() {
            return Ok(());
        }
        let why = match token.is_expired() {
            true => "the token has expired, and there is no refresh token",
            false => "there is no refresh token",
        };
        Err(Error::new(Kind::NoToken, RENEWING, why).hint(self.location.login_again()))
    }

    /// The error that a process noted while we waited for it.
    fn noted_since(&self, seen: &StoredToken, token: &StoredToken) -> Option<Error> {
        let failed_at = token
            .renew_failed_at
            .filter(|at| seen.renew_failed_at != Some(*at));
        failed_at.map(|_| self.noted(token))
    }

    /// The error that the last renewal ended with.
    fn noted(&self, token: &StoredToken) -> Error {
        let refusal = token.renew_error.as_deref().unwrap_or(UNREACHABLE);
        if refusal == UNREACHABLE {
            let why = "the server could not be reached a moment ago";
            return Error::new(Kind::Unreachable, RENEWING, why);
        }
        let mut error = Error::new(Kind::Refused, RENEWING, output::short(refusal));
        if refusal == "invalid_client" {
            error = error.hint("Check the client ID and the client secret (YANDEX_CLIENT_SECRET or --client-secret-file).");
        }
        error.refusal = Some(refusal.to_owned());
        login_again(error, self.location.login_again())
    }

    fn warn(&self, token: &StoredToken, error: &Error) {
        let mut text = format!("the token is not renewed: {error}");
        if let Some(at) = token.expires_at {
            text += &format!("; it is valid until {}", output::date(at));
        }
        if error.kind == Kind::NoToken || token.is_in_warning_time(now()) {
            text += &format!("; to log in again, run {}", self.location.login());
        }
        output::warn(&text);
    }
}

/// Whether the option or its variable forbids to ask the server.
fn no_renew(options: &cli::Renewal) -> Result<bool, Error> {
    match variable("YANDEX_TOKEN_NO_RENEW")?.as_deref() {
        _ if options.no_renew => Ok(true),
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Error::usage("YANDEX_TOKEN_NO_RENEW", "it must be 1 or 0")),
    }
}

/// Why a due token was not renewed on the way.
struct Skipped {
    error: Error,
    /// Nothing can be done about it now: reported in the warning time only.
    is_silent: bool,
}

impl From<Error> for Skipped {
    fn from(error: Error) -> Skipped {
        Skipped {
            error,
            is_silent: true,
        }
    }
}

/// A refresh (RFC 6749, section 6), or for a service application the exchange
/// (RFC 8693) that the token came from.
fn ask(token: &StoredToken, client: &Client) -> Result<TokenResponse, Error> {
    match (&token.secrets.refresh_token, &token.login.subject) {
        (Some(refresh_token), _) => client.refresh(refresh_token),
        (None, subject) => {
            let subject = subject.as_deref().unwrap_or_default();
            client.exchange_subject(subject, token.login.scope_asked.as_deref())
        }
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
