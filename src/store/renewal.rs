//! When a saved token is to be renewed. Pure: `now` is an argument, in seconds
//! since the epoch.
//!
//! Yandex's refresh token lives exactly as long as its access token, so a token
//! is renewed long before it expires. Clocks and files may be wrong: an instant
//! in the future that can only lie in the past counts as absent.

use super::token::{StoredToken, UNREACHABLE};
use crate::oauth::Server;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

impl StoredToken {
    /// When the token becomes due: after 90 days, or half of its lifetime where
    /// that is shorter. None if that is not known.
    pub fn due_at(&self, now: u64) -> Option<u64> {
        const SPAN: u64 = 90 * DAY;
        match (self.known_issued_at(now), self.expires_at) {
            (Some(issued), Some(expires)) => {
                Some(issued.saturating_add(SPAN.min(expires.saturating_sub(issued) / 2)))
            }
            (Some(issued), None) => Some(issued.saturating_add(SPAN)),
            (None, Some(expires)) => Some(expires.saturating_sub(SPAN).saturating_add(1)),
            (None, None) => None,
        }
    }

    pub fn is_due(&self, now: u64) -> bool {
        self.due_at(now).is_some_and(|due| due <= now)
    }

    /// Whether the user is warned at every call: the last 30 days, or the last
    /// quarter of the lifetime where that is shorter.
    pub fn is_in_warning_time(&self, now: u64) -> bool {
        let Some(expires) = self.expires_at else {
            return false;
        };
        let quarter = self
            .known_issued_at(now)
            .map(|issued| expires.saturating_sub(issued) / 4);
        let span = quarter.unwrap_or(u64::MAX).min(30 * DAY);
        expires.saturating_sub(span) <= now
    }

    /// When a renewal that failed may be tried again: an hour later, after an
    /// OAuth error a day.
    pub fn paused_until(&self, now: u64) -> Option<u64> {
        let failed = self.renew_failed_at.filter(|failed| *failed <= now)?;
        let pause = match self.renew_error.as_deref() {
            None | Some(UNREACHABLE) => HOUR,
            Some(_) => DAY,
        };
        let until = failed.saturating_add(pause);
        (now < until).then_some(until)
    }

    /// The same token after a renewal that failed with this OAuth error, or
    /// that did not reach the server.
    pub fn not_renewed(self, now: u64, error: Option<String>, had_secret: bool) -> StoredToken {
        let mut token = self;
        token.renew_failed_at = Some(now);
        let needs_secret = !had_secret && error.as_deref() == Some("invalid_client");
        token.renew_without_secret = needs_secret.then_some(true);
        token.renew_error = Some(error.unwrap_or_else(|| UNREACHABLE.to_owned()));
        token
    }

    /// Whether a renewal can still succeed, as far as we know. The refresh token
    /// of Yandex ends with its access token.
    pub fn is_renewable(&self, now: u64) -> bool {
        let is_refused = self.renew_error.as_deref() == Some("invalid_grant");
        let url = self.oauth_url.as_deref().map(Server::parse);
        let is_yandex = url.is_none_or(|url| url.is_ok_and(|server| server.is_yandex()));
        let is_expired = self.expires_at.is_some_and(|at| at <= now);
        let may_have_one = self.secrets.refresh_token.is_some() || self.is_without_secrets();
        let has_refresh_token = may_have_one && !(is_yandex && is_expired);
        !is_refused && (has_refresh_token || self.login.subject.is_some())
    }

    /// When the next call of `token` or `exec` renews it.
    pub fn next_renewal_at(&self, now: u64) -> Option<u64> {
        let due = self.due_at(now)?;
        Some(due.max(self.paused_until(now).unwrap_or(0)))
    }

    fn known_issued_at(&self, now: u64) -> Option<u64> {
        self.issued_at.filter(|issued| *issued <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 2_000_000_000;
    const YEAR: u64 = 365 * DAY;

    fn token(mut fields: serde_json::Value) -> StoredToken {
        fields["access_token"] = "t".into();
        StoredToken::parse(fields.to_string().as_bytes()).expect("a token file")
    }

    #[test]
    fn a_token_is_due_after_90_days_or_half_its_lifetime() {
        for (issued_at, expires_at, due) in [
            (Some(NOW), Some(NOW + YEAR), Some(NOW + 90 * DAY)),
            (Some(NOW), Some(NOW + HOUR), Some(NOW + HOUR / 2)),
            (Some(NOW), Some(NOW + 180 * DAY), Some(NOW + 90 * DAY)),
            (Some(NOW), Some(NOW + 179 * DAY), Some(NOW + 179 * DAY / 2)),
            (Some(NOW), None, Some(NOW + 90 * DAY)),
            // In the future: as if it were not there.
            (Some(NOW + 1), None, None),
            (
                Some(NOW + 1),
                Some(NOW + YEAR),
                Some(NOW + YEAR - 90 * DAY + 1),
            ),
            (None, Some(NOW + YEAR), Some(NOW + YEAR - 90 * DAY + 1)),
            (None, None, None),
            // No order that a clock could have made.
            (Some(NOW), Some(NOW - 1), Some(NOW)),
            (Some(0), Some(u64::MAX), Some(90 * DAY)),
            (None, Some(0), Some(1)),
            (None, Some(u64::MAX), Some(u64::MAX - 90 * DAY + 1)),
        ] {
            let token = token(json!({"issued_at": issued_at, "expires_at": expires_at}));
            assert_eq!(token.due_at(NOW), due, "{issued_at:?} {expires_at:?}");
            if let Some(due) = due.filter(|due| *due > NOW && issued_at <= Some(NOW)) {
                assert!(!token.is_due(due - 1) && token.is_due(due));
            }
        }
    }

    #[test]
    fn the_last_30_days_or_the_last_quarter_are_the_warning_time() {
        for (issued_at, expires_at, begins) in [
            (Some(NOW), Some(NOW + YEAR), Some(NOW + YEAR - 30 * DAY)),
            (Some(NOW), Some(NOW + 4 * HOUR), Some(NOW + 3 * HOUR)),
            (None, Some(NOW + YEAR), Some(NOW + YEAR - 30 * DAY)),
            (Some(NOW), None, None),
            (None, None, None),
        ] {
            let token = token(json!({"issued_at": issued_at, "expires_at": expires_at}));
            match begins {
                Some(at) => {
                    assert!(!token.is_in_warning_time(at - 1) && token.is_in_warning_time(at));
                }
                None => assert!(!token.is_in_warning_time(NOW + 100 * YEAR)),
            }
        }
    }

    #[test]
    fn a_failed_renewal_pauses_for_an_hour_and_after_an_oauth_error_for_a_day() {
        for (failed_at, error, until) in [
            (Some(NOW), Some("unreachable"), Some(NOW + HOUR)),
            (Some(NOW), None, Some(NOW + HOUR)),
            (Some(NOW - HOUR), Some("unreachable"), None),
            (Some(NOW), Some("invalid_grant"), Some(NOW + DAY)),
            (Some(NOW - DAY), Some("invalid_client"), None),
            (Some(NOW + 1), Some("invalid_grant"), None),
            (None, Some("invalid_grant"), None),
        ] {
            let token = token(json!({"renew_failed_at": failed_at, "renew_error": error}));
            assert_eq!(token.paused_until(NOW), until, "{failed_at:?} {error:?}");
        }
    }
}
