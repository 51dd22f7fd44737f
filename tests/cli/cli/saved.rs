//! `token`, `refresh`, `revoke` and `exec` on a saved token: what is sent,
//! what is printed, what the file holds afterwards.

use std::fs;

use serde_json::{Value, json};

use crate::support::server::{Answer, Server, json};
use crate::support::{Home, now, rows, run, without_note};

const FRESH: &str =
    r#"{"access_token": "n3w", "expires_in": 3600, "refresh_token": "r2", "token_type": "bearer"}"#;

/// Saves a token with this many seconds left, unless `change` says otherwise.
fn saved(home: &Home, server: &Server, left: i64, change: Value) -> Value {
    let mut token = json!({
        "access_token": "0ld", "refresh_token": "r1", "token_type": "bearer", "scope": "a b",
        "expires_at": now().saturating_add_signed(left), "client_id": "app",
        "oauth_url": server.origin, "device_id": "device-1", "note": {"mine": [1, 2]},
    });
    for (name, value) in change.as_object().unwrap() {
        token[name] = value.clone();
    }
    home.save(&token.to_string());
    token
}

/// Runs with the server's name vouched for and a password.
fn command(home: &Home, server: &Server, arguments: &[&str]) -> std::process::Command {
    let mut command = home.at(server, arguments);
    command.env("YANDEX_CLIENT_SECRET", "s3cret");
    command
}

#[test]
fn a_token_with_enough_life_needs_no_network_id_or_secret_and_no_write() {
    let home = Home::new();
    for expires_at in [
        json!(now() + 400),
        json!(4e15),
        Value::Null,
        json!(u64::MAX),
    ] {
        home.save(&json!({"access_token": "0ld", "expires_at": expires_at}).to_string());
        let before = home.saved();
        let mut command = home.command(&["token"]);
        command
            .env("YANDEX_OAUTH_URL", "http://127.0.0.1:1")
            .env("HTTPS_PROXY", "nonsense");
        run(command).prints("0ld\n");
        assert_eq!(home.saved(), before);
    }
    home.save(r#"{"access_token": "raw", "expires_in": 1}"#);
    run(home.command(&["token", "--format", "header"])).prints("Authorization: OAuth raw\n");
    assert_eq!(home.files(), ["data/yandex-token/default.json"]);
}

#[test]
fn a_token_about_to_expire_is_refreshed_saved_and_printed() {
    let (home, server) = (Home::new(), Server::json(200, FRESH));
    let before = saved(&home, &server, 200, json!({}));
    let done = run(command(&home, &server, &["token"]));
    done.prints("n3w\n");
    assert_eq!(done.stderr, "");
    let request = &server.requests()[0];
    let form = "client_id=app&client_secret=s3cret&grant_type=refresh_token&refresh_token=r1";
    assert_eq!(request.fields(), form);
    let after = home.token();
    let left = after["expires_at"].as_u64().unwrap() - now();
    assert!((3590..=3600).contains(&left), "{left}");
    for (name, value) in before.as_object().unwrap() {
        match name.as_str() {
            "access_token" => assert_eq!(after[name], "n3w"),
            "refresh_token" => assert_eq!(after[name], "r2"),
            "expires_at" => {}
            _ => assert_eq!(&after[name], value, "{name} survives"),
        }
    }
    run(home.command(&["token"])).prints("n3w\n");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(home.files(), ["data/yandex-token/default.json"]);
}

#[test]
fn an_odd_but_successful_answer_ends_in_the_right_file() {
    for [answer, printed, refresh_token, lifetime] in rows(
        r#"{"access_token":"0ld","refresh_token":"r2","expires_in":3600} | 0ld | r2 | 3600
           {"access_token":"n3w","expires_in":3600}                      | n3w | r1 | 3600
           {"access_token":"n3w"}                                        | n3w | r1 |
           {"access_token":"n3w","expires_in":0}                         | n3w | r1 | 0
           {"access_token":"n3w","expires_in":1000000000000000000} | n3w | r1 | 1000000000000000000"#,
    ) {
        let (home, server) = (Home::new(), Server::json(200, answer));
        saved(&home, &server, -10, json!({}));
        let done = run(command(&home, &server, &["token"]));
        done.prints(&format!("{printed}\n"));
        let after = home.token();
        assert_eq!(after["refresh_token"], refresh_token, "{answer}");
        let wanted = lifetime.parse::<u64>().ok().map(|seconds| now() + seconds);
        let at = after.get("expires_at").map(|at| at.as_u64().unwrap());
        assert_eq!(at.is_some(), wanted.is_some(), "{answer}");
        assert!(
            at.unwrap_or(0).abs_diff(wanted.unwrap_or(0)) <= 10,
            "{answer}"
        );
    }
}

#[test]
fn a_failed_refresh_has_its_exit_code_and_leaves_the_file_as_it_was() {
    for [status, answer, code, says] in rows(
        r#"400 | {"error":"invalid_grant","error_description":"gone"} | 7 | login --profile default
           400 | {"error":"invalid_client"}                           | 5 | invalid_client
           503 | <html>r1 s3cret</html>                               | 6 | 503
           429 | {"error":"slow"}                                     | 6 | 429
           0   |                                                      | 6 | without an answer
           200 | {"refresh_token":"r2"}                               | 6 | access token
           400 | {"error":"x","error_description":"no r1 s3cret"}     | 5 | no"#,
    ) {
        let (status, code) = (status.parse().unwrap(), code.parse().unwrap());
        for expired in [true, false] {
            let home = Home::new();
            let server = Server::start(move |_| match status {
                0 => Answer::HangUp,
                _ => json(status, answer),
            });
            saved(&home, &server, if expired { -10 } else { 100 }, json!({}));
            let before = home.saved();
            let done = run(command(&home, &server, &["token", "-v"]));
            done.hides(&["0ld", "r1", "s3cret"]);
            if expired {
                let lower = done.stderr.to_lowercase();
                assert!(lower.contains(says), "{done:#?}");
                done.fails(code, "");
            } else {
                done.prints("0ld\n");
                assert!(done.stderr.contains("warning"), "{done:#?}");
                run(command(&home, &server, &["token", "--min-ttl", "5m"])).fails(code, "");
            }
            run(command(&home, &server, &["refresh"])).fails(code, "");
            assert_eq!(without_note(&home.saved()), without_note(&before));
            assert_eq!(home.files(), ["data/yandex-token/default.json"]);
        }
    }
}

#[test]
fn without_the_client_secret_a_refresh_is_tried_and_the_hint_names_the_variable() {
    let home = Home::new();
    let server = Server::start(|request| match request.field("client_secret") {
        None => json(400, r#"{"error":"invalid_client"}"#),
        Some(_) => json(200, FRESH),
    });
    saved(&home, &server, -10, json!({}));
    run(home.at(&server, &["token"])).fails(5, "YANDEX_CLIENT_SECRET");
}

#[test]
fn what_is_missing_is_7_and_says_which_login_to_run() {
    let (home, server) = (Home::new(), Server::json(200, FRESH).idle());
    for command in ["token", "refresh", "revoke"] {
        let done = run(home.command(&[command, "--profile", "work"]));
        done.fails(7, "yandex-token login --profile work");
    }
    run(home.command(&["exec", "--", "touch", "ran"])).fails(7, "login");
    assert!(!home.path().join("ran").exists());
    saved(&home, &server, -10, json!({"refresh_token": null}));
    run(command(&home, &server, &["token"])).fails(7, "yandex-token login --profile default");
    saved(&home, &server, 100, json!({"refresh_token": null}));
    run(command(&home, &server, &["token"])).prints("0ld\n");
    run(command(&home, &server, &["token", "--min-ttl", "101s"])).fails(7, "refresh token");
    run(command(&home, &server, &["token", "--min-ttl", "10s"])).prints("0ld\n");
    assert!(server.requests().is_empty());
}

#[test]
fn a_planted_file_sends_no_secret_anywhere() {
    let (home, server) = (Home::new(), Server::json(200, FRESH).idle());
    saved(&home, &server, -10, json!({}));
    for line in ["token", "refresh", "revoke", "exec -- true"] {
        let arguments: Vec<_> = line.split(' ').collect();
        let mut command = home.command(&arguments);
        command.env("YANDEX_CLIENT_SECRET", "s3cret");
        run(command).fails(2, &format!("--oauth-url {}", server.origin));
        let mut command = home.command(&arguments);
        command.env("YANDEX_OAUTH_URL", "http://127.0.0.1:1");
        run(command).fails(2, "");
    }
    for url in [
        "https://oauth.yandex.com.evil.example",
        "http://oauth.yandex.com",
        "x",
        "https://oauth.yandex.com:444",
    ] {
        saved(&home, &server, -10, json!({"oauth_url": url}));
        run(home.command(&["token"])).fails(2, "");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn the_saved_tokens_own_application_wins_and_an_option_that_differs_is_an_error() {
    let (home, server) = (Home::new(), Server::json(200, FRESH));
    saved(&home, &server, -10, json!({}));
    for option in [
        ["--client-id", "other"],
        ["--oauth-url", "http://127.0.0.1:9"],
    ] {
        let arguments = ["token", option[0], option[1]];
        run(command(&home, &server, &arguments)).fails(2, option[0]);
    }
    let mut with_variable = command(&home, &server, &["token"]);
    with_variable.env("YANDEX_CLIENT_ID", "other");
    run(with_variable).prints("n3w\n");
    let sent = server.requests()[0].field("client_id");
    assert_eq!(sent.as_deref(), Some("app"));

    let bare = json!({"client_id": null, "oauth_url": null});
    saved(&home, &server, -10, bare);
    run(command(&home, &server, &["token"])).fails(2, "--client-id");
    run(command(&home, &server, &["token", "--client-id", "mine"])).prints("n3w\n");
    assert_eq!(home.token()["client_id"], "mine");
}

#[test]
fn refresh_asks_each_time_and_prints_what_is_new() {
    let (home, server) = (Home::new(), Server::json(200, FRESH));
    saved(&home, &server, 100_000, json!({}));
    run(command(&home, &server, &["refresh"])).prints("n3w\n");
    let done = run(command(&home, &server, &["refresh", "--format", "json"]));
    assert_eq!(done.stdout, home.saved());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_refresh_token_from_the_environment_touches_no_saved_token() {
    let (home, server) = (Home::new(), Server::json(200, FRESH));
    saved(&home, &server, -10, json!({"client_id": "saved"}));
    let before = home.saved();
    let ci = |arguments: &[&str]| {
        let mut command = command(&home, &server, arguments);
        command
            .env("YANDEX_REFRESH_TOKEN", "fr0m-env")
            .env("YANDEX_CLIENT_ID", "ci");
        run(command)
    };
    let done = ci(&["refresh"]);
    done.prints("n3w\n");
    let is_told = done.stderr.contains("--format json");
    assert!(is_told, "a rotated one is dropped: {done:#?}");
    done.hides(&["fr0m-env", "r2"]);
    let done = ci(&["refresh", "--format", "json"]);
    let printed: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(printed["refresh_token"], "r2");
    assert_eq!(done.stderr, "");
    let done = ci(&["refresh", "-o", "out"]);
    done.prints("");
    let out = fs::read_to_string(home.path().join("out"));
    assert_eq!(out.unwrap(), "n3w\n");
    assert_eq!(home.saved(), before);
    for request in server.requests() {
        assert_eq!(request.field("refresh_token").as_deref(), Some("fr0m-env"));
        assert_eq!(request.field("client_id").as_deref(), Some("ci"));
    }
    ci(&["refresh", "--profile", "default"]).prints("n3w\n");
    let last = server.requests().pop().unwrap().field("refresh_token");
    assert_eq!(last.as_deref(), Some("r1"), "an option beats it");
    run(home.command(&["refresh"])).fails(2, "");
}

#[test]
fn revoke_deletes_after_the_server_agreed_and_not_before() {
    let (home, server) = (Home::new(), Server::json(200, r#"{"status": "ok"}"#));
    saved(&home, &server, 1000, json!({}));
    let done = run(command(&home, &server, &["revoke"]));
    done.prints("");
    let request = &server.requests()[0];
    assert!(request.head.starts_with("POST /revoke_token "));
    let form = "access_token=0ld&client_id=app&client_secret=s3cret";
    assert_eq!(request.fields(), form);
    assert_eq!(home.files(), Vec::<String>::new());
    let unsupported = r#"{"error": "unsupported_token_type"}"#;
    for (status, body, code, says) in [
        (400, unsupported, 5, "id.yandex.ru/personal/data-access"),
        (400, r#"{"error": "invalid_client"}"#, 5, "invalid_client"),
        (500, "", 6, "500"),
    ] {
        let server = Server::json(status, body);
        saved(&home, &server, 1000, json!({}));
        let done = run(command(&home, &server, &["revoke"]));
        done.fails(code, says).hides(&["0ld", "s3cret"]);
        assert!(home.saved().contains("0ld"));
    }
    home.save("not even JSON");
    run(home.command(&["revoke", "--local"])).prints("");
    assert_eq!(home.files(), Vec::<String>::new());
    run(home.command(&["revoke", "--local"])).fails(7, "");
}

#[cfg(unix)]
#[test]
fn exec_becomes_the_program_with_the_token_and_without_our_secrets() {
    let (home, server) = (Home::new(), Server::json(200, FRESH));
    saved(&home, &server, -10, json!({}));
    let script = "echo $$ $TOKEN_HERE ${YANDEX_TOKEN-} ${YANDEX_CLIENT_SECRET-} \
        ${YANDEX_REFRESH_TOKEN-}; exit 3";
    let arguments = ["exec", "--env", "TOKEN_HERE", "--", "sh", "-c", script];
    let mut command = command(&home, &server, &arguments);
    command.env("YANDEX_REFRESH_TOKEN", "r-env");
    let running = crate::support::Running::start(&mut command);
    let pid = running.child.id();
    let done = running.finish();
    assert_eq!(done.code, Some(3), "{done:#?}");
    assert_eq!(done.stdout, format!("{pid} n3w\n"), "the same process");
    fs::write(home.path().join("not-a-program"), "").unwrap();
    for (program, code) in [("nosuch", 127), ("./not-a-program", 126)] {
        run(home.command(&["exec", "--", program])).fails(code, program);
    }
    let done = run(home.command(&["exec", "--", "sh", "-c", "kill -TERM $$"]));
    assert_eq!(done.signal, Some(15), "signals are the program's own");
    for name in ["", "A=B", "1A", "A B"] {
        run(home.command(&["exec", "--env", name, "--", "true"])).fails(2, "");
    }
}

#[test]
fn where_the_output_goes_is_made_sure_of_before_a_refresh() {
    let (home, server) = (Home::new(), Server::json(200, "{}").idle());
    saved(&home, &server, -10, json!({}));
    for name in ["token", "refresh"] {
        let done = run(command(&home, &server, &[name, "-o", "missing/out"]));
        done.fails(8, "missing");
    }
    assert!(server.requests().is_empty());
}
