//! The way to the server through a proxy of the user's: what it may answer to
//! CONNECT, and that its password is nobody's but its own.

use std::io::Write;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::authority::{Authority, named};
use crate::support::proxy::{PASSWORD, Proxy, USER};
use crate::support::server::{Server, json as json_answer};
use crate::support::{Finished, Home, OLD, rows, run, unescape, without_note};

/// Nothing that resolves: only a proxy can lead there.
const HOST: &str = "oauth.test";
const ANSWER: &str = r#"{"access_token": "n3w", "expires_in": 3600, "id": "1"}"#;

/// A command with an expired token of the server behind the proxy.
fn command(home: &Home, proxy: &str, arguments: &[&str]) -> Command {
    let origin = format!("https://{HOST}");
    home.save_expired(&origin);
    let mut command = home.command(arguments);
    command
        .env("YANDEX_OAUTH_URL", &origin)
        .env("YANDEX_CLIENT_SECRET", "s3cret")
        .env("HTTPS_PROXY", proxy);
    command
}

fn basic() -> String {
    STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

#[track_caller]
fn hides(done: &Finished) {
    done.hides(&[USER, PASSWORD, &basic(), "s3cret"])
        .hides(&OLD);
}

const COMMANDS: [&[&str]; 4] = [
    &["token", "-v"],
    &["revoke"],
    &["status", "--online", "-v"],
    &["login", "--device", "--client-id=app", "--no-browser", "-v"],
];

#[track_caller]
fn refused(proxy: &Proxy, says: &str) {
    for arguments in COMMANDS {
        let home = Home::new();
        let command = command(&home, &proxy.url(), arguments);
        let before = without_note(&home.saved());
        let done = run(command);
        hides(done.is_plain());
        assert_eq!(without_note(&home.saved()), before);
        assert_eq!(done.code, Some(6), "{done:#?}");
        if arguments[0] != "status" {
            done.fails(6, "proxy");
        }
        let text = done.stdout.clone() + &done.stderr;
        assert!(text.contains(says), "{says:?}: {done:#?}");
    }
    let begin = format!("CONNECT {HOST}:443 HTTP/1.1\r\n");
    for head in proxy.heads() {
        assert!(head.starts_with(&begin), "{head}");
    }
}

#[test]
fn a_proxy_that_refuses_is_named_with_its_status() {
    let quote = |status: &'static str| {
        Proxy::start(move |head, mut stream| {
            let head = head.replace("\r\n", "  ");
            let realm = format!("Proxy-Authenticate: Basic realm=\"{head}\"");
            let answer = format!("HTTP/1.1 {status} {head}\u{1b}[2J\r\n{realm}\r\n\r\n{head}");
            let _ = stream.write_all(answer.as_bytes());
        })
    };
    for status in ["403", "407", "502"] {
        let plain = format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nno\n");
        refused(&Proxy::sends(plain), status);
        refused(&quote(status), "answered");
    }
    for status in ["200 OK", "204 No", "301 Moved", "100 Continue", "101 x"] {
        refused(&quote(status), "");
    }
}

#[test]
fn the_schemes_that_a_proxy_offers_are_named() {
    for (schemes, says) in [
        (
            &["Negotiate", "NTLM", "Basic realm=\"a\""][..],
            "by Negotiate, NTLM, Basic (407)",
        ),
        (
            &["Negotiate, NTLM, Digest realm=\"a, b c\", qop=\"auth\""],
            "by Negotiate, NTLM, Digest (407)",
        ),
        (&[], "another user or password (407)"),
    ] {
        let header = |scheme: &&str| format!("Proxy-Authenticate: {scheme}\r\n");
        let headers: String = schemes.iter().map(header).collect();
        let proxy = Proxy::sends(format!("HTTP/1.1 407 No\r\n{headers}\r\n"));
        refused(&proxy, says);
    }
}

#[test]
fn a_proxy_that_answers_nonsense_is_not_the_server() {
    refused(&Proxy::sends(""), "");
    for [answer] in rows(
        r#"HTTP/1.1 2
           HTTP/1.1 200 OK\r\n
           SSH-2.0-OpenSSH_9.9\r\n
           \0\xff\e[2J\r\n\r\n
           HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{"access_token": "x"}
           HTTP/1.1 200 OK\r\n\r\n"#,
    ) {
        refused(&Proxy::sends(unescape(answer)), "");
    }
    let endless = Proxy::start(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    refused(&endless, "");
    let lines = "x: y\r\n".repeat(1000);
    refused(&Proxy::sends(format!("HTTP/1.1 200 OK\r\n{lines}\r\n")), "");
    let nobody = Proxy {
        port: 1,
        heads: std::sync::Arc::default(),
    };
    refused(&nobody, "");
}

#[test]
fn a_proxy_is_given_its_password_and_leads_to_the_server() {
    let home = Home::new();
    let ours = Authority::new("ours");
    let trusts = ours.file(&home);
    let server = Server::over_tls(ours.server(named(&[HOST])), |_| json_answer(200, ANSWER));
    let proxy = Proxy::to(&server);
    for arguments in &COMMANDS[..3] {
        let mut command = command(&home, &proxy.url(), arguments);
        command.env("SSL_CERT_FILE", &trusts);
        let done = run(command);
        assert_eq!(done.code, Some(0), "{done:#?}");
        hides(&done);
    }
    let heads = proxy.heads();
    assert_eq!(heads.len(), 3);
    let line = format!("\r\nProxy-Authorization: Basic {}\r\n", basic());
    for head in heads {
        assert!(head.contains(&line), "{head}");
    }
}
