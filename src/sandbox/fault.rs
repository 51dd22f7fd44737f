//! Faults on demand: responses that a script must survive.
//!
//! An error or a status takes the place of the real response, and nothing
//! happens on the server. One that is late, torn, lost or empty comes after the
//! work is done: a refresh token that went with it is spent.

use std::time::Duration;

use url::form_urlencoded;

use super::parameters::Parameters;
use super::response;
use crate::http::{Delivery, Request, Response};

/// The parameter and the header with which a client asks for one itself.
pub const PARAMETER: &str = "sandbox_fault";
const HEADER: &str = "Sandbox-Fault";

pub const ON_DEMAND: &str = "A fault on demand";

/// The OAuth errors that Yandex is known to give, or that the RFCs add.
const ERRORS: [&str; 15] = [
    "access_denied",
    "authorization_pending",
    "bad_verification_code",
    "expired_token",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
];

/// The two that Yandex tells of an `Authorization` header: phrases, with a
/// status of their own and no description.
const HEADER_ERRORS: [&str; 2] = ["Basic auth required", "Malformed Authorization header"];

/// What can be given a fault; those with a grant narrow `token`.
const TARGETS: [&str; 8] = [
    "authorize",
    "token",
    "token/authorization_code",
    "token/refresh_token",
    "token/device_code",
    "device/code",
    "revoke_token",
    "info",
];

/// A fault of an endpoint, each time or only so many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    target: &'static str,
    kind: Kind,
    times: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An OAuth error.
    Error(&'static str),
    /// This status, with a page in HTML.
    Status(u16),
    Delivery(Delivery),
    /// No body.
    Empty,
}

impl Fault {
    /// `ENDPOINT:ANSWER`, or `ENDPOINT:ANSWER:TIMES`.
    ///
    /// # Errors
    /// The second half of a sentence that says what to write.
    pub fn parse(text: &str) -> Result<Fault, String> {
        let mut parts = text.splitn(3, ':');
        let named = parts.next().unwrap_or_default();
        let target = TARGETS.into_iter().find(|target| *target == named);
        let target = target.ok_or_else(|| {
            format!(
                "write ENDPOINT:ANSWER, such as token:503:1; an endpoint is {}",
                TARGETS.join(", ")
            )
        })?;
        let kind = Kind::parse(parts.next().unwrap_or_default())?;
        let times = match parts.next() {
            None => None,
            Some(times) => match times.parse() {
                Ok(times @ 1..) => Some(times),
                _ => return Err("after the answer goes how many times, 1 or more".into()),
            },
        };
        Ok(Fault {
            target,
            kind,
            times,
        })
    }
}

impl Kind {
    pub fn parse(text: &str) -> Result<Kind, String> {
        let mut errors = ERRORS.into_iter().chain(HEADER_ERRORS);
        if let Some(error) = errors.find(|error| *error == text) {
            return Ok(Kind::Error(error));
        }
        if let Ok(status @ 400..=599) = text.parse() {
            return Ok(Kind::Status(status));
        }
        match text.split_once('=') {
            Some(("slow", time)) => Ok(Kind::Delivery(Delivery::Late(seconds(time)?))),
            None if text == "torn" => Ok(Kind::Delivery(Delivery::HalfBody)),
            None if text == "lost" => Ok(Kind::Delivery(Delivery::Nothing)),
            None if text == "empty" => Ok(Kind::Empty),
            _ => Err(format!(
                "an answer is a status from 400 to 599, torn, lost, empty, slow=10s, \
                 or an error: {}, {}",
                ERRORS.join(", "),
                HEADER_ERRORS.join(", ")
            )),
        }
    }
}

/// An OAuth error in place of the real answer.
pub fn refused(request: &Request, error: &str) -> Response {
    match &*request.path {
        "/info" => response::unauthorized(),
        _ if HEADER_ERRORS.contains(&error) => response::error(401, error, None),
        _ => response::error(400, error, Some(ON_DEMAND)),
    }
}

/// A status in place of the real answer, as something in front of the server
/// would give it.
pub fn unavailable(status: u16) -> Response {
    let html = format!(
        "<!doctype html>\n<html><head><title>{status}</title></head>\n\
         <body><h1>{status}</h1><p>{ON_DEMAND}</p></body></html>\n"
    );
    Response::new(status, "text/html; charset=utf-8", html)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    match number {
        Some(number @ 1..=3600) => Ok(Duration::from_secs(number)),
        _ => Err("slow takes seconds, 1 to 3600, such as slow=10s".into()),
    }
}

/// The faults that are left, in the order in which they were given.
#[derive(Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// The fault of this call: the client's own, or else the first left for
    /// its endpoint.
    ///
    /// # Errors
    /// What is wrong with the client's own.
    pub fn next(&mut self, request: &Request) -> Result<Option<Kind>, String> {
        let query = form_urlencoded::parse(request.query.as_bytes());
        let asked = query.filter(|(name, _)| name == PARAMETER).last();
        let asked = asked.map(|(_, value)| value.into_owned());
        if let Some(asked) = request.header(HEADER).or(asked.as_deref()) {
            return Kind::parse(asked).map(Some);
        }
        let grant = Parameters::of_form(request).and_then(Result::ok);
        let grant = grant.as_ref().and_then(|form| form.get("grant_type"));
        let concerns = |fault: &&mut Fault| {
            let of_grant = || {
                fault
                    .target
                    .strip_prefix("token/")
                    .is_some_and(|of| Some(of) == grant)
            };
            fault.times != Some(0)
                && (request.path[1..] == *fault.target || request.path == "/token" && of_grant())
        };
        // A person's answer on the consent page is no authorization request.
        if request.path == "/authorize" && request.method != "GET" {
            return Ok(None);
        }
        Ok(self.0.iter_mut().find(concerns).map(|fault| {
            fault.times = fault.times.map(|times| times - 1);
            fault.kind
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_an_endpoint_an_answer_and_how_often() {
        let fault = Fault::parse("token/refresh_token:invalid_grant:2").expect("it is right");
        assert_eq!(fault.target, "token/refresh_token");
        assert_eq!(fault.kind, Kind::Error("invalid_grant"));
        assert_eq!(fault.times, Some(2));
        assert_eq!(Fault::parse("info:503").expect("it is right").times, None);
        for bad in [
            "",
            "token",
            "token:",
            "tokens:503",
            "token:200",
            "token:600",
            "token:x",
            "token:slow",
            "token:slow=0s",
            "token:slow=5m",
            "token:503:0",
            "token:503:x",
            "token:torn=1",
            "device/code:503:",
        ] {
            assert!(Fault::parse(bad).is_err(), "{bad}");
        }
    }
}
