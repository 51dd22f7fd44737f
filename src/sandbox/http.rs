//! Forms in, JSON and pages out.

use std::io::Read;

use tiny_http::{Request, Response};
use url::form_urlencoded;

use crate::page::{self, Language, Mood, Page, headers};

/// The parameters of a query or a form, each at most once.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// # Errors
    /// The name of a parameter that is there twice.
    pub fn parse(encoded: &[u8]) -> Result<Parameters, String> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if found.iter().any(|(other, _)| *other == name) {
                return Err(name.into_owned());
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Parameters(found))
    }

    /// The value, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// The body, if it says that it is a form.
pub fn form(request: &mut Request) -> Option<Vec<u8>> {
    let kind = page::header(request, "Content-Type")?.to_ascii_lowercase();
    let kind = kind.split(';').next()?.trim();
    if kind != "application/x-www-form-urlencoded" {
        return None;
    }
    let mut body = Vec::new();
    request.as_reader().read_to_end(&mut body).ok()?;
    Some(body)
}

pub fn json(request: Request, status: u16, value: &serde_json::Value) {
    let response = Response::from_string(value.to_string()).with_status_code(status);
    respond(request, response, &[("Content-Type", "application/json")]);
}

pub fn text(request: Request, status: u16, text: &str) {
    let response = Response::from_string(text).with_status_code(status);
    respond(
        request,
        response,
        &[("Content-Type", "text/plain; charset=utf-8")],
    );
}

pub fn redirect(request: Request, to: &str) {
    respond(
        request,
        Response::from_string("").with_status_code(302),
        &[("Location", to)],
    );
}

fn respond(request: Request, response: Response<impl Read>, more: &[(&'static str, &str)]) {
    let response = response.with_chunked_threshold(usize::MAX);
    let response = headers(
        response,
        &[("Content-Security-Policy", "default-src 'none'")],
    );
    let _ = request.respond(headers(response, more));
}

/// A page of a title and a body of HTML.
pub fn page(request: Request, status: u16, english: &str, russian: &str, body: &str) {
    let language = Language::of(&request);
    let page = Page {
        status,
        language,
        mood: if status == 200 {
            Mood::Plain
        } else {
            Mood::Bad
        },
        title: language.pick(english, russian).to_owned(),
        body: format!("{body}<p class=\"soft\">{}</p>", notice(language)),
    };
    page.answer(request, "'none'");
}

/// So that nobody takes the sandbox for the real thing.
pub fn notice(language: Language) -> &'static str {
    language.pick(
        "This is the sandbox of yandex-token. No real account is involved.",
        "Это песочница yandex-token. Настоящий аккаунт не затронут.",
    )
}
