//! The device authorization endpoint and the page where the user enters the
//! code (RFC 8628, in Yandex's dialect).

use std::time::Instant;

use serde_json::json;

use super::consent;
use super::credentials;
use super::parameters::Parameters;
use super::response;
use super::state::{DEVICE_LIFETIME, Goal, Pending, State};
use crate::http::page::{Language, escape};
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

/// `GET /device`, or again where the code that was entered is wrong.
pub fn page(request: &Request, wrong: Option<&str>) -> Response {
    let language = Language::of(request);
    let (attributes, error) = match wrong {
        None => (String::new(), String::new()),
        Some(entered) => (
            format!(
                " value=\"{}\" aria-invalid=\"true\" aria-describedby=\"error\"",
                escape(entered)
            ),
            format!(
                "<p class=\"error\" id=\"error\">{}</p>\n",
                language.pick(
                    "There is no such code, or it was used or has expired.",
                    "Такого кода нет, либо он уже использован или устарел.",
                )
            ),
        ),
    };
    let html = format!(
        "<form method=\"post\" action=\"/device\">\n<label for=\"code\">{}</label>\n\
         <input id=\"code\" name=\"code\" autocomplete=\"off\" autocapitalize=\"none\" \
         spellcheck=\"false\" required autofocus{attributes}>\n{error}{}",
        language.pick(
            "Code that the program shows",
            "Код, который показала программа"
        ),
        consent::buttons(language),
    );
    let status = if wrong.is_some() { 400 } else { 200 };
    let title = ("Enter the code", "Введите код");
    response::form_page(request, status, title, &html, "'self'")
}

pub fn allowed(request: &Request) -> Response {
    ended(request, ("Access allowed", "Доступ разрешён"))
}

pub fn denied(request: &Request) -> Response {
    ended(request, ("Access denied", "Доступ не разрешён"))
}

fn ended(request: &Request, title: (&str, &str)) -> Response {
    let html = Language::of(request).pick(
        "<p>You can close this tab and go back to the program.</p>",
        "<p>Эту вкладку можно закрыть и вернуться к программе.</p>",
    );
    response::page(request, 200, title, html)
}

/// `POST /device`: the user's answer. Where there are scopes to untick, allowing
/// leads to the page that has them.
pub fn enter(request: &Request, state: &mut State, now: Instant) -> Response {
    let Some(Ok(form)) = Parameters::of_form(request) else {
        return page(request, Some(""));
    };
    let entered = form.get("code").unwrap_or_default();
    let entered = entered.trim().to_ascii_lowercase();
    let Some(code) = state.waiting(&entered, now) else {
        return page(request, Some(&entered));
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
