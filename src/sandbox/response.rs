//! What the endpoints answer with: JSON, OAuth errors, pages.

use serde_json::{Value, json};

use crate::http::page::{Language, Mood, Page};
use crate::http::{Request, Response};

pub fn json(value: &Value) -> Response {
    Response::new(200, "application/json", value.to_string())
}

/// An OAuth error (RFC 6749, 5.2). Yandex leaves the description out of some.
pub fn error(status: u16, error: &str, description: Option<&str>) -> Response {
    let mut body = json!({ "error": error });
    if let Some(description) = description {
        body["error_description"] = description.into();
    }
    Response {
        status,
        ..json(&body)
    }
}

pub fn refusal(error_code: &str, description: &str) -> Response {
    error(400, error_code, Some(description))
}

/// Of user info. The form of this body is not known; that it is no JSON is a
/// fair test.
pub fn unauthorized() -> Response {
    Response::status_only(401)
}

/// A page of a title in both languages and some HTML, which leads nowhere.
pub fn page(request: &Request, status: u16, title: (&str, &str), html: &str) -> Response {
    form_page(request, status, title, html, "'none'")
}

/// A page with a form that leads to these places, in the words of the
/// Content-Security-Policy.
pub fn form_page(
    request: &Request,
    status: u16,
    title: (&str, &str),
    html: &str,
    form_action: &str,
) -> Response {
    let language = Language::of(request);
    let page = Page {
        status,
        language,
        mood: match status {
            200 => Mood::Plain,
            _ => Mood::Bad,
        },
        // So that nobody takes the sandbox for the real thing.
        banner: Some(language.pick(
            "Sandbox of yandex-token: no real account is involved",
            "Песочница yandex-token: настоящий аккаунт не используется",
        )),
        title: language.pick(title.0, title.1).to_owned(),
        body: html.to_owned(),
    };
    page.response(form_action)
}
