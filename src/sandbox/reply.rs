//! What the user is sent back with (RFC 6749, 4.1.2 and 4.2.2), and the page for
//! whoever cannot be sent back.

use std::time::Instant;

use url::{Url, form_urlencoded::Serializer};

use super::application::Granted;
use super::http::{Answer, Call};
use super::state::{Code, Reply, State};
use super::tokens::Issued;
use crate::http::page::escape;
use crate::random;

/// Sends the user back with a code, or with a token in the fragment.
pub fn allow(
    call: &Call,
    reply: Reply,
    device_id: Option<String>,
    granted: Granted,
    fewer: Option<String>,
    state: &mut State,
    now: Instant,
) -> Answer {
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
        return send_back(call, &reply, &answer);
    }
    let code = Code {
        challenge: reply.challenge.clone(),
        device_id,
        granted,
        fewer,
    };
    let code = state.issue_code(code, now);
    send_back(call, &reply, &[("code", Some(&code)), ("cid", Some(&cid))])
}

/// Sends the user back with an error (RFC 6749, 4.1.2.1).
pub fn refuse(call: &Call, reply: &Reply, error: &str, description: &str) -> Answer {
    let answer = [
        ("error", Some(error)),
        ("error_description", Some(description)),
    ];
    send_back(call, reply, &answer)
}

/// Redirects with the state and these parameters: added to the URI's query, or
/// for a token as its fragment, which no server sees.
fn send_back(call: &Call, reply: &Reply, answer: &[(&str, Option<&str>)]) -> Answer {
    let Ok(mut url) = Url::parse(&reply.redirect_uri) else {
        return bad_request(call, "The Callback URL is not a URL");
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
    Answer::redirect(url.into())
}

/// A fault that the redirect URI never hears of.
pub fn bad_request(call: &Call, why: &str) -> Answer {
    let html = format!("<p>{}</p>", escape(why));
    Answer::page(call, 400, ("Bad request", "Ошибка в запросе"), &html)
}
