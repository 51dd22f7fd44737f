//! User info: whose token it is, as far as its scopes reach; as JSON, XML or a
//! signed JWT (RFC 7519).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::{Map, Value, json};

use super::parameters::Parameters;
use super::state::{State, Token};
use crate::http::page::escape;
use crate::http::{Request, Response};
use crate::random;

/// `GET /info`, or `POST` with the parameters in a form.
pub fn info(request: &Request, state: &State) -> Response {
    let query = Parameters::of_query(request).ok();
    let form = Parameters::of_form(request).ok();
    let parameter = |name| {
        let mut places = [&form, &query].into_iter().flatten();
        places.find_map(|parameters| parameters.get(name))
    };
    let token = match request.header("Authorization") {
        Some(value) => {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            let is_known = ["oauth", "bearer"].contains(&&*scheme.to_ascii_lowercase());
            is_known.then(|| token.trim())
        }
        // It works, and the documentation calls it insecure.
        None => parameter("oauth_token"),
    };
    let Some(token) = token.and_then(|token| state.token(token)) else {
        // The form of this body is not known; that it is no JSON is a fair test.
        return Response::status_only(401);
    };
    let user = user(state, token);
    match parameter("format").unwrap_or("json") {
        "json" => Response::json(200, &user),
        "xml" => {
            let xml = element("user", &Value::Object(user));
            let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{xml}\n");
            Response::new(200, "text/xml; charset=utf-8", xml)
        }
        "jwt" => {
            let key = parameter("jwt_secret").unwrap_or(&state.client_secret);
            let claims = claims(&user, token.seconds_left(state.now));
            Response::new(200, "application/jwt", jwt(&claims, key))
        }
        _ => {
            let text = "format is json, xml or jwt";
            Response::new(400, "text/plain; charset=utf-8", text)
        }
    }
}

fn user(state: &State, token: &Token) -> Map<String, Value> {
    // A service application's token is its user's.
    let subject = token.subject.as_deref();
    let uid = subject.filter(|subject| subject.bytes().all(|b| b.is_ascii_digit()));
    let email = subject.filter(|subject| subject.contains('@'));
    let email = email.unwrap_or("sandbox.user@example.org");
    let login = email.split('@').next();
    let fields = [
        ("", "id", json!(uid.unwrap_or("1000000001"))),
        ("", "login", json!(login)),
        ("", "client_id", json!(state.client_id)),
        ("", "psuid", json!("1.AAsandbox.sandbox.sandbox")),
        ("login:info", "first_name", json!("Sandbox")),
        ("login:info", "last_name", json!("User")),
        ("login:info", "display_name", json!(login)),
        ("login:info", "real_name", json!("Sandbox User")),
        ("login:info", "sex", Value::Null),
        ("login:email", "default_email", json!(email)),
        ("login:email", "emails", json!([email])),
        ("login:avatar", "default_avatar_id", json!("0/0-0")),
        ("login:avatar", "is_avatar_empty", json!(true)),
        // Zeros stand for what the user did not enter.
        ("login:birthday", "birthday", json!("0000-04-01")),
        (
            "login:default_phone",
            "default_phone",
            json!({ "id": 1, "number": "+70000000000" }),
        ),
    ];
    fields
        .into_iter()
        .filter(|(scope, ..)| scope.is_empty() || state.options.covers(&token.grant, scope))
        .map(|(_, name, value)| (name.to_owned(), value))
        .collect()
}

/// A value in XML.
fn element(name: &str, value: &Value) -> String {
    let content = match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        Value::Array(items) => items.iter().map(|item| element("address", item)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| element(name, value))
            .collect(),
        other => other.to_string(),
    };
    format!("<{name}>{content}</{name}>")
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
    });
    for (claim, field) in [
        ("login", "login"),
        ("psuid", "psuid"),
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
