//! A due token is renewed on the way, and never at the cost of the token at
//! hand.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::files::{chmod, mkfifo};
use crate::support::server::{Answer, Server, json as answer};
use crate::support::{Finished, Home, Running, now, rows, run};

const DAY: u64 = 86400;
const YEAR: u64 = 365 * DAY;
const RENEWED: &str = r#"{"access_token": "n3w", "expires_in": 31536000, "refresh_token": "r2"}"#;

/// Saves a token that was issued so many days ago, for a year.
fn issued(home: &Home, server: &Server, days: u64, change: Value) {
    let issued_at = now() - days * DAY;
    let mut token = json!({
        "access_token": "0ld", "refresh_token": "r1", "client_id": "app",
        "oauth_url": server.origin, "issued_at": issued_at, "expires_at": issued_at + YEAR,
    });
    for (name, value) in change.as_object().unwrap() {
        token[name] = value.clone();
    }
    home.save(&token.to_string());
}

fn command(home: &Home, server: &Server, arguments: &[&str]) -> Command {
    let mut command = home.at(server, arguments);
    command.env("YANDEX_CLIENT_SECRET", "s3cret");
    command
}

fn token(home: &Home, server: &Server) -> Finished {
    run(command(home, server, &["token"]))
}

#[track_caller]
fn prints(done: &Finished, text: &str, stderr: &str) {
    assert_eq!((done.code, &*done.stdout), (Some(0), text), "{done:#?}");
    match stderr {
        "" => assert_eq!(done.stderr, "", "{done:#?}"),
        says => assert!(done.stderr.contains(says), "{says:?}: {done:#?}"),
    }
}

fn times(issued_at: impl Into<Option<u64>>, expires_at: impl Into<Option<u64>>) -> Value {
    json!({"issued_at": issued_at.into(), "expires_at": expires_at.into()})
}

/// The note of a renewal that failed.
fn failed(at: impl Into<Value>, error: impl Into<Value>) -> Value {
    json!({"renew_failed_at": at.into(), "renew_error": error.into()})
}

#[test]
fn a_token_is_renewed_on_the_way_once_it_is_due() {
    for (days, change, requests) in [
        (89, json!({}), 0),
        (91, json!({}), 1),
        (300, json!({}), 1),
        (0, times(now() - 1000, now() + 900), 1),
        (0, times(now() - 900, now() + 1000), 0),
        (91, json!({"expires_at": null}), 1),
        (0, times(None, now() + 91 * DAY), 0),
        (0, times(None, now() + 89 * DAY), 1),
        (0, times(None, None), 0),
        (0, times(now() + YEAR, now() + 2 * YEAR), 0),
        (0, times(now() + YEAR, now() + 80 * DAY), 1),
        (91, json!({"issued_at": "nonsense"}), 0),
        (91, failed("nonsense", json!([1])), 1),
        (91, failed(now() + DAY, "invalid_grant"), 1),
    ] {
        for exec in [false, true] {
            let (home, server) = (Home::new(), Server::json(200, RENEWED).idle());
            issued(&home, &server, days, change.clone());
            let arguments = match exec {
                false => &["token"][..],
                true => &["exec", "--", "sh", "-c", "echo $YANDEX_TOKEN"],
            };
            let done = run(command(&home, &server, arguments));
            prints(&done, ["0ld\n", "n3w\n"][requests], "");
            assert_eq!(server.requests().len(), requests, "{days} {change}");
            if requests == 1 {
                let file = home.token();
                assert_eq!(file["refresh_token"], "r2");
                assert!(now() - file["issued_at"].as_u64().unwrap() < 60);
                assert_eq!(file.get("renew_failed_at"), None);
                prints(&token(&home, &server), "n3w\n", "");
                assert_eq!(server.requests().len(), 1);
            }
        }
    }
}

#[test]
fn an_unchanged_access_token_is_a_renewal_like_any_other() {
    let home = Home::new();
    let server = Server::json(200, r#"{"access_token":"0ld","expires_in":31536000}"#);
    issued(&home, &server, 91, json!({}));
    for _ in 0..3 {
        prints(&token(&home, &server), "0ld\n", "");
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_failed_renewal_costs_neither_the_token_nor_another_request_before_its_pause() {
    for (status, error, pause) in [
        (503, "unreachable", 3600),
        (400, "invalid_grant", DAY),
        (400, "invalid_client", DAY),
        (400, "unauthorized_client", DAY),
    ] {
        let home = Home::new();
        let body = format!(r#"{{"error": "{error}"}}"#);
        let server = Server::start(move |_| answer(status, &body));
        issued(&home, &server, 91, json!({}));
        prints(&token(&home, &server), "0ld\n", "yandex-token: warning: ");
        assert_eq!(home.token()["renew_error"], error);
        for _ in 0..20 {
            prints(&token(&home, &server), "0ld\n", "");
        }
        assert_eq!(server.requests().len(), 1, "{error}");
        // Once the pause is over.
        for (ago, requests) in [(pause - 60, 1), (pause + 60, 2)] {
            issued(&home, &server, 91, failed(now() - ago, error));
            token(&home, &server);
            assert_eq!(server.requests().len(), requests, "{error} {ago}");
        }
        // A refresh that the user asks for knows no pause.
        run(command(&home, &server, &["refresh"]));
        assert_eq!(server.requests().len(), 3, "{error}");
    }
}

#[test]
fn what_the_user_can_set_right_is_warned_about_as_soon_as_a_token_is_due() {
    let (home, server) = (Home::new(), Server::json(503, "{}").idle());
    std::fs::write(home.path().join("empty"), "").unwrap();
    let other = json!({"oauth_url": "https://other.example"});
    for (change, option, says) in [
        (other, &[][..], "other.example"),
        (json!({}), &["--client-secret-file", "gone"], "gone"),
        (json!({}), &["--client-secret-file", "empty"], "empty"),
    ] {
        for (days, says) in [(89, ""), (91, says)] {
            issued(&home, &server, days, change.clone());
            let done = run(command(&home, &server, &[&["token"], option].concat()));
            prints(&done, "0ld\n", says);
        }
    }
    assert!(server.requests().is_empty());
}

#[test]
fn in_the_warning_time_every_call_warns_and_names_the_command() {
    for change in [
        failed(now() - 60, "invalid_grant"),
        failed(now() - 60, "unreachable"),
        json!({"refresh_token": null}),
    ] {
        let (home, server) = (Home::new(), Server::json(503, "{}").idle());
        for (days, says) in [(334, ""), (336, "yandex-token login --profile default")] {
            issued(&home, &server, days, change.clone());
            for _ in 0..2 {
                prints(&token(&home, &server), "0ld\n", says);
            }
        }
        prints(&run(command(&home, &server, &["token", "-q"])), "0ld\n", "");
        assert!(server.requests().is_empty(), "{change}");
    }
}

#[test]
fn a_public_client_is_asked_for_once_and_then_left_alone_until_the_warning_time() {
    let home = Home::new();
    let server = Server::start(|request| match request.field("client_secret") {
        None => answer(400, r#"{"error": "invalid_client"}"#),
        Some(_) => answer(200, RENEWED),
    });
    let public = |home: &Home| {
        let mut command = command(home, &server, &["token"]);
        command.env_remove("YANDEX_CLIENT_SECRET");
        run(command)
    };
    issued(&home, &server, 91, json!({}));
    prints(&public(&home), "0ld\n", "");
    for days in [91, 200, 334] {
        let noted = failed(now() - 10 * DAY, "invalid_client");
        issued(&home, &server, days, noted);
        prints(&public(&home), "0ld\n", "");
    }
    assert_eq!(server.requests().len(), 1);
    let noted = failed(now() - 2 * DAY, "invalid_client");
    issued(&home, &server, 336, noted);
    let says = "yandex-token login --profile default";
    for _ in 0..2 {
        prints(&public(&home), "0ld\n", says);
    }
    assert_eq!(server.requests().len(), 2);
    // A secret is tried at once, whenever it comes.
    prints(&token(&home, &server), "n3w\n", "");
}

#[test]
fn nobody_waits_for_another_process_that_renews_a_due_token() {
    let home = Home::new();
    let (server, was_asked, release) = Server::held(RENEWED);
    issued(&home, &server, 91, json!({}));
    let holder = Running::start(&mut command(&home, &server, &["token"]));
    was_asked.recv().unwrap();
    let others: Vec<_> = (0..200)
        .map(|_| Running::start(&mut command(&home, &server, &["token"])))
        .collect();
    for other in others {
        prints(&other.finish(), "0ld\n", "");
    }
    release.send(()).unwrap();
    prints(&holder.finish(), "n3w\n", "");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_place_that_can_not_be_written_is_no_news_until_the_warning_time() {
    let (home, server) = (Home::new(), Server::json(200, RENEWED).idle());
    for (days, says) in [(91, ""), (336, "yandex-token login --profile default")] {
        issued(&home, &server, days, json!({}));
        // A directory takes the temporary file's name.
        let _ = std::fs::create_dir(home.data().join(".default.json.tmp"));
        prints(&token(&home, &server), "0ld\n", says);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn no_renew_never_asks_the_server() {
    let (home, server) = (Home::new(), Server::json(200, RENEWED).idle());
    let call = |variable: bool| {
        let mut command = command(&home, &server, &["token"]);
        match variable {
            true => command.env("YANDEX_TOKEN_NO_RENEW", "1"),
            false => command.arg("--no-renew"),
        };
        run(command)
    };
    for variable in [true, false] {
        issued(&home, &server, 300, json!({}));
        prints(&call(variable), "0ld\n", "");
        issued(&home, &server, 0, json!({"expires_at": now() + 200}));
        call(variable).fails(7, "less than 300 s");
    }
    let enough = ["token", "--no-renew", "--min-ttl", "1m"];
    prints(&run(command(&home, &server, &enough)), "0ld\n", "");
    assert!(server.requests().is_empty());
}

#[test]
fn those_that_wait_for_a_renewal_take_its_refusal() {
    for (status, body, code) in [
        (400, r#"{"error": "invalid_grant"}"#, 7),
        (400, r#"{"error": "invalid_client"}"#, 5),
        (503, "", 6),
    ] {
        let home = Home::new();
        let (server, was_asked, release) = Server::held_with(status, body);
        issued(&home, &server, 366, json!({}));
        let start = |arguments: &[&str]| Running::start(&mut command(&home, &server, arguments));
        let holder = start(&["token"]);
        was_asked.recv().unwrap();
        let mut waiters: Vec<_> = (0..75)
            .flat_map(|_| [start(&["token"]), start(&["refresh"])])
            .collect();
        for waiter in &mut waiters {
            waiter.line("waiting for another process");
        }
        drop(release);
        for done in waiters.into_iter().chain([holder]).map(Running::finish) {
            done.fails(code, "");
        }
        assert_eq!(server.requests().len(), 1, "{body}");
    }
}

#[test]
fn a_subject_token_is_renewed_by_one_exchange_for_all() {
    let home = Home::new();
    let number = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let token = format!("e{}", number.fetch_add(1, Ordering::Relaxed));
        let body = json!({"access_token": token, "expires_in": 3600});
        answer(200, &body.to_string())
    });
    let change = json!({"refresh_token": null, "subject": "ivan@example.ru",
        "scope_asked": "a:b", "expires_at": now() - 10});
    issued(&home, &server, 1, change);
    let all: Vec<_> = (0..100)
        .map(|_| Running::start(&mut command(&home, &server, &["token"])))
        .collect();
    for running in all {
        prints(&running.finish(), "e0\n", "");
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    for [name, value] in rows(
        "grant_type         | urn:ietf:params:oauth:grant-type:token-exchange
         subject_token      | ivan@example.ru
         subject_token_type | urn:yandex:params:oauth:token-type:email
         scope              | a:b
         client_secret      | s3cret",
    ) {
        assert_eq!(requests[0].field(name).as_deref(), Some(value), "{name}");
    }
    // Forgotten here; it has no device to be revoked for.
    let done = run(command(&home, &server, &["revoke"]));
    prints(&done, "", "until it expires");
    assert_eq!(server.requests().len(), 1);
    assert!(!home.data().join("default.json").exists());
}

/// A secret file is remembered by the login; a planted token file must not
/// choose which of our files is sent.
#[cfg(unix)]
#[test]
fn a_remembered_secret_file_is_read_only_where_others_wrote_neither_file() {
    let home = Home::new();
    let server = Server::json(200, RENEWED);
    let secret = home.path().join("secret");
    std::fs::write(&secret, "\u{feff}from-file\r\n").unwrap();
    let path = secret.to_str().unwrap().to_owned();
    let sent = |token_mode, secret_mode, arguments: &[&str], variable: bool| {
        issued(&home, &server, 366, json!({"client_secret_file": path}));
        let target = home.data().join("default.json");
        chmod(&target, token_mode);
        chmod(&secret, secret_mode);
        std::fs::copy(&target, home.path().join("t.json")).unwrap();
        let mut command = command(&home, &server, &[&["token"], arguments].concat());
        if !variable {
            command.env_remove("YANDEX_CLIENT_SECRET");
        }
        assert_eq!(run(command).stdout, "n3w\n");
        server.requests().last().unwrap().field("client_secret")
    };
    let other = home.path().join("other");
    std::fs::write(&other, "from-option").unwrap();
    let from = |text: &str| Some(text.to_owned());
    assert_eq!(sent(0o600, 0o600, &[], true), from("from-file"));
    assert_eq!(sent(0o600, 0o644, &[], false), from("from-file"));
    let option = ["--client-secret-file", "other"];
    assert_eq!(sent(0o600, 0o600, &option, true), from("from-option"));
    assert_eq!(sent(0o620, 0o600, &[], true), from("s3cret"));
    assert_eq!(sent(0o600, 0o622, &[], false), None);
    let outside = ["--token-file", "t.json"];
    assert_eq!(sent(0o600, 0o600, &outside, true), from("s3cret"));
    assert_eq!(sent(0o600, 0o600, &outside, false), None);
}

#[test]
fn a_server_that_says_nothing_is_answered_for_by_the_token_at_hand() {
    let (home, server) = (Home::new(), Server::start(|_| Answer::HangUp));
    issued(&home, &server, 91, json!({}));
    prints(&token(&home, &server), "0ld\n", "without an answer");
    assert_eq!(home.token()["renew_error"], "unreachable");
}

/// Takes the 10 s in which a connection must be made.
#[cfg(target_os = "linux")]
#[test]
fn a_black_hole_is_left_after_its_first_try() {
    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
    };
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    // A listener that has no room for another connection drops it unanswered.
    let flags = SockFlag::SOCK_CLOEXEC;
    let full = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    bind(full.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&full, Backlog::new(0).unwrap()).unwrap();
    let port = getsockname::<SockaddrIn>(full.as_raw_fd()).unwrap().port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
    let _queue: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();

    let (home, server) = (Home::new(), Server::json(200, RENEWED).idle());
    let origin = format!("http://{address}");
    issued(&home, &server, 91, json!({"oauth_url": origin}));
    let call = || {
        let mut command = command(&home, &server, &["token", "-v"]);
        command.env("YANDEX_OAUTH_URL", &origin);
        run(command)
    };
    let done = call();
    prints(&done, "0ld\n", "no connection within 10 s");
    assert!(!done.stderr.contains("again in"), "{done:#?}");
    prints(&call(), "0ld\n", "not renewed");
}

#[cfg(unix)]
#[test]
fn nobody_waits_for_a_process_whose_secret_does_not_come() {
    use std::io::Write;

    let (home, server) = (Home::new(), Server::json(200, RENEWED));
    issued(&home, &server, 366, json!({}));
    let pipe = home.path().join("pipe");
    mkfifo(&pipe);
    let mut waiting = command(&home, &server, &["token"]);
    waiting
        .env_remove("YANDEX_CLIENT_SECRET")
        .env("YANDEX_CLIENT_SECRET_FILE", &pipe);
    let waiting = Running::start(&mut waiting);
    // Opened once the other end is.
    let mut secret = std::fs::File::options().write(true).open(&pipe).unwrap();
    prints(&token(&home, &server), "n3w\n", "");
    secret.write_all(b"s3cret").unwrap();
    drop(secret);
    prints(&waiting.finish(), "n3w\n", "");
    assert_eq!(server.requests().len(), 1);
}

/// The prompt has a thread of its own wait for signals, to show the input again.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_during_a_refresh_waits_also_where_the_secret_was_typed() {
    let home = Home::new();
    let (server, was_asked, release) = Server::held(RENEWED);
    issued(&home, &server, 1, json!({}));
    let script = format!(
        "echo pid $$; export YANDEX_OAUTH_URL={}; exec \"$@\"",
        server.origin
    );
    let arguments = ["refresh", "--client-secret-file", "-"];
    let mut terminal = crate::support::terminal::Terminal::shell(&home, &script, &arguments);
    terminal.shows("not shown");
    terminal.types("s3cret\n");
    was_asked.recv().unwrap();
    terminal.types("\u{3}");
    terminal.shows("^C");
    release.send(()).unwrap();
    // The signal may come too late to end it.
    assert!([Some(0), Some(130)].contains(&terminal.finish()));
    assert_eq!(home.token()["refresh_token"], "r2");
}
