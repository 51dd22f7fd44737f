//! Many at once, and kills at any moment: nothing is lost, nothing piles up.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::server::{Answer, Server, json};
use crate::support::{Home, Running, now, run, send};

/// A server with a rotating refresh token that is good once.
pub fn rotating(first: &str, lifetime: u64) -> Server {
    let current = Mutex::new((first.to_owned(), 1));
    Server::start(move |request| {
        let mut current = current.lock().unwrap();
        if request.field("refresh_token").as_ref() != Some(&current.0) {
            return json(400, r#"{"error": "invalid_grant"}"#);
        }
        let number = current.1 + 1;
        *current = (format!("r{number}"), number);
        json(
            200,
            &format!(
                r#"{{"access_token":"a{number}","refresh_token":"r{number}","expires_in":{lifetime}}}"#
            ),
        )
    })
}

fn expired(home: &Home, server: &Server) {
    let token = json!({"access_token": "a1", "refresh_token": "r1", "client_id": "app",
        "expires_at": now() - 10, "oauth_url": server.origin});
    home.save(&token.to_string());
}

fn command(home: &Home, server: &Server, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    command
}

#[test]
fn two_hundred_at_once_make_one_request_and_print_the_same() {
    for lifetime in [3600, 60, 0] {
        let (home, server) = (Home::new(), rotating("r1", lifetime));
        expired(&home, &server);
        let running: Vec<_> = (0..200)
            .map(|_| Running::start(&mut command(&home, &server, &["token"])))
            .collect();
        let printed: Vec<_> = running
            .into_iter()
            .map(|running| {
                let done = running.finish();
                assert_eq!(done.code, Some(0), "{done:#?}");
                done.stdout
            })
            .collect();
        if lifetime == 3600 {
            assert!(printed.iter().all(|text| text == "a2\n"));
            assert_eq!(server.requests().len(), 1);
        }
        assert_eq!(home.files(), ["data/yandex-token/default.json"]);
    }
}

#[test]
fn twenty_forced_refreshes_at_once_lose_no_refresh_token() {
    let (home, server) = (Home::new(), rotating("r1", 3600));
    expired(&home, &server);
    let running: Vec<_> = (0..20)
        .map(|_| Running::start(&mut command(&home, &server, &["refresh"])))
        .collect();
    let mut printed: Vec<_> = running.into_iter().map(|r| r.finish().stdout).collect();
    printed.sort();
    printed.dedup();
    assert_eq!(printed.len(), 20, "each made its own: {printed:?}");
    assert_eq!(server.requests().len(), 20);
    let done = run(command(&home, &server, &["refresh"]));
    assert_eq!(done.stdout, "a22\n", "the last one saved works: {done:#?}");
}

/// Kills with each signal at moments spread over start, lock, room, request,
/// write and rename. The moments come from the program's own system calls:
/// it is stopped in none of them, and hit in all.
#[test]
fn a_kill_at_any_moment_leaves_a_whole_file_and_a_way_on() {
    let home = Home::new();
    // Every answer is good for every refresh token, so that only a torn file
    // could make the next run fail.
    let server = Server::start(|_| {
        json(
            200,
            r#"{"access_token":"b","refresh_token":"r","expires_in":0}"#,
        )
    });
    expired(&home, &server);
    for moment in 0..200u32 {
        let mut running = Running::start(&mut command(&home, &server, &["token"]));
        let started = std::time::Instant::now();
        while started.elapsed().as_micros() < u128::from(moment) * 60 {
            std::hint::spin_loop();
        }
        running.child.kill().unwrap();
        drop(running);
        let saved: Value = serde_json::from_str(&home.saved()).unwrap();
        assert!(["a1", "b"].contains(&saved["access_token"].as_str().unwrap()));
        let names = home.files();
        assert!(names.len() <= 2, "{names:?}");
    }
    let done = run(command(&home, &server, &["token"]));
    assert_eq!((done.code, &*done.stdout), (Some(0), "b\n"), "{done:#?}");
    assert_eq!(home.files(), ["data/yandex-token/default.json"]);
}

const REFRESHED: &str = r#"{"access_token":"n3w","refresh_token":"r2","expires_in":3600}"#;

#[test]
fn a_signal_during_a_refresh_waits_until_the_new_token_is_on_the_disk() {
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        let home = Home::new();
        let (server, was_asked, go) = Server::held(REFRESHED);
        expired(&home, &server);
        let running = Running::start(&mut command(&home, &server, &["token"]));
        was_asked.recv().unwrap();
        send(&running, &[signal]);
        go.send(()).unwrap();
        let done = running.finish();
        assert_eq!(done.signal, Some(number), "{done:#?}");
        assert_eq!(done.stdout, "");
        assert!(home.saved().contains("r2"), "{}", home.saved());
        assert_eq!(home.files(), ["data/yandex-token/default.json"]);
    }
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_keep_a_refresh_from_ending() {
    let home = Home::new();
    let (server, was_asked, go) = Server::held(REFRESHED);
    expired(&home, &server);
    let (reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&[b' '; 65536]).unwrap();
    let mut command = command(&home, &server, &["refresh", "-v", "--profile=default"]);
    let mut child = command.stderr(full).spawn().unwrap();
    was_asked.recv().unwrap();
    nix::sys::signal::kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    go.send(()).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    assert!(home.saved().contains("r2"), "{}", home.saved());
    drop(reader);
}

#[test]
fn a_stop_by_the_terminal_waits_for_the_new_token_as_well() {
    let home = Home::new();
    let (server, was_asked, go) = Server::held(REFRESHED);
    expired(&home, &server);
    let running = Running::start(&mut command(&home, &server, &["token"]));
    was_asked.recv().unwrap();
    send(&running, &["TSTP"]);
    go.send(()).unwrap();
    while !home.saved().contains("r2") {
        std::thread::yield_now();
    }
    send(&running, &["CONT"]);
    assert_eq!(running.finish().stdout, "n3w\n");
}

#[test]
fn a_waiter_says_what_it_waits_for_unless_quiet() {
    let home = Home::new();
    let (asked, was_asked) = channel();
    let asked = Mutex::new(asked);
    let server = Server::start(move |_| {
        asked.lock().unwrap().send(()).unwrap();
        Answer::Silence
    });
    expired(&home, &server);
    let holder = Running::start(&mut command(&home, &server, &["token"]));
    was_asked.recv().unwrap();
    let mut waiter = Running::start(&mut command(&home, &server, &["token"]));
    waiter.line("waiting for another process to finish with");
    drop(holder);
    was_asked.recv().unwrap(); // The lock is the waiter's now.
}

#[test]
fn what_would_lose_the_new_token_is_found_out_before_the_old_one_is_spent() {
    let (home, server) = (Home::new(), Server::json(200, "{}").idle());
    expired(&home, &server);
    let before = home.saved();
    let mut full = home.after("ulimit -f 8", &["token"]);
    full.env("YANDEX_OAUTH_URL", &server.origin);
    run(full).fails(8, "default.json");
    assert_eq!(home.saved(), before);

    use std::os::unix::fs::PermissionsExt;
    let everyone = fs::Permissions::from_mode(0o777);
    fs::set_permissions(home.data(), everyone).unwrap();
    run(command(&home, &server, &["token"])).fails(8, "chmod o-w");
    assert!(server.requests().is_empty());
    // A token that anybody could have put there is not printed either.
    home.save(r#"{"access_token": "g00d"}"#);
    let everyone = fs::Permissions::from_mode(0o777);
    fs::set_permissions(home.data(), everyone).unwrap();
    for arguments in [&["token"][..], &["exec", "--", "true"]] {
        run(home.command(arguments)).fails(8, "chmod o-w");
    }
    let sticky = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(home.data(), sticky).unwrap();
    assert_eq!(run(home.command(&["token"])).stdout, "g00d\n");
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_replaced_at_0600() {
    let (home, server) = (Home::new(), rotating("r1", 3600));
    expired(&home, &server);
    let link = home.path().join("link.json");
    std::os::unix::fs::symlink(home.data().join("default.json"), &link).unwrap();
    let done = run(command(
        &home,
        &server,
        &["token", "--token-file", "link.json"],
    ));
    assert_eq!(done.stdout, "a2\n", "{done:#?}");
    assert!(link.is_symlink());
    assert!(home.saved().contains("r2"));
    assert_eq!(
        crate::support::mode(&home.data().join("default.json")),
        0o600
    );
}
