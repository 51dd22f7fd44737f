//! The README's logins, each as it stands there, but for the placeholder of the
//! application's ID and for ports that are free here.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::cli::readme::{block, programs};
use crate::support::browser::{get, request};
use crate::support::{Finished, Home, Running, free_port};

const REDIRECT_URI: &str = "https://site.ru/get_token";

/// A user at a shell in which these blocks are run one after the other, with a
/// sandbox for Yandex and `$BROWSER` that a thread of ours stands behind.
struct Shell {
    home: Home,
    running: Running,
}

impl Shell {
    fn run(home: Home, blocks: &[String]) -> Shell {
        let bin = programs(&home);
        let urls = home.path().join("urls");
        let made = Command::new("mkfifo").arg(&urls).status().unwrap();
        assert!(made.success());
        let browser = bin.join("browser");
        fs::write(&browser, "#!/bin/sh\necho \"$1\" >\"$HOME/urls\"\n").unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
        // Held open to write as well, so that the reader meets no end.
        let pipe = File::options().read(true).write(true).open(urls).unwrap();
        std::thread::spawn(move || {
            for url in BufReader::new(pipe).lines() {
                follow(&url.unwrap());
            }
        });
        let script = format!("set -eu\n{}", blocks.concat());
        let options = ["sandbox", "--redirect-uri", REDIRECT_URI];
        let mut command = home.command(&options);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command
            .args(["--", "sh", "-c", &script])
            .env("PATH", path)
            .env("BROWSER", browser);
        let running = Running::start(&mut command);
        Shell { home, running }
    }

    #[track_caller]
    fn finish(self) -> (Home, Finished) {
        let done = self.running.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
        (self.home, done)
    }
}

/// Goes where a browser is sent, to the last page. No browser here reaches the
/// public address.
fn follow(url: &str) {
    if url.starts_with(REDIRECT_URI) {
        return;
    }
    let mut url = url.to_owned();
    while let Some(next) = get(&url).header("Location") {
        url = next.to_owned();
    }
}

/// A block with the application's ID for the placeholder, and ports that are
/// free here for those that the README names.
fn recipe(name: &str, ports: &[(&str, u16)]) -> String {
    let text = block(name).replace("--client-id ID", "--client-id \"$YANDEX_CLIENT_ID\"");
    ports.iter().fold(text, |text, (named, free)| {
        assert!(text.contains(named), "{named}: {text}");
        text.replace(named, &format!(":{free}"))
    })
}

/// A line that moves the default redirect URI to a port that is free here.
fn elsewhere() -> String {
    format!(
        "export YANDEX_REDIRECT_URI=http://127.0.0.1:{}/\n",
        free_port()
    )
}

#[test]
fn a_login_prints_a_token() {
    let blocks = [elsewhere(), recipe("first", &[])];
    let (_, done) = Shell::run(Home::new(), &blocks).finish();
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
    assert_eq!(done.stdout.lines().count(), 1);
}

#[test]
fn a_second_redirect_uri_is_used_where_the_first_ones_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [
        (":8000", taken.local_addr().unwrap().port()),
        (":8001", free_port()),
    ];
    let (_, done) = Shell::run(Home::new(), &[recipe("ports", &ports)]).finish();
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
}

#[test]
fn a_script_logs_in_with_a_person_and_every_night_without() {
    let home = Home::new();
    let blocks = [
        elsewhere(),
        recipe("attended", &[]),
        recipe("work", &[]),
        recipe("nightly", &[]),
        "echo \"$TOKEN\"\n".to_owned(),
    ];
    let (home, done) = Shell::run(home, &blocks).finish();
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
    let config = fs::read_to_string(home.path().join("curl.in")).unwrap();
    assert!(config.starts_with("header = \"Authorization: OAuth y0_"));
    let calls = fs::read_to_string(home.path().join("calls")).unwrap();
    assert!(calls.contains("https://cloud-api.yandex.net"), "{calls}");
    assert!(!calls.contains("y0_"), "no token is an argument: {calls}");
}

#[test]
fn a_public_address_ends_the_login_that_its_start_link_began() {
    let port = free_port();
    let block = recipe("public", &[(":8000", port)]);
    let shown = "yandex-token token --profile site\n".to_owned();
    let mut shell = Shell::run(Home::new(), &[block, shown]);
    let link = shell.running.line("start=").trim().to_owned();
    // What a proxy passes on.
    let ask = |url: &str, headers: &str| {
        let target = url.strip_prefix(REDIRECT_URI).expect(url);
        let url = format!("http://127.0.0.1:{port}/{target}");
        request("GET", &url, &format!("Host: site.ru\r\n{headers}"), "")
    };
    let begun = ask(&link, "");
    let cookie = begun.header("Set-Cookie").unwrap().split(';').next();
    let cookie = format!("Cookie: {}\r\n", cookie.unwrap());
    let consent = get(begun.header("Location").unwrap());
    let ended = ask(consent.header("Location").unwrap(), &cookie);
    let page = ask(ended.header("Location").unwrap(), &cookie);
    assert!(page.body.contains("You are logged in"), "{page:#?}");
    let (_, done) = shell.finish();
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
}

#[test]
#[ignore = "needs openssl and curl"]
fn a_public_address_needs_no_proxy() {
    use crate::listener::https::{certificate, curl, location};

    let (home, port) = (Home::new(), free_port());
    certificate(&home, "good", "2");
    for (made, named) in [("good.pem", "fullchain.pem"), ("good.key", "privkey.pem")] {
        fs::copy(home.path().join(made), home.path().join(named)).unwrap();
    }
    let mut shell = Shell::run(home, &[recipe("public-tls", &[(":443", port)])]);
    let link = shell.running.line("start=").trim().to_owned();
    let ask = |url: &str| curl(&shell.home, port, url, &[]);
    let begun = ask(&link);
    let consent = get(location(&begun));
    let ended = ask(consent.header("Location").unwrap());
    let page = ask(location(&ended));
    assert!(page.contains("You are logged in"), "{page}");
    let (_, done) = shell.finish();
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
}
