//! What is found after a kill, a restore, a failed save: no token is lost, and
//! none is touched that is not meant.

use std::fs;

use serde_json::{Value, json};

use crate::support::files::{as_nobody, chmod, give, mkfifo};
use crate::support::server::{Answer, Server, json};
use crate::support::{Home, Running, mode, now, run};

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
            _ => mkfifo(&path),
        }
        run(home.at(&server, &["token"])).prints("n3w\n");
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
    assert_eq!(mode(&lock), 0o600);
    run(home.command(&["revoke", "--local"]));
    assert!(lock.exists());
    // One that leads elsewhere is no lock.
    home.save(&token("0ld", -10, &server.origin));
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
    run(home.at(&server, &["refresh"])).fails(8, ".default.json.lock");
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
    mkfifo(&home.data().join(".default.json.tmp"));
    run(home.command(&["token"])).fails(7, "no token is saved");
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
    let done = run(home.at(&server, &["token", "-q"]));
    done.fails(8, "What was received is kept in ");
    done.hides(&["n3w", "r2"]);
    let kept: Value = serde_json::from_str(&done.kept()).unwrap();
    assert_eq!(kept["refresh_token"], "r2");
}

#[cfg(unix)]
#[test]
fn a_rotated_refresh_token_that_can_not_be_printed_is_kept() {
    let answer = r#"{"access_token": "n3w", "refresh_token": "r2"}"#;
    // No room for it, or nobody who reads it.
    for (before, format, code) in [
        ("exec >/dev/full", "json", 8),
        ("mkfifo p; exec 3<>p 4>p 3<&-; exec >&4", "json", 1),
        ("mkfifo p; exec 3<>p 4>p 3<&-; exec >&4", "token", 1),
    ] {
        let (home, server) = (Home::new(), Server::json(200, answer));
        let arguments = ["refresh", "--client-id", "app", "--format", format];
        let mut command = home.after(before, &arguments);
        command
            .env("YANDEX_OAUTH_URL", &server.origin)
            .env("YANDEX_REFRESH_TOKEN", " r1\n");
        let done = run(command);
        done.fails(code, "What was received is kept in ");
        done.hides(&["n3w", "r2"]);
        let sent = server.requests()[0].field("refresh_token");
        assert_eq!(sent.as_deref(), Some("r1"));
        let kept: Value = serde_json::from_str(&done.kept()).unwrap();
        assert_eq!(kept["refresh_token"], "r2");
    }
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
    chmod(&home.data().join("default.json"), 0o644);
    let done = run(home.at(&server, &["refresh"]));
    let warnings = done.stderr.matches("other users can read").count();
    assert_eq!(warnings, 1, "{done:#?}");
    assert_eq!(mode(&home.data().join("default.json")), 0o600);
}

#[test]
fn a_bare_answer_is_asked_about_at_the_server_that_the_variable_names() {
    let home = Home::new();
    let server = Server::json(200, r#"{"id": "1", "login": "me"}"#);
    home.save(r#"{"access_token": "raw"}"#);
    let done = run(home.at(&server, &["status", "--online"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.contains("me"));
}

#[test]
fn the_hint_to_log_in_again_can_be_pasted() {
    let home = Home::new();
    let expired = json!({"access_token": "t", "expires_at": 1, "client_id": "c",
        "oauth_url": "https://oauth.yandex.ru"});
    fs::write(home.path().join("my tok.json"), expired.to_string()).unwrap();
    let path = if cfg!(windows) {
        r#""my tok.json""#
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
            Some("hang") => Answer::Silence,
            _ => json(200, r#"{"access_token": "n3w", "refresh_token": "r2"}"#),
        }
    });
    let file = home.data().join("default.json");
    home.save(&token("0ld", -10, &server.origin).replace("r1", "hang"));
    for path in [home.data(), file.clone()] {
        give(&path);
    }
    let root = || home.at(&server, &["token"]);
    // Killed in the middle of a request.
    let running = Running::start(&mut root());
    was_asked.recv().unwrap();
    drop(running);
    fs::write(&file, token("0ld", -10, &server.origin)).unwrap();
    let mut command = as_nobody(&home, "", &["token"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    run(command).prints("n3w\n");
    fs::write(&file, token("0ld", -10, &server.origin)).unwrap();
    run(root()).prints("n3w\n");
    let found = fs::metadata(&file).unwrap();
    let is_owners = (found.uid(), found.mode() & 0o777) == (65534, 0o600);
    assert!(is_owners, "{found:?}");
}
