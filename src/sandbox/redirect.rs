//! What the user is sent back with (RFC 6749, 4.1.2 and 4.2.2), and the page for
//! whoever cannot be sent back.

use std::time::Instant;

use url::{Url, form_urlencoded::Serializer};

use super::registration::Granted;
use super::response;
use super::state::{Code, Redirect, State};
use super::tokens::Issued;
use crate::http::page::escape;
use crate::http::{Request, Response};
use crate::random;

/// Sends the user back with a code, or with a token in the fragment.
pub fn allow(
    request: &Request,
    reply: Redirect,
    device_id: Option<String>,
    granted: Granted,
    fewer: Option<String>,
    state: &mut State,
    now: Instant,
) -> Response {
    // Undocumented, and seen in practice.
    let cid = random::hex();
    if reply.is_implicit {
        let Issued {
            access_token,
            expires_in,
            scope,
            ..
        } = state.tokens.issue(device_id, granted, fewer, now);
        let expires_in = expires_in.to_string();
        let answer = [
            ("access_token", Some(&*access_token)),
            ("token_type", Some("bearer")),
            ("expires_in", Some(&*expires_in)),
            ("scope", scope.as_deref()),
            ("cid", Some(&*cid)),
        ];
        return send_back(request, &reply, &answer);
    }
    let code = Code {
        challenge: reply.challenge.clone(),
        device_id,
        granted,
        fewer,
    };
    let code = state.issue_code(code, now);
    send_back(
        request,
        &reply,
        &[("code", Some(&code)), ("cid", Some(&cid))],
    )
}

/// Sends the user back with an error (RFC 6749, 4.1.2.1).
pub fn refuse(request: &Request, reply: &Redirect, error: &str, description: &str) -> Response {
    let answer = [
        ("error", Some(error)),
        ("error_description", Some(description)),
    ];
    send_back(request, reply, &answer)
}

/// Redirects with the state and these parameters: added to the URI's query, or
/// for a token as its fragment, which no server sees.
fn send_back(request: &Request, reply: &Redirect, answer: &[(&str, Option<&str>)]) -> Response {
    let Ok(mut url) = Url::parse(&reply.redirect_uri) else {
        return bad_request(request, "The Callback URL is not a URL");
    };
    let pairs = [("state", reply.state.as_deref())];
    let pairs = pairs.iter().chain(answer);
    let pairs = pairs.filter_map(|(name, value)| Some((*name, (*value)?)));
    if reply.is_implicit {
        let fragment = Serializer::new(String::new()).extend_pairs(pairs).finish();
        url.set_fragment(Some(&fragment));
    } else {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Response::redirect(302, url.as_str())
}

/// A fault that the redirect URI never hears of.
pub fn bad_request(request: &Request, why: &str) -> Response {
    let html = format!("<p lang=\"en\">{}</p>", escape(why));
    response::page(request, 400, ("Bad request", "Ошибка в запросе"), &html)
}
