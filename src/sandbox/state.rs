//! What the stand-in server remembers: requests that wait for the user, codes,
//! and tokens. Time is an argument, so that no test waits.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::Consent;
use super::fault::Faults;
use super::registration::{Granted, Registration, Scopes};
use super::tokens::{Issued, Tokens};
use crate::random;

/// A code, and an unanswered consent page, live ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);
/// The oldest consent page gives way: nobody fills the memory with them.
const MAX_PENDING: usize = 1000;
/// What the wire says, not the ten minutes of the prose.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(300);

pub struct State {
    pub registration: Registration,
    pub consent: Consent,
    /// Seconds between two polls for a device's token.
    pub device_interval: u64,
    pub faults: Faults,
    pub tokens: Tokens,
    pending: Aging<Pending>,
    codes: Aging<Code>,
    devices: VecDeque<DeviceCode>,
}

/// A request that passed the checks.
#[derive(Debug, Clone)]
pub struct Pending {
    pub goal: Goal,
    pub scopes: Scopes,
    pub device_id: Option<String>,
}

/// What the user's answer is for.
#[derive(Debug, Clone)]
pub enum Goal {
    /// An authorization request.
    Redirect(Redirect),
    /// A device code, by what the user entered.
    Device(String),
}

/// Where and how an authorization request is answered.
#[derive(Debug, Clone)]
pub struct Redirect {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub challenge: Option<Challenge>,
    /// `response_type=token`: the token itself, in the fragment.
    pub is_implicit: bool,
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

/// What an authorization code stands for.
pub struct Code {
    pub challenge: Option<Challenge>,
    pub device_id: Option<String>,
    pub granted: Granted,
    pub fewer: Option<String>,
}

/// A device code, until it is used.
#[derive(Clone)]
pub struct DeviceCode {
    /// 32 characters, for the poll.
    pub device_code: String,
    /// 8 characters, for the user.
    pub user_code: String,
    pub scopes: Scopes,
    device_id: Option<String>,
    issued: Instant,
    answer: Option<Option<Granted>>,
}

/// What a poll finds.
pub enum DevicePoll {
    Allowed(Issued),
    Denied,
    Pending,
    /// Expired, used, or never there.
    Gone,
}

impl State {
    pub fn new(
        registration: Registration,
        consent: Consent,
        device_interval: Option<u64>,
        faults: Faults,
        tokens: Tokens,
    ) -> State {
        State {
            registration,
            device_interval: device_interval.unwrap_or(match consent {
                Consent::Ask => 5,
                Consent::Allow | Consent::Deny => 1,
            }),
            consent,
            faults,
            tokens,
            pending: Aging::default(),
            codes: Aging::default(),
            devices: VecDeque::new(),
        }
    }

    /// Remembers a request until the user has answered; the handle goes into
    /// the page's form.
    pub fn wait_for_user(&mut self, pending: Pending, now: Instant) -> String {
        let handle = random::hex();
        self.pending.keep(handle.clone(), pending, now);
        handle
    }

    pub fn answered(&mut self, handle: &str, now: Instant) -> Option<Pending> {
        self.pending.take(handle, now)
    }

    /// A code of 16 characters, as newer ones are.
    pub fn issue_code(&mut self, code: Code, now: Instant) -> String {
        let name = random::hex()[..16].to_owned();
        self.codes.keep(name.clone(), code, now);
        name
    }

    /// What a code that is not spent stands for.
    pub fn code(&self, code: &str) -> Option<&Code> {
        self.codes.0.get(code).map(|(_, code)| code)
    }

    /// Spends a code: it is gone, whatever comes of it.
    pub fn spend_code(&mut self, code: &str, now: Instant) -> Option<Code> {
        self.codes.take(code, now)
    }

    pub fn issue_device_code(
        &mut self,
        scopes: Scopes,
        device_id: Option<String>,
        now: Instant,
    ) -> DeviceCode {
        self.devices
            .retain(|code| now.duration_since(code.issued) < DEVICE_LIFETIME);
        if self.devices.len() >= MAX_PENDING {
            self.devices.pop_front();
        }
        let code = DeviceCode {
            device_code: random::hex(),
            user_code: random::hex()[..8].to_owned(),
            answer: match self.consent {
                Consent::Ask => None,
                Consent::Allow => Some(scopes.granted(|_, _| true)),
                Consent::Deny => Some(None),
            },
            scopes,
            device_id,
            issued: now,
        };
        self.devices.push_back(code.clone());
        code
    }

    /// The device code that waits for the user under this name.
    pub fn waiting(&mut self, user_code: &str, now: Instant) -> Option<&mut DeviceCode> {
        self.devices.iter_mut().find(|code| {
            code.user_code == user_code
                && code.answer.is_none()
                && now.duration_since(code.issued) < DEVICE_LIFETIME
        })
    }

    /// Spends a device code, once the user has answered. A device that was not
    /// named when the code was asked for can be named now.
    pub fn poll_device_code(
        &mut self,
        device_code: &str,
        device_id: Option<&str>,
        now: Instant,
    ) -> DevicePoll {
        let mut codes = self.devices.iter();
        let Some(at) = codes.position(|code| code.device_code == device_code) else {
            return DevicePoll::Gone;
        };
        let code = &self.devices[at];
        if now.duration_since(code.issued) >= DEVICE_LIFETIME {
            return DevicePoll::Gone;
        }
        let Some(answer) = code.answer.clone() else {
            return DevicePoll::Pending;
        };
        let code = self.devices.remove(at);
        match (answer, code) {
            (Some(granted), Some(code)) => {
                let device_id = code.device_id.or_else(|| device_id.map(str::to_owned));
                let fewer = code.scopes.fewer(&granted);
                DevicePoll::Allowed(self.tokens.issue(device_id, granted, fewer, now))
            }
            _ => DevicePoll::Denied,
        }
    }
}

impl DeviceCode {
    /// The user's answer: what is granted, if anything.
    pub fn answer(&mut self, granted: Option<Granted>) {
        self.answer = Some(granted);
    }
}

/// Things by a random name, each for [`LIFETIME`].
struct Aging<T>(HashMap<String, (Instant, T)>);

impl<T> Default for Aging<T> {
    fn default() -> Aging<T> {
        Aging(HashMap::new())
    }
}

impl<T> Aging<T> {
    fn keep(&mut self, name: String, thing: T, now: Instant) {
        if self.0.len() >= MAX_PENDING {
            self.0
                .retain(|_, (since, _)| now.duration_since(*since) < LIFETIME);
        }
        if self.0.len() >= MAX_PENDING {
            let oldest = self.0.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(name, (now, thing));
    }

    fn take(&mut self, name: &str, now: Instant) -> Option<T> {
        let (since, thing) = self.0.remove(name)?;
        (now.duration_since(since) < LIFETIME).then_some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let registration = Registration {
            client_id: "id".into(),
            client_secret: "secret".into(),
            is_for_api: false,
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            service_users: Vec::new(),
            origin: "http://127.0.0.1:1".into(),
        };
        let tokens = Tokens::new(LIFETIME, true);
        State::new(registration, Consent::Ask, None, Faults::default(), tokens)
    }

    fn code() -> Code {
        Code {
            challenge: None,
            device_id: None,
            granted: Granted(None),
            fewer: None,
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_ten_minutes() {
        let mut state = state();
        let now = Instant::now();
        let name = state.issue_code(code(), now);
        assert!(
            state
                .spend_code(&name, now + LIFETIME - Duration::from_secs(1))
                .is_some()
        );
        assert!(state.spend_code(&name, now).is_none(), "spent");
        let name = state.issue_code(code(), now);
        assert!(state.spend_code(&name, now + LIFETIME).is_none(), "expired");
    }

    #[test]
    fn a_device_code_is_good_once_and_for_five_minutes() {
        let mut state = state();
        let now = Instant::now();
        let code = state.issue_device_code(Scopes::default(), None, now);
        let poll = |state: &mut State, now| state.poll_device_code(&code.device_code, None, now);
        assert!(matches!(poll(&mut state, now), DevicePoll::Pending));
        assert!(matches!(
            poll(&mut state, now + DEVICE_LIFETIME),
            DevicePoll::Gone
        ));
        assert!(state.waiting("other", now).is_none());
        let answered = state.waiting(&code.user_code, now).expect("it is right");
        answered.answer(Some(Granted(None)));
        assert!(state.waiting(&code.user_code, now).is_none(), "answered");
        assert!(matches!(poll(&mut state, now), DevicePoll::Allowed(_)));
        assert!(matches!(poll(&mut state, now), DevicePoll::Gone), "used");
        let denied = state.issue_device_code(Scopes::default(), None, now);
        state
            .waiting(&denied.user_code, now)
            .expect("it is right")
            .answer(None);
        let polled = state.poll_device_code(&denied.device_code, None, now);
        assert!(matches!(polled, DevicePoll::Denied));
    }

    #[test]
    fn unanswered_pages_do_not_fill_the_memory() {
        let pending = || Pending {
            goal: Goal::Device(String::new()),
            scopes: Scopes::default(),
            device_id: None,
        };
        let mut state = state();
        let now = Instant::now();
        let first = state.wait_for_user(pending(), now);
        for _ in 0..MAX_PENDING {
            state.wait_for_user(pending(), now + Duration::from_secs(1));
        }
        assert_eq!(state.pending.0.len(), MAX_PENDING);
        assert!(state.answered(&first, now).is_none());
    }
}
