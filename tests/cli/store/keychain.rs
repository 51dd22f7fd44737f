//! A token whose secrets a credential helper keeps.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::files::install;
use crate::support::login::{ANSWER, TOKEN, complete, login, refused, with_browser};
use crate::support::sandbox::Served;
use crate::support::server::{Server, json as answer};
use crate::support::{Finished, Home, Running, now, run};

/// A helper that keeps each entry in a file by the last part of its URL, and
/// writes down how it was called.
const HELPER: &str = r#"
dir=$HOME/kept; mkdir -p "$dir"; echo "$*" >>"$HOME/calls"
input=$(cat)
case $1 in
store)
    url=${input#*\"ServerURL\":\"}; url=${url%%\"*}
    printf '%s' "$input" >"$dir/${url##*/}.$$" && mv "$dir/${url##*/}.$$" "$dir/${url##*/}" ;;
get) [ -f "$dir/${input##*/}" ] && cat "$dir/${input##*/}" || {
        echo 'credentials not found in native keychain'; exit 1; } ;;
erase) rm "$dir/${input##*/}" ;;
esac"#;

pub fn helper(home: &Home, body: &str) {
    install(home, "docker-credential-fake", body);
}

fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", home.path().display()));
    command
}

/// A command that asks this server.
fn at(home: &Home, server: &Server, word: &str) -> Command {
    let mut command = command(home, &[word]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    command
}

/// A server that gives a token, and this one for a refresh token.
fn refreshing(refreshed: &'static str) -> Server {
    Server::start(
        move |request| match request.body.contains("grant_type=refresh_token") {
            true => answer(200, refreshed),
            false => answer(200, ANSWER),
        },
    )
}

pub fn logged_in(home: &Home, server: &Server, options: &[&str]) -> Finished {
    let done = complete(command(home, &login(server, options)));
    assert_eq!(done.code, Some(0), "{done:#?}");
    done
}

fn kept(home: &Home) -> Vec<String> {
    let found = fs::read_dir(home.path().join("kept")).unwrap();
    found
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

/// An entry, and the secrets in it.
fn opened(entry: &str) -> (Value, Value) {
    let entry: Value = serde_json::from_str(entry).unwrap();
    let secret = serde_json::from_str(entry["Secret"].as_str().unwrap()).unwrap();
    (entry, secret)
}

fn calls(home: &Home) -> String {
    fs::read_to_string(home.path().join("calls")).unwrap_or_default()
}

/// Makes the saved token one that has expired.
fn expire(home: &Home) {
    let mut token = home.token();
    token["issued_at"] = json!(now() - 100);
    token["expires_at"] = json!(now() - 10);
    home.save(&token.to_string());
}

#[track_caller]
pub fn prints(home: &Home, server: &Server, text: &str) {
    run(at(home, server, "token")).prints(&format!("{text}\n"));
}

#[test]
fn a_profile_moves_into_a_keychain_stays_there_and_moves_out() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    helper(&home, HELPER);
    logged_in(&home, &server, &["--save"]);
    logged_in(&home, &server, &["--keychain", "fake"]);
    let first = home.token();
    assert_eq!(first["keychain"], "fake");
    assert!(!home.saved().contains("r3fr3sh") && !home.saved().contains(TOKEN));
    let entries = kept(&home);
    assert_eq!(entries.len(), 1, "{entries:?}");
    let (entry, secret) = opened(&entries[0]);
    let id = first["keychain_id"].as_str().unwrap();
    let url = format!("https://oauth.yandex.com/yandex-token/default/{id}");
    assert_eq!(
        (&entry["ServerURL"], &entry["Username"]),
        (&json!(url), &json!("yandex-token"))
    );
    let expected = json!({"access_token": TOKEN, "refresh_token": "1:r3fr3sh:x:y"});
    assert_eq!(secret, expected);
    prints(&home, &server, TOKEN);

    // Another login stays in it, with an entry of its own.
    logged_in(&home, &server, &["--save"]);
    assert_ne!(home.token()["keychain_id"], first["keychain_id"]);
    assert_eq!(kept(&home).len(), 1);
    let called = calls(&home);
    let status = run(command(&home, &["status"]));
    assert_eq!(status.code, Some(0), "{status:#?}");
    assert_eq!(calls(&home), called, "status has asked the keychain");
    assert!(!called.contains("y0_"), "{called}");

    logged_in(&home, &server, &["--keychain", "none"]);
    assert!(home.saved().contains(TOKEN) && home.token()["keychain"].is_null());
    assert!(kept(&home).is_empty());
}

#[test]
fn a_renewal_and_a_revocation_reach_the_keychain() {
    let home = Home::new();
    let server = refreshing(
        r#"{"access_token": "n3w", "expires_in": 31536000, "refresh_token": "1:r0tated"}"#,
    );
    helper(&home, HELPER);
    logged_in(&home, &server, &["--keychain", "fake"]);
    expire(&home);
    prints(&home, &server, "n3w");
    assert!(kept(&home)[0].contains("1:r0tated"), "{:?}", kept(&home));
    assert!(!home.saved().contains("n3w") && !home.saved().contains("r0tated"));
    prints(&home, &server, "n3w");
    let done = run(command(&home, &["revoke", "--local"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(kept(&home).is_empty());
    assert!(!home.data().join("default.json").exists());
}

#[test]
fn a_helper_that_does_not_work_is_found_before_the_browser_opens() {
    for (body, says) in [
        (None, "docker-credential-fake is not in PATH"),
        (Some("exec sleep 100"), "no answer within 5 s"),
        (Some("cat >/dev/null"), "it is not JSON"),
        (
            Some("echo '{\"Secret\": \"\"}'"),
            "it did not keep the entry",
        ),
        (Some("echo 'it is locked'; exit 1"), "it is locked"),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
        if let Some(body) = body {
            helper(&home, body);
        }
        let options = with_browser(&server, &["--keychain", "fake"]);
        refused(&home, command(&home, &options), says);
        assert!(!home.data().join("default.json").exists());
    }
}

#[test]
fn a_helper_gets_secrets_on_its_input_alone_and_is_never_taken_from_this_directory() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    helper(&home, &format!("env >>~/environment{HELPER}"));
    let arguments = login(&server, &["--keychain", "fake"]);
    let mut first = command(&home, &arguments);
    first.env("YANDEX_CLIENT_SECRET", "s3cret");
    assert_eq!(complete(first).code, Some(0));
    let environment = fs::read_to_string(home.path().join("environment")).unwrap();
    for secret in ["s3cret", TOKEN, "r3fr3sh"] {
        assert!(!environment.contains(secret) && !calls(&home).contains(secret));
    }
    let called = calls(&home);
    let mut here = home.command(&["token"]);
    here.env("PATH", ".:");
    run(here).fails(8, "docker-credential-fake is not in PATH");
    assert_eq!(calls(&home), called);
}

#[test]
fn a_keychain_that_fails_costs_no_refresh_token() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    helper(&home, HELPER);
    logged_in(&home, &server, &["--keychain", "fake"]);
    expire(&home);
    let before = home.saved();
    let requests = server.requests().len();
    for (body, code, says) in [
        ("echo locked; exit 1", 8, "locked"),
        (
            r#"echo '{"Username": "yandex-token", "Secret": "x"}'"#,
            8,
            "it is not JSON",
        ),
        ("echo '{\"Secret\": \"\"}'", 7, "no such entry"),
    ] {
        helper(&home, body);
        run(at(&home, &server, "token")).fails(code, says);
    }
    assert_eq!(server.requests().len(), requests);
    assert_eq!(home.saved(), before);
}

#[test]
fn what_was_received_is_rescued_where_the_keychain_fails_after_all() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    helper(&home, HELPER);
    logged_in(&home, &server, &["--keychain", "fake"]);
    expire(&home);
    let fails = format!("[ $1 = store ] && {{ cat; exit 1; }}{HELPER}");
    helper(&home, &fails);
    let done = run(at(&home, &server, "token"));
    done.fails(8, "docker-credential-fake store: ");
    done.hides(&[TOKEN, "r3fr3sh"]);
    let rescued = done.kept();
    assert!(rescued.contains(TOKEN) && !rescued.contains("keychain"));
    assert!(!home.saved().contains(TOKEN));
}

#[test]
fn only_a_profile_is_kept_in_a_keychain() {
    let home = Home::new();
    let path = home.path().join("token.json");
    fs::write(&path, r#"{"keychain": "fake", "keychain_id": "x"}"#).unwrap();
    let path = path.to_str().unwrap();
    run(command(&home, &["token", "--token-file", path])).fails(8, "only a profile");
    home.save(r#"{"keychain": "../fake", "keychain_id": "x"}"#);
    run(command(&home, &["token"])).fails(8, "names no helper");
    let arguments = ["login", "--client-id", "app", "--keychain", "fake"];
    let mut with_file = command(&home, &arguments);
    with_file.env("YANDEX_TOKEN_FILE", path);
    run(with_file).fails(2, "it needs a profile");
    let mut sandbox = command(&home, &["sandbox", "--"]);
    sandbox.arg(crate::support::BINARY).args(arguments);
    sandbox.args(["--profile", "x"]);
    run(sandbox).fails(2, "a sandbox's token");
}

#[test]
fn a_token_printed_as_json_is_a_token_file_without_the_keychain() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    helper(&home, HELPER);
    logged_in(&home, &server, &["--keychain", "fake"]);
    let arguments = ["token", "--format", "json", "-o", "token.json"];
    let done = run(command(&home, &arguments));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let asked = calls(&home);
    let done = run(command(&home, &["token", "--token-file", "token.json"]));
    assert_eq!(done.stdout, format!("{TOKEN}\n"), "{done:#?}");
    assert_eq!(calls(&home), asked);
}

#[test]
fn a_hundred_at_once_make_one_request_and_find_the_new_secrets() {
    for expires_in in [-10, 3600] {
        let home = Home::new();
        let server = refreshing(r#"{"access_token": "n3w", "expires_in": 31536000}"#);
        helper(&home, HELPER);
        logged_in(&home, &server, &["--keychain", "fake"]);
        let asked = server.requests().len();
        let mut token = home.token();
        token["issued_at"] = json!(now() - 86_400);
        token["expires_at"] = json!(now().saturating_add_signed(expires_in));
        home.save(&token.to_string());
        let start = |_| Running::start(&mut at(&home, &server, "token"));
        let running: Vec<_> = (0..100).map(start).collect();
        for done in running.into_iter().map(Running::finish) {
            // On a loaded machine a wait of over a second is reported.
            let is_silent = done.stderr.lines().all(|line| line.contains("waiting for"));
            assert!(done.code == Some(0) && is_silent, "{done:#?}");
            // A token that is only due is printed as it is while another renews it.
            let is_old = expires_in > 0 && done.stdout.trim_end() == TOKEN;
            assert!(is_old || done.stdout == "n3w\n", "{done:#?}");
        }
        assert_eq!(server.requests().len(), asked + 1);
        prints(&home, &server, "n3w");
        assert_eq!(kept(&home).len(), 1);
    }
}

#[test]
fn status_online_asks_with_the_keychains_token_and_reports_one_that_is_gone() {
    let home = Home::new();
    let server = Server::start(|request| match request.path() {
        "/info" => answer(200, r#"{"id": "1", "login": "ivan.petrov"}"#),
        _ => answer(200, ANSWER),
    });
    helper(&home, HELPER);
    logged_in(&home, &server, &["--keychain", "fake"]);
    let asked = server.requests().len();
    let online = ["status", "--online"];
    let done = run(command(&home, &online));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.contains("ivan.petrov"), "{done:#?}");
    let requests = server.requests();
    assert_eq!(requests.len(), asked + 1);
    let header = format!("authorization: oauth {TOKEN}\r\n").to_lowercase();
    assert!(requests[asked].head.to_lowercase().contains(&header));

    for (body, code, says) in [
        ("echo locked; exit 1", 8, "locked"),
        ("echo '{\"Secret\": \"\"}'", 7, "no such entry"),
    ] {
        helper(&home, body);
        let done = run(command(&home, &online));
        assert_eq!(done.code, Some(code), "{done:#?}");
        assert!(done.stdout.contains(says), "{done:#?}");
    }
    assert_eq!(server.requests().len(), asked + 1);
}

#[test]
fn a_revocation_at_the_server_erases_the_entry() {
    let served = Served::allowing(&[]);
    let home = Home::new();
    helper(&home, HELPER);
    let at_sandbox = |arguments: &[&str]| {
        let mut command = command(&home, arguments);
        command
            .env("YANDEX_OAUTH_URL", &served.origin)
            .env("YANDEX_CLIENT_ID", &served.client_id)
            .env("YANDEX_CLIENT_SECRET", &served.client_secret);
        command
    };
    let done = run(at_sandbox(&["login", "--device", "--keychain", "fake"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let (_, secret) = opened(&kept(&home)[0]);
    let authorization = format!("OAuth {}", secret["access_token"].as_str().unwrap());
    assert_eq!(served.info(&authorization).status, 200);
    let done = run(at_sandbox(&["revoke"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(served.info(&authorization).status, 401);
    assert!(kept(&home).is_empty());
    assert_eq!(home.files(), ["calls", "docker-credential-fake"]);
}

#[test]
fn a_helper_that_answers_and_does_not_end_is_given_up() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    helper(&home, HELPER);
    logged_in(&home, &server, &["--keychain", "fake"]);
    helper(
        &home,
        &HELPER.replacen('\n', "\ntrap 'exec >&-; sleep 60' EXIT\n", 1),
    );
    run(command(&home, &["token"])).fails(8, "no answer within 5 s");
}
