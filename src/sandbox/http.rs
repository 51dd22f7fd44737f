//! Requests in, JSON, redirects and pages out. What an endpoint answers is a
//! value, so that it can be put down in the log, and spoilt by a fault, in one
//! place.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tiny_http::{Request, Response};
use url::form_urlencoded;

use crate::http::page::{self, Language, Mood, Page, headers};
use crate::http::{DELAY, Tear};

/// What an endpoint is asked.
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    /// What the client asks this one answer to be, see `fault`.
    pub fault: Option<String>,
    pub language: Language,
    /// The body, if it says that it is a form.
    form: Option<Vec<u8>>,
}

impl Call {
    /// Reads a request; the gate bounds its size.
    pub fn read(request: &mut Request) -> Call {
        let own = |name| page::header(request, name).map(str::to_owned);
        let target = request.url().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (kept, asked) = take(query, "sandbox_fault");
        let fault = own("Sandbox-Fault").or(asked);
        Call {
            method: request.method().as_str().to_owned(),
            path: path.to_owned(),
            query: kept,
            authorization: own("Authorization"),
            fault,
            language: Language::of(request),
            form: form(request),
        }
    }

    /// The parameters of the query.
    ///
    /// # Errors
    /// The name of a parameter that is there twice.
    pub fn asked(&self) -> Result<Parameters, String> {
        Parameters::parse(self.query.as_bytes())
    }

    /// The parameters of the body; None where it is no form.
    pub fn form(&self) -> Option<Result<Parameters, String>> {
        self.form.as_deref().map(Parameters::parse)
    }
}

/// A query without the parameter of this name, and that parameter.
fn take(query: &str, name: &str) -> (String, Option<String>) {
    if !query.contains(name) {
        return (query.to_owned(), None);
    }
    let mut found = None;
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (other, value) in form_urlencoded::parse(query.as_bytes()) {
        match other == name {
            true => found = Some(value.into_owned()),
            false => drop(kept.append_pair(&other, &value)),
        }
    }
    (kept.finish(), found)
}

fn form(request: &mut Request) -> Option<Vec<u8>> {
    let kind = page::header(request, "Content-Type")?.to_ascii_lowercase();
    let kind = kind.split(';').next()?.trim();
    if kind != "application/x-www-form-urlencoded" {
        return None;
    }
    let mut body = Vec::new();
    request.as_reader().read_to_end(&mut body).ok()?;
    Some(body)
}

/// The parameters of a query or a form, each at most once.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn parse(encoded: &[u8]) -> Result<Parameters, String> {
        let pairs = form_urlencoded::parse(encoded).into_owned();
        let found: Vec<(String, String)> = pairs.collect();
        // Not each with each: thousands fit, and everybody else would wait.
        let mut names = HashSet::new();
        match found.iter().find(|(name, _)| !names.insert(name)) {
            Some((name, _)) => Err(name.clone()),
            None => Ok(Parameters(found)),
        }
    }

    /// The value, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// What an endpoint answers.
pub struct Answer {
    pub status: u16,
    pub body: Body,
}

pub enum Body {
    Json(Value),
    Text(&'static str),
    /// HTML that is not a page of ours, as a proxy or an outage sends it.
    Html(String),
    /// A page, and where a form on it may lead.
    Page(Box<Page>, &'static str),
    Redirect(String),
}

impl Answer {
    pub fn json(value: Value) -> Answer {
        Answer {
            status: 200,
            body: Body::Json(value),
        }
    }

    pub fn redirect(to: String) -> Answer {
        Answer {
            status: 302,
            body: Body::Redirect(to),
        }
    }

    /// An OAuth error (RFC 6749, 5.2). Yandex leaves the description out of
    /// some.
    pub fn refusal(status: u16, error: &str, description: Option<&str>) -> Answer {
        let mut body = json!({ "error": error });
        if let Some(description) = description {
            body["error_description"] = description.into();
        }
        Answer {
            status,
            body: Body::Json(body),
        }
    }

    /// Of user info. The form of this body is not known; that it is no JSON is a
    /// fair test.
    pub fn unauthorized() -> Answer {
        Answer {
            status: 401,
            body: Body::Text("Unauthorized"),
        }
    }

    /// A page of a title and some HTML, which leads nowhere.
    pub fn page(call: &Call, status: u16, title: (&str, &str), html: &str) -> Answer {
        let language = call.language;
        let page = Page {
            status,
            language,
            mood: match status {
                200 => Mood::Plain,
                _ => Mood::Bad,
            },
            title: language.pick(title.0, title.1).to_owned(),
            body: format!("{html}<p class=\"soft\">{}</p>", notice(language)),
        };
        Answer {
            status,
            body: Body::Page(Box::new(page), "'none'"),
        }
    }

    /// Sends the answer, late or torn where it is to be. `allow` goes with a
    /// 405.
    pub fn send(self, request: Request, allow: &'static str, spoilt: Spoilt) {
        let mut more: Vec<(&'static str, &str)> = Vec::new();
        let delay = spoilt.delay.as_millis().to_string();
        if !spoilt.delay.is_zero() {
            more.push((DELAY, &delay));
        }
        if let Some(tear) = spoilt.tear {
            more.push((Tear::HEADER, tear.as_str()));
        }
        if self.status == 405 {
            more.push(("Allow", allow));
        }
        let body = match self.body {
            Body::Page(..) if spoilt.is_empty => Body::Html(String::new()),
            body => body,
        };
        let text = match body {
            Body::Page(page, form_action) => return page.answer(request, form_action, &more),
            Body::Json(value) => {
                more.push(("Content-Type", "application/json"));
                value.to_string()
            }
            Body::Text(text) => {
                more.push(("Content-Type", "text/plain; charset=utf-8"));
                text.to_owned()
            }
            Body::Html(html) => {
                more.push(("Content-Type", "text/html; charset=utf-8"));
                html
            }
            Body::Redirect(ref to) => {
                more.push(("Location", to));
                String::new()
            }
        };
        let text = if spoilt.is_empty { String::new() } else { text };
        more.push(("Content-Security-Policy", "default-src 'none'"));
        let response = Response::from_string(text)
            .with_status_code(self.status)
            .with_chunked_threshold(usize::MAX);
        // A client that left has no use for the answer.
        let _ = request.respond(headers(response, &more));
    }
}

/// What becomes of an answer on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoilt {
    pub delay: Duration,
    pub tear: Option<Tear>,
    pub is_empty: bool,
}

/// So that nobody takes the sandbox for the real thing.
pub fn notice(language: Language) -> &'static str {
    language.pick(
        "This is the sandbox of yandex-token. No real account is involved.",
        "Это песочница yandex-token. Настоящий аккаунт не затронут.",
    )
}
