//! The pages' common frame: one calm card, light and dark, Russian or English,
//! without a script or anything loaded from elsewhere.

use super::{Request, Response};
use crate::output::sanitize;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Russian,
}

impl Language {
    /// Russian where `Accept-Language` prefers it to English.
    pub fn of(request: &Request) -> Language {
        match request.header("Accept-Language") {
            Some(accepted) => Language::preferred(accepted),
            None => Language::English,
        }
    }

    fn preferred(accepted: &str) -> Language {
        let mut best = (0.0, Language::English);
        for range in accepted.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let quality = parameters.trim().strip_prefix("q=");
            let quality: f32 = quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            let language = match tag.trim().to_ascii_lowercase().split('-').next() {
                Some("ru") => Language::Russian,
                Some("en") => Language::English,
                _ => continue,
            };
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }

    /// The text in this language.
    pub fn pick<'a>(self, english: &'a str, russian: &'a str) -> &'a str {
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

pub struct Page {
    pub status: u16,
    pub language: Language,
    pub mood: Mood,
    /// What must be seen before anything else.
    pub banner: Option<&'static str>,
    pub title: String,
    /// HTML; what comes from outside goes through [`escape`] first.
    pub body: String,
}

impl Page {
    /// The response with this page. `form_action` says where a form on it may
    /// lead, in the words of the Content-Security-Policy.
    pub fn response(&self, form_action: &str) -> Response {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action {form_action}; \
             base-uri 'none'; frame-ancestors 'none'"
        );
        Response::new(self.status, "text/html; charset=utf-8", self.html())
            .with("Content-Language", self.language.pick("en", "ru"))
            .with("Vary", "Accept-Language")
            .with("Content-Security-Policy", &policy)
    }

    fn html(&self) -> String {
        let (class, sign) = match self.mood {
            Mood::Good => ("good", "<span aria-hidden=\"true\">✓</span> "),
            Mood::Bad => ("bad", "<span aria-hidden=\"true\">!</span> "),
            Mood::Plain => ("plain", ""),
        };
        let banner = self.banner.map_or_else(String::new, |text| {
            format!("<p class=\"banner\">{}</p>\n", escape(text))
        });
        format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} · yandex-token</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main class=\"{class}\">\n{banner}<h1>{sign}{title}</h1>\n{}\n</main>\n\
             </body>\n</html>\n",
            self.language.pick("en", "ru"),
            self.body,
            title = escape(&self.title),
        )
    }
}

/// Text for HTML, between tags or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in sanitize(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

const STYLE: &str = "
:root { color-scheme: light dark; --paper: #f4f4f2; --card: #fff; --ink: #1c1c1e;
  --soft: #5a5a60; --line: #d9d9d6; --good: #1a7f37; --bad: #b3261e; --press: #1f5fbf; }
@media (prefers-color-scheme: dark) { :root { --paper: #161618; --card: #212124;
  --ink: #ececee; --soft: #a9a9b2; --line: #3b3b40; --good: #5bd083; --bad: #ff8f87;
  --press: #8ab8ff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  grid-template-columns: minmax(0, 32rem); justify-content: center; padding: 1rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; }
main { width: 100%; max-width: 32rem; padding: 1.75rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 .75rem; font-size: 1.35rem; line-height: 1.3; }
.good h1 span { color: var(--good); } .bad h1 span { color: var(--bad); }
p, ul, dl { margin: .75rem 0 0; } ul { padding-left: 1.25rem; }
.banner { margin: -1.75rem -1.75rem 1.25rem; padding: .6rem 1.75rem; font-size: .9rem;
  color: var(--soft); border-bottom: 1px dashed var(--soft); }
.code { display: block; margin: 1rem 0; padding: 1rem .5rem; text-align: center;
  font-size: min(1.6rem, 6vw); border: 1px solid var(--line); border-radius: .5rem;
  -webkit-user-select: all; user-select: all; }
.error { flex: 1 1 100%; margin: 0; color: var(--bad); }
.soft { color: var(--soft); font-size: .9rem; }
code { font: .92em ui-monospace, 'SF Mono', Consolas, 'DejaVu Sans Mono', monospace; }
dt { color: var(--soft); font-size: .9rem; } dd { margin: 0 0 .5rem; }
dd ul { margin: 0; }
form { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
button { flex: 1 1 8rem; min-height: 2.75rem; padding: .5rem 1rem; font: inherit;
  font-weight: 600; color: var(--ink); background: transparent;
  border: 1px solid var(--soft); border-radius: .5rem; cursor: pointer; }
button.main { color: var(--card); background: var(--press); border-color: var(--press); }
label, input { flex: 1 1 100%; } input { min-width: 0; min-height: 2.75rem; padding: .5rem .75rem;
  font: 1.2rem ui-monospace, Consolas, 'DejaVu Sans Mono', monospace; color: var(--ink);
  background: transparent; border: 1px solid var(--soft); border-radius: .5rem; }
fieldset { flex: 1 1 100%; min-width: 0; margin: 0; padding: .5rem .75rem;
  border: 1px solid var(--line); border-radius: .5rem; }
legend { padding: 0 .25rem; color: var(--soft); font-size: .9rem; }
.tick { display: flex; align-items: center; gap: .75rem; min-height: 2.75rem; }
.tick input { flex: none; width: 1.25rem; height: 1.25rem; min-height: 0; margin: 0;
  accent-color: var(--press); }
button:focus-visible, input:focus-visible { outline: 3px solid var(--press); outline-offset: 2px; }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{is_raw, text};
    use proptest::prelude::*;

    #[test]
    fn russian_is_for_those_who_prefer_it() {
        for (accepted, language) in [
            ("ru", Language::Russian),
            ("ru-RU,ru;q=0.9,en;q=0.8", Language::Russian),
            ("en-US,en;q=0.9,ru;q=0.8", Language::English),
            ("de, ru;q=0.5", Language::Russian),
            ("de", Language::English),
            ("ru;q=0", Language::English),
            ("ru;q=x, en;q=0.1", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::preferred(accepted), language, "{accepted}");
        }
    }

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

        #[test]
        fn a_pages_title_is_text(title in text()) {
            let page = Page {
                status: 200,
                language: Language::English,
                mood: Mood::Plain,
                banner: None,
                title,
                body: String::new(),
            };
            let (html, empty) = (page.html(), Page { title: String::new(), ..page }.html());
            prop_assert_eq!(html.matches('<').count(), empty.matches('<').count());
        }
    }
}
