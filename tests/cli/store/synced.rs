//! What must be on the disk before the next step is taken.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::server::Server;
use crate::support::{BINARY, Home, run};

#[test]
#[ignore = "needs strace"]
fn a_refresh_syncs_room_then_token_then_renames_then_syncs_the_directory() {
    let home = Home::new();
    let server = Server::json(200, r#"{"access_token": "n3w", "refresh_token": "n3xt"}"#);
    let saved = json!({"access_token": "0ld", "refresh_token": "r", "client_id": "app",
        "oauth_url": server.origin});
    home.save(&saved.to_string());
    let mut command = Command::new("strace");
    home.furnish(&mut command);
    let calls = "trace=fsync,fdatasync,connect,?rename,?renameat,?renameat2";
    command
        .args(["-f", "-y", "-e", calls, "-o", "log", BINARY, "refresh"])
        .env("YANDEX_OAUTH_URL", &server.origin);
    assert_eq!(run(command).stdout, "n3w\n");
    let log = fs::read_to_string(home.path().join("log")).unwrap();
    let steps = log.lines().filter_map(|line| match line {
        _ if line.contains("AF_INET") => Some("send"),
        _ if line.contains("rename") => Some("rename"),
        _ if !line.contains("sync(") => None,
        _ if line.contains(".default.json.tmp>") => Some("sync the file"),
        _ if line.contains("/yandex-token>") => Some("sync the directory"),
        _ => None,
    });
    let steps: Vec<_> = steps.collect();
    let expected = [
        "sync the file",
        "send",
        "sync the file",
        "rename",
        "sync the directory",
    ];
    assert_eq!(steps, expected, "{log}");
}
