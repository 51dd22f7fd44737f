//! TLS to the authorization server, against real TLS servers: who is trusted,
//! and what a person is told where nobody can be.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use rcgen::date_time_ymd;
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};

use crate::support::authority::{Authority, named, self_signed};
use crate::support::server::{Server, json as json_answer};
use crate::support::{Home, OLD, run, run_with, without_note};

const SECRETS: [&str; 4] = [OLD[0], OLD[1], "pa55w0rd", "c0de1234"];
/// It does for every endpoint.
const ANSWER: &str = r#"{"access_token": "n3w", "refresh_token": "r3newed", "expires_in": 3600,
    "device_code": "d3vice", "user_code": "fakecod1", "interval": 1,
    "verification_url": "https://ya.ru/device", "id": "1"}"#;

/// A command with an expired token of this server, which trusts this file.
fn command(home: &Home, origin: &str, trusts: &Path, arguments: &[&str]) -> Command {
    home.save_expired(origin);
    let mut command = home.command(arguments);
    command
        .env("YANDEX_OAUTH_URL", origin)
        .env("YANDEX_CLIENT_SECRET", "pa55w0rd")
        .env("SSL_CERT_FILE", trusts);
    command
}

const COMMANDS: [&[&str]; 6] = [
    &["token"],
    &["refresh", "-v"],
    &["revoke", "-v"],
    &["status", "--online"],
    &["login", "--device", "--client-id=app", "--no-browser"],
    &["login", "--paste", "--client-id=app", "--no-browser", "-v"],
];

/// Each command that asks the server is told the same in plain words, and the
/// saved token stays as it was.
#[track_caller]
fn refused(origin: &str, trusts: &Path, says: &str) {
    let home = Home::new();
    for arguments in COMMANDS {
        let command = command(&home, origin, trusts, arguments);
        let before = without_note(&home.saved());
        let done = run_with(command, "c0de1234\n");
        done.hides(&SECRETS);
        assert_eq!(without_note(&home.saved()), before, "{done:#?}");
        if arguments[0] == "status" {
            assert_eq!(done.code, Some(6), "{done:#?}");
            assert!(done.stdout.contains(says), "{says:?}: {done:#?}");
        } else {
            done.fails(6, says);
        }
        let text = done.stdout + &done.stderr;
        for jargon in ["Invalid", "UNIX", "rustls", "os error", "io:", "unexpected"] {
            assert!(!text.contains(jargon), "{text}");
        }
    }
}

/// A server that must not be asked anything.
fn unasked(config: ServerConfig) -> Server {
    Server::over_tls(config, |_| json_answer(200, ANSWER)).idle()
}

#[test]
fn a_certificate_that_is_not_good_here_is_refused_in_plain_words() {
    let ours = Authority::new("ours");
    let home = Home::new();
    let trusts = ours.file(&home);
    let dated = |from, to| {
        let mut params = named(&["localhost"]);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        params
    };
    let mut authority = named(&["localhost"]);
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let theirs = Authority::new("theirs");
    let nobody = "from an authority that is not trusted here";
    for (config, says) in [
        (ours.server(authority), "certificate is not valid"),
        (ours.server(dated(2001, 2002)), "has expired"),
        (ours.server(dated(2900, 2901)), "is not valid yet"),
        (ours.server(named(&["other.test"])), "is for another host"),
        (theirs.server(named(&["localhost"])), nobody),
        (self_signed(&["localhost"]), nobody),
    ] {
        let server = unasked(config);
        refused(&server.origin, &trusts, says);
        assert!(server.requests().is_empty(), "{says}");
    }
}

/// A server that reads what comes first, sends these bytes, and hangs up.
fn sends(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&bytes);
        }
    });
    format!("https://localhost:{port}")
}

/// A handshake in which this version of TLS is chosen.
fn hello(version: u8) -> Vec<u8> {
    let hello = [&[3, version][..], &[7; 32], &[0, 0xc0, 0x13, 0]].concat();
    let length = hello.len() as u8;
    [&[22, 3, version, 0, length + 4, 2, 0, 0, length], &*hello].concat()
}

#[test]
fn a_server_without_tls_or_with_an_old_version_is_reported_in_plain_words() {
    let home = Home::new();
    let trusts = Authority::new("ours").file(&home);
    let alert = |alert: u8| vec![21, 3, 3, 0, 2, 2, alert];
    for (bytes, says) in [
        (b"HTTP/1.1 400 Bad\r\n\r\n".to_vec(), "does not speak TLS"),
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), "does not speak TLS"),
        (Vec::new(), "without an answer"),
        (vec![22, 3, 3, 0, 64, 2, 0], "without an answer"),
        (hello(2), "neither TLS 1.2 nor 1.3"),
        (hello(1), "neither TLS 1.2 nor 1.3"),
        (alert(70), "neither TLS 1.2 nor 1.3"),
        (alert(40), "refused the TLS handshake"),
        (alert(112), "refused the TLS handshake"),
    ] {
        refused(&sends(bytes), &trusts, says);
    }
}

#[test]
fn a_file_of_authorities_that_holds_none_is_named() {
    let server = unasked(Authority::new("ours").server(named(&["localhost"])));
    let home = Home::new();
    let path = home.path().join("odd.pem");
    let says = format!(
        "no certificate can be read from SSL_CERT_FILE ({})",
        path.display()
    );
    refused(&server.origin, &path, &says);
    for garbage in [
        &b""[..],
        b"no PEM",
        b"\x00\xff\x1b[2J",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        fs::write(&path, garbage).unwrap();
        refused(&server.origin, &path, &says);
    }
}

#[test]
fn a_companys_authority_in_ssl_cert_file_is_trusted_by_every_command() {
    let ours = Authority::new("ours");
    let home = Home::new();
    let trusts = ours.file(&home);
    for version in [&TLS12, &TLS13] {
        let config = ours.server_of(version, named(&["localhost"]));
        let server = Server::over_tls(config, |_| json_answer(200, ANSWER));
        for arguments in COMMANDS {
            let command = command(&home, &server.origin, &trusts, arguments);
            let done = run_with(command, "c0de1234\n");
            assert_eq!(done.code, Some(0), "{done:#?}");
            done.hides(&SECRETS);
        }
        assert_eq!(server.requests().len(), COMMANDS.len() + 1);
        let done = run(command(&home, &server.origin, &trusts, &["refresh"]));
        assert_eq!(done.stdout, "n3w\n", "{done:#?}");
        assert!(home.saved().contains("r3newed"));
    }
}
