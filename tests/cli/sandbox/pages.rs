//! The sandbox's authorization endpoint: what a person sees and presses, and
//! what comes back to the redirect URI.

use std::process::Command;

use crate::support::browser::{Reply, get, parameter, request};
use crate::support::sandbox::{FORM, REDIRECT_URI, Served, redirected, refused_with_a_page};
use crate::support::{Home, Running, run};

#[test]
fn allow_sends_back_state_code_and_cid() {
    let served = Served::start(&[]);
    let page = get(&served.authorize(&[("scope", "login:info")]));
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
fn deny_sends_back_access_denied_and_no_code() {
    let served = Served::start(&["--consent", "ask"]);
    let page = get(&served.authorize(&[]));
    let location = redirected(&served.press(&page.body, "Deny"));
    for (name, value) in [
        ("error", Some("access_denied")),
        ("state", Some("st-1")),
        ("code", None),
    ] {
        assert_eq!(parameter(&location, name).as_deref(), value, "{name}");
    }
}

#[test]
fn the_consent_page_is_in_russian_for_who_reads_it() {
    let served = Served::start(&[]);
    let page = request("GET", &served.authorize(&[]), "Accept-Language: ru\r\n", "");
    let location = redirected(&served.press(&page.body, "Разрешить"));
    assert!(parameter(&location, "code").is_some());
    let page = request("GET", &served.authorize(&[]), "Accept-Language: ru\r\n", "");
    let location = redirected(&served.press(&page.body, "Отказать"));
    assert!(parameter(&location, "code").is_none());
}

/// A page of the sandbox in this language.
fn read(served: &Served, path: &str, language: &str, form: &str) -> Reply {
    let method = if form.is_empty() { "GET" } else { "POST" };
    let headers = format!("{FORM}Accept-Language: {language}\r\n");
    request(method, &format!("{}{path}", served.origin), &headers, form)
}

/// A device's code that waits for its user.
fn user_code(served: &Served) -> String {
    let body = format!("client_id={}", served.client_id);
    let reply = request(
        "POST",
        &format!("{}/device/code", served.origin),
        FORM,
        &body,
    );
    let answer: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    answer["user_code"].as_str().unwrap().to_owned()
}

#[test]
fn every_page_says_first_that_it_is_the_sandbox() {
    let served = Served::start(&[]);
    let consent = served.authorize(&[]);
    let consent = consent.strip_prefix(&served.origin).unwrap();
    for path in [
        consent,
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
    for (decision, language, says) in [
        ("allow", "en", "Access allowed"),
        ("allow", "ru", "Доступ разрешён"),
        ("deny", "en", "Access denied"),
        ("deny", "ru", "Доступ не разрешён"),
    ] {
        let form = format!("code={}&decision={decision}", user_code(&served));
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
    let page = read(&served, "/verification_code?code=c0de", "en", "");
    assert!(page.body.contains("<code class=\"code\">c0de</code>"));
    assert!(page.body.contains("Copy it and paste it"), "{page:#?}");
    let consent = served.authorize(&[("scope", "login:info metrika:read")]);
    let page = get(&consent).body;
    let list = "<ul><li><code>login:info</code></li><li><code>metrika:read</code></li></ul>";
    assert!(page.contains(list), "{page}");
    let consent = served.authorize(&[]);
    let consent = consent.strip_prefix(&served.origin).unwrap();
    let page = read(&served, consent, "ru", "").body;
    for part in ["всё, что есть у приложения", "Адрес возврата"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn an_answered_page_cannot_be_answered_again() {
    let served = Served::start(&[]);
    for (first, second) in [("Allow", "Allow"), ("Deny", "Allow"), ("Allow", "Deny")] {
        let page = get(&served.authorize(&[]));
        redirected(&served.press(&page.body, first));
        refused_with_a_page(&served.press(&page.body, second), "answered already");
    }
}

#[test]
fn an_answer_to_no_page_is_refused() {
    let served = Served::start(&[]);
    let url = format!("{}/authorize", served.origin);
    for (headers, body) in [
        (FORM, "decision=allow"),
        (FORM, "request=0f0f&decision=allow"),
        (FORM, "request=0f0f&request=0f0f&decision=allow"),
        (
            "Content-Type: text/plain\r\n",
            "request=0f0f&decision=allow",
        ),
        (FORM, ""),
    ] {
        refused_with_a_page(&request("POST", &url, headers, body), "answered already");
    }
}

#[test]
fn consent_can_be_given_or_refused_without_a_page() {
    for (consent, has_code, error) in [
        ("allow", true, None),
        ("deny", false, Some("access_denied")),
    ] {
        let served = Served::start(&["--consent", consent]);
        let location = redirected(&get(&served.authorize(&[])));
        assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
        assert_eq!(parameter(&location, "code").is_some(), has_code);
        assert_eq!(parameter(&location, "error").as_deref(), error);
    }
}

#[test]
fn a_request_that_cannot_be_trusted_gets_a_page_and_is_never_redirected() {
    let served = Served::start(&["--consent", "allow"]);
    let long = "s".repeat(1025);
    let mismatch = "redirect_uri does not match";
    for (name, value, says) in [
        ("client_id", "0f0f", "Unknown client with such client_id"),
        ("client_id", "", "client_id is missing"),
        ("redirect_uri", "https://site.ru/", mismatch),
        ("redirect_uri", "https://127.0.0.1/", mismatch),
        ("redirect_uri", "http://localhost.evil.example/", mismatch),
        ("redirect_uri", "http://127.0.0.1:8000/#x", mismatch),
        ("redirect_uri", "javascript:alert(1)", mismatch),
        ("state", &long, "1024"),
    ] {
        let reply = get(&served.authorize(&[(name, value)]));
        refused_with_a_page(&reply, says);
    }
    let twice = format!("{}&state=other", served.authorize(&[]));
    refused_with_a_page(&get(&twice), "twice");
}

#[test]
fn a_state_of_1024_characters_comes_back_unchanged() {
    let served = Served::start(&["--consent", "allow"]);
    for state in [
        "s".repeat(1024),
        "я".repeat(1024),
        "a+b %&=#?/\"'<".to_owned(),
    ] {
        let location = redirected(&get(&served.authorize(&[("state", &state)])));
        assert_eq!(parameter(&location, "state"), Some(state));
    }
    let location = redirected(&get(&served.authorize(&[("state", "")])));
    assert!(parameter(&location, "state").is_none_or(|state| state.is_empty()));
}

#[test]
fn a_faulty_request_of_a_known_client_is_told_at_the_redirect_uri() {
    let served = Served::start(&["--consent", "allow"]);
    let (short, name) = ("c".repeat(42), "n".repeat(101));
    for (parameters, error) in [
        (&[("response_type", "")] as &[_], "invalid_request"),
        (
            &[("response_type", "id_token")],
            "unsupported_response_type",
        ),
        (&[("device_id", "short")], "invalid_request"),
        (&[("device_name", &name)], "invalid_request"),
        (&[("code_challenge", &short)], "invalid_request"),
    ] {
        let location = redirected(&get(&served.authorize(parameters)));
        assert_eq!(parameter(&location, "error").as_deref(), Some(error));
        assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
        assert_eq!(parameter(&location, "code"), None);
    }
}

#[test]
fn another_redirect_uri_can_be_registered_to_the_letter() {
    let site = "https://site.ru/get?a=b";
    let options = ["--consent", "allow", "--redirect-uri", site];
    let served = Served::start(&[&options[..], &["--redirect-uri", "app://x/"]].concat());
    for asked in [site, "app://x/", "http://localhost:1/", "http://[::1]:2/x"] {
        let location = redirected(&get(&served.authorize(&[("redirect_uri", asked)])));
        assert!(location.starts_with(asked), "{location}");
        assert!(parameter(&location, "code").is_some());
    }
    let first = redirected(&get(&served.authorize(&[("redirect_uri", "")])));
    assert!(first.starts_with("https://site.ru/get?a=b&"), "{first}");
    for other in ["https://site.ru/get", "https://SITE.ru/get?a=b"] {
        let reply = get(&served.authorize(&[("redirect_uri", other)]));
        refused_with_a_page(&reply, "does not match");
    }
}

#[test]
fn markup_from_outside_is_shown_as_text() {
    let served = Served::start(&[]);
    let markup = "\"'><script>alert(1)</script><form action=\"http://evil.example/\">";
    let names = ["state", "login_hint", "device_name", "display"];
    let mut parameters = names.map(|name| (name, markup)).to_vec();
    let scope = "x:<script>alert(1)</script>";
    parameters.extend([("scope", scope), ("optional_scope", scope)]);
    let page = get(&served.authorize(&parameters));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("&lt;script&gt;"), "it is shown at all");
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert_eq!(page.body.matches("<form").count(), 1, "{}", page.body);
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    for name in ["client_id", "redirect_uri", "scope"] {
        let page = get(&served.authorize(&[(name, markup)]));
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("<script"), "{name}: {}", page.body);
    }
    let code = format!("{}/verification_code?code=%3Cscript%3E", served.origin);
    let page = get(&code);
    assert!(page.body.contains("&lt;script&gt;"), "{page:#?}");
    assert!(!page.body.contains("<script"));
}

/// The program, logging in at a running sandbox.
fn login_at(home: &Home, served: &Served, secret: Option<&str>) -> Command {
    let mut command = home.command(&["login", "--no-browser"]);
    command.args(["--redirect-uri", "http://127.0.0.1:0/"]);
    command
        .env("YANDEX_OAUTH_URL", &served.origin)
        .env("YANDEX_CLIENT_ID", &served.client_id)
        .envs(secret.map(|secret| ("YANDEX_CLIENT_SECRET", secret)));
    command
}

#[test]
fn a_user_logs_in_through_the_page_with_and_without_the_application_password() {
    let served = Served::start(&[]);
    for secret in [None, Some(&*served.client_secret)] {
        let home = Home::new();
        let mut running = Running::start(&mut login_at(&home, &served, secret));
        let page = get(&running.url());
        let back = get(&redirected(&served.press(&page.body, "Allow")));
        let shown = get(back.header("Location").unwrap());
        assert!(shown.body.contains("You are logged in"), "{shown:#?}");
        let done = running.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert!(done.stdout.starts_with("y0_"), "{done:#?}");
    }
}

#[test]
fn a_user_denies_the_access_on_the_page() {
    let (served, home) = (Served::start(&[]), Home::new());
    let mut running = Running::start(&mut login_at(&home, &served, None));
    let page = get(&running.url());
    let back = get(&redirected(&served.press(&page.body, "Deny")));
    get(back.header("Location").unwrap());
    running.finish().fails(3, "access was denied");
}

#[test]
fn a_wrong_application_password_is_refused_by_the_sandbox() {
    let (served, home) = (Served::start(&["--consent", "allow"]), Home::new());
    let mut running = Running::start(&mut login_at(&home, &served, Some("wrong")));
    let back = get(&redirected(&get(&running.url())));
    get(back.header("Location").unwrap());
    let done = running.finish();
    done.fails(5, "invalid_client").hides(&["wrong\n"]);
}

#[test]
fn the_sandbox_is_for_this_machine_alone() {
    let home = Home::new();
    for address in [
        "0.0.0.0:0",
        "192.168.0.1:8000",
        "[::]:0",
        "localhost:0",
        "8000",
    ] {
        run(home.command(&["sandbox", "--listen", address])).fails(2, "127.0.0.1:");
    }
}

#[test]
fn a_port_in_use_is_a_local_fault_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new();
    run(home.command(&["sandbox", "--listen", &address])).fails(8, &address);
}
