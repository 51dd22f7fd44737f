//! What the listener's pages say. None of them holds a code or a token.

use crate::error::{Error, Kind};
use crate::http::page::{Language, Mood, Page, Text, escape};
use crate::http::{Request, Response};

const CLOSE: Text = (
    "You can close this tab and go back to the terminal.",
    "Эту вкладку можно закрыть и вернуться в терминал.",
);

/// The page after the 303, which shows how the login ended.
pub fn outcome(request: &Request, failure: Option<&Error>) -> Response {
    let language = Language::of(request);
    let close = language.pick(CLOSE);
    match failure {
        None => {
            let title = ("You are logged in", "Вход выполнен");
            page(200, language, Mood::Good, title, &format!("<p>{close}</p>"))
        }
        Some(error) if error.kind == Kind::Denied => {
            let text = language.pick((
                "No token was issued. If that was a mistake, run the command again.",
                "Токен не выдан. Если это вышло случайно, запустите команду ещё раз.",
            ));
            let title = ("Access was denied", "В доступе отказано");
            let body = format!("<p>{text}</p><p>{close}</p>");
            page(200, language, Mood::Bad, title, &body)
        }
        Some(error) => {
            let says = language.pick(("The terminal says:", "В терминале написано:"));
            let (what, why) = (escape(&error.what), escape(&error.why));
            let hint = error.hint.iter().map(|hint| escape(hint));
            let hint: String = hint
                .map(|hint| format!("<p lang=\"en\">{hint}</p>"))
                .collect();
            let body = format!(
                "<p>{says}</p><p lang=\"en\"><code>{what}: {why}</code></p>{hint}\
                 <p class=\"soft\">{close}</p>"
            );
            let title = ("The login failed", "Войти не удалось");
            page(200, language, Mood::Bad, title, &body)
        }
    }
}

/// Refuses a request that is not the answer; the login goes on.
pub fn refusal(request: &Request, status: u16, title: Text) -> Response {
    let language = Language::of(request);
    let goes_on = language.pick(("Your terminal is still waiting.", "Терминал всё ещё ждёт."));
    let body = format!("<p class=\"soft\">{goes_on}</p>");
    page(status, language, Mood::Bad, title, &body)
}

fn page(status: u16, language: Language, mood: Mood, title: Text, body: &str) -> Response {
    let page = Page {
        status,
        language,
        mood,
        banner: ("yandex-token", "yandex-token"),
        title,
        body,
        form_action: "'none'",
    };
    page.response()
}
