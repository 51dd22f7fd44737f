//! Faults on demand: responses that a script must survive.
//!
//! An error or a status takes the place of the real response, and nothing
//! happens on the server. One that is late, torn, lost or empty comes after the
//! work is done: a refresh token that went with it is spent.

use std::time::Duration;

use url::form_urlencoded;

use super::parameters::{FAULT, Parameters};
use crate::http::{Delivery, Request, Response};

/// The header with which a client asks for one itself.
const HEADER: &str = "Sandbox-Fault";

pub const ON_DEMAND: &str = "A fault on demand";

/// The OAuth errors that Yandex is known to give, or that the RFCs add.
const ERRORS: &str = "access_denied, authorization_pending, bad_verification_code, \
    expired_token, invalid_client, invalid_grant, invalid_request, invalid_scope, \
    server_error, slow_down, temporarily_unavailable, unauthorized_client, \
    unsupported_grant_type, unsupported_response_type, unsupported_token_type, \
    Basic auth required, Malformed Authorization header";

/// What can be given a fault; those with a grant narrow `token`.
const TARGETS: &str = "authorize, token, token/authorization_code, token/refresh_token, \
    token/device_code, device/code, revoke_token, info";

/// A fault of an endpoint, each time or only so many times.
#[derive(Debug, Clone)]
pub struct Fault {
    target: &'static str,
    kind: Kind,
    times: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// An OAuth error.
    Error(&'static str),
    /// This status, with a page in HTML.
    Status(u16),
    Delivery(Delivery),
}

impl Fault {
    /// `ENDPOINT:ANSWER`, or `ENDPOINT:ANSWER:TIMES`.
    ///
    /// # Errors
    /// The second half of a sentence that says what to write.
    pub fn parse(text: &str) -> Result<Fault, String> {
        let mut parts = text.splitn(3, ':');
        let named = parts.next().unwrap_or_default();
        let target = TARGETS.split(", ").find(|target| *target == named);
        let target = target.ok_or_else(|| {
            format!("write ENDPOINT:ANSWER, such as token:503:1; an endpoint is {TARGETS}")
        })?;
        let kind = Kind::parse(parts.next().unwrap_or_default())?;
        let times = parts.next().map(str::parse).transpose();
        match times {
            Ok(times) if times != Some(0) => Ok(Fault {
                target,
                kind,
                times,
            }),
            _ => Err("after the answer goes how many times, 1 or more".into()),
        }
    }

    fn concerns(&self, path: &str, grant_type: Option<&str>) -> bool {
        let is_of_grant = || {
            let grant = self.target.strip_prefix("token/");
            path == "token" && grant.is_some() && grant == grant_type
        };
        self.times != Some(0) && (path == self.target || is_of_grant())
    }
}

impl Kind {
    fn parse(text: &str) -> Result<Kind, String> {
        if let Some(error) = ERRORS.split(", ").find(|error| *error == text) {
            return Ok(Kind::Error(error));
        }
        if let Ok(status @ 400..=599) = text.parse() {
            return Ok(Kind::Status(status));
        }
        if let Some(time) = text.strip_prefix("slow=") {
            return match time.strip_suffix('s').map(str::parse) {
                Some(Ok(seconds @ 1..=3600)) => {
                    let time = Duration::from_secs(seconds);
                    Ok(Kind::Delivery(Delivery::Late(time)))
                }
                _ => Err("slow takes seconds, 1 to 3600, such as slow=10s".into()),
            };
        }
        match text {
            "torn" => Ok(Kind::Delivery(Delivery::HalfBody)),
            "lost" => Ok(Kind::Delivery(Delivery::Nothing)),
            "empty" => Ok(Kind::Delivery(Delivery::NoBody)),
            _ => Err(format!(
                "an answer is a status from 400 to 599, torn, lost, empty, slow=10s, \
                 or an error: {ERRORS}"
            )),
        }
    }
}

/// The fault of this call: the client's own, or else the first left for its
/// endpoint.
///
/// # Errors
/// What is wrong with the client's own.
pub fn next(faults: &mut [Fault], request: &Request) -> Result<Option<Kind>, String> {
    let query = form_urlencoded::parse(request.query.as_bytes());
    let asked = query.filter(|(name, _)| name == FAULT).last();
    let asked = asked.as_ref().map(|(_, value)| &**value);
    if let Some(asked) = request.header(HEADER).or(asked) {
        return Kind::parse(asked).map(Some);
    }
    // A person's answer on the consent page is no authorization request.
    if request.path == "/authorize" && request.method != "GET" {
        return Ok(None);
    }
    let form = Parameters::of_form(request).ok();
    let grant_type = form.as_ref().and_then(|form| form.get("grant_type"));
    let mut faults = faults.iter_mut();
    let fault = faults.find(|fault| fault.concerns(&request.path[1..], grant_type));
    Ok(fault.map(|fault| {
        fault.times = fault.times.map(|times| times - 1);
        fault.kind
    }))
}

/// An OAuth error in place of the real answer.
pub fn refused(request: &Request, error: &str) -> Response {
    match &*request.path {
        "/info" => Response::status_only(401),
        _ => super::error((error, ON_DEMAND)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_an_endpoint_an_answer_and_how_often() {
        for good in [
            "token/refresh_token:invalid_grant:2",
            "info:503",
            "token:slow=1s",
        ] {
            assert!(Fault::parse(good).is_ok(), "{good}");
        }
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
