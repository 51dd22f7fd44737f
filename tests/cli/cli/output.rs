//! What a login prints or keeps: the bytes, the saved JSON, the device's name.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::browser::{answer, parameter};
use crate::support::login::{ANSWER, TOKEN, complete, login};
use crate::support::server::{Server, json as answer_json};
use crate::support::{Home, Running, run};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn a_saved_token_holds_all_that_is_known_of_it() {
    for (options, file) in [
        (&["--save"] as &[_], "data/yandex-token/default.json"),
        (&["--profile", "work"], "data/yandex-token/work.json"),
        (&["--token-file", "my.json"], "my.json"),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let before = now();
        let done = complete(home.command(&login(&server, options)));
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(done.stdout, "", "a login that saves prints nothing");
        done.hides(&[TOKEN, "r3fr3sh"]);
        assert_eq!(home.files(), [file]);
        let text = fs::read_to_string(home.path().join(file)).unwrap();
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(text.ends_with('\n'));
        let mut saved: Value = serde_json::from_str(&text).unwrap();
        let expires_at = saved["expires_at"].as_u64().unwrap();
        assert!(
            (before + 3600..=now() + 3600).contains(&expires_at),
            "{saved}"
        );
        saved["expires_at"] = 0.into();
        assert_eq!(saved["issued_at"].as_u64(), Some(expires_at - 3600));
        saved["issued_at"] = 0.into();
        let expected = json!({
            "access_token": TOKEN,
            "token_type": "bearer",
            "refresh_token": "1:r3fr3sh:x:y",
            "scope": "login:info",
            "issued_at": 0,
            "expires_at": 0,
            "client_id": "app",
            "oauth_url": server.origin,
            "device_id": null,
            "method": "loopback",
            "redirect_uris": ["http://127.0.0.1:0/"],
        });
        let device = saved["device_id"].take();
        let groups: Vec<_> = device.as_str().unwrap().split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "a UUID: {device}");
        assert_eq!(saved, expected);
    }
}

#[test]
fn the_json_format_is_what_a_token_file_would_hold() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let options = ["--device-id", "device-1"];
    let mut printing = options.to_vec();
    printing.extend(["--format", "json"]);
    let printed = complete(home.command(&login(&server, &printing))).stdout;
    let mut saving = options.to_vec();
    saving.extend(["--token-file", "saved"]);
    complete(home.command(&login(&server, &saving)));
    let saved = fs::read_to_string(home.path().join("saved")).unwrap();
    assert_eq!(printed.lines().count(), 1, "{printed:?}");
    let comparable = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        assert!(value["issued_at"].take().is_u64());
        assert!(value["expires_at"].take().is_u64());
        // What only a saved login remembers.
        let fields = value.as_object_mut().unwrap();
        fields.retain(|name, _| !["method", "redirect_uris"].contains(&&**name));
        value
    };
    assert_eq!(comparable(&printed), comparable(&saved));
}

#[test]
fn an_output_file_holds_exactly_what_would_be_printed() {
    let server = Server::json(200, r#"{"access_token": "y0_a.b~c+d/e="}"#);
    let json = format!(
        r#"{{"access_token":"y0_a.b~c+d/e=","client_id":"app","issued_at":0,"oauth_url":"{}"}}"#,
        server.origin
    );
    for (format, line) in [
        (None, "y0_a.b~c+d/e="),
        (Some("token"), "y0_a.b~c+d/e="),
        (Some("json"), &*json),
        (Some("env"), "YANDEX_TOKEN=y0_a.b~c+d/e="),
        (Some("header"), "Authorization: OAuth y0_a.b~c+d/e="),
        (Some("bearer"), "Authorization: Bearer y0_a.b~c+d/e="),
    ] {
        let home = Home::new();
        let mut options = vec!["-o", "out"];
        options.extend(format.iter().flat_map(|format| ["--format", format]));
        let done = complete(home.command(&login(&server, &options)));
        assert_eq!(
            (done.code, &*done.stdout),
            (Some(0), ""),
            "{format:?} {done:#?}"
        );
        let mut written = fs::read_to_string(home.path().join("out")).unwrap();
        if let Some((before, after)) = written.split_once("issued_at\":") {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            written = format!("{before}issued_at\":0{after}");
        }
        assert_eq!(written, format!("{line}\n"), "{format:?}");
        assert_eq!(home.files(), ["out"]);
    }
}

#[test]
fn an_output_file_longer_than_the_token_is_replaced_whole() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    fs::write(home.path().join("out"), "x".repeat(100_000)).unwrap();
    complete(home.command(&login(&server, &["--output", "out"])));
    let written = fs::read_to_string(home.path().join("out")).unwrap();
    assert_eq!(written, format!("{TOKEN}\n"));
}

#[test]
fn a_login_that_fails_leaves_the_old_file_and_nothing_beside_it() {
    let refused = r#"{"error": "invalid_grant"}"#;
    for (options, file) in [
        (["-o", "kept"], "kept"),
        (["--token-file", "kept"], "kept"),
        (["--profile", "kept"], "data/yandex-token/kept.json"),
    ] {
        for (code, response) in [
            (3, &[("error", "access_denied")] as &[_]),
            (5, &[("code", "1234567")]),
            (4, &[]),
        ] {
            let (home, server) = (Home::new(), Server::json(400, refused).idle());
            let path = home.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "old").unwrap();
            let mut arguments = login(&server, &options);
            if response.is_empty() {
                arguments.extend(["--timeout", "1s"]);
            }
            let mut running = Running::start(&mut home.command(&arguments));
            let url = running.url();
            if !response.is_empty() {
                answer(&url, response);
            }
            running.finish().fails(code, "");
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            let left = home.files();
            assert_eq!(left, [file], "exit {code}");
        }
    }
}

#[test]
fn a_login_that_fails_makes_no_file() {
    for option in ["-o", "--token-file"] {
        let (home, server) = (Home::new(), Server::json(500, "").idle());
        let arguments = login(&server, &[option, "new"]);
        complete(home.command(&arguments)).fails(6, "");
        let left = home.files();
        assert_eq!(left, Vec::<String>::new(), "{option}");
    }
}

#[test]
fn a_login_that_only_prints_names_no_device_and_keeps_nothing() {
    for options in [&[] as &[_], &["-o", "out"]] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let mut running = Running::start(&mut home.command(&login(&server, options)));
        let url = running.url();
        for name in ["device_id", "device_name"] {
            assert_eq!(parameter(&url, name), None);
        }
        answer(&url, &[("code", "1234567")]);
        assert_eq!(running.finish().code, Some(0));
        assert!(!home.data().exists());
    }
}

#[test]
fn two_logins_at_once_on_one_profile_both_end_well() {
    let home = Home::new();
    // The token is the code.
    let server = Server::start(|request| {
        let code = request.field("code").unwrap();
        answer_json(200, &format!(r#"{{"access_token": "{code}"}}"#))
    });
    let arguments = login(&server, &["--save"]);
    let start = || Running::start(&mut home.command(&arguments));
    let mut running = [start(), start(), start()];
    let urls = running.each_mut().map(Running::url);
    std::thread::scope(|scope| {
        for (url, code) in urls.iter().zip(["first", "second", "third"]) {
            scope.spawn(move || answer(url, &[("code", code)]));
        }
    });
    for login in running {
        let done = login.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
    }
    let saved = fs::read_to_string(home.data().join("default.json")).unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    let token = saved["access_token"].as_str().unwrap();
    assert!(["first", "second", "third"].contains(&token));
    assert_eq!(home.files(), ["data/yandex-token/default.json"]);
}

#[test]
fn a_hyphen_for_the_output_is_standard_output() {
    let home = Home::new();
    home.save(r#"{"access_token": "g00d"}"#);
    let done = run(home.command(&["token", "-o", "-"]));
    assert_eq!((done.code, &*done.stdout), (Some(0), "g00d\n"), "{done:#?}");
    assert!(!home.path().join("-").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_help_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    for arguments in [&["--help"][..], &["token", "--help"], &["--version"]] {
        let done = run(home.after("exec >/dev/full", arguments));
        done.fails(8, "standard output");
    }
}
