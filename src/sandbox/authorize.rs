//! The authorization endpoint (RFC 6749, 4.1.1 and 4.2.1).

use std::time::Instant;

use super::Consent;
use super::consent;
use super::fault::ON_DEMAND;
use super::parameters::Parameters;
use super::redirect::{bad_request, refuse};
use super::registration::Scopes;
use super::response;
use super::state::{Challenge, Goal, Method, Pending, Redirect, State};
use crate::http::page::{Language, escape};
use crate::http::{Request, Response};

const MAX_STATE: usize = 1024;

/// `GET /authorize`: asks the user, or answers in the user's stead. With a
/// fault, that error is what comes of it.
pub fn ask(
    request: &Request,
    state: &mut State,
    fault: Option<&'static str>,
    now: Instant,
) -> Response {
    let parameters = match Parameters::of_query(request) {
        Ok(parameters) => parameters,
        Err(name) => return bad_request(request, &format!("The parameter {name} is there twice")),
    };
    let (reply, scopes) = match trusted(&parameters, state, fault) {
        Ok(trusted) => trusted,
        Err(why) => return bad_request(request, &why),
    };
    let challenge = challenge(&parameters);
    let wrong = fault.map(|error| (error, ON_DEMAND));
    let wrong = wrong.or_else(|| wrong_with(&parameters, challenge.as_ref().err().copied()));
    let reply = Redirect {
        challenge: challenge.ok().flatten(),
        ..reply
    };
    if let Some((error, description)) = wrong {
        return refuse(request, &reply, error, description);
    }
    let pending = Pending {
        goal: Goal::Redirect(reply),
        scopes,
        device_id: parameters.get("device_id").map(str::to_owned),
    };
    match state.consent {
        Consent::Ask => consent::page(request, &parameters, pending, state, now),
        Consent::Allow => consent::allow(request, pending, |_, _| true, state, now),
        Consent::Deny => consent::deny(request, pending, state, now),
    }
}

/// Whether the client and the redirect URI are right: until then nothing is
/// sent there. A scope that isn't the application's is told here as well.
fn trusted(
    parameters: &Parameters,
    state: &State,
    fault: Option<&'static str>,
) -> Result<(Redirect, Scopes), String> {
    let registration = &state.registration;
    let Some(client_id) = parameters.get("client_id") else {
        return Err("The required parameter client_id is missing".to_owned());
    };
    if client_id != registration.client_id || fault == Some("invalid_client") {
        return Err("Unknown client with such client_id".to_owned());
    }
    let Some(redirect_uri) = registration.redirect_uri(parameters.get("redirect_uri")) else {
        return Err(
            "redirect_uri does not match the Callback URL defined for the client".to_owned(),
        );
    };
    let given = parameters.get("state");
    if given.is_some_and(|text| text.chars().count() > MAX_STATE) {
        return Err("The state is longer than 1024 characters".to_owned());
    }
    let scopes = match (fault, registration.scopes(parameters)) {
        (Some("invalid_scope"), _) => Err(ON_DEMAND),
        (_, scopes) => scopes,
    };
    let scopes = scopes.map_err(|why| {
        format!("Could not determine the requested accesses (invalid_scope): {why}")
    })?;
    let reply = Redirect {
        redirect_uri,
        state: given.map(str::to_owned),
        challenge: None,
        is_implicit: parameters.get("response_type") == Some("token"),
    };
    Ok((reply, scopes))
}

/// What is wrong with a request whose client and redirect URI are right.
fn wrong_with(
    parameters: &Parameters,
    challenge: Option<&'static str>,
) -> Option<(&'static str, &'static str)> {
    match parameters.get("response_type") {
        Some("code" | "token") => {}
        None => return Some(("invalid_request", "response_type is missing")),
        Some(_) => {
            return Some((
                "unsupported_response_type",
                "response_type is neither code nor token",
            ));
        }
    }
    let why = device(parameters).err().or(challenge);
    why.map(|why| ("invalid_request", why))
}

/// Checks a device's ID and name.
pub fn device(parameters: &Parameters) -> Result<(), &'static str> {
    let device_id = parameters.get("device_id").unwrap_or("device");
    let device_name = parameters.get("device_name").unwrap_or_default();
    if !(6..=50).contains(&device_id.len()) || !device_id.bytes().all(|b| (32..=126).contains(&b)) {
        return Err("device_id is not 6 to 50 ASCII characters");
    }
    if device_name.chars().count() > 100 {
        return Err("device_name is longer than 100 characters");
    }
    Ok(())
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

/// `GET /verification_code`: shows a code to copy by hand. What else is sent
/// back ends here as well, and is no fault of the request.
pub fn show_code(request: &Request) -> Response {
    let parameters = Parameters::of_query(request).ok();
    let given = |name| parameters.as_ref().and_then(|found| found.get(name));
    let language = Language::of(request);
    if let Some(code) = given("code") {
        let html = format!(
            "<p><code class=\"code\">{}</code></p>\n<p>{}</p>",
            escape(code),
            language.pick(
                "Copy it and paste it into the program that asked for it.",
                "Скопируйте его и вставьте в программу, которая его запросила.",
            )
        );
        return response::page(request, 200, ("Your code", "Ваш код"), &html);
    }
    if let Some(error) = given("error") {
        let title = ("No access was given", "Доступ не получен");
        let html = format!("<p><code>{}</code></p>", escape(error));
        return response::page(request, 200, title, &html);
    }
    let html = language.pick(
        "<p>There is no code in this address. A token requested with \
         <code>response_type=token</code> is in the part after <code>#</code>.</p>",
        "<p>В этом адресе нет кода. Токен, запрошенный через \
         <code>response_type=token</code>, находится после <code>#</code>.</p>",
    );
    response::page(request, 200, ("No code here", "Здесь нет кода"), html)
}
