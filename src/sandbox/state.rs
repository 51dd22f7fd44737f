//! What the stand-in server remembers: its one application, requests that wait
//! for the user, and codes. Time is an argument, so that no test waits.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use url::{Host, Url};

use super::Consent;
use super::tokens::Tokens;
use crate::random;

/// A code, and an unanswered consent page, live ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);
/// The oldest consent page gives way: nobody fills the memory with them.
const MAX_PENDING: usize = 1000;
/// What the wire says, not the ten minutes of the prose.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(300);

/// One authorization request that passed the checks.
#[derive(Debug, Clone)]
pub struct Authorization {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub device_id: Option<String>,
    pub challenge: Option<Challenge>,
}

/// PKCE (RFC 7636, 4.3).
#[derive(Debug, Clone)]
pub struct Challenge {
    pub text: String,
    pub method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Plain,
    S256,
}

pub struct State {
    pub client_id: String,
    pub client_secret: String,
    pub consent: Consent,
    redirect_uris: Vec<String>,
    origin: String,
    pending: Aging,
    codes: Aging,
    devices: VecDeque<DeviceCode>,
    pub tokens: Tokens,
}

/// A device code, until it is used.
#[derive(Clone)]
pub struct DeviceCode {
    /// 32 characters, for the poll.
    pub device_code: String,
    /// 8 characters, for the user.
    pub user_code: String,
    has_device: bool,
    issued: Instant,
    allowed: Option<bool>,
}

/// What a poll finds.
pub enum DevicePoll {
    Allowed((String, String)),
    Denied,
    Pending,
    /// Expired, used, or never there.
    Gone,
}

impl State {
    pub fn new(
        client_id: String,
        client_secret: String,
        redirect_uris: Vec<String>,
        consent: Consent,
        origin: String,
    ) -> State {
        State {
            client_id,
            client_secret,
            consent,
            redirect_uris,
            origin,
            pending: Aging::default(),
            codes: Aging::default(),
            devices: VecDeque::new(),
            tokens: Tokens::default(),
        }
    }

    /// The URI to redirect to: the one asked for, if it is registered, to the
    /// letter; with none asked for, the first registered.
    pub fn redirect_uri(&self, asked: Option<&str>) -> Option<String> {
        let Some(asked) = asked else {
            let first = self.redirect_uris.first().cloned();
            return Some(first.unwrap_or_else(|| format!("{}/verification_code", self.origin)));
        };
        let registered = self.redirect_uris.iter().any(|uri| uri == asked) || is_loopback(asked);
        registered.then(|| asked.to_owned())
    }

    /// Remembers a request until the user has answered; the handle goes into
    /// the page's form.
    pub fn wait_for_user(&mut self, authorization: Authorization, now: Instant) -> String {
        let handle = random::hex();
        self.pending.keep(handle.clone(), authorization, now);
        handle
    }

    pub fn answered(&mut self, handle: &str, now: Instant) -> Option<Authorization> {
        self.pending.take(handle, now)
    }

    /// A code of 16 characters, as newer ones are.
    pub fn issue_code(&mut self, authorization: Authorization, now: Instant) -> String {
        let code = random::hex()[..16].to_owned();
        self.codes.keep(code.clone(), authorization, now);
        code
    }

    /// Spends a code: it is gone, whatever comes of it.
    pub fn spend_code(&mut self, code: &str, now: Instant) -> Option<Authorization> {
        self.codes.take(code, now)
    }

    /// Where the user enters a device code.
    pub fn device_page(&self) -> String {
        format!("{}/device", self.origin)
    }

    pub fn issue_device_code(&mut self, has_device: bool, now: Instant) -> DeviceCode {
        self.devices
            .retain(|code| now.duration_since(code.issued) < DEVICE_LIFETIME);
        if self.devices.len() >= MAX_PENDING {
            self.devices.pop_front();
        }
        let code = DeviceCode {
            device_code: random::hex(),
            user_code: random::hex()[..8].to_owned(),
            has_device,
            issued: now,
            allowed: match self.consent {
                Consent::Ask => None,
                Consent::Allow => Some(true),
                Consent::Deny => Some(false),
            },
        };
        self.devices.push_back(code.clone());
        code
    }

    /// The user's answer. False where there is no such code to answer.
    pub fn enter_user_code(&mut self, user_code: &str, allow: bool, now: Instant) -> bool {
        let mut codes = self.devices.iter_mut();
        let code = codes.find(|code| {
            code.user_code == user_code
                && code.allowed.is_none()
                && now.duration_since(code.issued) < DEVICE_LIFETIME
        });
        match code {
            Some(code) => {
                code.allowed = Some(allow);
                true
            }
            None => false,
        }
    }

    /// Spends a device code, once the user has answered.
    pub fn poll_device_code(&mut self, device_code: &str, now: Instant) -> DevicePoll {
        let mut codes = self.devices.iter();
        let Some(at) = codes.position(|code| code.device_code == device_code) else {
            return DevicePoll::Gone;
        };
        let code = &self.devices[at];
        if now.duration_since(code.issued) >= DEVICE_LIFETIME {
            return DevicePoll::Gone;
        }
        let (allowed, has_device) = (code.allowed, code.has_device);
        if allowed.is_some() {
            self.devices.remove(at);
        }
        match allowed {
            None => DevicePoll::Pending,
            Some(false) => DevicePoll::Denied,
            Some(true) => DevicePoll::Allowed(self.tokens.issue(has_device)),
        }
    }
}

/// Requests by a random name, each for [`LIFETIME`].
#[derive(Default)]
struct Aging(HashMap<String, (Instant, Authorization)>);

impl Aging {
    fn keep(&mut self, name: String, authorization: Authorization, now: Instant) {
        self.0
            .retain(|_, (since, _)| now.duration_since(*since) < LIFETIME);
        if self.0.len() >= MAX_PENDING {
            let oldest = self.0.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(name, (now, authorization));
    }

    fn take(&mut self, name: &str, now: Instant) -> Option<Authorization> {
        let (since, authorization) = self.0.remove(name)?;
        (now.duration_since(since) < LIFETIME).then_some(authorization)
    }
}

/// `http` on this machine, which the sandbox takes as registered.
fn is_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    local && url.scheme() == "http" && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(redirect_uris: Vec<String>) -> State {
        let origin = "http://127.0.0.1:1".to_owned();
        State::new(
            "id".into(),
            "secret".into(),
            redirect_uris,
            Consent::Ask,
            origin,
        )
    }

    fn authorization() -> Authorization {
        Authorization {
            redirect_uri: "http://127.0.0.1:8000/".into(),
            state: None,
            device_id: None,
            challenge: None,
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_ten_minutes() {
        let mut state = state(Vec::new());
        let now = Instant::now();
        let code = state.issue_code(authorization(), now);
        assert!(
            state
                .spend_code(&code, now + LIFETIME - Duration::from_secs(1))
                .is_some()
        );
        assert!(state.spend_code(&code, now).is_none(), "spent");
        let code = state.issue_code(authorization(), now);
        assert!(state.spend_code(&code, now + LIFETIME).is_none(), "expired");
    }

    #[test]
    fn a_redirect_uri_is_registered_to_the_letter_or_on_loopback() {
        let site = "https://site.ru/get_token";
        let state = state(vec![site.to_owned()]);
        for good in [
            site,
            "http://127.0.0.1:8000/",
            "http://localhost:1/x",
            "http://[::1]/",
        ] {
            assert_eq!(state.redirect_uri(Some(good)).as_deref(), Some(good));
        }
        assert_eq!(state.redirect_uri(None).as_deref(), Some(site));
        for bad in [
            "https://site.ru/get_token/",
            "https://SITE.ru/get_token",
            "https://127.0.0.1/",
            "http://localhost.evil.example/",
            "http://192.168.0.1/",
            "",
        ] {
            assert_eq!(state.redirect_uri(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_device_code_is_good_once_and_for_five_minutes() {
        let mut state = state(Vec::new());
        let now = Instant::now();
        let code = state.issue_device_code(false, now);
        let poll = |state: &mut State, now| state.poll_device_code(&code.device_code, now);
        assert!(matches!(poll(&mut state, now), DevicePoll::Pending));
        assert!(matches!(
            poll(&mut state, now + DEVICE_LIFETIME),
            DevicePoll::Gone
        ));
        assert!(!state.enter_user_code("other", true, now));
        assert!(state.enter_user_code(&code.user_code, true, now));
        assert!(
            !state.enter_user_code(&code.user_code, false, now),
            "answered"
        );
        assert!(matches!(poll(&mut state, now), DevicePoll::Allowed(_)));
        assert!(matches!(poll(&mut state, now), DevicePoll::Gone), "used");
        let denied = state.issue_device_code(false, now);
        assert!(state.enter_user_code(&denied.user_code, false, now));
        let polled = state.poll_device_code(&denied.device_code, now);
        assert!(matches!(polled, DevicePoll::Denied));
    }

    #[test]
    fn unanswered_pages_do_not_fill_the_memory() {
        let mut state = state(Vec::new());
        let now = Instant::now();
        let first = state.wait_for_user(authorization(), now);
        for _ in 0..MAX_PENDING {
            state.wait_for_user(authorization(), now + Duration::from_secs(1));
        }
        assert_eq!(state.pending.0.len(), MAX_PENDING);
        assert!(state.answered(&first, now).is_none());
    }
}
