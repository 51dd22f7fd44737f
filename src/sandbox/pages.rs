//! The pages that a person sees.

use super::application::Access;
use super::parameters::Parameters;
use super::state::{Goal, Pending, State};
use crate::http::page::{Language, Mood, Page, Text, escape};
use crate::http::{Request, Response};

/// A page of a title and some HTML, which leads nowhere.
pub fn page(request: &Request, status: u16, title: Text, html: &str) -> Response {
    form(request, status, title, html, "'none'")
}

/// A page with a form that leads to these places.
fn form(
    request: &Request,
    status: u16,
    title: Text,
    body: &str,
    form_action: &'static str,
) -> Response {
    let is_good = status == 200;
    let page = Page {
        status,
        language: Language::of(request),
        mood: if is_good { Mood::Plain } else { Mood::Bad },
        // So that nobody takes the sandbox for the real thing.
        banner: (
            "Sandbox of yandex-token: no real account is involved",
            "Песочница yandex-token: настоящий аккаунт не используется",
        ),
        title,
        body,
        form_action,
    };
    page.response()
}

/// An error that is shown, and not sent to the redirect URI.
pub fn bad_request(request: &Request, why: &str) -> Response {
    let html = format!("<p lang=\"en\">{}</p>", escape(why));
    page(request, 400, ("Bad request", "Ошибка в запросе"), &html)
}

fn code_element(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Asks the user to allow or deny. `parameters` are those of the request.
pub fn consent(
    request: &Request,
    state: &State,
    pending: &Pending,
    parameters: &Parameters,
    handle: &str,
) -> Response {
    let language = Language::of(request);
    let application = Some(code_element(&state.client_id));
    let given = |name| parameters.get(name).map(code_element);
    let redirect_uri = match &pending.goal {
        Goal::Redirect(redirect) => Some(code_element(redirect.redirect_uri.as_str())),
        Goal::Device(_) => None,
    };
    let details: String = [
        ("Application", "Приложение", application),
        ("Access", "Доступ", required(&pending.access, language)),
        ("Device", "Устройство", given("device_name")),
        ("User", "Пользователь", given("login_hint")),
        ("Redirect URI", "Адрес возврата", redirect_uri),
    ]
    .into_iter()
    .filter_map(|(english, russian, value)| {
        let term = language.pick((english, russian));
        Some(format!("<dt>{term}</dt><dd>{}</dd>\n", value?))
    })
    .collect();
    let html = format!(
        "<dl>{details}</dl>\n<form method=\"post\" action=\"/authorize\">\n{}\
         <input type=\"hidden\" name=\"request\" value=\"{handle}\">\n{}",
        optional(&pending.access, language),
        buttons(language),
    );
    // Browsers hold the redirect behind a form to `form-action` as well, and
    // it may lead anywhere that is registered.
    let title = ("Allow access?", "Разрешить доступ?");
    form(request, 200, title, &html, "*")
}

/// The scopes that the user can't untick.
fn required(access: &Access, language: Language) -> Option<String> {
    if access.required.is_empty() {
        let all = language.pick((
            "everything the application has",
            "всё, что есть у приложения",
        ));
        return access.optional.is_empty().then(|| all.to_owned());
    }
    let item = |scope: &String| format!("<li>{}</li>", code_element(scope));
    let items: String = access.required.iter().map(item).collect();
    Some(format!("<ul>{items}</ul>"))
}

/// The scopes that the user can untick.
fn optional(access: &Access, language: Language) -> String {
    if access.optional.is_empty() {
        return String::new();
    }
    let item = |(at, scope): (usize, &String)| {
        format!(
            "<label class=\"tick\"><input type=\"checkbox\" name=\"optional.{at}\" value=\"yes\" \
             checked> {}</label>\n",
            code_element(scope)
        )
    };
    let items: String = access.optional.iter().enumerate().map(item).collect();
    let legend = language.pick(("Optional access", "Дополнительный доступ"));
    format!("<fieldset>\n<legend>{legend}</legend>\n{items}</fieldset>\n")
}

/// The end of a form that asks.
fn buttons(language: Language) -> String {
    format!(
        "<button class=\"main\" name=\"decision\" value=\"allow\">{}</button>\n\
         <button name=\"decision\" value=\"deny\">{}</button>\n</form>",
        language.pick(("Allow", "Разрешить")),
        language.pick(("Deny", "Отказать")),
    )
}

/// `GET /device`, or again where the code that was entered is wrong.
pub fn device(request: &Request, wrong: Option<&str>) -> Response {
    let language = Language::of(request);
    let (mut attributes, mut error) = (String::new(), String::new());
    if let Some(entered) = wrong {
        attributes = format!(
            " value=\"{}\" aria-invalid=\"true\" aria-describedby=\"error\"",
            escape(entered)
        );
        let text = language.pick((
            "There is no such code, or it was used or has expired.",
            "Такого кода нет, либо он уже использован или устарел.",
        ));
        error = format!("<p class=\"error\" id=\"error\">{text}</p>\n");
    }
    let label = language.pick((
        "Code that the program shows",
        "Код, который показала программа",
    ));
    let html = format!(
        "<form method=\"post\" action=\"/device\">\n<label for=\"code\">{label}</label>\n\
         <input id=\"code\" name=\"code\" autocomplete=\"off\" autocapitalize=\"none\" \
         spellcheck=\"false\" required autofocus{attributes}>\n{error}{}",
        buttons(language),
    );
    let status = if wrong.is_some() { 400 } else { 200 };
    let title = ("Enter the code", "Введите код");
    form(request, status, title, &html, "'self'")
}

/// The end of a device's authorization.
pub fn device_answered(request: &Request, is_allowed: bool) -> Response {
    let html = Language::of(request).pick((
        "<p>You can close this tab and go back to the program.</p>",
        "<p>Эту вкладку можно закрыть и вернуться к программе.</p>",
    ));
    let title = match is_allowed {
        true => ("Access allowed", "Доступ разрешён"),
        false => ("Access denied", "В доступе отказано"),
    };
    page(request, 200, title, html)
}

/// `GET /verification_code`: shows a code to copy by hand. What else is sent
/// back ends here as well, and is no fault of the request.
pub fn code(request: &Request) -> Response {
    let parameters = Parameters::of_query(request).ok();
    let given = |name| parameters.as_ref().and_then(|found| found.get(name));
    let language = Language::of(request);
    if let Some(code) = given("code") {
        let code = escape(code);
        let text = language.pick((
            "Copy it and paste it into the program that asked for it.",
            "Скопируйте его и вставьте в программу, которая его запросила.",
        ));
        let html = format!("<p><code class=\"code\">{code}</code></p>\n<p>{text}</p>");
        return page(request, 200, ("Your code", "Ваш код"), &html);
    }
    if let Some(error) = given("error") {
        let title = ("No access was given", "Доступ не получен");
        return page(
            request,
            200,
            title,
            &format!("<p>{}</p>", code_element(error)),
        );
    }
    let html = language.pick((
        "<p>There is no code in this address. A token requested with \
         <code>response_type=token</code> is in the part after <code>#</code>.</p>",
        "<p>В этом адресе нет кода. Токен, запрошенный через \
         <code>response_type=token</code>, находится после <code>#</code>.</p>",
    ));
    page(request, 200, ("No code here", "Здесь нет кода"), html)
}
