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
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
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
