//! What the listener's pages say. None of them holds a code or a token.

use crate::error::{Error, Kind};
use crate::http::page::{Language, Mood, Page, escape};
use crate::http::{Request, Response};

/// How the login ended, as the page behind the 303 tells it.
#[derive(Debug, Clone)]
pub enum Outcome {
    Done,
    Failed(Error),
}

impl Outcome {
    pub fn page(&self, request: &Request) -> Response {
        let language = Language::of(request);
        let close = language.pick(
            "You can close this tab and go back to the terminal.",
            "Эту вкладку можно закрыть и вернуться в терминал.",
        );
        let (mood, title, body) = match self {
            Outcome::Done => (
                Mood::Good,
                language.pick("You are logged in", "Вход выполнен"),
                format!("<p>{close}</p>"),
            ),
            Outcome::Failed(error) if error.kind == Kind::Denied => (
                Mood::Bad,
                language.pick("Access was denied", "Доступ не разрешён"),
                format!(
                    "<p>{}</p><p>{close}</p>",
                    language.pick(
                        "No token was issued. If that was a mistake, run the command again.",
                        "Токен не выдан. Если это вышло случайно, запустите команду ещё раз.",
                    )
                ),
            ),
            Outcome::Failed(error) => (
                Mood::Bad,
                language.pick("The login failed", "Войти не удалось"),
                format!(
                    "<p>{}</p><p lang=\"en\"><code>{}: {}</code></p>{}<p class=\"soft\">{}</p>",
                    language.pick("The terminal says:", "В терминале написано:"),
                    escape(&error.what),
                    escape(&error.why),
                    match &error.hint {
                        Some(hint) => format!("<p lang=\"en\">{}</p>", escape(hint)),
                        None => String::new(),
                    },
                    close,
                ),
            ),
        };
        page(200, language, mood, title, body)
    }
}

/// Refuses a request that is not the answer; the login goes on.
pub fn refusal(request: &Request, status: u16, english: &str, russian: &str) -> Response {
    let language = Language::of(request);
    let goes_on = language.pick(
        "The login goes on in the terminal.",
        "Вход, начатый в терминале, продолжается.",
    );
    let body = format!("<p class=\"soft\">{goes_on}</p>");
    let title = language.pick(english, russian);
    page(status, language, Mood::Bad, title, body)
}

fn page(status: u16, language: Language, mood: Mood, title: &str, body: String) -> Response {
    let page = Page {
        status,
        language,
        mood,
        banner: Some("yandex-token"),
        title: title.to_owned(),
        body,
    };
    page.response("'none'")
}
