//! User info: whose token it is, as far as its scopes reach; as JSON, XML or a
//! signed JWT (RFC 7519).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::{Map, Value, json};

use super::parameters::Parameters;
use super::registration::Registration;
use super::response;
use super::state::State;
use super::tokens::Token;
use crate::http::page::escape;
use crate::http::{Request, Response};
use crate::random;

/// `GET /info`, or `POST` with the parameters in a form.
pub fn info(request: &Request, state: &State, now: Instant) -> Response {
    let query = Parameters::of_query(request).ok();
    let form = Parameters::of_form(request).and_then(Result::ok);
    let parameter = |name| {
        let mut places = [&form, &query].into_iter().flatten();
        places.find_map(|parameters| parameters.get(name))
    };
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
    let Some(token) = token.and_then(|token| state.tokens.find(token, now)) else {
        return response::unauthorized();
    };
    let user = user(&state.registration, token);
    match parameter("format").unwrap_or("json") {
        "json" => response::json(&Value::Object(user)),
        "xml" => Response::new(200, "text/xml; charset=utf-8", xml(&user)),
        "jwt" => {
            let key = parameter("jwt_secret").unwrap_or(&state.registration.client_secret);
            let claims = claims(&user, token.seconds_left(now));
            Response::new(200, "application/jwt", jwt(&claims, key))
        }
        _ => {
            let text = "format is json, xml or jwt";
            Response::new(400, "text/plain; charset=utf-8", text)
        }
    }
}

fn user(registration: &Registration, token: &Token) -> Map<String, Value> {
    // A service application's token is its user's.
    let subject = token.subject.as_deref();
    let uid = subject.filter(|subject| subject.bytes().all(|b| b.is_ascii_digit()));
    let email = subject.filter(|subject| subject.contains('@'));
    let login = email.map_or("sandbox.user", |email| {
        email.split('@').next().unwrap_or_default()
    });
    let email = email.unwrap_or("sandbox.user@example.org");
    let by_scope = [
        (
            "login:info",
            json!({
                "first_name": "Sandbox",
                "last_name": "User",
                "display_name": login,
                "real_name": "Sandbox User",
                "sex": null,
            }),
        ),
        (
            "login:email",
            json!({ "default_email": email, "emails": [email] }),
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
    ];
    let own = json!({
        "id": uid.unwrap_or("1000000001"),
        "login": login,
        "client_id": registration.client_id,
        "psuid": "1.AAsandbox.sandbox.sandbox",
    });
    let covered = by_scope
        .into_iter()
        .filter(|(scope, _)| registration.covers(&token.granted, scope))
        .map(|(_, fields)| fields);
    let objects = [own].into_iter().chain(covered);
    objects
        .filter_map(|value| match value {
            Value::Object(fields) => Some(fields),
            _ => None,
        })
        .flatten()
        .collect()
}

fn xml(user: &Map<String, Value>) -> String {
    fn element(name: &str, value: &Value) -> String {
        let content = match value {
            Value::Null => String::new(),
            Value::String(text) => escape(text),
            Value::Array(items) => items.iter().map(|item| element("address", item)).collect(),
            Value::Object(fields) => elements(fields),
            other => other.to_string(),
        };
        format!("<{name}>{content}</{name}>")
    }
    fn elements(fields: &Map<String, Value>) -> String {
        let each = fields.iter().map(|(name, value)| element(name, value));
        each.collect()
    }
    let user = elements(user);
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<user>{user}</user>\n")
}

fn claims(user: &Map<String, Value>, seconds_left: u64) -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs());
    let uid = user["id"].as_str().and_then(|id| id.parse::<u64>().ok());
    let mut claims = json!({
        "iat": now,
        "jti": random::uuid(),
        "exp": now + seconds_left,
        "iss": "login.yandex.ru",
        "uid": uid,
        "login": user["login"],
        "psuid": user["psuid"],
    });
    for (claim, field) in [
        ("name", "real_name"),
        ("email", "default_email"),
        ("birthday", "birthday"),
        ("gender", "sex"),
        ("display_name", "display_name"),
        ("avatar_id", "default_avatar_id"),
    ] {
        if let Some(value) = user.get(field) {
            claims[claim] = value.clone();
        }
    }
    claims
}

/// Signs with HMAC-SHA256 (RFC 7515).
fn jwt(claims: &Value, key: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = sign(&Key::new(HMAC_SHA256, key.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
