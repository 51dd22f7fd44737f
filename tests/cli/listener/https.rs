//! HTTPS of the listener's own: certificates made here by `openssl`, and
//! `curl` as the browser.
#![cfg(unix)]

use crate::support::browser::{parameter, raw};
use crate::support::public::{PublicLogin, URI, certificate, curl, login, openssl};
use crate::support::server::Server;
use crate::support::waiting::connection;
use crate::support::{Home, run};

#[test]
#[ignore = "needs openssl and curl"]
fn a_login_on_a_public_address_needs_no_proxy_and_odd_clients_do_not_disturb_it() {
    let home = Home::new();
    certificate(&home, "cert");
    for (from, to) in [("cert.pem", "bom.pem"), ("cert.key", "bom.key")] {
        let text = std::fs::read(home.path().join(from)).unwrap();
        std::fs::write(home.path().join(to), [b"\xef\xbb\xbf", &*text].concat()).unwrap();
    }
    let files = ["--tls-cert", "bom.pem", "--tls-key", "bom.key"];
    let login = PublicLogin::start(home, URI, &files);
    let curl = |url: &str, more: &[&str]| curl(&login.home, login.port, url, more);

    // No TLS, half a hello, an old version.
    let to = ([127, 0, 0, 1], login.port).into();
    let plain = raw(to, b"GET / HTTP/1.1\r\nHost: site.ru\r\n\r\n");
    assert_eq!(plain.status, 0, "plain HTTP is not answered: {plain:#?}");
    let hello = |_| connection(to, b"\x16\x03\x01\x02\x00\x01");
    let _hanging: Vec<_> = (0..100).map(hello).collect();
    let old = curl(URI, &["--tls-max", "1.1"]);
    assert_eq!(old.head, "", "no old version of TLS");

    let begun = curl(&format!("{URI}?{}", login.start), &[]);
    let cookie = begun.header("Set-Cookie").unwrap();
    assert!(cookie.starts_with("__Host-"), "{begun:#?}");
    let authorize = begun.header("Location").unwrap();
    let state = parameter(authorize, "state").unwrap();
    let ended = curl(&format!("{URI}?code=c0de&state={state}"), &["--tlsv1.3"]);
    assert_eq!(ended.status, 303, "{ended:#?}");
    let page = curl(ended.header("Location").unwrap(), &["--tls-max", "1.2"]);
    assert!(page.body.contains("You are logged in"), "{page:#?}");
    login.server.exchange_of(authorize);
    let done = login.finish();
    assert!(!done.stderr.contains("HTTPS to the listener"), "{done:#?}");
}

#[test]
#[ignore = "needs openssl"]
fn a_bad_certificate_is_an_error_before_the_wait() {
    let home = Home::new();
    certificate(&home, "good");
    certificate(&home, "other");
    std::fs::write(home.path().join("ext"), "subjectAltName=DNS:site.ru\n").unwrap();
    // Older versions of openssl make no certificate that has expired already.
    let request = "req -newkey rsa:2048 -nodes -keyout old.key -out old.csr -subj /CN=site.ru";
    openssl(&home, request);
    let sign = "x509 -req -in old.csr -signkey old.key -days -1 -extfile ext -out old.pem";
    openssl(&home, sign);
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
        let mut command = login(&home, &server, URI, "127.0.0.1:0");
        command.args(["--tls-cert", cert, "--tls-key", key]);
        let done = run(command);
        done.fails(8, says);
        assert!(!done.stderr.contains("start="), "{done:#?}");
    }
}

#[test]
fn tls_needs_both_files_a_listener_and_an_https_redirect_uri() {
    let home = Home::new();
    for [options, says] in crate::support::rows(
        "--tls-cert x                                   | --tls-key
         --tls-key x --listen 127.0.0.1:0               | --tls-cert
         --tls-cert x --tls-key y                       | --listen
         --tls-cert x --tls-key y --listen 127.0.0.1:0  | https Redirect URI",
    ) {
        let mut command = home.command(&["login", "--client-id", "a"]);
        command.args(options.split_whitespace());
        run(command).fails(2, says);
    }
}
