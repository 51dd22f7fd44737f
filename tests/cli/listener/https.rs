//! HTTPS of the listener's own: certificates made here by `openssl`, and
//! `curl` as the browser.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::support::server::Server;
use crate::support::{Home, Running, free_port, run};

const URI: &str = "https://site.ru/get_token";

#[track_caller]
fn openssl(home: &Home, arguments: &str) {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(home.path())
        .output()
        .expect("openssl is there");
    assert!(done.status.success(), "{done:?}");
}

/// A self-signed certificate for site.ru, good for these days.
pub fn certificate(home: &Home, name: &str, days: &str) {
    openssl(
        home,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days {days} \
             -subj /CN=site.ru -addext subjectAltName=DNS:site.ru"
        ),
    );
}

fn arguments<'a>(server: &'a Server, listen: &'a str, cert: &'a str, key: &'a str) -> Vec<&'a str> {
    vec![
        "login",
        "--client-id",
        "app",
        "--no-browser",
        "--oauth-url",
        &server.origin,
        "--redirect-uri",
        URI,
        "--listen",
        listen,
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ]
}

/// A browser on another machine: its headers and its page.
pub fn curl(home: &Home, port: u16, url: &str, more: &[&str]) -> String {
    let to = format!("site.ru:443:127.0.0.1:{port}");
    let done = Command::new("curl")
        .args([
            "-sS",
            "-i",
            "--cacert",
            "good.pem",
            "-b",
            "jar",
            "-c",
            "jar",
            "--connect-to",
            &to,
        ])
        .args(more)
        .arg(url)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .expect("curl is there");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

pub fn location(answer: &str) -> &str {
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("Location: "));
    line.unwrap_or_else(|| panic!("no Location: {answer}"))
        .trim()
}

#[test]
#[ignore = "needs openssl and curl"]
fn a_login_on_a_public_address_needs_no_proxy_and_odd_clients_do_not_disturb_it() {
    let home = Home::new();
    certificate(&home, "good", "2");
    let server = Server::json(200, r#"{"access_token": "t0ken"}"#);
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut login =
        Running::start(&mut home.command(&arguments(&server, &listen, "good.pem", "good.key")));
    let link = login.line("start=").trim().to_owned();

    // No TLS, half a hello, an old version.
    let mut plain = TcpStream::connect(&listen).unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: site.ru\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP is not answered");
    let _hanging: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&listen).unwrap();
            let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01");
            stream
        })
        .collect();
    let old = curl(&home, port, URI, &["--tls-max", "1.1"]);
    assert_eq!(old, "", "no old version of TLS");

    let authorize = curl(&home, port, &link, &[]);
    assert!(authorize.contains("\nSet-Cookie: __Host-"), "{authorize}");
    let authorize = location(&authorize);
    let state = authorize.split("state=").nth(1).unwrap();
    let callback = format!("{URI}?code=c0de&state={state}");
    let ended = curl(&home, port, &callback, &["--tlsv1.3"]);
    assert!(ended.starts_with("HTTP/1.1 303"), "{ended}");
    let page = curl(&home, port, location(&ended), &["--tls-max", "1.2"]);
    assert!(page.contains("You are logged in"), "{page}");
    let done = login.finish();
    assert_eq!(
        (done.code, &*done.stdout),
        (Some(0), "t0ken\n"),
        "{done:#?}"
    );
    assert!(!done.stderr.contains("HTTPS to the listener"), "{done:#?}");
    server.exchange_of(authorize);
}

#[test]
#[ignore = "needs openssl"]
fn what_is_wrong_with_a_certificate_is_told_before_the_wait() {
    let home = Home::new();
    certificate(&home, "good", "2");
    certificate(&home, "other", "2");
    std::fs::write(home.path().join("ext"), "subjectAltName=DNS:site.ru\n").unwrap();
    // Older versions of openssl make no certificate that has expired already.
    openssl(
        &home,
        "req -newkey rsa:2048 -nodes -keyout old.key -out old.csr -subj /CN=site.ru",
    );
    openssl(
        &home,
        "x509 -req -in old.csr -signkey old.key -days -1 -extfile ext -out old.pem",
    );
    std::fs::write(home.path().join("text"), "no PEM").unwrap();
    let server = Server::json(200, "{}").idle();
    for (cert, key, says) in [
        ("old.pem", "old.key", "expired"),
        ("good.pem", "other.key", "does not belong"),
        ("text", "good.key", "text"),
        ("good.pem", "text", "text"),
        ("good.key", "good.key", "good.key"),
        ("none", "good.key", "none"),
        ("good.pem", "none", "none"),
    ] {
        let options = arguments(&server, "127.0.0.1:0", cert, key);
        let done = run(home.command(&options));
        done.fails(8, says);
        assert!(!done.stderr.contains("start="), "{done:#?}");
    }
}

#[test]
fn tls_needs_both_files_a_listener_and_an_https_redirect_uri() {
    let home = Home::new();
    let base = ["login", "--client-id", "a"];
    for (options, says) in [
        (&["--tls-cert", "x"][..], "--tls-key"),
        (&["--tls-key", "x", "--listen", "127.0.0.1:0"], "--tls-cert"),
        (&["--tls-cert", "x", "--tls-key", "y"], "--listen"),
        (
            &[
                "--tls-cert",
                "x",
                "--tls-key",
                "y",
                "--listen",
                "127.0.0.1:0",
            ],
            "https Redirect URI",
        ),
    ] {
        run(home.command(&[&base[..], options].concat())).fails(2, says);
    }
}
