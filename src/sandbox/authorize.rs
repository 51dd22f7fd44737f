//! The authorization endpoint (RFC 6749, 4.1.1 and 4.2.1): checks the request,
//! asks the user or answers in the user's stead, and redirects back.

use url::Url;
use url::form_urlencoded::Serializer;

use super::application::{Access, Grant};
use super::fault::ON_DEMAND;
use super::parameters::Parameters;
use super::state::{Challenge, Code, Goal, Pending, Redirect, State};
use super::{Refusal, pages};
use crate::http::{Request, Response};
use crate::random;

const MAX_STATE: usize = 1024;

/// `GET /authorize`. With a fault, that error is what comes of it.
pub fn ask(request: &Request, state: &mut State, fault: Option<&'static str>) -> Response {
    let parameters = match Parameters::of_query(request) {
        Ok(parameters) => parameters,
        Err(why) => return pages::bad_request(request, why),
    };
    let (mut redirect, access) = match trusted(&parameters, state, fault) {
        Ok(trusted) => trusted,
        Err(why) => return pages::bad_request(request, &why),
    };
    match challenge(&parameters, fault) {
        Ok(challenge) => redirect.challenge = challenge,
        Err(refusal) => return refuse(&redirect, refusal),
    }
    let pending = Pending {
        goal: Goal::Redirect(redirect),
        access,
    };
    match state.consent(&pending.access) {
        Some(granted) => finish(request, state, pending.goal, granted),
        None => wait(request, state, pending, &parameters),
    }
}

/// Checks the client and the redirect URI: before that, nothing is redirected.
/// A scope that the application doesn't have is refused here as well.
fn trusted(
    parameters: &Parameters,
    state: &State,
    fault: Option<&'static str>,
) -> Result<(Redirect, Access), String> {
    let client_id = parameters.get("client_id");
    let client_id = client_id.ok_or("The required parameter client_id is missing")?;
    if client_id != state.client_id || fault == Some("invalid_client") {
        return Err("Unknown client with such client_id".to_owned());
    }
    let uri = parameters.get("redirect_uri");
    let redirect_uri = state.options.redirect_uri(uri, &state.origin);
    let redirect_uri = redirect_uri
        .ok_or("redirect_uri does not match the Callback URL defined for the client")?;
    let given = parameters.get("state");
    if given.unwrap_or_default().chars().count() > MAX_STATE {
        return Err("The state is longer than 1024 characters".to_owned());
    }
    let access = match fault {
        Some("invalid_scope") => Err(ON_DEMAND),
        _ => state.options.access(parameters),
    };
    let redirect = Redirect {
        redirect_uri,
        state: given.map(str::to_owned),
        challenge: None,
        is_implicit: parameters.get("response_type") == Some("token"),
    };
    let access = access.map_err(|why| {
        format!("Could not determine the requested accesses (invalid_scope): {why}")
    })?;
    Ok((redirect, access))
}

/// Checks the parameters whose errors go to the redirect URI, and returns the
/// code challenge (RFC 7636, 4.3).
fn challenge(
    parameters: &Parameters,
    fault: Option<&'static str>,
) -> Result<Option<Challenge>, Refusal> {
    if let Some(error) = fault {
        return Err((error, ON_DEMAND));
    }
    match parameters.get("response_type") {
        Some("code" | "token") => {}
        None => return Err(("invalid_request", "response_type is missing")),
        Some(_) => {
            let why = "response_type is neither code nor token";
            return Err(("unsupported_response_type", why));
        }
    }
    parameters.check_device()?;
    let Some(text) = parameters.get("code_challenge") else {
        return Ok(None);
    };
    let is_s256 = match parameters.get("code_challenge_method") {
        Some("S256") => true,
        Some("plain") | None => false,
        Some(_) => {
            let why = "code_challenge_method is neither plain nor S256";
            return Err(("invalid_request", why));
        }
    };
    let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if !(43..=128).contains(&text.len()) || !text.bytes().all(is_unreserved) {
        let why = "code_challenge is not 43 to 128 unreserved characters";
        return Err(("invalid_request", why));
    }
    let text = text.to_owned();
    Ok(Some(Challenge { text, is_s256 }))
}

/// Asks the user. `parameters` are those of the request, to be shown.
pub fn wait(
    request: &Request,
    state: &mut State,
    pending: Pending,
    parameters: &Parameters,
) -> Response {
    let handle = random::hex();
    let page = pages::consent(request, state, &pending, parameters, &handle);
    state.pending.add((handle, pending), state.now);
    page
}

/// `POST /authorize`: what the user pressed.
pub fn decide(request: &Request, state: &mut State) -> Response {
    let answered = Parameters::of_form(request).ok().and_then(|form| {
        let handle = form.get("request")?;
        let pending = state.pending.take(state.now, |(name, _)| name == handle)?;
        Some((form, pending.1))
    });
    let Some((form, pending)) = answered else {
        let why = "This page was answered already, or is too old";
        return pages::bad_request(request, why);
    };
    let is_left = |at| form.get(&format!("optional.{at}")).is_some();
    let granted = match form.get("decision") {
        Some("allow") => pending.access.grant(is_left),
        _ => None,
    };
    finish(request, state, pending.goal, granted)
}

/// The user has allowed this, or has denied the access.
pub fn finish(
    request: &Request,
    state: &mut State,
    goal: Goal,
    granted: Option<Grant>,
) -> Response {
    match goal {
        Goal::Redirect(redirect) => match granted {
            Some(grant) => send_back(redirect, grant, state),
            None => refuse(&redirect, ("access_denied", "The user denied access")),
        },
        Goal::Device(user_code) => match state.waiting(&user_code) {
            Some(device) => {
                let is_allowed = granted.is_some();
                device.answer = Some(granted);
                pages::device_answered(request, is_allowed)
            }
            None => pages::device(request, Some(&user_code)),
        },
    }
}

/// Sends the user back with a code, or with a token in the fragment.
fn send_back(redirect: Redirect, grant: Grant, state: &mut State) -> Response {
    let mut answer = Vec::new();
    if redirect.is_implicit {
        let token = state.issue(grant);
        answer.extend(token.scope().map(|scope| ("scope", scope)));
        answer.push(("expires_in", token.seconds_left(state.now).to_string()));
        answer.push(("token_type", "bearer".to_owned()));
        answer.push(("access_token", token.access_token));
    } else {
        let code = random::hex()[..16].to_owned();
        answer.push(("code", code.clone()));
        let issued = Code {
            code,
            challenge: redirect.challenge.clone(),
            grant,
        };
        state.codes.add(issued, state.now);
    }
    // Undocumented, and seen in practice.
    answer.push(("cid", random::hex()));
    redirect_with(&redirect, &answer)
}

/// Sends the user back with an error (RFC 6749, 4.1.2.1).
fn refuse(redirect: &Redirect, (error, description): Refusal) -> Response {
    let answer = [("error", error), ("error_description", description)];
    redirect_with(redirect, &answer.map(|(name, value)| (name, value.into())))
}

/// Adds the state and these parameters to the URI's query, or for a token as
/// its fragment, which no server sees.
fn redirect_with(redirect: &Redirect, answer: &[(&str, String)]) -> Response {
    let mut url: Url = redirect.redirect_uri.clone();
    let state = redirect.state.iter().map(|state| ("state", state));
    let pairs = state.chain(answer.iter().map(|(name, value)| (*name, value)));
    if redirect.is_implicit {
        let fragment = Serializer::new(String::new()).extend_pairs(pairs).finish();
        url.set_fragment(Some(&fragment));
    } else {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Response::redirect(302, url.as_str())
}
