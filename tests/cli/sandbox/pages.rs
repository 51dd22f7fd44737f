//! The sandbox's authorization endpoint: what a person sees and presses, and
//! what comes back to the redirect URI.

use std::process::Command;

use crate::support::browser::{Reply, get, parameter, request};
use crate::support::sandbox::{
    FORM, OWN, REDIRECT_URI, Served, encoded, json, redirected, refused_with_a_page, text,
};
use crate::support::{Home, Running, rows, run};

#[test]
fn allow_sends_back_state_code_and_cid() {
    let served = Served::start(&[]);
    let page = served.ask("scope=login:info");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("login:info"));
    assert!(page.body.contains(&served.client_id));
    let location = redirected(&served.press(&page.body, "Allow"));
    assert!(location.starts_with(&format!("{REDIRECT_URI}?")));
    assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
    assert_eq!(parameter(&location, "error"), None);
    let code = parameter(&location, "code").unwrap();
    assert!(code.len() == 16 && code.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert!(!parameter(&location, "cid").unwrap().is_empty());
}

#[test]
fn consent_is_given_or_refused_by_a_button_or_without_a_page() {
    for [consent, language, button, error] in rows(
        "ask   | en | Allow     |
         ask   | en | Deny      | access_denied
         ask   | ru | Разрешить |
         ask   | ru | Отказать  | access_denied
         allow | en |           |
         deny  | en |           | access_denied",
    ) {
        let served = Served::start(&["--consent", consent]);
        let headers = format!("Accept-Language: {language}\r\n");
        let mut reply = request("GET", &served.authorize(""), &headers, "");
        if consent == "ask" {
            reply = served.press(&reply.body, button);
        }
        let location = redirected(&reply);
        assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
        assert_eq!(parameter(&location, "code").is_some(), error.is_empty());
        assert_eq!(parameter(&location, "error").unwrap_or_default(), error);
    }
}

/// A page of the sandbox in this language.
fn read(served: &Served, target: &str, language: &str, form: &str) -> Reply {
    let method = if form.is_empty() { "GET" } else { "POST" };
    let headers = format!("{FORM}Accept-Language: {language}\r\n");
    served.request(method, target, &headers, form)
}

/// The path and query of an authorization request.
fn consent(served: &Served, parameters: &str) -> String {
    let url = served.authorize(parameters);
    url.strip_prefix(&served.origin).unwrap().to_owned()
}

#[test]
fn every_page_says_first_that_it_is_the_sandbox() {
    let served = Served::start(&[]);
    for path in [
        &*consent(&served, ""),
        "/authorize",
        "/device",
        "/verification_code?code=c0de",
        "/x",
    ] {
        for (language, says) in [("en", "Sandbox of yandex-token"), ("ru", "Песочница")] {
            let page = read(&served, path, language, "").body;
            let (before, _) = page.split_once("<h1>").unwrap();
            let (_, before) = before.split_once("<main").unwrap();
            assert!(before.contains(says), "{path}: {page}");
        }
    }
}

#[test]
fn a_devices_answer_ends_on_a_page_that_says_which() {
    let served = Served::start(&[]);
    for [decision, language, says] in rows(
        "allow | en | Access allowed
         allow | ru | Доступ разрешён
         deny  | en | Access denied
         deny  | ru | В доступе отказано",
    ) {
        let answer = json(200, &served.post("/device/code", OWN));
        let user_code = text(&answer["user_code"]);
        let form = format!("code={user_code}&decision={decision}");
        let page = read(&served, "/device", language, &form);
        assert_eq!(page.status, 200, "{page:#?}");
        assert!(page.body.contains(&format!("{says}</h1>")), "{page:#?}");
    }
}

#[test]
fn a_wrong_device_code_keeps_the_form_and_says_so_at_the_field() {
    let served = Served::start(&[]);
    let page = read(&served, "/device", "en", "code=%22Wrong1&decision=allow");
    assert_eq!(page.status, 400);
    for part in [
        "name=\"code\"",
        "value=\"&quot;wrong1\" aria-invalid=\"true\" aria-describedby=\"error\"",
        "id=\"error\">There is no such code",
    ] {
        assert!(page.body.contains(part), "{part}: {page:#?}");
    }
    let page = read(&served, "/device", "ru", "code=x&decision=deny");
    assert!(page.body.contains("Такого кода нет"), "{page:#?}");
}

#[test]
fn a_code_is_shown_large_with_what_to_do_with_it_and_scopes_as_a_list() {
    let served = Served::start(&[]);
    for (target, language, parts) in [
        (
            "/verification_code?code=c0de",
            "en",
            ["<code class=\"code\">c0de</code>", "Copy it and paste it"],
        ),
        (
            &consent(&served, "scope=login:info+metrika:read"),
            "en",
            [
                "<ul><li><code>login:info</code></li>",
                "</li><li><code>metrika:read</code></li></ul>",
            ],
        ),
        (
            &consent(&served, ""),
            "ru",
            ["всё, что есть у приложения", "Адрес возврата"],
        ),
    ] {
        let page = read(&served, target, language, "").body;
        for part in parts {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}

#[test]
fn an_answered_page_cannot_be_answered_again() {
    let served = Served::start(&[]);
    for (first, second) in [("Allow", "Allow"), ("Deny", "Allow"), ("Allow", "Deny")] {
        let page = served.ask("");
        redirected(&served.press(&page.body, first));
        refused_with_a_page(&served.press(&page.body, second), "answered already");
    }
}

#[test]
fn an_answer_to_no_page_is_refused() {
    let served = Served::start(&[]);
    let plain = "Content-Type: text/plain\r\n";
    for (headers, form) in [
        (FORM, "decision=allow"),
        (FORM, "request=0f0f&decision=allow"),
        (FORM, "request=0f0f&request=0f0f&decision=allow"),
        (plain, "request=0f0f&decision=allow"),
        (FORM, ""),
    ] {
        let reply = served.request("POST", "/authorize", headers, form);
        refused_with_a_page(&reply, "answered already");
    }
}

#[test]
fn a_request_that_cannot_be_trusted_gets_a_page_and_is_never_redirected() {
    let served = Served::allowing(&[]);
    let long = "s".repeat(1025);
    for [parameters, says] in rows(
        "client_id=0f0f                              | Unknown client with such client_id
         client_id=                                  | client_id is missing
         redirect_uri=https://site.ru/               | redirect_uri does not match
         redirect_uri=https://127.0.0.1/             | redirect_uri does not match
         redirect_uri=http://localhost.evil.example/ | redirect_uri does not match
         redirect_uri=http://127.0.0.1:8000/%23x     | redirect_uri does not match
         redirect_uri=javascript:alert(1)            | redirect_uri does not match
         state=LONG                                  | 1024
         state=st-1&state=other                      | twice",
    ) {
        let reply = served.ask(&parameters.replace("LONG", &long));
        refused_with_a_page(&reply, says);
    }
}

#[test]
fn a_state_of_1024_characters_comes_back_unchanged() {
    let served = Served::allowing(&[]);
    let state = |value: &str| {
        let location = redirected(&served.ask(&format!("state={}", encoded(value))));
        parameter(&location, "state")
    };
    for value in [&"s".repeat(1024), &"я".repeat(1024), "a+b %&=#?/\"'<"] {
        assert_eq!(state(value).as_deref(), Some(value));
    }
    assert_eq!(state("").unwrap_or_default(), "");
}

#[test]
fn an_invalid_request_of_a_known_client_is_an_error_at_the_redirect_uri() {
    let served = Served::allowing(&[]);
    for [parameters, error] in rows(
        "response_type=          | invalid_request
         response_type=id_token  | unsupported_response_type
         device_id=short         | invalid_request
         device_name=101         | invalid_request
         code_challenge=42       | invalid_request",
    ) {
        let parameters = parameters.replace("101", &"n".repeat(101));
        let parameters = parameters.replace("42", &"c".repeat(42));
        let location = redirected(&served.ask(&parameters));
        assert_eq!(parameter(&location, "error").as_deref(), Some(error));
        assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
        assert_eq!(parameter(&location, "code"), None);
    }
}

#[test]
fn another_redirect_uri_can_be_registered_and_must_match_exactly() {
    let site = "https://site.ru/get?a=b";
    let options = ["--redirect-uri", site, "--redirect-uri", "app://x/"];
    let served = Served::allowing(&options);
    let ask = |uri: &str| served.ask(&format!("redirect_uri={}", encoded(uri)));
    for uri in [site, "app://x/", "http://localhost:1/", "http://[::1]:2/x"] {
        let location = redirected(&ask(uri));
        assert!(location.starts_with(uri), "{location}");
        assert!(parameter(&location, "code").is_some());
    }
    let first = redirected(&ask(""));
    assert!(first.starts_with("https://site.ru/get?a=b&"), "{first}");
    for uri in ["https://site.ru/get", "https://SITE.ru/get?a=b"] {
        refused_with_a_page(&ask(uri), "does not match");
    }
}

#[test]
fn markup_from_outside_is_shown_as_text() {
    let served = Served::start(&[]);
    let markup = "\"'><script>alert(1)</script><form action=\"http://evil.example/\">";
    let markup = encoded(markup);
    let scope = encoded("x:<script>alert(1)</script>");
    let page = served.ask(&format!(
        "state={markup}&login_hint={markup}&device_name={markup}&display={markup}\
         &scope={scope}&optional_scope={scope}"
    ));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("&lt;script&gt;"), "it is shown at all");
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert_eq!(page.body.matches("<form").count(), 1, "{}", page.body);
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for name in ["client_id", "redirect_uri", "scope"] {
        let page = served.ask(&format!("{name}={markup}"));
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("<script"), "{name}: {}", page.body);
    }
    let page = served.get("/verification_code?code=%3Cscript%3E");
    assert!(page.body.contains("&lt;script&gt;"), "{page:#?}");
    assert!(!page.body.contains("<script"));
}

/// The program, logging in at a running sandbox with this secret, if any.
fn login_at(home: &Home, served: &Served, secret: &str) -> Command {
    let mut command = home.command(&["login", "--no-browser"]);
    command.args(["--redirect-uri", "http://127.0.0.1:0/"]);
    command
        .env("YANDEX_OAUTH_URL", &served.origin)
        .env("YANDEX_CLIENT_ID", &served.client_id)
        .env("YANDEX_CLIENT_SECRET", secret);
    command
}

#[test]
fn a_user_logs_in_or_denies_the_access_on_the_page() {
    let served = Served::start(&[]);
    for (secret, button, shown) in [
        ("", "Allow", "You are logged in"),
        (&*served.client_secret, "Allow", "You are logged in"),
        ("wrong", "Allow", "The login failed"),
        ("", "Deny", "Access was denied"),
    ] {
        let home = Home::new();
        let mut running = Running::start(&mut login_at(&home, &served, secret));
        let page = get(&running.url());
        let back = get(&redirected(&served.press(&page.body, button)));
        let end = get(back.header("Location").unwrap());
        assert!(end.body.contains(shown), "{end:#?}");
        let done = running.finish();
        match (button, secret) {
            ("Deny", _) => drop(done.fails(3, "access was denied")),
            (_, "wrong") => drop(done.fails(5, "invalid_client").hides(&["wrong\n"])),
            _ => {
                assert_eq!(done.code, Some(0), "{done:#?}");
                assert!(done.stdout.starts_with("y0_"), "{done:#?}");
            }
        }
    }
}

#[test]
fn the_sandbox_is_for_this_machine_alone() {
    let home = Home::new();
    let listen = |address: &str| run(home.command(&["sandbox", "--listen", address]));
    for address in [
        "0.0.0.0:0",
        "192.168.0.1:8000",
        "[::]:0",
        "localhost:0",
        "8000",
    ] {
        listen(address).fails(2, "127.0.0.1:");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    listen(&address).fails(8, &address);
}
