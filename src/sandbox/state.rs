//! What the sandbox remembers: requests that wait for the user, codes, and the
//! tokens that were issued.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use url::Url;

use super::application::{Access, Grant};
use super::{Consent, Options, Refusal};
use crate::random;

/// A code, and an unanswered consent page, live ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);
/// What the wire says, not the ten minutes of the prose.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(300);
const YEAR: Duration = Duration::from_secs(31_536_000);
/// A token that a service application asks for.
const MAX_SERVICE_LIFETIME: Duration = Duration::from_secs(3600);
/// A new token for a device pushes out the oldest of so many.
const MAX_DEVICES: usize = 30;
/// The oldest consent page or code gives way.
const MAX_PENDING: usize = 1000;

pub struct State {
    pub options: Options,
    pub origin: String,
    pub client_id: String,
    pub client_secret: String,
    /// When the request came that is being answered.
    pub now: Instant,
    /// Requests that wait for the user, by what the page's form names them.
    pub pending: Expiring<(String, Pending)>,
    pub codes: Expiring<Code>,
    pub devices: Expiring<DeviceCode>,
    /// By age, oldest first.
    tokens: Vec<Token>,
}

/// A request that passed the checks.
pub struct Pending {
    pub goal: Goal,
    pub access: Access,
}

/// What the user's answer is for.
pub enum Goal {
    /// An authorization request.
    Redirect(Redirect),
    /// A device code, by what the user entered.
    Device(String),
}

/// Where and how an authorization request is answered.
pub struct Redirect {
    pub redirect_uri: Url,
    pub state: Option<String>,
    pub challenge: Option<Challenge>,
    /// `response_type=token`: the token itself, in the fragment.
    pub is_implicit: bool,
}

/// PKCE (RFC 7636, 4.3).
#[derive(Clone)]
pub struct Challenge {
    pub text: String,
    pub is_s256: bool,
}

/// An authorization code.
pub struct Code {
    pub code: String,
    pub challenge: Option<Challenge>,
    pub grant: Grant,
}

pub struct DeviceCode {
    /// 32 characters, for the poll.
    pub device_code: String,
    /// 8 characters, for the user.
    pub user_code: String,
    pub access: Access,
    /// The user's, once there is one; None in it where the access was denied.
    pub answer: Option<Option<Grant>>,
}

/// A token that can be used.
#[derive(Clone)]
pub struct Token {
    pub access_token: String,
    /// None of a service application's.
    pub refresh_token: Option<String>,
    pub grant: Grant,
    /// Whose token a service application asked for.
    pub subject: Option<String>,
    expires: Instant,
}

impl State {
    pub fn new(options: Options, address: SocketAddr) -> State {
        State {
            origin: format!("http://{address}"),
            client_id: options.client_id.clone().unwrap_or_else(random::hex),
            client_secret: options.client_secret.clone().unwrap_or_else(random::hex),
            now: Instant::now(),
            pending: Expiring::new(LIFETIME),
            codes: Expiring::new(LIFETIME),
            devices: Expiring::new(DEVICE_LIFETIME),
            tokens: Vec::new(),
            options,
        }
    }

    /// What is answered in the user's stead; None where the user is asked.
    pub fn consent(&self, access: &Access) -> Option<Option<Grant>> {
        match self.options.consent {
            Consent::Ask => None,
            Consent::Allow => Some(access.grant(|_| true)),
            Consent::Deny => Some(None),
        }
    }

    /// The device code that waits for the user.
    pub fn waiting(&mut self, user_code: &str) -> Option<&mut DeviceCode> {
        let is_it = |code: &DeviceCode| code.user_code == user_code && code.answer.is_none();
        self.devices.find(self.now, is_it)
    }

    /// A token. The same device, or no device again, is given the one that it
    /// has for these scopes.
    pub fn issue(&mut self, grant: Grant) -> Token {
        self.tokens.retain(|token| token.expires > self.now);
        let is_same = |token: &&mut Token| {
            let other = &token.grant;
            let is_same = other.device_id == grant.device_id && other.scopes == grant.scopes;
            is_same && token.subject.is_none()
        };
        if let Some(token) = self.tokens.iter_mut().find(is_same) {
            token.grant = grant;
            return token.clone();
        }
        let has_device = |token: &Token| token.grant.device_id.is_some();
        let devices = self.tokens.iter().filter(|token| has_device(token)).count();
        if grant.device_id.is_some() && devices >= MAX_DEVICES {
            let oldest = self.tokens.iter().position(has_device);
            oldest.map(|oldest| self.tokens.remove(oldest));
        }
        let token = Token {
            access_token: access_token(),
            refresh_token: Some(refresh_token()),
            grant,
            subject: None,
            expires: self.now + self.lifetime(),
        };
        self.tokens.push(token.clone());
        token
    }

    /// A token of this user for a service application.
    pub fn exchange(&mut self, subject: &str, grant: Grant) -> Token {
        self.tokens.retain(|token| token.expires > self.now);
        let token = Token {
            access_token: format!("2.{}.{}", random::base64url(), random::hex()),
            refresh_token: None,
            // It can't be revoked, and pushes out no device.
            grant: Grant {
                device_id: None,
                ..grant
            },
            subject: Some(subject.to_owned()),
            expires: self.now + self.lifetime().min(MAX_SERVICE_LIFETIME),
        };
        self.tokens.push(token.clone());
        token
    }

    /// Spends a refresh token, which lives as long as its access token. That
    /// one stays the same, as it was seen to do, while it has most of its life
    /// left.
    pub fn refresh(&mut self, refresh_token: &str) -> Option<Token> {
        let (now, lifetime) = (self.now, self.lifetime());
        let is_it = |token: &&mut Token| {
            token.refresh_token.as_deref() == Some(refresh_token) && token.expires > now
        };
        let token = self.tokens.iter_mut().find(is_it)?;
        if token.expires - now < lifetime / 2 {
            token.access_token = access_token();
        }
        if !self.options.no_rotation {
            token.refresh_token = Some(self::refresh_token());
        }
        token.expires = now + lifetime;
        Some(token.clone())
    }

    /// Revokes a token, and its refresh token with it. One that is not known,
    /// or revoked already, is as good as revoked.
    pub fn revoke(&mut self, access_token: &str) -> Result<(), Refusal> {
        let is_it = |token: &Token| token.access_token == access_token;
        let Some(at) = self.tokens.iter().position(is_it) else {
            return Ok(());
        };
        if self.tokens[at].grant.device_id.is_none() {
            let why = "The token was issued without a device";
            return Err(("unsupported_token_type", why));
        }
        self.tokens.remove(at);
        Ok(())
    }

    /// The token that is valid under this name.
    pub fn token(&self, access_token: &str) -> Option<&Token> {
        let is_it = |token: &&Token| token.access_token == access_token;
        let token = self.tokens.iter().find(is_it);
        token.filter(|token| token.expires > self.now)
    }

    fn lifetime(&self) -> Duration {
        self.options.token_lifetime.unwrap_or(YEAR)
    }
}

impl Token {
    /// Whole seconds, the one begun counted in.
    pub fn seconds_left(&self, now: Instant) -> u64 {
        let left = self.expires.saturating_duration_since(now);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }

    /// What the answer says in `scope`: only that it is less than what was
    /// asked for.
    pub fn scope(&self) -> Option<String> {
        let grant = &self.grant;
        grant.is_reduced.then(|| grant.scopes.join(" "))
    }
}

/// 58 characters, `y0_` first.
fn access_token() -> String {
    format!("y0_{}{}", random::base64url(), &random::hex()[..12])
}

/// Four parts, of 1, 16, 82 and 22 characters.
fn refresh_token() -> String {
    let random = [(); 4].map(|()| random::base64url());
    let [a, b, c, d] = &random;
    format!("1:{}:{b}{}:{}", &a[..16], &c[..39], &d[..22])
}

/// Things that are kept for a time, oldest first.
pub struct Expiring<T> {
    lifetime: Duration,
    items: VecDeque<(Instant, T)>,
}

impl<T> Expiring<T> {
    fn new(lifetime: Duration) -> Expiring<T> {
        let items = VecDeque::new();
        Expiring { lifetime, items }
    }

    pub fn add(&mut self, item: T, now: Instant) {
        if self.items.len() >= MAX_PENDING {
            self.items.pop_front();
        }
        self.items.push_back((now + self.lifetime, item));
    }

    pub fn find(&mut self, now: Instant, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.items.retain(|(until, _)| *until > now);
        let mut items = self.items.iter_mut().map(|(_, item)| item);
        items.find(|item| is_it(item))
    }

    pub fn take(&mut self, now: Instant, is_it: impl Fn(&T) -> bool) -> Option<T> {
        self.items.retain(|(until, _)| *until > now);
        let at = self.items.iter().position(|(_, item)| is_it(item))?;
        self.items.remove(at).map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A sandbox whose tokens live ten hours.
    fn state() -> State {
        let options = Options {
            token_lifetime: Some(10 * HOUR),
            ..Options::default()
        };
        State::new(options, ([127, 0, 0, 1], 1).into())
    }

    fn device(device_id: Option<&str>) -> Grant {
        Grant {
            device_id: device_id.map(str::to_owned),
            ..Grant::default()
        }
    }

    #[test]
    fn a_code_lives_ten_minutes_and_the_oldest_of_too_many_gives_way() {
        let mut codes = Expiring::new(LIFETIME);
        let now = Instant::now();
        codes.add(1, now);
        assert!(
            codes
                .find(now + LIFETIME - HOUR / 3600, |code| *code == 1)
                .is_some()
        );
        assert!(codes.take(now + LIFETIME, |code| *code == 1).is_none());
        codes.add(2, now);
        for _ in 0..MAX_PENDING {
            codes.add(3, now);
        }
        assert!(codes.find(now, |code| *code == 2).is_none());
    }

    #[test]
    fn a_device_is_given_its_token_again_with_what_life_it_has_left() {
        for device_id in [None, Some("device")] {
            let mut state = state();
            let first = state.issue(device(device_id));
            state.now += HOUR;
            let again = state.issue(device(device_id));
            assert_eq!(again.access_token, first.access_token);
            assert_eq!(again.refresh_token, first.refresh_token);
            assert_eq!(again.seconds_left(state.now), 9 * 3600);
            let other = state.issue(Grant {
                scopes: vec!["a:b".into()],
                ..device(device_id)
            });
            assert_ne!(other.access_token, first.access_token, "other scopes");
            state.now += 9 * HOUR;
            let late = state.issue(device(device_id));
            assert_ne!(late.access_token, first.access_token, "expired");
        }
    }

    #[test]
    fn a_refresh_token_is_good_once_and_as_long_as_its_access_token() {
        let mut state = state();
        let first = state.issue(device(None));
        let mut refresh = |token: &Token, time| {
            state.now += time;
            state.refresh(token.refresh_token.as_deref()?)
        };
        let early = refresh(&first, HOUR).expect("it is right");
        assert_eq!(early.access_token, first.access_token);
        assert_ne!(early.refresh_token, first.refresh_token);
        assert!(refresh(&first, Duration::ZERO).is_none(), "spent");
        let late = refresh(&early, 6 * HOUR).expect("it is right");
        assert_ne!(late.access_token, first.access_token);
        assert!(refresh(&late, 10 * HOUR).is_none());
        assert!(state.token(&late.access_token).is_none());
    }

    #[test]
    fn a_service_applications_token_lives_an_hour() {
        let mut state = state();
        let first = state.exchange("ivan@example.ru", Grant::default());
        let again = state.exchange("ivan@example.ru", Grant::default());
        assert_ne!(again.access_token, first.access_token);
        assert!(state.token(&first.access_token).is_some());
        state.now += HOUR;
        assert!(state.token(&first.access_token).is_none());
    }
}
