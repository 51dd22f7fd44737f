//! Renews a saved token: on the way where it is due, at once where it has too
//! little life left or the user says so.
//!
//! The order: secrets, lock, read again, room on the disk, one request, save.
//! Whatever comes of the request is in the token file before the lock is
//! released, so that others neither repeat it nor wait for it in vain.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::saved::{Issuer, Saved};
use crate::error::{Error, Kind};
use crate::oauth::response::TokenResponse;
use crate::output;
use crate::signals;
use crate::store::atomic_file::{Lock, Turn, rescued};
use crate::store::token::{StoredToken, UNREACHABLE, now};

/// A token must be renewed when it has less life left than this.
const DEFAULT_MIN_TTL: Duration = Duration::from_secs(300);
/// What a renewal on the way may take to reach the server.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The server's answer, and whether the token in it could be saved: what was
/// spent must never be lost in silence.
type Renewed = Result<(StoredToken, Result<(), Error>), Error>;

impl Saved<'_> {
    /// A token with enough life left, renewed first where it has not, or where
    /// it is due. `min_ttl` is the option as it was given.
    pub fn valid(&self, min_ttl: Option<Duration>, no_renew: bool) -> Result<StoredToken, Error> {
        let token = self.load()?;
        let enough = min_ttl.unwrap_or(DEFAULT_MIN_TTL);
        let left = token.time_left();
        if left.is_none_or(|left| left >= enough && !left.is_zero()) {
            return Ok(match token.is_due(now()) {
                true => self.renew_on_the_way(token, no_renew),
                false => token,
            });
        }
        if no_renew {
            let enough = enough.as_secs();
            let why = format!("it has less than {enough} s left, and is not to be renewed here");
            let error = Error::new(Kind::NoToken, "the saved token", why);
            return Err(error.hint(self.location.login_again()));
        }
        match self.renew_once(&token) {
            Err(error) if min_ttl.is_none() && !token.is_expired() => {
                self.warn(&token, &error);
                Ok(token)
            }
            Err(error) => Err(error),
            Ok((token, saved)) => saved.map(|()| token),
        }
    }

    /// Renews, whatever life is left, also where another process has just done
    /// so.
    pub fn refresh_now(&self) -> Result<StoredToken, Error> {
        let seen = self.load()?;
        let (token, saved) = self.renew_unless(&seen, |_| None)?;
        saved.map(|()| token)
    }

    /// Renews, unless another process has done so since `seen` was read: of a
    /// hundred at once, one asks the server.
    fn renew_once(&self, seen: &StoredToken) -> Renewed {
        self.renew_unless(seen, |token| (!token.is_same_as(seen)).then_some(token))
    }

    /// Renews, unless `done` takes what another process has saved. One that was
    /// refused while we waited for it has asked for us as well.
    fn renew_unless(
        &self,
        seen: &StoredToken,
        done: impl Fn(StoredToken) -> Option<StoredToken>,
    ) -> Renewed {
        self.expect_renewable(seen)?;
        let issuer = self.issuer(seen)?;
        let outcome = |token: StoredToken| match self.noted_refusal(seen, &token) {
            Some(refusal) => Some(Err(refusal)),
            None => done(token).map(|token| Ok((token, Ok(())))),
        };
        let file = self.location.file()?;
        // A keychain is slow, so it is asked only where the file is new.
        let is_new = || match self.location.load_file() {
            Ok(Some(file)) if file.keychain.is_some() => {
                !file.has_times_of(seen)
                    || file.keychain_id != seen.keychain_id
                    || file.renew_failed_at != seen.renew_failed_at
            }
            _ => true,
        };
        let done_meanwhile = || outcome(is_new().then(|| self.load().ok())??);
        let lock = match file.lock_unless(done_meanwhile)? {
            Turn::Done(outcome) => return outcome,
            Turn::Lock(lock) => lock,
        };
        let token = self.load()?;
        if let Some(outcome) = outcome(token.clone()) {
            return outcome;
        }
        lock.make_sure_of_room()?;
        self.renew(token, &issuer, lock)
    }

    /// Renews a due token, never at the cost of the one at hand.
    fn renew_on_the_way(&self, token: StoredToken, no_renew: bool) -> StoredToken {
        let skipped = match no_renew {
            true => Err(Skipped::silently("it is not to be renewed here")),
            false => self.try_to_renew(&token),
        };
        match skipped {
            Ok(renewed) => return renewed,
            Err(Skipped::Busy) => {}
            Err(Skipped::Failed(error)) => self.warn(&token, &error),
            Err(Skipped::Silent(why)) if token.is_in_warning_time(now()) => self.warn(&token, &why),
            Err(Skipped::Silent(why)) => output::debug(&format!("not renewed: {}", why.why)),
        }
        token
    }

    fn try_to_renew(&self, seen: &StoredToken) -> Result<StoredToken, Skipped> {
        let silent = Skipped::Silent;
        self.expect_renewable(seen).map_err(silent)?;
        let is_paused = |token: &StoredToken| token.paused_until(now()).is_some();
        let was_without_secret = seen.renew_without_secret == Some(true);
        if is_paused(seen) && !was_without_secret {
            return Err(Skipped::Silent(self.noted(seen)));
        }
        let mut issuer = self.issuer(seen).map_err(silent)?;
        let needs_secret = seen.renew_error.as_deref() == Some("invalid_client");
        if !issuer.has_secret
            && needs_secret
            && (is_paused(seen) || !seen.is_in_warning_time(now()))
        {
            return Err(Skipped::Silent(self.noted(seen)));
        }
        issuer.client.connect_limit = CONNECT_LIMIT;
        let file = self.location.file().map_err(silent)?;
        let lock = file.try_lock().map_err(silent)?.ok_or(Skipped::Busy)?;
        let token = self.load().map_err(silent)?;
        if !token.is_same_as(seen) {
            return Ok(token);
        }
        if token.renew_failed_at != seen.renew_failed_at {
            return Err(Skipped::Silent(self.noted(&token)));
        }
        lock.make_sure_of_room().map_err(silent)?;
        match self.renew(token, &issuer, lock) {
            Ok((renewed, saved)) => {
                // Said even where warnings are not wanted: where the new
                // refresh token is. The old access token may be dead now.
                saved.unwrap_or_else(|error| output::error(&error));
                Ok(renewed)
            }
            Err(error)
                if error.refusal.as_deref() == Some("invalid_client") && !issuer.has_secret =>
            {
                Err(Skipped::Silent(error))
            }
            Err(error) => Err(Skipped::Failed(error)),
        }
    }

    /// Asks the server, once, and saves what it said. There is room for that.
    /// Signals wait until it is on the disk.
    fn renew(&self, token: StoredToken, issuer: &Issuer, lock: Lock) -> Renewed {
        self.expect_renewable(&token)?;
        issuer.expect_issued(&token)?;
        let _held = signals::BlockedSignals::hold();
        match ask(&token, issuer) {
            Ok(answer) => {
                let (id, origin) = (issuer.client_id.clone(), issuer.origin.clone());
                let token = token.refreshed(answer, id, origin);
                let saved = self.location.commit(lock, &token).map_err(|error| {
                    rescued(error, token.to_standalone().expose_secret().as_bytes())
                });
                Ok((token, saved))
            }
            Err(error) => {
                let code = error.refusal.as_deref().map(output::short);
                let noted = token.not_renewed(now(), code, issuer.has_secret);
                // Without the note, others ask the server once more.
                let _ = lock.commit(noted.to_file().expose_secret().as_bytes());
                Err(login_again(error, self.location.login_again()))
            }
        }
    }

    fn expect_renewable(&self, token: &StoredToken) -> Result<(), Error> {
        if token.refresh_token.is_some() || token.login.subject.is_some() {
            return Ok(());
        }
        let why = match token.is_expired() {
            true => "the token has expired, and there is no refresh token",
            false => "there is no refresh token",
        };
        Err(Error::new(Kind::NoToken, "renewing the token", why).hint(self.location.login_again()))
    }

    /// The refusal that a process noted while we waited for it.
    fn noted_refusal(&self, seen: &StoredToken, token: &StoredToken) -> Option<Error> {
        let is_new =
            token.renew_failed_at.is_some() && token.renew_failed_at != seen.renew_failed_at;
        (is_new && token.is_same_as(seen)).then(|| self.noted(token))
    }

    /// The error that the last renewal ended with.
    fn noted(&self, token: &StoredToken) -> Error {
        let refused = token.renew_error.as_deref().unwrap_or(UNREACHABLE);
        let what = "renewing the token";
        if refused == UNREACHABLE {
            return Error::new(
                Kind::Unreachable,
                what,
                "the server was not reached just now",
            );
        }
        let mut error = Error::new(Kind::Refused, what, output::short(refused));
        if refused == "invalid_client" {
            error = error.hint("Check the client ID and the client secret: YANDEX_CLIENT_SECRET or --client-secret-file.");
        }
        error.refusal = Some(refused.to_owned());
        login_again(error, self.location.login_again())
    }

    fn warn(&self, token: &StoredToken, error: &Error) {
        let until = token.expires_at.map_or_else(String::new, |at| {
            format!("; it is good until {}", output::date(at))
        });
        let is_final = error.kind == Kind::NoToken || token.is_in_warning_time(now());
        let login = match is_final {
            true => format!("; to log in again: {}", self.location.login()),
            false => String::new(),
        };
        output::warn(&format!(
            "the token is not renewed: {}: {}{until}{login}",
            error.what, error.why
        ));
    }
}

/// Why a due token was not renewed on the way.
enum Skipped {
    /// Another process is at it.
    Busy,
    /// Nothing can be done about it now: said in the warning time only.
    Silent(Error),
    Failed(Error),
}

impl Skipped {
    fn silently(why: &str) -> Skipped {
        Skipped::Silent(Error::new(Kind::NoToken, "renewing the token", why))
    }
}

/// A refresh (RFC 6749, section 6), or for a service application the exchange
/// (RFC 8693) that the token came from.
fn ask(token: &StoredToken, issuer: &Issuer) -> Result<TokenResponse, Error> {
    let client = issuer.client_for(token);
    match (&token.refresh_token, &token.login.subject) {
        (Some(refresh_token), _) => client.refresh(refresh_token),
        (None, Some(subject)) => {
            client.exchange_subject(subject, token.login.scope_asked.as_deref())
        }
        (None, None) => Err(Error::new(
            Kind::NoToken,
            "renewing the token",
            "there is no refresh token",
        )),
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
