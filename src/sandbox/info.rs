//! User info: whose token it is, as far as its scopes reach.

use std::time::Instant;

use serde_json::{Value, json};

use super::parameters::Parameters;
use super::response;
use super::state::State;
use crate::http::{Request, Response};

/// `GET /info`, in JSON alone: the other formats are not known well enough.
pub fn info(request: &Request, state: &State, now: Instant) -> Response {
    let asked = Parameters::of_query(request).ok();
    let parameter = |name| asked.as_ref().and_then(|asked| asked.get(name));
    let header = request.header("Authorization");
    let header = header.map(|value| value.split_once(' ').unwrap_or((value, "")));
    let token = match header {
        Some((scheme, token)) => {
            let scheme = scheme.to_ascii_lowercase();
            matches!(&*scheme, "oauth" | "bearer").then(|| token.trim())
        }
        // It works, and the documentation calls it insecure.
        None => parameter("oauth_token"),
    };
    let granted = token.and_then(|token| state.tokens.granted(token, now));
    let Some(granted) = granted else {
        return response::unauthorized();
    };
    if !matches!(parameter("format"), None | Some("json")) {
        let text = "The sandbox knows format=json alone";
        return Response::new(400, "text/plain; charset=utf-8", text);
    }
    let mut user = json!({
        "id": "1000000001",
        "login": "sandbox.user",
        "client_id": state.registration.client_id,
        "psuid": "1.AAsandbox.sandbox.sandbox",
    });
    for (scope, fields) in by_scope() {
        if let (true, Value::Object(fields), Value::Object(user)) =
            (state.registration.covers(granted, scope), fields, &mut user)
        {
            user.extend(fields);
        }
    }
    response::json(&user)
}

fn by_scope() -> [(&'static str, Value); 5] {
    [
        (
            "login:info",
            json!({
                "first_name": "Sandbox",
                "last_name": "User",
                "display_name": "sandbox.user",
                "real_name": "Sandbox User",
                "sex": null,
            }),
        ),
        (
            "login:email",
            json!({
                "default_email": "sandbox.user@example.org",
                "emails": ["sandbox.user@example.org"],
            }),
        ),
        (
            "login:avatar",
            json!({ "default_avatar_id": "0/0-0", "is_avatar_empty": true }),
        ),
        // Zeros stand for what the user did not tell.
        ("login:birthday", json!({ "birthday": "0000-04-01" })),
        (
            "login:default_phone",
            json!({ "default_phone": { "id": 1, "number": "+70000000000" } }),
        ),
    ]
}
