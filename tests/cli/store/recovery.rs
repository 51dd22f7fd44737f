//! What is found after a kill, a restore, a failed save: no token is lost, and
//! none is touched that is not meant.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::server::{Server, json};
use crate::support::{Home, now, run};

fn token(access: &str, left: i64, origin: &str) -> String {
    json!({"access_token": access, "refresh_token": "r1", "client_id": "app",
        "expires_at": now().saturating_add_signed(left), "oauth_url": origin})
    .to_string()
}

#[cfg(unix)]
#[test]
fn what_a_killed_process_left_is_removed_and_what_it_leads_to_untouched() {
    for left in ["blanks", "half", "symlink", "dangling", "fifo", "hard link"] {
        let answer = r#"{"access_token": "n3w", "refresh_token": "r2"}"#;
        let (home, server) = (Home::new(), Server::json(200, answer));
        home.save(&token("0ld", -10, &server.origin));
        let path = home.data().join(".default.json.tmp");
        let victim = home.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        match left {
            "blanks" => fs::write(&path, " ".repeat(65536)).unwrap(),
            "half" => fs::write(&path, r#"{"access_token": "#).unwrap(),
            "symlink" => std::os::unix::fs::symlink(&victim, &path).unwrap(),
            "dangling" => std::os::unix::fs::symlink("new", &path).unwrap(),
            "hard link" => fs::hard_link(&victim, &path).unwrap(),
            _ => {
                let made = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(made.unwrap().success());
            }
        }
        let mut command = home.command(&["token"]);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        let done = run(command);
        assert_eq!(done.stdout, "n3w\n", "{left}: {done:#?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{left}");
        assert_eq!(home.files(), ["data/yandex-token/default.json", "victim"]);
    }
}

#[cfg(unix)]
#[test]
fn the_lock_file_is_empty_stays_and_is_for_its_owner_alone() {
    let answer = r#"{"access_token": "n3w", "refresh_token": "r2"}"#;
    let (home, server) = (Home::new(), Server::json(200, answer));
    home.save(&token("0ld", -10, &server.origin));
    let mut command = home.after("umask 0", &["refresh"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    assert_eq!(run(command).code, Some(0));
    let lock = home.data().join(".default.json.lock");
    assert_eq!(fs::metadata(&lock).unwrap().len(), 0);
    assert_eq!(crate::support::mode(&lock), 0o600);
    run(home.command(&["revoke", "--local"]));
    assert!(lock.exists());
    // One that leads elsewhere is no lock.
    home.save(&token("0ld", -10, &server.origin));
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
    let mut command = home.command(&["refresh"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    run(command).fails(8, ".default.json.lock");
    assert!(!home.data().join("elsewhere").exists());
    assert_eq!(server.requests().len(), 1, "nothing is spent");
}

#[test]
fn an_empty_file_is_no_saved_token() {
    let home = Home::new();
    home.save("");
    run(home.command(&["token"])).fails(7, "no token is saved");
}

#[cfg(unix)]
#[test]
fn a_fifo_planted_where_a_leftover_would_be_hangs_nothing() {
    let home = Home::new();
    fs::create_dir_all(home.data()).unwrap();
    let planted = home.data().join(".default.json.tmp");
    let made = std::process::Command::new("mkfifo")
        .arg(planted)
        .status()
        .unwrap();
    assert!(made.success());
    run(home.command(&["token"])).fails(7, "no token is saved there");
}

#[test]
fn a_save_that_fails_once_the_refresh_token_is_spent_is_8_though_the_old_token_is_good() {
    let home = Home::new();
    let target = home.data().join("default.json");
    let server = Server::start(move |_| {
        fs::remove_file(&target).unwrap();
        fs::create_dir(&target).unwrap();
        json(
            200,
            r#"{"access_token": "n3w", "refresh_token": "r2", "expires_in": 60}"#,
        )
    });
    home.save(&token("0ld", 100, &server.origin));
    let mut command = home.command(&["token", "-q"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    let done = run(command);
    done.fails(8, "What was received is kept in ")
        .hides(&["n3w", "r2"]);
    let kept = done.stderr.split("is kept in ").nth(1).unwrap().trim();
    let kept: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(kept["refresh_token"], "r2");
}

#[cfg(unix)]
#[test]
fn a_rotated_refresh_token_that_can_not_be_printed_is_kept() {
    let answer = r#"{"access_token": "n3w", "refresh_token": "r2"}"#;
    let (home, server) = (Home::new(), Server::json(200, answer));
    let mut command = home.after(
        "exec >/dev/full",
        &[
            "refresh",
            "--client-id",
            "app",
            "--oauth-url",
            &server.origin,
            "--format",
            "json",
        ],
    );
    command.env("YANDEX_REFRESH_TOKEN", " r1\n");
    let done = run(command);
    done.fails(8, "What was received is kept in ")
        .hides(&["n3w", "r2"]);
    assert_eq!(
        server.requests()[0].field("refresh_token").as_deref(),
        Some("r1")
    );
    let kept = done.stderr.split("is kept in ").nth(1).unwrap().trim();
    assert!(fs::read_to_string(kept).unwrap().contains("r2"));
}

#[cfg(unix)]
#[test]
fn a_program_in_the_sandbox_reaches_no_real_token_by_any_option() {
    let home = Home::new();
    home.save(&token("re4l", 3600, "https://oauth.yandex.ru"));
    let script = format!(
        "'{0}' token --profile default; '{0}' login -q --device --profile default",
        crate::support::BINARY
    );
    let done = run(home.command(&["sandbox", "--", "sh", "-c", &script]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.stdout, "");
    assert!(home.saved().contains("re4l"));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_warned_about_once() {
    let (home, server) = (Home::new(), Server::json(200, r#"{"access_token": "n3w"}"#));
    home.save(&token("0ld", -10, &server.origin));
    crate::support::files::chmod(&home.data().join("default.json"), 0o644);
    let mut command = home.command(&["refresh"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    let done = run(command);
    assert_eq!(
        done.stderr.matches("other users can read").count(),
        1,
        "{done:#?}"
    );
    assert_eq!(
        crate::support::mode(&home.data().join("default.json")),
        0o600
    );
}

#[test]
fn a_bare_answer_is_asked_about_at_the_server_that_the_variable_names() {
    let (home, server) = (
        Home::new(),
        Server::json(200, r#"{"id": "1", "login": "me"}"#),
    );
    home.save(r#"{"access_token": "raw"}"#);
    let mut command = home.command(&["status", "--online"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.contains("me"));
}

/// The rotated refresh token is nowhere else.
#[test]
fn a_refresh_from_the_variable_that_nobody_reads_is_kept_in_a_file_that_is_named() {
    let server = Server::json(
        200,
        r#"{"access_token": "n3w", "refresh_token": "r2", "expires_in": 60}"#,
    );
    for format in ["json", "token"] {
        let home = Home::new();
        let mut command = home.after(
            "mkfifo p; exec 3<>p 4>p 3<&-; exec >&4",
            &["refresh", "--client-id", "app", "--format", format],
        );
        command
            .env("YANDEX_REFRESH_TOKEN", "r1")
            .env("YANDEX_OAUTH_URL", &server.origin);
        let done = run(command);
        done.fails(1, "What was received is kept in ")
            .hides(&["n3w", "r2"]);
        let kept = done.stderr.split("is kept in ").nth(1).unwrap().trim();
        assert_eq!(crate::support::mode(Path::new(kept)), 0o600);
        let kept: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
        assert_eq!(kept["refresh_token"], "r2");
    }
}

#[test]
fn the_hint_to_log_in_again_can_be_pasted() {
    let home = Home::new();
    let expired = json!({"access_token": "t", "expires_at": 1, "client_id": "c",
        "oauth_url": "https://oauth.yandex.ru"});
    fs::write(home.path().join("my tok.json"), expired.to_string()).unwrap();
    let path = if cfg!(windows) {
        "\"my tok.json\""
    } else {
        "'my tok.json'"
    };
    run(home.command(&["token", "--token-file", "my tok.json"]))
        .fails(7, &format!("yandex-token login --token-file {path}\n"));
}

#[cfg(unix)]
#[test]
fn the_sandbox_pastes_also_where_the_browser_fails() {
    let home = Home::new();
    let mut command = home.command(&["login", "--sandbox", "--paste"]);
    command
        .env("BROWSER", "/bin/false")
        .stdin(std::process::Stdio::null());
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.starts_with("y0_"));
}

#[cfg(unix)]
#[test]
#[ignore = "needs another user account"]
fn root_and_the_files_owner_share_it_and_its_lock() {
    use std::os::unix::fs::MetadataExt;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    let home = Home::new();
    let (asked, was_asked) = channel();
    let asked = Mutex::new(asked);
    let server = Server::start(move |request| {
        asked.lock().unwrap().send(()).unwrap();
        match request.field("refresh_token").as_deref() {
            Some("hang") => crate::support::server::Answer::Silence,
            _ => json(200, r#"{"access_token": "n3w", "refresh_token": "r2"}"#),
        }
    });
    let file = home.data().join("default.json");
    home.save(&token("0ld", -10, &server.origin).replace("r1", "hang"));
    for path in [home.data(), file.clone()] {
        crate::support::files::give(&path);
    }
    let root = |home: &Home| {
        let mut command = home.command(&["token"]);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        command
    };
    // Killed in the middle of a request.
    let running = crate::support::Running::start(&mut root(&home));
    was_asked.recv().unwrap();
    drop(running);
    fs::write(&file, token("0ld", -10, &server.origin)).unwrap();
    let mut command = crate::support::files::as_nobody(&home, "", &["token"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    let done = run(command);
    assert_eq!(done.stdout, "n3w\n", "{done:#?}");
    fs::write(&file, token("0ld", -10, &server.origin)).unwrap();
    let done = run(root(&home));
    assert_eq!(done.stdout, "n3w\n", "{done:#?}");
    let found = fs::metadata(&file).unwrap();
    assert_eq!(
        (found.uid(), found.mode() & 0o777),
        (65534, 0o600),
        "still the owner's"
    );
}
