//! `status`: the table, the JSON, and what can't be read.

use std::fs;

use serde_json::{Value, json};

use crate::support::server::{Server, http, json};
use crate::support::{Home, now, run};

#[test]
fn nothing_saved_is_an_empty_answer() {
    let home = Home::new();
    let done = run(home.command(&["status"]));
    assert_eq!((done.code, &*done.stdout, &*done.stderr), (Some(0), "", ""));
    let done = run(home.command(&["status", "--format", "json"]));
    assert_eq!((done.code, &*done.stdout), (Some(0), "[]\n"));
    run(home.command(&["status", "--profile", "work"])).fails(7, "login --profile work");
    assert_eq!(home.files(), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn an_empty_status_says_at_a_terminal_how_to_save_a_token() {
    let home = Home::new();
    let mut terminal = crate::support::terminal::Terminal::start(&home, &["status"]);
    terminal.shows("yandex-token login --client-id ID --save");
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn every_profile_is_a_row_that_shows_no_token() {
    let home = Home::new();
    let token = |left: i64, refresh: Option<&str>| {
        json!({"access_token": "s3cret-a", "refresh_token": refresh, "client_id": "app",
            "expires_at": now().saturating_add_signed(left), "scope": "login:info"})
        .to_string()
    };
    fs::create_dir_all(home.data()).unwrap();
    for (name, content) in [
        ("default", token(30 * 86400 + 3600, Some("s3cret-r"))),
        ("old", token(-3 * 86400, None)),
        ("raw", r#"{"access_token": "s3cret-a"}"#.to_owned()),
        ("broken", "{".to_owned()),
    ] {
        fs::write(home.data().join(format!("{name}.json")), content).unwrap();
    }
    let done = run(home.command(&["status"]));
    assert_eq!(done.code, Some(8), "{done:#?}");
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{done:#?}");
    for (line, name, says) in [
        (1, "broken", "unreadable"),
        (2, "default", "next use"),
        (3, "old", "expired"),
        (4, "raw", "unknown"),
    ] {
        assert!(
            lines[line].starts_with(name) && lines[line].contains(says),
            "{done:#?}"
        );
    }
    assert!(!done.stdout.contains("s3cret"));
    let done = run(home.command(&["status", "--format", "json"]));
    assert_eq!(done.code, Some(8));
    assert!(!done.stdout.contains("s3cret"));
    let rows: Vec<Value> = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows[0]["error"].is_string());
    assert_eq!(rows[1]["renewable"], true);
    assert_eq!(rows[2]["renewable"], false);
    assert!(rows[1]["expires_at_utc"].as_str().unwrap().ends_with('Z'));
    assert_eq!(rows[2]["expired"], true);

    let work = json!({
        "access_token": "s3cret-a", "refresh_token": "s3cret-r", "client_id": "app-1",
        "account": "ivan\u{1b}[2J", "issued_at": now(), "expires_at": now() + 31_536_000,
        "scope": "login:info",
    });
    fs::write(home.data().join("work.json"), work.to_string()).unwrap();
    let line = run(home.command(&["status", "--profile", "work"])).stdout;
    let cells: Vec<_> = line.lines().nth(1).unwrap().split_whitespace().collect();
    let day = |from_now: u64| {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now() + from_now);
        humantime::format_rfc3339_seconds(at).to_string()[..10].to_owned()
    };
    let (expires, renewal) = (day(365 * 86400), day(90 * 86400));
    assert_eq!(
        cells,
        [
            "work",
            "ivan\\u{1b}[2J",
            "app-1",
            &expires,
            &renewal,
            "login:info"
        ]
    );

    let named = |name: &str| run(home.command(&["status", "--profile", name])).code;
    assert_eq!(named("default"), Some(0));
    assert_eq!(named("raw"), Some(0));
    assert_eq!(named("old"), Some(7), "neither unexpired nor refreshable");
    assert_eq!(named("broken"), Some(8));
}

#[test]
fn online_asks_whose_token_it_is() {
    let home = Home::new();
    let server = Server::start(|request| {
        match request
            .head
            .to_ascii_lowercase()
            .contains("authorization: oauth g00d\r\n")
        {
            true => json(200, r#"{"id": "1000", "login": "some\u001b[31mone"}"#),
            false => http(401, "", b"<html>no</html>"),
        }
    });
    let save = |token: &str| {
        home.save(&json!({"access_token": token, "oauth_url": server.origin}).to_string());
    };
    save("g00d");
    let done = run(home.command(&["status", "--online"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.contains("someone") || done.stdout.contains("some\\u{1b}[31mone"));
    assert!(!done.stdout.contains('\u{1b}'));
    assert!(
        server.requests()[0]
            .head
            .starts_with("GET /info?format=json ")
    );
    let done = run(home.command(&["status", "--online", "--format", "json"]));
    let rows: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(rows[0]["user"]["id"], "1000");
    save("dead");
    let done = run(home.command(&["status", "--online"]));
    assert_eq!(done.code, Some(7), "{done:#?}");
    assert!(!(done.stdout + &done.stderr).contains("dead"));
}

#[test]
fn a_file_that_is_no_token_file_is_8_for_every_command_and_never_a_hang() {
    let home = Home::new();
    let file = home.path().join("t.json");
    let path = file.to_str().unwrap().to_owned();
    let refused = |home: &Home| {
        for command in [
            &["token"][..],
            &["refresh"],
            &["revoke"],
            &["exec", "--", "true"],
        ] {
            let (first, rest) = command.split_first().unwrap();
            let arguments = [&[*first, "--token-file", &path][..], rest].concat();
            run(home.command(&arguments)).fails(8, "t.json");
        }
        assert_eq!(
            run(home.command(&["status", "--token-file", &path])).code,
            Some(8)
        );
    };
    let huge = vec![b' '; 2 << 20];
    for content in [
        &b"{}"[..],
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{\"access_token\": 7}",
        b"{\"access_token\": \"a b\"}",
        b"{\"access_token\": \"a\", \"expires_at\": \"x\"}",
        &huge,
    ] {
        fs::write(&file, content).unwrap();
        refused(&home);
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(&home);
    fs::remove_dir(&file).unwrap();
    #[cfg(unix)]
    {
        let made = std::process::Command::new("mkfifo")
            .arg(&file)
            .status()
            .unwrap();
        assert!(made.success());
        refused(&home);
    }
}

#[test]
fn json_from_outside_reaches_no_terminal_raw_and_stays_what_it_is() {
    let odd = "a\u{9b}2J\u{7f}\u{202e}\u{2028}\u{e0041}\u{1b}]0;x\u{7}\nb";
    let home = Home::new();
    home.save(&json!({"access_token": "t0ken", "scope": odd, "x\u{9b}": odd}).to_string());
    for arguments in [
        &["status", "--format=json"][..],
        &["token", "--format=json"],
    ] {
        let done = run(home.command(arguments));
        assert_eq!(done.code, Some(0), "{done:#?}");
        let line = done.stdout.strip_suffix('\n').unwrap();
        let raw = [
            '\u{9b}',
            '\u{7f}',
            '\u{202e}',
            '\u{2028}',
            '\u{e0041}',
            '\u{1b}',
            '\n',
        ];
        assert!(!line.contains(raw), "{line:?}");
        let value: Value = serde_json::from_str(line).unwrap();
        let row = value.get(0).unwrap_or(&value);
        assert_eq!(row["scope"], odd);
    }
}
