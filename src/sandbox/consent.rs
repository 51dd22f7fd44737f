//! The page on which a person allows or denies, and what comes of it.

use std::time::Instant;

use super::parameters::Parameters;
use super::redirect::{self, bad_request};
use super::response::{self, notice};
use super::state::{Goal, Pending, State};
use crate::http::page::{Language, Mood, Page, escape};
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
    let all = language.pick("all that the application has", "все, что есть у приложения");
    let required = pending.scopes.required.join(" ");
    let access = match (required.as_str(), pending.scopes.optional.is_empty()) {
        ("", true) => Some(all),
        ("", false) => None,
        (required, _) => Some(required),
    };
    let returns_to = match &pending.goal {
        Goal::Redirect(reply) => Some(reply.redirect_uri.clone()),
        Goal::Device(_) => None,
    };
    let details = [
        (
            language.pick("Registration", "Приложение"),
            Some(&*state.registration.client_id),
        ),
        (language.pick("Access to", "Доступ к"), access),
        (
            language.pick("Device", "Устройство"),
            parameters.get("device_name"),
        ),
        (
            language.pick("User", "Пользователь"),
            parameters.get("login_hint"),
        ),
        (
            language.pick("Returns to", "Вернётся на"),
            returns_to.as_deref(),
        ),
    ];
    let details: String = details
        .into_iter()
        .filter_map(|(term, value)| {
            Some(format!(
                "<dt>{term}</dt><dd><code>{}</code></dd>\n",
                escape(value?)
            ))
        })
        .collect();
    let optional: String = pending
        .scopes
        .optional
        .iter()
        .enumerate()
        .map(|(at, scope)| {
            format!(
                "<label class=\"tick\"><input type=\"checkbox\" name=\"optional.{at}\" value=\"yes\" \
                 checked> <code>{}</code></label>\n",
                escape(scope)
            )
        })
        .collect();
    let optional = match optional.is_empty() {
        true => optional,
        false => format!(
            "<fieldset>\n<legend>{}</legend>\n{optional}</fieldset>\n",
            language.pick("Also, if you like", "А также, если хотите")
        ),
    };
    let handle = state.wait_for_user(pending, now);
    let page = Page {
        status: 200,
        language,
        mood: Mood::Plain,
        title: language
            .pick("Allow access?", "Разрешить доступ?")
            .to_owned(),
        body: format!(
            "<dl>{details}</dl>\n<form method=\"post\" action=\"/authorize\">\n{optional}\
             <input type=\"hidden\" name=\"request\" value=\"{handle}\">\n\
             {}",
            buttons(language),
        ),
    };
    // Browsers hold the redirect behind a form to `form-action` as well, and
    // it may lead anywhere that is registered.
    page.response("*")
}

/// The end of a form that asks, and of its page.
pub fn buttons(language: Language) -> String {
    format!(
        "<button class=\"main\" name=\"decision\" value=\"allow\">{}</button>\n\
         <button name=\"decision\" value=\"deny\">{}</button>\n</form>\n\
         <p class=\"soft\">{}</p>",
        language.pick("Allow", "Разрешить"),
        language.pick("Deny", "Отказать"),
        notice(language),
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
                done(request)
            }
            None => no_such_code(request),
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
                done(request)
            }
            None => no_such_code(request),
        },
    }
}

fn done(request: &Request) -> Response {
    response::page(request, 200, ("Done", "Готово"), "")
}

pub fn no_such_code(request: &Request) -> Response {
    let title = ("There is no such code", "Такого кода нет");
    response::page(request, 400, title, "")
}
