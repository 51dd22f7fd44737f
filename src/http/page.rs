//! The pages' common frame: one card, light and dark, Russian or English,
//! without a script or anything loaded from elsewhere.

use super::{Request, Response};
use crate::output::sanitize;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// A text in English and in Russian.
pub type Text = (&'static str, &'static str);

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Russian,
}

impl Language {
    /// Russian where `Accept-Language` has it before English: browsers put
    /// what they prefer first.
    pub fn of(request: &Request) -> Language {
        let accepted = request.header("Accept-Language").unwrap_or_default();
        let accepted = accepted.to_ascii_lowercase();
        let mut tags = accepted.split(',').map(|tag| tag.trim().get(..2));
        match tags.find(|tag| matches!(tag, Some("ru" | "en"))) {
            Some(Some("ru")) => Language::Russian,
            _ => Language::English,
        }
    }

    /// The text in this language.
    pub fn pick(self, (english, russian): Text) -> &'static str {
        match self {
            Language::English => english,
            Language::Russian => russian,
        }
    }
}

/// How a page looks at a glance.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    Good,
    Bad,
    Plain,
}

pub struct Page<'a> {
    pub status: u16,
    pub language: Language,
    pub mood: Mood,
    /// What must be seen before anything else.
    pub banner: Text,
    pub title: Text,
    /// HTML; what comes from outside goes through [`escape`] first.
    pub body: &'a str,
    /// Where a form on it may lead, in the words of the
    /// Content-Security-Policy.
    pub form_action: &'static str,
}

impl Page<'_> {
    pub fn response(&self) -> Response {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action {}; \
             base-uri 'none'; frame-ancestors 'none'",
            self.form_action
        );
        let (class, sign) = match self.mood {
            Mood::Good => ("good", "<span aria-hidden=\"true\">✓</span> "),
            Mood::Bad => ("bad", "<span aria-hidden=\"true\">!</span> "),
            Mood::Plain => ("plain", ""),
        };
        let language = self.language.pick(("en", "ru"));
        let banner = self.language.pick(self.banner);
        let title = self.language.pick(self.title);
        let html = format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} · yandex-token</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main class=\"{class}\">\n<p class=\"banner\">{banner}</p>\n\
             <h1>{sign}{title}</h1>\n{}\n</main>\n</body>\n</html>\n",
            self.body,
        );
        Response::new(self.status, "text/html; charset=utf-8", html)
            .with("Content-Language", language)
            .with("Vary", "Accept-Language")
            .with("Content-Security-Policy", &policy)
    }
}

/// Text for HTML, between tags or in a quoted attribute.
pub fn escape(text: &str) -> String {
    sanitize(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{is_raw, text};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_from_outside_is_no_markup(text in text()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped:?}");
            prop_assert!(!escaped.contains(is_raw), "{escaped:?}");
            let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            for rest in escaped.split('&').skip(1) {
                prop_assert!(entities.iter().any(|entity| rest.starts_with(entity)), "{rest:?}");
            }
        }
    }
}
