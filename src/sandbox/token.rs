//! The token endpoint, the revocation endpoint and user info.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tiny_http::Request;

use super::http::{self, Parameters};
use super::state::{Challenge, DevicePoll, Method, State};
use super::tokens::NoDevice;
use crate::page::header;

const YEAR: u64 = 31_536_000;

/// A refusal: status, `error`, and mostly a description.
pub struct Refusal(u16, &'static str, Option<&'static str>);

fn refused<T>(error: &'static str, description: &'static str) -> Result<T, Refusal> {
    Err(Refusal(400, error, Some(description)))
}

/// `POST /token`.
pub fn answer(mut request: Request, state: &mut State) {
    let token = grant(&mut request, state, Instant::now());
    respond(request, token);
}

/// `POST /revoke_token`.
pub fn revoke(mut request: Request, state: &mut State) {
    let revoked = revoked(&mut request, state);
    respond(request, revoked);
}

/// `GET /info`: whose token it is.
pub fn info(request: Request, state: &State) {
    let token = header(&request, "Authorization").and_then(|value| value.split_once(' '));
    let valid = token.is_some_and(|(scheme, token)| {
        let scheme = scheme.to_ascii_lowercase();
        matches!(&*scheme, "oauth" | "bearer") && state.tokens.is_valid(token.trim())
    });
    if !valid {
        // The form of this body is not known; that it is no JSON is a fair test.
        return http::text(request, 401, "Unauthorized");
    }
    let user = json!({
        "id": "1000000001",
        "login": "sandbox.user",
        "client_id": state.client_id,
        "psuid": "1.AAsandbox.sandbox.sandbox",
        "default_email": "sandbox.user@example.org",
        "emails": ["sandbox.user@example.org"],
    });
    http::json(request, 200, &user);
}

pub fn respond(request: Request, answer: Result<Value, Refusal>) {
    match answer {
        Ok(value) => http::json(request, 200, &value),
        Err(Refusal(status, error, description)) => {
            let mut body = json!({ "error": error });
            if let Some(description) = description {
                body["error_description"] = description.into();
            }
            http::json(request, status, &body);
        }
    }
}

/// A form whose client is known.
pub struct Form {
    pub fields: Parameters,
    has_secret: bool,
}

impl Form {
    fn required(&self, name: &str, missing: &'static str) -> Result<&str, Refusal> {
        match self.fields.get(name) {
            Some(value) => Ok(value),
            None => refused("invalid_request", missing),
        }
    }

    fn require_secret(&self) -> Result<(), Refusal> {
        match self.has_secret {
            true => Ok(()),
            false => refused("invalid_client", "Client secret is missing"),
        }
    }
}

/// Reads the form and checks the client's credentials.
pub fn form(request: &mut Request, state: &State) -> Result<Form, Refusal> {
    let basic = basic(request)?;
    let Some(body) = http::form(request) else {
        return refused("invalid_request", "The body is not a form");
    };
    let Ok(fields) = Parameters::parse(&body) else {
        return refused("invalid_request", "A parameter is given twice");
    };
    let (client_id, client_secret) = match &basic {
        Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
        None => (fields.get("client_id"), fields.get("client_secret")),
    };
    match client_id {
        None => return refused("invalid_request", "client_id is missing"),
        Some(id) if id != state.client_id => return refused("invalid_client", "Client not found"),
        Some(_) => {}
    }
    if client_secret.is_some_and(|secret| secret != state.client_secret) {
        return refused("invalid_client", "Wrong client secret");
    }
    let has_secret = client_secret.is_some();
    Ok(Form { fields, has_secret })
}

fn grant(request: &mut Request, state: &mut State, now: Instant) -> Result<Value, Refusal> {
    let form = form(request, state)?;
    match form.required("grant_type", "grant_type is missing")? {
        "authorization_code" => code(&form, state, now),
        "refresh_token" => refresh(&form, state),
        "device_code" => device(&form, state, now),
        _ => refused("unsupported_grant_type", "This grant_type is not supported"),
    }
}

/// RFC 8628, 3.4 and 3.5, in Yandex's dialect.
fn device(form: &Form, state: &mut State, now: Instant) -> Result<Value, Refusal> {
    let code = form.required("code", "code is missing")?;
    form.require_secret()?;
    match state.poll_device_code(code, now) {
        DevicePoll::Allowed(tokens) => Ok(token(tokens)),
        DevicePoll::Denied => refused("access_denied", "The user denied access"),
        DevicePoll::Gone => refused("invalid_grant", "Code has expired"),
        DevicePoll::Pending => refused(
            "authorization_pending",
            "User has not yet authorized your application",
        ),
    }
}

fn refresh(form: &Form, state: &mut State) -> Result<Value, Refusal> {
    let refresh_token = form.required("refresh_token", "refresh_token is missing")?;
    form.require_secret()?;
    match state.tokens.refresh(refresh_token) {
        Some(tokens) => Ok(token(tokens)),
        None => refused("invalid_grant", "The refresh token is not known"),
    }
}

fn revoked(request: &mut Request, state: &mut State) -> Result<Value, Refusal> {
    let form = form(request, state)?;
    let access_token = form.required("access_token", "access_token is missing")?;
    form.require_secret()?;
    match state.tokens.revoke(access_token) {
        Ok(()) => Ok(json!({ "status": "ok" })),
        Err(NoDevice) => refused(
            "unsupported_token_type",
            "The token was issued without a device",
        ),
    }
}

/// RFC 6749, 4.1.3, and RFC 7636, 4.6.
fn code(form: &Form, state: &mut State, now: Instant) -> Result<Value, Refusal> {
    let code = form.required("code", "code is missing")?;
    if !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return refused("bad_verification_code", "The code has the wrong form");
    }
    let Some(authorization) = state.spend_code(code, now) else {
        return refused("invalid_grant", "Code has expired");
    };
    match (&authorization.challenge, form.fields.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if answers(challenge, verifier) => {}
        (Some(_), Some(_)) => return refused("invalid_grant", "code_verifier does not match"),
        (Some(_), None) => return refused("invalid_request", "code_verifier is missing"),
        (None, _) => form.require_secret()?,
    }
    let named = form.fields.get("device_id");
    let has_device = authorization.device_id.is_some() || named.is_some();
    Ok(token(state.tokens.issue(has_device)))
}

fn token((access_token, refresh_token): (String, String)) -> Value {
    json!({
        "access_token": access_token,
        "expires_in": YEAR,
        "refresh_token": refresh_token,
        "token_type": "bearer",
    })
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
