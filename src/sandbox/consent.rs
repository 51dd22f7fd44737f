//! The page on which a person allows or denies, and what comes of it.

use std::time::Instant;

use super::parameters::Parameters;
use super::redirect::{self, bad_request};
use super::registration::Scopes;
use super::state::{Goal, Pending, State};
use super::{device, response};
use crate::http::page::{Language, escape};
use crate::http::{Request, Response};

/// Asks the user. `parameters` are the request's own, to be shown.
pub fn page(
    request: &Request,
    parameters: &Parameters,
    pending: Pending,
    state: &mut State,
    now: Instant,
) -> Response {
    let language = Language::of(request);
    let returns_to = match &pending.goal {
        Goal::Redirect(redirect) => Some(redirect.redirect_uri.as_str()),
        Goal::Device(_) => None,
    };
    let code = |text: &str| format!("<code>{}</code>", escape(text));
    let details = [
        (
            language.pick("Application", "Приложение"),
            Some(code(&state.registration.client_id)),
        ),
        (
            language.pick("Access", "Доступ"),
            access(&pending.scopes, language),
        ),
        (
            language.pick("Device", "Устройство"),
            parameters.get("device_name").map(code),
        ),
        (
            language.pick("User", "Пользователь"),
            parameters.get("login_hint").map(code),
        ),
        (
            language.pick("Redirect URI", "Адрес возврата"),
            returns_to.map(code),
        ),
    ];
    let details: String = details
        .into_iter()
        .filter_map(|(term, value)| Some(format!("<dt>{term}</dt><dd>{}</dd>\n", value?)))
        .collect();
    let optional = optional(&pending.scopes, language);
    let handle = state.wait_for_user(pending, now);
    let html = format!(
        "<dl>{details}</dl>\n<form method=\"post\" action=\"/authorize\">\n{optional}\
         <input type=\"hidden\" name=\"request\" value=\"{handle}\">\n{}",
        buttons(language),
    );
    // Browsers hold the redirect behind a form to `form-action` as well, and
    // it may lead anywhere that is registered.
    let title = ("Allow access?", "Разрешить доступ?");
    response::form_page(request, 200, title, &html, "*")
}

/// The scopes that the user can't untick.
fn access(scopes: &Scopes, language: Language) -> Option<String> {
    if scopes.required.is_empty() {
        let all = language.pick(
            "everything the application has",
            "всё, что есть у приложения",
        );
        return scopes.optional.is_empty().then(|| all.to_owned());
    }
    let item = |scope: &String| format!("<li><code>{}</code></li>", escape(scope));
    let items: String = scopes.required.iter().map(item).collect();
    Some(format!("<ul>{items}</ul>"))
}

/// The scopes that the user can untick.
fn optional(scopes: &Scopes, language: Language) -> String {
    if scopes.optional.is_empty() {
        return String::new();
    }
    let item = |(at, scope): (usize, &String)| {
        format!(
            "<label class=\"tick\"><input type=\"checkbox\" name=\"optional.{at}\" value=\"yes\" \
             checked> <code>{}</code></label>\n",
            escape(scope)
        )
    };
    let items: String = scopes.optional.iter().enumerate().map(item).collect();
    let legend = language.pick("Optional access", "Дополнительный доступ");
    format!("<fieldset>\n<legend>{legend}</legend>\n{items}</fieldset>\n")
}

/// The end of a form that asks.
pub fn buttons(language: Language) -> String {
    format!(
        "<button class=\"main\" name=\"decision\" value=\"allow\">{}</button>\n\
         <button name=\"decision\" value=\"deny\">{}</button>\n</form>",
        language.pick("Allow", "Разрешить"),
        language.pick("Deny", "Отказать"),
    )
}

/// `POST /authorize`: what the user pressed.
pub fn decide(request: &Request, state: &mut State, now: Instant) -> Response {
    let form = Parameters::of_form(request).and_then(Result::ok);
    let pending = form.as_ref().and_then(|form| {
        let handle = form.get("request")?;
        state.answered(handle, now)
    });
    let (Some(form), Some(pending)) = (form, pending) else {
        return bad_request(request, "This page was answered already, or is too old");
    };
    if form.get("decision") != Some("allow") {
        return deny(request, pending, state, now);
    }
    let left = |at, _: &str| form.get(&format!("optional.{at}")).is_some();
    allow(request, pending, left, state, now)
}

/// The user allows the access, to these of the optional scopes.
pub fn allow(
    request: &Request,
    pending: Pending,
    left: impl Fn(usize, &str) -> bool,
    state: &mut State,
    now: Instant,
) -> Response {
    // Nothing that could be unticked is left, and nothing else was asked for.
    let Some(granted) = pending.scopes.granted(left) else {
        return deny(request, pending, state, now);
    };
    match pending.goal {
        Goal::Redirect(reply) => {
            let fewer = pending.scopes.fewer(&granted);
            redirect::allow(
                request,
                reply,
                pending.device_id,
                granted,
                fewer,
                state,
                now,
            )
        }
        Goal::Device(user_code) => match state.waiting(&user_code, now) {
            Some(code) => {
                code.answer(Some(granted));
                device::allowed(request)
            }
            None => device::page(request, Some(&user_code)),
        },
    }
}

pub fn deny(request: &Request, pending: Pending, state: &mut State, now: Instant) -> Response {
    match pending.goal {
        Goal::Redirect(reply) => {
            redirect::refuse(request, &reply, "access_denied", "The user denied access")
        }
        Goal::Device(user_code) => match state.waiting(&user_code, now) {
            Some(code) => {
                code.answer(None);
                device::denied(request)
            }
            None => device::page(request, Some(&user_code)),
        },
    }
}
