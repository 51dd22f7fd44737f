//! The token endpoint.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tiny_http::Request;

use super::http::{self, Parameters};
use super::state::{Challenge, Method, State};
use crate::page::header;
use crate::random;

const YEAR: u64 = 31_536_000;

/// A refusal: status, `error`, and mostly a description.
struct Refusal(u16, &'static str, Option<&'static str>);

fn refused<T>(error: &'static str, description: &'static str) -> Result<T, Refusal> {
    Err(Refusal(400, error, Some(description)))
}

/// `POST /token`.
pub fn answer(mut request: Request, state: &mut State) {
    match grant(&mut request, state, Instant::now()) {
        Ok(token) => http::json(request, 200, &token),
        Err(Refusal(status, error, description)) => {
            let mut body = json!({ "error": error });
            if let Some(description) = description {
                body["error_description"] = description.into();
            }
            http::json(request, status, &body);
        }
    }
}

fn grant(request: &mut Request, state: &mut State, now: Instant) -> Result<Value, Refusal> {
    let basic = basic(request)?;
    let Some(form) = http::form(request) else {
        return refused("invalid_request", "The body is not a form");
    };
    let Ok(form) = Parameters::parse(&form) else {
        return refused("invalid_request", "A parameter is given twice");
    };
    let (client_id, client_secret) = match &basic {
        Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
        None => (form.get("client_id"), form.get("client_secret")),
    };
    let Some(grant_type) = form.get("grant_type") else {
        return refused("invalid_request", "grant_type is missing");
    };
    match client_id {
        None => return refused("invalid_request", "client_id is missing"),
        Some(id) if id != state.client_id => return refused("invalid_client", "Client not found"),
        Some(_) => {}
    }
    let has_secret = match client_secret {
        Some(secret) if secret != state.client_secret => {
            return refused("invalid_client", "Wrong client secret");
        }
        given => given.is_some(),
    };
    match grant_type {
        "authorization_code" => code(&form, has_secret, state, now),
        _ => refused("unsupported_grant_type", "This grant_type is not supported"),
    }
}

/// RFC 6749, 4.1.3, and RFC 7636, 4.6.
fn code(
    form: &Parameters,
    has_secret: bool,
    state: &mut State,
    now: Instant,
) -> Result<Value, Refusal> {
    let Some(code) = form.get("code") else {
        return refused("invalid_request", "code is missing");
    };
    if !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return refused("bad_verification_code", "The code has the wrong form");
    }
    let Some(authorization) = state.spend_code(code, now) else {
        return refused("invalid_grant", "Code has expired");
    };
    match (&authorization.challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if answers(challenge, verifier) => {}
        (Some(_), Some(_)) => return refused("invalid_grant", "code_verifier does not match"),
        (Some(_), None) => return refused("invalid_request", "code_verifier is missing"),
        (None, _) if has_secret => {}
        (None, _) => return refused("invalid_client", "Client secret is missing"),
    }
    Ok(json!({
        "access_token": format!("y0_{}{}", random::base64url(), &random::hex()[..12]),
        "expires_in": YEAR,
        "refresh_token": format!(
            "1:{}:{}{}:{}",
            &random::base64url()[..16],
            random::base64url(),
            &random::base64url()[..39],
            &random::base64url()[..22],
        ),
        "token_type": "bearer",
    }))
}

fn answers(challenge: &Challenge, verifier: &str) -> bool {
    let transformed = match challenge.method {
        Method::Plain => verifier.to_owned(),
        Method::S256 => URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())),
    };
    transformed == challenge.text
}

/// The credentials of an `Authorization` header, where there is one.
fn basic(request: &Request) -> Result<Option<(String, String)>, Refusal> {
    let Some(value) = header(request, "Authorization") else {
        return Ok(None);
    };
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal(401, "Basic auth required", None));
    }
    let decoded = STANDARD.decode(rest.trim()).ok();
    let pair = decoded.and_then(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((id.to_owned(), secret.to_owned()))
    });
    match pair {
        Some(pair) => Ok(Some(pair)),
        None => Err(Refusal(401, "Malformed Authorization header", None)),
    }
}
