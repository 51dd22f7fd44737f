//! The tokens that the sandbox's user has given to its application.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::registration::Granted;
use crate::random;

/// A new token for a device pushes out the oldest of so many.
const MAX_DEVICES: usize = 30;
/// Without a device there is one for each set of scopes; nobody fills the
/// memory with those.
const MAX_TOKENS: usize = 10_000;
/// A token that a service application asks for.
const MAX_SERVICE_LIFETIME: Duration = Duration::from_secs(3600);

/// By age, oldest first.
pub struct Tokens {
    issued: VecDeque<Token>,
    pub lifetime: Duration,
    /// Whether a refresh token is good once.
    pub rotate: bool,
}

/// A token that can be used.
pub struct Token {
    access_token: String,
    /// None of a service application's.
    refresh_token: Option<String>,
    /// Only a token that was issued to a device can be revoked.
    device_id: Option<String>,
    pub granted: Granted,
    /// Whose token a service application asked for.
    pub subject: Option<String>,
    /// What the answer says in `scope`.
    fewer: Option<String>,
    expires: Instant,
}

/// What an answer holds.
pub struct Issued {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// Seconds.
    pub expires_in: u64,
    pub scope: Option<String>,
}

/// Why a token can't be revoked.
pub struct NoDevice;

impl Tokens {
    pub fn new(lifetime: Duration, rotate: bool) -> Tokens {
        Tokens {
            issued: VecDeque::new(),
            lifetime,
            rotate,
        }
    }

    /// A token. The same device, or no device again, is given the one that it
    /// has for these scopes.
    pub fn issue(
        &mut self,
        device_id: Option<String>,
        granted: Granted,
        fewer: Option<String>,
        now: Instant,
    ) -> Issued {
        self.issued.retain(|token| token.expires > now);
        let mut issued = self.issued.iter_mut();
        let same = |token: &&mut Token| {
            token.subject.is_none() && token.device_id == device_id && token.granted == granted
        };
        if let Some(token) = issued.find(same) {
            token.fewer = fewer;
            return token.issued(now);
        }
        let of_devices = |token: &Token| token.device_id.is_some();
        let devices = self.issued.iter().filter(|token| of_devices(token)).count();
        if device_id.is_some() && devices >= MAX_DEVICES {
            let oldest = self.issued.iter().position(of_devices);
            oldest.and_then(|oldest| self.issued.remove(oldest));
        }
        let token = Token {
            access_token: access_token(),
            refresh_token: Some(refresh_token()),
            device_id,
            granted,
            subject: None,
            fewer,
            expires: now + self.lifetime,
        };
        self.keep(token, now)
    }

    /// A token of this user for a service application.
    pub fn exchange(&mut self, subject: &str, granted: Granted, now: Instant) -> Issued {
        self.issued.retain(|token| token.expires > now);
        let token = Token {
            access_token: format!("2.{}.{}", random::base64url(), random::hex()),
            refresh_token: None,
            device_id: None,
            granted,
            subject: Some(subject.to_owned()),
            fewer: None,
            expires: now + self.lifetime.min(MAX_SERVICE_LIFETIME),
        };
        self.keep(token, now)
    }

    fn keep(&mut self, token: Token, now: Instant) -> Issued {
        if self.issued.len() >= MAX_TOKENS {
            self.issued.pop_front();
        }
        let issued = token.issued(now);
        self.issued.push_back(token);
        issued
    }

    /// Spends a refresh token, which lives as long as its access token. That
    /// one stays the same, as it was seen to do, while it has most of its life
    /// left.
    pub fn refresh(&mut self, given: &str, now: Instant) -> Option<Issued> {
        let mut issued = self.issued.iter_mut();
        let token = issued.find(|token| token.refresh_token.as_deref() == Some(given))?;
        let left = token.expires.checked_duration_since(now)?;
        if left.is_zero() {
            return None;
        }
        if left < self.lifetime / 2 {
            token.access_token = access_token();
        }
        if self.rotate {
            token.refresh_token = Some(refresh_token());
        }
        token.expires = now + self.lifetime;
        Some(token.issued(now))
    }

    /// Revokes a token, and its refresh token with it. One that is not known,
    /// or revoked already, is as good as revoked.
    pub fn revoke(&mut self, access_token: &str) -> Result<(), NoDevice> {
        let mut issued = self.issued.iter();
        let Some(at) = issued.position(|token| token.access_token == access_token) else {
            return Ok(());
        };
        if self.issued[at].device_id.is_none() {
            return Err(NoDevice);
        }
        self.issued.remove(at);
        Ok(())
    }

    /// The token that is valid under this name.
    pub fn find(&self, access_token: &str, now: Instant) -> Option<&Token> {
        let mut issued = self.issued.iter();
        issued.find(|token| token.access_token == access_token && token.expires > now)
    }
}

impl Token {
    fn issued(&self, now: Instant) -> Issued {
        Issued {
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
            expires_in: self.seconds_left(now),
            scope: self.fewer.clone(),
        }
    }

    /// Whole seconds, the one begun counted in.
    pub fn seconds_left(&self, now: Instant) -> u64 {
        let left = self.expires.saturating_duration_since(now);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }
}

/// 58 characters, `y0_` first.
fn access_token() -> String {
    format!("y0_{}{}", random::base64url(), &random::hex()[..12])
}

/// Four parts, of 1, 16, 82 and 22 characters.
fn refresh_token() -> String {
    format!(
        "1:{}:{}{}:{}",
        &random::base64url()[..16],
        random::base64url(),
        &random::base64url()[..39],
        &random::base64url()[..22],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn tokens() -> (Tokens, Instant) {
        (Tokens::new(10 * HOUR, true), Instant::now())
    }

    /// A refresh with the refresh token of this answer.
    fn refresh(tokens: &mut Tokens, of: &Issued, now: Instant) -> Option<Issued> {
        tokens.refresh(of.refresh_token.as_deref()?, now)
    }

    fn issue(tokens: &mut Tokens, device: Option<&str>, now: Instant) -> Issued {
        tokens.issue(device.map(str::to_owned), Granted(None), None, now)
    }

    #[test]
    fn a_31st_device_pushes_out_the_oldest_and_no_token_without_one() {
        let (mut tokens, now) = tokens();
        let bare = issue(&mut tokens, None, now);
        let issued: Vec<_> = (0..MAX_DEVICES)
            .map(|n| issue(&mut tokens, Some(&format!("device-{n}")), now))
            .collect();
        assert!(tokens.find(&issued[0].access_token, now).is_some());
        issue(&mut tokens, Some("one-more"), now);
        assert!(tokens.find(&issued[0].access_token, now).is_none());
        assert!(refresh(&mut tokens, &issued[0], now).is_none());
        assert!(tokens.find(&issued[1].access_token, now).is_some());
        assert!(tokens.find(&bare.access_token, now).is_some());
    }

    #[test]
    fn a_device_is_given_its_token_again_with_what_life_it_has_left() {
        let (mut tokens, now) = tokens();
        for device in [None, Some("device")] {
            let first = issue(&mut tokens, device, now);
            let again = issue(&mut tokens, device, now + HOUR);
            assert_eq!(again.access_token, first.access_token);
            assert_eq!(again.refresh_token, first.refresh_token);
            assert_eq!(again.expires_in, 9 * 3600);
            let other = Granted(Some(vec!["a:b".into()]));
            let other = tokens.issue(device.map(str::to_owned), other, None, now);
            assert_ne!(other.access_token, first.access_token, "other scopes");
            let late = issue(&mut tokens, device, now + 10 * HOUR);
            assert_ne!(late.access_token, first.access_token, "expired");
        }
    }

    #[test]
    fn a_refresh_token_is_good_once_and_as_long_as_its_access_token() {
        let (mut tokens, now) = tokens();
        let first = issue(&mut tokens, None, now);
        let early = refresh(&mut tokens, &first, now + HOUR).expect("it is right");
        assert_eq!(early.access_token, first.access_token);
        assert_eq!(early.expires_in, 10 * 3600);
        assert_ne!(early.refresh_token, first.refresh_token);
        assert!(refresh(&mut tokens, &first, now).is_none(), "spent");
        let late = refresh(&mut tokens, &early, now + 7 * HOUR).expect("it is right");
        assert_ne!(late.access_token, first.access_token);
        assert!(tokens.find(&first.access_token, now).is_none());
        let too_late = now + 17 * HOUR;
        assert!(tokens.find(&late.access_token, too_late).is_none());
        assert!(refresh(&mut tokens, &late, too_late).is_none());
    }

    #[test]
    fn without_rotation_a_refresh_token_stays_good() {
        let (mut tokens, now) = tokens();
        tokens.rotate = false;
        let first = issue(&mut tokens, None, now);
        for _ in 0..2 {
            let again = refresh(&mut tokens, &first, now).expect("it is right");
            assert_eq!(again.refresh_token, first.refresh_token);
        }
    }

    #[test]
    fn only_the_token_of_a_device_can_be_revoked_and_its_refresh_token_goes_too() {
        let (mut tokens, now) = tokens();
        let bare = issue(&mut tokens, None, now);
        assert!(tokens.revoke(&bare.access_token).is_err());
        let mine = issue(&mut tokens, Some("device"), now);
        assert!(tokens.revoke(&mine.access_token).is_ok());
        assert!(tokens.find(&mine.access_token, now).is_none());
        assert!(refresh(&mut tokens, &mine, now).is_none());
        assert!(tokens.revoke(&mine.access_token).is_ok(), "again");
    }

    #[test]
    fn a_service_applications_token_lives_an_hour_and_has_no_refresh_token() {
        let (mut tokens, now) = tokens();
        let first = tokens.exchange("ivan@example.ru", Granted(None), now);
        assert_eq!((first.expires_in, &first.refresh_token), (3600, &None));
        let again = tokens.exchange("ivan@example.ru", Granted(None), now);
        assert_ne!(again.access_token, first.access_token);
        let found = tokens.find(&first.access_token, now).expect("it is valid");
        assert_eq!(found.subject.as_deref(), Some("ivan@example.ru"));
        assert!(tokens.find(&first.access_token, now + HOUR).is_none());
        let own = issue(&mut tokens, None, now);
        assert!(own.refresh_token.is_some());
    }
}
