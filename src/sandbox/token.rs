//! The token endpoint with its four grants, and the revocation endpoint.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::credentials::{self, Form};
use super::registration::Granted;
use super::response;
use super::state::{Challenge, DevicePoll, Method, State};
use super::tokens::{Issued, NoDevice};
use crate::http::{Request, Response};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// `POST /token`.
pub fn grant(request: &Request, state: &mut State, now: Instant) -> Result<Response, Response> {
    let form = credentials::form(request, &state.registration)?;
    let grant_type = form.required("grant_type", "grant_type is missing")?;
    let issued = match grant_type {
        "authorization_code" => code(&form, state, now)?,
        "refresh_token" => refresh(&form, state, now)?,
        "device_code" => device(&form, state, now)?,
        TOKEN_EXCHANGE => exchange(&form, state, now)?,
        _ => {
            let why = "This grant_type is not supported";
            return Err(response::refusal("unsupported_grant_type", why));
        }
    };
    let mut answer = json!({
        "access_token": issued.access_token,
        "expires_in": issued.expires_in,
        "token_type": "bearer",
    });
    if let Some(refresh_token) = issued.refresh_token {
        answer["refresh_token"] = refresh_token.into();
    }
    if grant_type == TOKEN_EXCHANGE {
        answer["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token".into();
    }
    if let Some(scope) = issued.scope {
        answer["scope"] = scope.into();
    }
    Ok(response::json(&answer))
}

/// RFC 6749, 4.1.3, and RFC 7636, 4.6.
fn code(form: &Form, state: &mut State, now: Instant) -> Result<Issued, Response> {
    let code = form.required("code", "code is missing")?;
    if !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let why = "The code has the wrong form";
        return Err(response::refusal("bad_verification_code", why));
    }
    form.device()?;
    // A client that is not known by its secret, and by nothing else, spends
    // nothing.
    if state
        .code(code)
        .is_some_and(|code| code.challenge.is_none())
    {
        form.require_secret()?;
    }
    let Some(code) = state.spend_code(code, now) else {
        return Err(response::refusal("invalid_grant", "Code has expired"));
    };
    match (&code.challenge, form.fields.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if answers(challenge, verifier) => {}
        (Some(_), Some(_)) => {
            return Err(response::refusal(
                "invalid_grant",
                "code_verifier does not match",
            ));
        }
        (Some(_), None) => {
            return Err(response::refusal(
                "invalid_request",
                "code_verifier is missing",
            ));
        }
        (None, _) => {}
    }
    let device_id = code.device_id.or_else(|| form.device_id());
    Ok(state.tokens.issue(device_id, code.granted, code.fewer, now))
}

fn answers(challenge: &Challenge, verifier: &str) -> bool {
    let transformed = match challenge.method {
        Method::Plain => verifier.to_owned(),
        Method::S256 => URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())),
    };
    transformed == challenge.text
}

/// RFC 6749, 6.
fn refresh(form: &Form, state: &mut State, now: Instant) -> Result<Issued, Response> {
    let refresh_token = form.required("refresh_token", "refresh_token is missing")?;
    form.require_secret()?;
    let issued = state.tokens.refresh(refresh_token, now);
    issued.ok_or_else(|| response::refusal("invalid_grant", "The refresh token is not known"))
}

/// RFC 8628, 3.4 and 3.5, in Yandex's dialect.
fn device(form: &Form, state: &mut State, now: Instant) -> Result<Issued, Response> {
    let code = form.required("code", "code is missing")?;
    form.require_secret()?;
    form.device()?;
    let device_id = form.device_id();
    match state.poll_device_code(code, device_id.as_deref(), now) {
        DevicePoll::Allowed(issued) => Ok(issued),
        DevicePoll::Denied => Err(response::refusal("access_denied", "The user denied access")),
        DevicePoll::Gone => Err(response::refusal("invalid_grant", "Code has expired")),
        DevicePoll::Pending => Err(response::refusal(
            "authorization_pending",
            "User has not yet authorized your application",
        )),
    }
}

/// RFC 8693, in Yandex's dialect: the subject token is the user's name.
fn exchange(form: &Form, state: &mut State, now: Instant) -> Result<Issued, Response> {
    let subject = form.required("subject_token", "subject_token is missing")?;
    let kind = form.required("subject_token_type", "subject_token_type is missing")?;
    form.require_secret()?;
    let is_of_kind = match kind.strip_prefix("urn:yandex:params:oauth:token-type:") {
        Some("email") => subject.contains('@'),
        Some("uid") => subject.bytes().all(|b| b.is_ascii_digit()),
        _ => {
            let why = "subject_token_type is neither email nor uid";
            return Err(response::refusal("invalid_request", why));
        }
    };
    if !is_of_kind {
        let why = "subject_token is not of this type";
        return Err(response::refusal("invalid_request", why));
    }
    let scopes = state.registration.scopes(&form.fields);
    let scopes = scopes.map_err(|why| response::refusal("invalid_scope", why))?;
    if !state.registration.serves(subject) {
        let why = "The application is unauthorized to get a token of this user";
        return Err(response::refusal("unauthorized_client", why));
    }
    let granted = scopes.granted(|_, _| true).unwrap_or(Granted(None));
    Ok(state.tokens.exchange(subject, granted, now))
}

/// `POST /revoke_token` (RFC 7009).
pub fn revoke(request: &Request, state: &mut State) -> Result<Response, Response> {
    let form = credentials::form(request, &state.registration)?;
    let access_token = form.required("access_token", "access_token is missing")?;
    form.require_secret()?;
    match state.tokens.revoke(access_token) {
        Ok(()) => Ok(response::json(&json!({ "status": "ok" }))),
        Err(NoDevice) => Err(response::refusal(
            "unsupported_token_type",
            "The token was issued without a device",
        )),
    }
}
