//! Authorization servers that others wrote, whose paths are Yandex's: log in,
//! refresh, revoke.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::browser::get;
use crate::support::{Home, Process, Running, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Starts a server that prints its origin.
fn start(program: &Path, script: &Path) -> (Process, String) {
    let mut command = Command::new(program);
    command.arg(script).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut origin = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut origin).unwrap();
    (Process(child), origin.trim().to_owned())
}

/// The program with the application of this server.
fn command(home: &Home, origin: &str, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command
        .env("YANDEX_OAUTH_URL", origin)
        .env("YANDEX_CLIENT_ID", "app")
        .env("YANDEX_CLIENT_SECRET", "s3cret");
    command
}

#[track_caller]
fn logs_in_refreshes_and_revokes(origin: &str) {
    let home = Home::new();
    let login = "login --save --no-browser --redirect-uri http://127.0.0.1:0/";
    let login: Vec<_> = login.split(' ').collect();
    let mut running = Running::start(&mut command(&home, origin, &login));
    let mut reply = get(&running.url());
    while let Some(next) = reply.header("Location") {
        reply = get(next);
    }
    assert!(reply.body.contains("You are logged in"), "{reply:#?}");
    let done = running.finish();
    assert_eq!(done.code, Some(0), "{done:#?}");
    let first: Value = serde_json::from_str(&home.saved()).unwrap();

    let refreshed = run(command(&home, origin, &["refresh"]));
    assert_eq!(refreshed.code, Some(0), "{refreshed:#?}");
    let fresh: Value = serde_json::from_str(&home.saved()).unwrap();
    let printed = refreshed.stdout.trim_end();
    assert_eq!(fresh["access_token"], printed, "{refreshed:#?}");
    assert_ne!(fresh["refresh_token"], first["refresh_token"]);

    let revoked = run(command(&home, origin, &["revoke"]));
    assert_eq!(revoked.code, Some(0), "{revoked:#?}");
    assert!(!home.data().join("default.json").exists());
}

#[test]
#[ignore = "needs target/clients/python, see .ci/run"]
fn django_oauth_toolkit_is_an_authorization_server_like_any_other() {
    let root = Path::new(ROOT);
    let python = root.join("target/clients/python/bin/python");
    let script = root.join("tests/clients/django_server.py");
    let (_server, origin) = start(&python, &script);
    logs_in_refreshes_and_revokes(&origin);
}

#[test]
#[ignore = "needs target/clients/node, see .ci/run"]
fn oauth2_mock_server_is_an_authorization_server_like_any_other() {
    // Modules are looked for beside the script.
    let root = Path::new(ROOT);
    let script = root.join("target/clients/node/mock_server.mjs");
    std::fs::copy(root.join("tests/clients/mock_server.mjs"), &script).unwrap();
    let (_server, origin) = start(&PathBuf::from("node"), &script);
    logs_in_refreshes_and_revokes(&origin);
}
