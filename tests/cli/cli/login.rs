//! The happy path of `login`: who it logs in, what it sends, what it prints.

use std::fs;

use serde_json::{Value, json};

use crate::support::browser::{answer, get, parameter};
use crate::support::server::Server;
use crate::support::{Home, Running, run, run_with};

const TOKEN: &str = "y0_AgAAAAABcd-ef.gh~ij+kl/mn=";
const ANSWER: &str = r#"{"access_token": "y0_AgAAAAABcd-ef.gh~ij+kl/mn=", "expires_in": 31536000, "refresh_token": "1:r3fr3sh:x:y", "token_type": "bearer"}"#;

/// Logs in at a fake server with these options beside the necessary ones.
fn log_in(home: &Home, server: &Server, options: &[&str]) -> (String, Running) {
    let mut arguments = vec!["login", "--client-id", "app", "--no-browser"];
    arguments.extend([
        "--oauth-url",
        &server.origin,
        "--redirect-uri",
        "http://127.0.0.1:0/",
    ]);
    arguments.extend(options);
    let mut running = Running::start(&mut home.command(&arguments));
    let url = running.url();
    (url, running)
}

#[test]
fn the_readmes_command_prints_a_token_and_nothing_else() {
    let home = Home::new();
    let done = run(home.command(&["login", "--sandbox", "--no-browser"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let token = done.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("y0_") && token.len() == 58, "{token:?}");
    assert!(!token.contains(char::is_whitespace));
    done.hides(&[token]);
    assert_eq!(home.files(), Vec::<String>::new(), "nothing is left behind");
}

#[test]
fn a_public_client_sends_no_secret_and_the_page_says_it_is_done() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let (url, running) = log_in(&home, &server, &[]);
    assert!(url.starts_with(&server.origin));
    let page = answer(&url, &[("code", "c0de1234"), ("cid", "zz0")]);
    let done = running.finish();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.stdout, format!("{TOKEN}\n"));
    let request = server.exchange_of(&url);
    assert_eq!(request.field("code").unwrap(), "c0de1234");
    assert_eq!(request.field("client_secret"), None);
    assert!(!request.head.to_ascii_lowercase().contains("authorization"));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("You are logged in"), "{page:#?}");
    for secret in [TOKEN, "c0de1234", "r3fr3sh"] {
        assert!(!page.body.contains(secret) && !page.head.contains(secret));
    }
    done.hides(&[
        TOKEN,
        "c0de1234",
        "r3fr3sh",
        &request.field("code_verifier").unwrap(),
    ]);
}

#[test]
fn the_minimal_answer_is_enough() {
    let (home, server) = (
        Home::new(),
        Server::json(200, r#"{"access_token": "0f0f0f0f"}"#),
    );
    let (url, running) = log_in(&home, &server, &["--format", "json"]);
    answer(&url, &[("code", "1234567")]);
    let done = running.finish();
    let origin = &server.origin;
    let mut printed: Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(printed["issued_at"].take().is_u64());
    assert_eq!(
        printed,
        json!({"access_token": "0f0f0f0f", "client_id": "app", "issued_at": null,
            "oauth_url": origin})
    );
}

#[test]
fn a_confidential_client_gets_its_secret_from_variable_file_or_standard_input() {
    let secret = "s3cr3t&=%";
    let home = Home::new();
    fs::write(home.path().join("secret"), format!("{secret}\n")).unwrap();
    for (option, variable, input) in [
        (None, Some(("YANDEX_CLIENT_SECRET", secret)), ""),
        (None, Some(("YANDEX_CLIENT_SECRET_FILE", "secret")), ""),
        (Some("secret"), None, ""),
        (Some("-"), None, "s3cr3t&=%\n"),
    ] {
        let server = Server::json(200, ANSWER);
        let mut arguments = vec!["login", "--client-id", "app", "--no-browser", "-v"];
        arguments.extend([
            "--oauth-url",
            &server.origin,
            "--redirect-uri",
            "http://127.0.0.1:0/",
        ]);
        if let Some(file) = option {
            arguments.extend(["--client-secret-file", file]);
        }
        let mut command = home.command(&arguments);
        command.envs(variable);
        let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
        {
            use std::io::Write;
            let mut stdin = running.child.stdin.take().unwrap();
            let _ = stdin.write_all(input.as_bytes());
        }
        let url = running.url();
        answer(&url, &[("code", "1234567")]);
        let done = running.finish();
        assert_eq!(done.stdout, format!("{TOKEN}\n"), "{done:#?}");
        done.hides(&[secret, "s3cr3t"]);
        let request = server.exchange_of(&url);
        assert_eq!(request.field("client_secret").as_deref(), Some(secret));
    }
}

#[test]
fn every_format_is_exact_to_the_byte() {
    for (format, printed) in [
        ("token", format!("{TOKEN}\n")),
        ("env", format!("YANDEX_TOKEN={TOKEN}\n")),
        ("header", format!("Authorization: OAuth {TOKEN}\n")),
        ("bearer", format!("Authorization: Bearer {TOKEN}\n")),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let (url, running) = log_in(&home, &server, &["--format", format]);
        answer(&url, &[("code", "1234567")]);
        assert_eq!(running.finish().stdout, printed);
    }
}

#[test]
fn the_request_carries_what_was_asked_for_and_a_missing_scope_is_warned_about() {
    let home = Home::new();
    let server = Server::json(200, r#"{"access_token": "t", "scope": "login:info"}"#);
    let (url, running) = log_in(
        &home,
        &server,
        &[
            "--scope",
            "login:info login:email",
            "--scope",
            "cloud_api:disk.read",
            "--optional-scope",
            "login:avatar",
            "--login-hint",
            "a@b.example",
            "--force-confirm",
            "--device-id",
            "device-1",
            "--device-name",
            "Сервер & co",
        ],
    );
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "app"),
        ("scope", "login:info login:email cloud_api:disk.read"),
        ("optional_scope", "login:avatar"),
        ("login_hint", "a@b.example"),
        ("force_confirm", "yes"),
        ("device_id", "device-1"),
        ("device_name", "Сервер & co"),
    ] {
        assert_eq!(parameter(&url, name).as_deref(), Some(value), "{name}");
    }
    answer(&url, &[("code", "1234567")]);
    let done = running.finish();
    assert!(
        done.stderr
            .contains("not granted: login:email cloud_api:disk.read login:avatar"),
        "{done:#?}"
    );
    assert_eq!(done.stdout, "t\n");
}

#[test]
fn the_client_id_of_a_saved_token_is_the_default() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    fs::create_dir_all(home.data()).unwrap();
    fs::write(
        home.data().join("default.json"),
        r#"{"access_token":"x","client_id":"kept"}"#,
    )
    .unwrap();
    let mut command = home.command(&[
        "login",
        "--no-browser",
        "--oauth-url",
        &server.origin,
        "--redirect-uri",
        "http://127.0.0.1:0/",
    ]);
    let mut running = Running::start(&mut command);
    let url = running.url();
    assert_eq!(parameter(&url, "client_id").as_deref(), Some("kept"));
    answer(&url, &[("code", "1234567")]);
    assert_eq!(running.finish().stdout, format!("{TOKEN}\n"));
    let saved = fs::read_to_string(home.data().join("default.json")).unwrap();
    assert!(saved.contains("\"x\""), "a login that prints saves nothing");
}

#[test]
fn a_person_who_denies_the_access_ends_the_login_with_3() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let (url, running) = log_in(&home, &server, &[]);
    let page = answer(
        &url,
        &[
            ("error", "access_denied"),
            ("error_description", "<b>No</b>\u{1b}[1m"),
        ],
    );
    assert!(page.body.contains("Access was denied"), "{page:#?}");
    assert!(!page.body.contains("<b>"));
    let done = running.finish();
    done.fails(3, "access was denied");
    assert!(!done.stderr.contains('\u{1b}'));
    assert!(server.requests().is_empty());
}

#[test]
fn another_error_in_the_redirect_is_the_servers_refusal() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let (url, running) = log_in(&home, &server, &[]);
    answer(&url, &[("error", "unauthorized_client")]);
    running.finish().fails(5, "unauthorized_client");
}

#[test]
fn the_success_page_is_in_russian_where_the_browser_asks_for_it() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let (url, running) = log_in(&home, &server, &[]);
    let redirected = get(&crate::support::browser::callback(&url, &[("code", "1")]));
    let page = crate::support::browser::request(
        "GET",
        redirected.header("Location").unwrap(),
        "Accept-Language: ru-RU,ru;q=0.9,en;q=0.5\r\n",
        "",
    );
    assert!(page.body.contains("Вход выполнен") && page.body.contains("lang=\"ru\""));
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn a_secret_that_is_no_secret_is_refused_before_anything_opens() {
    let home = Home::new();
    fs::write(home.path().join("empty"), "\n").unwrap();
    fs::write(home.path().join("lines"), "a\nb\n").unwrap();
    for (file, says) in [
        ("empty", "it is empty"),
        ("lines", "more than one line"),
        ("none", "none"),
    ] {
        run(home.command(&["login", "--client-id", "a", "--client-secret-file", file]))
            .fails(8, says);
    }
    let done = run_with(
        home.command(&["login", "--client-id", "a", "--client-secret-file", "-"]),
        "",
    );
    done.fails(8, "it is empty");
}
