//! The authorization endpoint and the consent page.

use std::time::Instant;

use tiny_http::Request;
use url::Url;

use super::Consent;
use super::http::{self, Parameters, notice};
use super::state::{Authorization, Challenge, Method, State};
use crate::page::{Language, Mood, Page, escape};
use crate::random;

const MAX_STATE: usize = 1024;

/// `GET /authorize`: asks the user, or answers in the user's stead.
pub fn ask(request: Request, query: &str, state: &mut State) {
    let parameters = match Parameters::parse(query.as_bytes()) {
        Ok(parameters) => parameters,
        Err(name) => return bad_request(request, &format!("The parameter {name} is there twice")),
    };
    // Nothing is sent to a redirect URI before it is known to be registered.
    match parameters.get("client_id") {
        None => return bad_request(request, "The required parameter client_id is missing"),
        Some(id) if id != state.client_id => {
            return bad_request(request, "Unknown client with such client_id");
        }
        Some(_) => {}
    }
    let Some(redirect_uri) = state.redirect_uri(parameters.get("redirect_uri")) else {
        return bad_request(
            request,
            "redirect_uri does not match the Callback URL defined for the client",
        );
    };
    if parameters
        .get("state")
        .is_some_and(|text| text.chars().count() > MAX_STATE)
    {
        return bad_request(request, "The state is longer than 1024 characters");
    }
    let challenge = challenge(&parameters);
    let authorization = Authorization {
        redirect_uri,
        state: parameters.get("state").map(str::to_owned),
        device_id: parameters.get("device_id").map(str::to_owned),
        challenge: challenge.as_ref().ok().cloned().flatten(),
    };
    if let Some((error, description)) = fault(&parameters, challenge.err()) {
        return refuse(request, &authorization, error, description);
    }
    match state.consent {
        Consent::Ask => consent_page(request, &parameters, authorization, state),
        Consent::Allow => allow(request, authorization, state),
        Consent::Deny => deny(request, &authorization),
    }
}

/// `POST /authorize`: what the user pressed.
pub fn decide(mut request: Request, state: &mut State) {
    let form = http::form(&mut request).and_then(|form| Parameters::parse(&form).ok());
    let pending = form.as_ref().and_then(|form| {
        let handle = form.get("request")?;
        state.answered(handle, Instant::now())
    });
    let Some(authorization) = pending else {
        return bad_request(request, "This page was answered already, or is too old");
    };
    match form.as_ref().and_then(|form| form.get("decision")) {
        Some("allow") => allow(request, authorization, state),
        _ => deny(request, &authorization),
    }
}

/// `GET /verification_code`: shows a code to copy by hand.
pub fn show_code(request: Request, query: &str) {
    let parameters = Parameters::parse(query.as_bytes());
    let code = parameters.as_ref().ok().and_then(|found| found.get("code"));
    match code {
        Some(code) => {
            let body = format!("<p><code>{}</code></p>", escape(code));
            http::page(request, 200, "Your code", "Ваш код", &body);
        }
        None => bad_request(request, "There is no code in this address"),
    }
}

/// What is wrong with a request whose client and redirect URI are right.
fn fault(
    parameters: &Parameters,
    challenge: Option<&'static str>,
) -> Option<(&'static str, &'static str)> {
    let device_id = parameters.get("device_id").unwrap_or("device");
    let device_name = parameters.get("device_name").unwrap_or_default();
    if parameters.get("response_type").is_none() {
        return Some(("invalid_request", "response_type is missing"));
    }
    if parameters.get("response_type") != Some("code") {
        return Some(("unsupported_response_type", "response_type is not code"));
    }
    if !(6..=50).contains(&device_id.len()) || !device_id.bytes().all(|b| (32..=126).contains(&b)) {
        return Some((
            "invalid_request",
            "device_id is not 6 to 50 ASCII characters",
        ));
    }
    if device_name.chars().count() > 100 {
        return Some((
            "invalid_request",
            "device_name is longer than 100 characters",
        ));
    }
    challenge.map(|why| ("invalid_request", why))
}

fn challenge(parameters: &Parameters) -> Result<Option<Challenge>, &'static str> {
    let Some(text) = parameters.get("code_challenge") else {
        return Ok(None);
    };
    let method = match parameters.get("code_challenge_method") {
        Some("S256") => Method::S256,
        Some("plain") | None => Method::Plain,
        Some(_) => return Err("code_challenge_method is neither plain nor S256"),
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if !(43..=128).contains(&text.len()) || !text.bytes().all(unreserved) {
        return Err("code_challenge is not 43 to 128 unreserved characters");
    }
    Ok(Some(Challenge {
        text: text.to_owned(),
        method,
    }))
}

fn consent_page(
    request: Request,
    parameters: &Parameters,
    authorization: Authorization,
    state: &mut State,
) {
    let language = Language::of(&request);
    let all = language.pick("all that the application has", "все, что есть у приложения");
    let details = [
        (
            language.pick("Application", "Приложение"),
            parameters.get("client_id"),
        ),
        (
            language.pick("Access to", "Доступ к"),
            parameters.get("scope").or(Some(all)),
        ),
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
            Some(&*authorization.redirect_uri),
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
    let handle = state.wait_for_user(authorization, Instant::now());
    let page = Page {
        status: 200,
        language,
        mood: Mood::Plain,
        title: language
            .pick("Allow access?", "Разрешить доступ?")
            .to_owned(),
        body: format!(
            "<dl>{details}</dl>\n<form method=\"post\" action=\"/authorize\">\n\
             <input type=\"hidden\" name=\"request\" value=\"{handle}\">\n\
             <button class=\"main\" name=\"decision\" value=\"allow\">{}</button>\n\
             <button name=\"decision\" value=\"deny\">{}</button>\n</form>\n\
             <p class=\"soft\">{}</p>",
            language.pick("Allow", "Разрешить"),
            language.pick("Deny", "Отказать"),
            notice(language),
        ),
    };
    // Browsers hold the redirect behind a form to `form-action` as well, and
    // it may lead anywhere that is registered.
    page.answer(request, "*");
}

fn allow(request: Request, authorization: Authorization, state: &mut State) {
    let redirect_uri = authorization.redirect_uri.clone();
    let given = authorization.state.clone();
    let code = state.issue_code(authorization, Instant::now());
    // Undocumented, and seen in practice.
    let cid = random::hex();
    let answer = [
        ("state", given.as_deref()),
        ("code", Some(&*code)),
        ("cid", Some(&*cid)),
    ];
    send_back(request, &redirect_uri, &answer);
}

fn deny(request: Request, authorization: &Authorization) {
    refuse(
        request,
        authorization,
        "access_denied",
        "The user denied access",
    );
}

fn refuse(request: Request, authorization: &Authorization, error: &str, description: &str) {
    let answer = [
        ("error", Some(error)),
        ("error_description", Some(description)),
        ("state", authorization.state.as_deref()),
    ];
    send_back(request, &authorization.redirect_uri, &answer);
}

/// Redirects with these parameters added to the URI's own.
fn send_back(request: Request, redirect_uri: &str, answer: &[(&str, Option<&str>)]) {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return bad_request(request, "The Callback URL is not a URL");
    };
    let pairs = answer
        .iter()
        .filter_map(|(name, value)| Some((*name, (*value)?)));
    url.query_pairs_mut().extend_pairs(pairs);
    http::redirect(request, url.as_str());
}

/// A fault that the redirect URI never hears of.
fn bad_request(request: Request, why: &str) {
    let body = format!("<p>{}</p>", escape(why));
    http::page(request, 400, "Bad request", "Ошибка в запросе", &body);
}
