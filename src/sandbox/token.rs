//! The token endpoint with its four grants, and the revocation endpoint.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::Refusal;
use super::application::Grant;
use super::form::Form;
use super::state::{Challenge, Code, DeviceCode, State, Token};
use crate::http::{Request, Response};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const EXPIRED: Refusal = ("invalid_grant", "Code has expired");

/// `POST /token`.
pub fn grant(request: &Request, state: &mut State) -> Result<Response, Refusal> {
    let form = Form::of(request, state)?;
    let token = match form.required("grant_type", "grant_type is missing")? {
        "authorization_code" => code(&form, state)?,
        "refresh_token" => refresh(&form, state)?,
        "device_code" => device(&form, state)?,
        TOKEN_EXCHANGE => exchange(&form, state)?,
        _ => return Err(("unsupported_grant_type", "This grant_type is not supported")),
    };
    let is_exchanged = token.subject.is_some();
    let mut answer = json!({
        "access_token": token.access_token,
        "expires_in": token.seconds_left(state.now),
        "refresh_token": token.refresh_token,
        "token_type": "bearer",
        "issued_token_type":
            is_exchanged.then_some("urn:ietf:params:oauth:token-type:access_token"),
        "scope": token.scope(),
    });
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(Response::json(200, &answer))
}

/// RFC 6749, 4.1.3, and RFC 7636, 4.6.
fn code(form: &Form, state: &mut State) -> Result<Token, Refusal> {
    let code = form.required("code", "code is missing")?;
    if !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(("bad_verification_code", "The code has the wrong form"));
    }
    form.fields.check_device()?;
    let is_it = |other: &Code| other.code == code;
    let issued = state.codes.find(state.now, is_it).ok_or(EXPIRED)?;
    // A client that is not known by its secret, and by nothing else, spends
    // nothing.
    if issued.challenge.is_none() {
        form.require_secret()?;
    }
    // The code is spent, whatever comes of it.
    let Code {
        challenge, grant, ..
    } = state.codes.take(state.now, is_it).ok_or(EXPIRED)?;
    if let Some(challenge) = challenge {
        let verifier = form.required("code_verifier", "code_verifier is missing")?;
        if !answers(&challenge, verifier) {
            return Err(("invalid_grant", "code_verifier does not match"));
        }
    }
    Ok(issue(form, state, grant))
}

fn answers(challenge: &Challenge, verifier: &str) -> bool {
    match challenge.is_s256 {
        true => URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == challenge.text,
        false => verifier == challenge.text,
    }
}

/// RFC 6749, 6.
fn refresh(form: &Form, state: &mut State) -> Result<Token, Refusal> {
    let refresh_token = form.required("refresh_token", "refresh_token is missing")?;
    form.require_secret()?;
    let token = state.refresh(refresh_token);
    token.ok_or(("invalid_grant", "The refresh token is not known"))
}

/// RFC 8628, 3.4 and 3.5, in Yandex's dialect.
fn device(form: &Form, state: &mut State) -> Result<Token, Refusal> {
    let code = form.required("code", "code is missing")?;
    form.require_secret()?;
    form.fields.check_device()?;
    let is_it = |other: &DeviceCode| other.device_code == code;
    let device = state.devices.find(state.now, is_it).ok_or(EXPIRED)?;
    let Some(granted) = device.answer.clone() else {
        let why = "User has not yet authorized your application";
        return Err(("authorization_pending", why));
    };
    state.devices.take(state.now, is_it);
    let grant = granted.ok_or(("access_denied", "The user denied access"))?;
    Ok(issue(form, state, grant))
}

/// A device that was not named when the code was asked for can be named now.
fn issue(form: &Form, state: &mut State, mut grant: Grant) -> Token {
    let device_id = form.fields.get("device_id").map(str::to_owned);
    grant.device_id = grant.device_id.or(device_id);
    state.issue(grant)
}

/// RFC 8693, in Yandex's dialect: the subject token is the user's name.
fn exchange(form: &Form, state: &mut State) -> Result<Token, Refusal> {
    let subject = form.required("subject_token", "subject_token is missing")?;
    let kind = form.required("subject_token_type", "subject_token_type is missing")?;
    form.require_secret()?;
    let is_of_kind = match kind.strip_prefix("urn:yandex:params:oauth:token-type:") {
        Some("email") => subject.contains('@'),
        Some("uid") => subject.bytes().all(|b| b.is_ascii_digit()),
        _ => {
            return Err((
                "invalid_request",
                "subject_token_type is neither email nor uid",
            ));
        }
    };
    if !is_of_kind {
        return Err(("invalid_request", "subject_token is not of this type"));
    }
    let access = state.options.access(&form.fields);
    let access = access.map_err(|why| ("invalid_scope", why))?;
    if !state.options.serves(subject) {
        let why = "The application is unauthorized to get a token of this user";
        return Err(("unauthorized_client", why));
    }
    let grant = access.grant(|_| true).unwrap_or_default();
    Ok(state.exchange(subject, grant))
}

/// `POST /revoke_token` (RFC 7009).
pub fn revoke(request: &Request, state: &mut State) -> Result<Response, Refusal> {
    let form = Form::of(request, state)?;
    let access_token = form.required("access_token", "access_token is missing")?;
    form.require_secret()?;
    state.revoke(access_token)?;
    Ok(Response::json(200, &json!({ "status": "ok" })))
}
