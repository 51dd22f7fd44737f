//! What `revoke` leaves behind, and what else it tells.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{Home, Running, now, run};

fn save(home: &Home, server: &Server, profile: &str, change: Value) {
    let mut token = json!({"access_token": "0ld", "client_id": "app", "device_id": "device-1",
        "expires_at": now() + 1000, "oauth_url": server.origin});
    for (name, value) in change.as_object().unwrap() {
        token[name] = value.clone();
    }
    home.save("{}");
    let path = |name: &str| home.data().join(format!("{name}.json"));
    std::fs::rename(path("default"), path(profile)).unwrap();
    std::fs::write(path(profile), token.to_string()).unwrap();
}

fn revoke(home: &Home, server: &Server) -> Command {
    let mut command = home.command(&["revoke", "--profile", "work"]);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    command
}

#[test]
fn a_signal_during_a_revocation_leaves_no_revoked_token_behind() {
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let home = Home::new();
        let (server, was_asked, release) = Server::held(r#"{"status": "ok"}"#);
        save(&home, &server, "work", json!({}));
        let running = Running::start(&mut revoke(&home, &server));
        was_asked.recv().unwrap();
        let pid = running.child.id().to_string();
        let kill = ["-c", "kill -s $0 $1", signal, &pid];
        let sent = Command::new("/bin/sh").args(kill).status();
        assert!(sent.unwrap().success());
        release.send(()).unwrap();
        assert_eq!(running.finish().signal, Some(number));
        assert!(!home.data().join("work.json").exists());
    }
}

#[test]
fn other_tokens_of_the_application_and_device_are_named() {
    let (home, server) = (Home::new(), Server::json(200, r#"{"status": "ok"}"#));
    for (profile, change) in [
        ("work", json!({})),
        ("twin", json!({})),
        ("other-device", json!({"device_id": "device-2"})),
        ("other-application", json!({"client_id": "another"})),
        ("raw", json!({"client_id": null, "device_id": null})),
    ] {
        save(&home, &server, profile, change);
    }
    let done = run(revoke(&home, &server));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stderr.contains("twin"), "{done:#?}");
    for other in ["other-device", "other-application", "raw"] {
        assert!(!done.stderr.contains(other), "{done:#?}");
    }
}

#[test]
fn a_planted_server_is_not_sent_the_token() {
    let (home, server) = (Home::new(), Server::json(200, "{}").idle());
    save(
        &home,
        &server,
        "work",
        json!({"oauth_url": "https://oauth.yandex.ru:8443"}),
    );
    run(home.command(&["revoke", "--profile", "work"])).fails(2, "--oauth-url");
    save(&home, &server, "work", json!({}));
    run(home.command(&["revoke", "--profile", "work"])).fails(2, "--oauth-url");
    assert!(server.requests().is_empty());
}

/// Two logins of one account with one application.
#[test]
fn a_refresh_or_revocation_of_one_profile_leaves_the_other_alive() {
    let home = Home::new();
    let script = r#"
        set -eu
        unset YANDEX_TOKEN_FILE
        yt=$1
        device() { sed 's/.*"device_id":"\([^"]*\).*/\1/' "$XDG_DATA_HOME/yandex-token/$1.json"; }
        is_alive() { "$yt" status --profile "$1" --online >/dev/null; }
        "$yt" login --profile one
        "$yt" login --profile two
        [ "$(device one)" != "$(device two)" ]
        [ "$("$yt" token --profile one)" != "$("$yt" token --profile two)" ]
        "$yt" refresh --profile one >/dev/null
        is_alive one
        is_alive two
        kept=$(device two)
        "$yt" login --profile two
        [ "$(device two)" = "$kept" ]
        is_alive one
        "$yt" revoke --profile one
        is_alive two
        "$yt" refresh --profile two >/dev/null
        echo all of it
    "#;
    let binary = crate::support::BINARY;
    let done = run(home.command(&["sandbox", "--", "sh", "-c", script, "sh", binary]));
    assert_eq!(
        (done.code, &*done.stdout),
        (Some(0), "all of it\n"),
        "{done:#?}"
    );
}

#[test]
fn a_refused_revocation_is_not_explained_as_a_refused_code() {
    let server = Server::json(400, r#"{"error": "invalid_grant"}"#);
    let home = Home::new();
    save(&home, &server, "work", json!({}));
    let done = run(revoke(&home, &server));
    done.fails(5, "invalid_grant");
    assert!(!done.stderr.contains("code"), "{done:#?}");
}
