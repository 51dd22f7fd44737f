//! The device authorization endpoint and the page where the user enters the
//! code (RFC 8628, in Yandex's dialect).

use std::time::Instant;

use serde_json::json;

use super::consent;
use super::credentials;
use super::parameters::Parameters;
use super::response;
use super::state::{DEVICE_LIFETIME, Goal, Pending, State};
use crate::http::page::{Language, Mood, Page};
use crate::http::{Request, Response};

/// `POST /device/code`. The ID is enough.
pub fn issue(request: &Request, state: &mut State, now: Instant) -> Result<Response, Response> {
    let form = credentials::form(request, &state.registration)?;
    form.device()?;
    let scopes = state.registration.scopes(&form.fields);
    let scopes = scopes.map_err(|why| response::refusal("invalid_scope", why))?;
    let code = state.issue_device_code(scopes, form.device_id(), now);
    Ok(response::json(&json!({
        "device_code": code.device_code,
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": state.device_interval,
        "user_code": code.user_code,
        "verification_url": format!("{}/device", state.registration.origin),
    })))
}

/// `GET /device`.
pub fn page(request: &Request) -> Response {
    let language = Language::of(request);
    let page = Page {
        status: 200,
        language,
        mood: Mood::Plain,
        title: language.pick("Enter the code", "Введите код").to_owned(),
        body: format!(
            "<form method=\"post\" action=\"/device\">\n\
             <label for=\"code\">{}</label>\n\
             <input id=\"code\" name=\"code\" autocomplete=\"off\" autocapitalize=\"none\" \
             spellcheck=\"false\" required autofocus>\n\
             {}",
            language.pick(
                "The code that the program shows",
                "Код, который показала программа"
            ),
            consent::buttons(language),
        ),
    };
    page.response("'self'")
}

/// `POST /device`: the user's answer. Where there are scopes to untick, allowing
/// leads to the page that has them.
pub fn enter(request: &Request, state: &mut State, now: Instant) -> Response {
    let Some(Ok(form)) = Parameters::of_form(request) else {
        return consent::no_such_code(request);
    };
    let entered = form.get("code").unwrap_or_default();
    let entered = entered.trim().to_ascii_lowercase();
    let Some(code) = state.waiting(&entered, now) else {
        return consent::no_such_code(request);
    };
    let pending = Pending {
        scopes: code.scopes.clone(),
        goal: Goal::Device(entered),
        device_id: None,
    };
    if form.get("decision") != Some("allow") {
        return consent::deny(request, pending, state, now);
    }
    match pending.scopes.optional.is_empty() {
        true => consent::allow(request, pending, |_, _| true, state, now),
        false => consent::page(request, &form, pending, state, now),
    }
}
