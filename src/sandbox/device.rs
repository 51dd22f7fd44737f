//! The device authorization endpoint and the page where the user enters the
//! code (RFC 8628, in Yandex's dialect).

use std::time::Instant;

use serde_json::json;
use tiny_http::Request;

use super::http::{self, Parameters, notice};
use super::state::{DEVICE_LIFETIME, State};
use super::token;
use crate::page::{Language, Mood, Page};

const INTERVAL: u64 = 5;

/// `POST /device/code`. The ID is enough.
pub fn issue(mut request: Request, state: &mut State) {
    let issued = token::form(&mut request, state).map(|form| {
        let has_device = form.fields.get("device_id").is_some();
        let code = state.issue_device_code(has_device, Instant::now());
        json!({
            "device_code": code.device_code,
            "expires_in": DEVICE_LIFETIME.as_secs(),
            "interval": INTERVAL,
            "user_code": code.user_code,
            "verification_url": state.device_page(),
        })
    });
    token::respond(request, issued);
}

/// `GET /device`.
pub fn page(request: Request) {
    let language = Language::of(&request);
    let page = Page {
        status: 200,
        language,
        mood: Mood::Plain,
        title: language.pick("Enter the code", "Введите код").to_owned(),
        body: format!(
            "<form method=\"post\" action=\"/device\">\n\
             <label for=\"code\">{}</label>\n\
             <input id=\"code\" name=\"code\" autocomplete=\"off\" autocapitalize=\"none\" \
             spellcheck=\"false\" required autofocus>\n\
             <button class=\"main\" name=\"decision\" value=\"allow\">{}</button>\n\
             <button name=\"decision\" value=\"deny\">{}</button>\n</form>\n\
             <p class=\"soft\">{}</p>",
            language.pick(
                "The code that the program shows",
                "Код, который показала программа"
            ),
            language.pick("Allow", "Разрешить"),
            language.pick("Deny", "Отказать"),
            notice(language),
        ),
    };
    page.answer(request, "'self'");
}

/// `POST /device`.
pub fn enter(mut request: Request, state: &mut State) {
    let form = http::form(&mut request).and_then(|form| Parameters::parse(&form).ok());
    let entered = form.is_some_and(|form| {
        let allow = form.get("decision") == Some("allow");
        let code = form
            .get("code")
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        state.enter_user_code(&code, allow, Instant::now())
    });
    match entered {
        true => http::page(request, 200, "Done", "Готово", ""),
        false => http::page(request, 400, "There is no such code", "Такого кода нет", ""),
    }
}
