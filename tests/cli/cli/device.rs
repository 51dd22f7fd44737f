//! `login --device`: Yandex's dialect of the device grant.

use std::sync::Mutex;

use serde_json::json;

use crate::support::server::{Answer, Server, http, json};
use crate::support::{Home, Running, run};

const TOKEN: &str = r#"{"access_token": "t0ken", "refresh_token": "r1", "expires_in": 31535338}"#;

/// A server whose polls are answered with these, in turn; the last one again
/// and again.
fn server(code: &'static str, polls: Vec<fn() -> Answer>) -> Server {
    let next = Mutex::new(0);
    Server::start(move |request| {
        if request.head.starts_with("POST /device/code ") {
            return json(200, code);
        }
        let mut next = next.lock().unwrap();
        *next += 1;
        polls[(*next - 1).min(polls.len() - 1)]()
    })
}

const CODE: &str = r#"{"device_code": "d3vice", "user_code": "fakecod1", "interval": 1,
    "expires_in": 300, "verification_url": "https://ya.ru/device"}"#;

fn pending() -> Answer {
    json(
        400,
        r#"{"error": "authorization_pending", "error_description": "Not yet"}"#,
    )
}

fn log_in(home: &Home, server: &Server, options: &[&str]) -> std::process::Command {
    let mut arguments = vec!["login", "--device", "--client-id", "app", "--no-browser"];
    arguments.extend(["--oauth-url", &server.origin]);
    arguments.extend(options);
    let mut command = home.command(&arguments);
    command.env("YANDEX_CLIENT_SECRET", "s3cret");
    command
}

#[test]
fn the_code_is_shown_and_the_poll_outlives_faults_until_the_token_comes() {
    let polls: Vec<fn() -> Answer> = vec![
        pending,
        || http(503, "", b"<html>busy</html>"),
        || Answer::HangUp,
        || json(200, TOKEN),
    ];
    let (home, server) = (Home::new(), server(CODE, polls));
    let done = run(log_in(
        &home,
        &server,
        &["--scope", "a b", "--device-id", "device-1", "-v"],
    ));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.stdout, "t0ken\n");
    assert!(
        done.stderr.contains("\n    https://ya.ru/device\n"),
        "{done:#?}"
    );
    assert!(done.stderr.contains("\n    fakecod1\n") && done.stderr.contains("5:00"));
    assert!(
        !done.stderr.contains(['\r', '\u{1b}']),
        "no countdown in a log"
    );
    done.hides(&["t0ken", "d3vice", "s3cret", "r1\""]);
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    for (name, value) in [
        ("client_id", Some("app")),
        ("scope", Some("a b")),
        ("device_id", Some("device-1")),
        ("client_secret", None),
    ] {
        assert_eq!(requests[0].field(name).as_deref(), value, "{name}");
    }
    for poll in &requests[1..] {
        assert!(poll.head.starts_with("POST /token "));
        for (name, value) in [
            ("grant_type", "device_code"),
            ("code", "d3vice"),
            ("client_id", "app"),
            ("client_secret", "s3cret"),
        ] {
            assert_eq!(poll.field(name).as_deref(), Some(value), "{name}");
        }
    }
}

#[test]
fn each_error_of_a_poll_has_its_exit_status() {
    type Case = (fn() -> Answer, i32, &'static str);
    let cases: [Case; 7] = [
        (
            || json(400, r#"{"error":"access_denied"}"#),
            3,
            "access was denied",
        ),
        (
            || json(400, r#"{"error":"invalid_grant"}"#),
            4,
            "no longer valid",
        ),
        (
            || json(400, r#"{"error":"expired_token"}"#),
            4,
            "no longer valid",
        ),
        (
            || json(400, r#"{"error":"bad_verification_code"}"#),
            5,
            "bad_verification_code",
        ),
        (
            || json(400, r#"{"error":"invalid_client"}"#),
            5,
            "from YANDEX_CLIENT_SECRET",
        ),
        (|| json(200, r#"{"access_token":"a b"}"#), 6, "access token"),
        (|| http(200, "", b"<html>"), 6, "not JSON"),
    ];
    for (answer, code, says) in cases {
        let (home, server) = (Home::new(), server(CODE, vec![answer]));
        let done = run(log_in(&home, &server, &[]));
        done.fails(code, says).hides(&["d3vice", "s3cret"]);
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_code_that_is_never_entered_is_4_at_the_servers_word_or_the_timeouts() {
    let short = r#"{"device_code": "d", "user_code": "u", "interval": 1, "expires_in": 2,
        "verification_url": "https://ya.ru/device"}"#;
    for (code, options) in [(short, &[][..]), (CODE, &["--timeout", "2s"])] {
        let (home, server) = (Home::new(), server(code, vec![pending]));
        run(log_in(&home, &server, options)).fails(4, "not entered in time");
    }
}

#[test]
fn what_the_server_says_is_made_harmless_and_its_page_is_a_url() {
    let evil = r#"{"device_code": "d", "user_code": "a\u001b[2J\u202eb", "interval": 1,
        "verification_url": "https://ya.ru/device?\u001b[31m"}"#;
    let (home, fake) = (Home::new(), server(evil, vec![|| json(200, TOKEN)]));
    let done = run(log_in(&home, &fake, &[]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(!done.stderr.contains(['\u{1b}', '\u{202e}']), "{done:#?}");
    for page in ["javascript:alert(1)", "ya.ru/device", ""] {
        let body = json!({"device_code": "d", "user_code": "u", "verification_url": page});
        let body: &'static str = body.to_string().leak();
        let server = server(body, vec![pending]);
        run(log_in(&home, &server, &[])).fails(6, "page");
    }
    let long = "u".repeat(101);
    let long =
        format!(r#"{{"device_code":"d","user_code":"{long}","verification_url":"https://ya.ru"}}"#);
    for missing in [
        &*long,
        r#"{"user_code":"u","verification_url":"https://ya.ru"}"#,
        r#"{"device_code":"d","verification_url":"https://ya.ru"}"#,
    ] {
        let server = server(missing.to_owned().leak(), vec![pending]);
        run(log_in(&home, &server, &[])).fails(6, "code");
    }
}

#[test]
fn without_a_client_secret_it_warns_before_the_user_logs_in() {
    let (home, server) = (Home::new(), server(CODE, vec![|| json(200, TOKEN)]));
    let mut command = log_in(&home, &server, &["--profile", "direct"]);
    let mut running = Running::start(command.env_remove("YANDEX_CLIENT_SECRET"));
    running.line("no client secret is set");
    running.line("https://ya.ru/device");
    let done = running.finish();
    assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{done:#?}");
    let saved = std::fs::read_to_string(home.data().join("direct.json")).unwrap();
    assert!(
        saved.contains("t0ken") && saved.contains("device_id"),
        "a saved login names a device"
    );
    assert!(server.requests()[0].field("device_id").is_some());
}

#[test]
fn the_sandbox_plays_the_user_of_a_device_too() {
    let home = Home::new();
    let done = run(home.command(&["login", "--sandbox", "--device", "--no-browser"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.starts_with("y0_"));
}

#[test]
fn a_user_enters_the_code_on_the_sandboxs_page() {
    let home = Home::new();
    for (decision, code) in [("allow", 0), ("deny", 3)] {
        let mut sandbox = Running::start(&mut home.command(&["sandbox"]));
        let [origin, id, secret] = sandbox.sandbox_lines();
        let mut command = home.command(&["login", "--device", "--no-browser"]);
        command
            .env("YANDEX_OAUTH_URL", &origin)
            .env("YANDEX_CLIENT_ID", &id);
        let mut login = Running::start(command.env("YANDEX_CLIENT_SECRET", &secret));
        let page = login.line("/device").trim().to_owned();
        login.line("");
        let user_code = login.line("    ").trim().to_owned();
        assert!(
            crate::support::browser::get(&page)
                .body
                .contains("name=\"code\"")
        );
        let form = format!("code={user_code}&decision={decision}");
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        let entered = crate::support::browser::request("POST", &page, headers, &form);
        assert_eq!(entered.status, 200, "{entered:#?}");
        assert_eq!(login.finish().code, Some(code));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_leaves_no_countdown_on_the_terminal() {
    use crate::support::terminal::Terminal;

    let home = Home::new();
    let mut sandbox = Running::start(&mut home.command(&["sandbox"]));
    let [origin, id, _] = sandbox.sandbox_lines();
    let login = ["login", "--device", "--no-browser", "--client-id", &id];
    for place in [&["-o", "out"][..], &[]] {
        let arguments = [&login[..], &["--oauth-url", &origin], place].concat();
        let mut terminal = Terminal::start(&home, &arguments);
        terminal.shows(" left");
        terminal.types("\u{3}");
        assert_eq!(terminal.finish(), Some(130));
        let screen = terminal.screen();
        assert!(!screen.contains(" left"), "{screen}");
    }
}
