//! Credential helpers that others wrote, with the keychains behind them, and
//! one that waits for a person.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use super::keychain::{helper, logged_in, prints};
use crate::support::documents::{programs, shell};
use crate::support::files::mkfifo;
use crate::support::login::{ANSWER, TOKEN, complete, login, refused, with_browser};
use crate::support::sandbox::Served;
use crate::support::server::{Server, json as answer};
use crate::support::terminal::Terminal;
use crate::support::{Home, TIMEOUT, block, run};

#[test]
#[ignore = "needs pass"]
fn the_helper_for_pass_keeps_a_token() {
    let (home, server) = (Home::new(), Server::start(|_| answer(200, ANSWER)));
    let mut prepare = Command::new("/bin/sh");
    home.furnish(&mut prepare);
    let done = prepare
        .args([
            "-c",
            "mkdir -m 700 .gnupg && gpg --batch --quiet --pinentry-mode loopback --passphrase '' \
             --quick-generate-key test@example.com default default never && \
             pass init test@example.com",
        ])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    logged_in(&home, &server, &["--keychain", "pass"]);
    assert!(!home.saved().contains(TOKEN));
    prints(&home, &server, TOKEN);
    logged_in(&home, &server, &["--keychain", "none"]);
    prints(&home, &server, TOKEN);
    let left = home.files();
    assert!(
        !left
            .iter()
            .any(|name| name.starts_with(".password-store/") && name.ends_with(".gpg")),
        "{left:?}"
    );
    let mut end = Command::new("gpgconf");
    home.furnish(&mut end);
    assert!(end.args(["--kill", "all"]).status().unwrap().success());
}

/// The keyring outlives its bus, so it is ended by its process ID.
const SESSION: &str = "\
printf passw0rd | gnome-keyring-daemon --unlock --components=secrets >/dev/null
echo \"$DBUS_SESSION_BUS_ADDRESS\"
read -r _
pid=$(dbus-send --print-reply=literal --dest=org.freedesktop.DBus / \
    org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets)
kill \"${pid##* }\"";

/// A desktop's session: its bus, and an unlocked keyring on it.
struct Session {
    child: Child,
    address: String,
    /// It ends when this is closed.
    stdin: Option<ChildStdin>,
}

impl Session {
    fn start(home: &Home) -> Session {
        let mut command = Command::new("dbus-run-session");
        home.furnish(&mut command);
        command
            .args(["--", "sh", "-c", SESSION])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut address).unwrap();
        assert!(!address.is_empty(), "no keyring was unlocked");
        Session {
            stdin: child.stdin.take(),
            child,
            address: address.trim().to_owned(),
        }
    }

    /// What the helper lists.
    fn entries(&self, home: &Home) -> String {
        let mut command = Command::new("docker-credential-secretservice");
        home.furnish(&mut command);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        run({
            command.arg("list");
            command
        })
        .stdout
    }

    fn lock(&self, home: &Home) {
        let mut command = Command::new("dbus-send");
        home.furnish(&mut command);
        let done = command
            .args(["--session", "--print-reply"])
            .args(["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"])
            .arg("org.freedesktop.Secret.Service.Lock")
            .arg("array:objpath:/org/freedesktop/secrets/collection/login")
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(said.contains("collection/login"), "{done:?}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs docker-credential-secretservice, gnome-keyring, dbus and curl"]
fn the_documented_commands_move_a_profile_into_the_keychain_and_out_of_it() {
    let home = Home::new();
    let served = Served::start(&["--consent", "allow", "--client-id", "ID"]);
    let session = Session::start(&home);
    programs(&home, &[]);
    let text = block("keychain");
    let (first, rest) = text.split_once('\n').unwrap();
    let script = format!(
        "{first}
        grep -q '\"keychain\":\"secretservice\"' data/yandex-token/work.json
        if grep y0_ data/yandex-token/work.json; then exit 9; fi
        {rest}
        grep y0_ data/yandex-token/work.json"
    );
    let mut command = shell(&home, &script);
    command
        .env("DBUS_SESSION_BUS_ADDRESS", &session.address)
        .env("YANDEX_OAUTH_URL", &served.origin)
        .env("YANDEX_REDIRECT_URI", "http://127.0.0.1:0/")
        .env("BROWSER", "curl -sSL");
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
    assert_eq!(session.entries(&home).trim(), "{}");
}

#[test]
#[ignore = "needs docker-credential-secretservice, gnome-keyring and dbus"]
fn the_helper_for_a_desktops_keyring_keeps_a_token() {
    let (home, server) = (Home::new(), Server::start(|_| answer(200, ANSWER)));
    let session = Session::start(&home);
    let at_desktop = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("DBUS_SESSION_BUS_ADDRESS", &session.address);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        command
    };
    let prints = || {
        let done = run(at_desktop(&["token"]));
        let printed = (done.code, &*done.stdout, &*done.stderr);
        let expected = format!("{TOKEN}\n");
        assert_eq!(printed, (Some(0), &*expected, ""), "{done:#?}");
    };
    let logs_in = |options: &[&str]| {
        let done = complete(at_desktop(&login(&server, options)));
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert!(!done.stderr.contains("warning"), "{done:#?}");
    };
    logs_in(&["--keychain"]);
    assert!(!home.saved().contains(TOKEN) && !home.saved().contains("r3fr3sh"));
    prints();
    let done = run(at_desktop(&["refresh"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(session.entries(&home).matches("/default/").count(), 1);
    logs_in(&["--keychain", "none"]);
    prints();
    assert_eq!(session.entries(&home).trim(), "{}");
    logs_in(&["--keychain", "secretservice"]);
    prints();

    // Locked, and nobody there to enter the password.
    session.lock(&home);
    let asked = server.requests().len();
    let saved = home.saved();
    for arguments in [&["token"][..], &["refresh"], &["revoke"]] {
        let done = run(at_desktop(arguments));
        done.fails(8, "docker-credential-secretservice get: ")
            .fails(8, "may be locked");
    }
    let arguments = with_browser(&server, &["--save"]);
    refused(&home, at_desktop(&arguments), "locked");
    assert_eq!((server.requests().len(), home.saved()), (asked, saved));
}

/// By the deadline that the kernel is given: nobody waits for it.
#[test]
#[ignore = "needs strace"]
fn a_person_at_a_terminal_has_a_minute_to_unlock_the_keychain() {
    let now = || clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().tv_sec();
    let home = Home::new();
    home.save(r#"{"keychain": "fake", "keychain_id": "x"}"#);
    let fifo = home.path().join("unlocked");
    mkfifo(&fifo);
    helper(&home, "read -r _ <unlocked; echo locked; exit 1");
    let before = now();
    let script = "export PATH=\"$HOME:$PATH\"; exec strace -f -o trace -e trace=futex \"$@\"";
    let mut terminal = Terminal::shell(&home, script, &["token"]);
    let until = Instant::now() + TIMEOUT;
    let deadline: i64 = loop {
        let trace = fs::read_to_string(home.path().join("trace")).unwrap_or_default();
        if let Some((_, rest)) = trace.split_once("{tv_sec=") {
            break rest.split(',').next().unwrap().parse().unwrap();
        }
        assert!(Instant::now() < until, "{trace}");
        std::thread::sleep(Duration::from_millis(2));
    };
    let limits = before + 60..=now() + 61;
    assert!(limits.contains(&deadline), "{deadline}: {limits:?}");
    fs::write(fifo, "\n").unwrap();
    terminal.shows("locked");
    assert_eq!(terminal.finish(), Some(8));
}
