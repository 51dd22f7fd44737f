//! A login that is not alone at its port: a browser that reloads, another page
//! that asks along, descriptors that are nearly used up.

use std::io::Read;

use crate::support::browser::{get, request};
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, Waiting, arguments, connection, expect};
use crate::support::{Home, TIMEOUT, wait_for};

#[test]
fn a_browser_that_reloads_during_a_slow_exchange_blocks_nobody() {
    let (server, was_asked, release) = Server::held(ANSWER);
    let login = Waiting::at(server, "http://127.0.0.1:0/", &[]);
    let call = login.callback();
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", login.target());
    for round in 0..100 {
        drop(connection(login.address(), head.as_bytes()));
        if round == 0 {
            was_asked.recv_timeout(TIMEOUT).unwrap();
        }
    }
    for _ in 0..10 {
        expect(400, &login.ask("/?code=c0de1234&state=wrong"));
        expect(404, &login.ask("/favicon.ico"));
    }
    drop(release);
    // It may come while the exchange is still being made.
    expect(303, &get(&call));
    wait_for("the page", || login.ask("/").status == 200);
    login.has_ended();
}

#[test]
fn the_page_is_kept_for_the_browser_though_another_page_asks_for_it_first() {
    let login = Waiting::new();
    let uri = login.redirect_uri();
    expect(303, &get(&login.callback()));
    for kind in ["empty", "image", "script", "iframe", "websocket"] {
        let headers = format!("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: {kind}\r\n");
        expect(200, &request("GET", &uri, &headers, ""));
    }
    let headers = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\n";
    expect(200, &request("GET", &uri, headers, ""));
    login.has_ended();
}

#[test]
#[cfg(target_os = "linux")]
fn a_login_has_few_threads() {
    let (server, was_asked, release) = Server::held(ANSWER);
    let login = Waiting::at(server, "http://127.0.0.1:0/", &[]);
    let call = login.callback();
    std::thread::scope(|scope| {
        let called = scope.spawn(|| get(&call));
        was_asked.recv_timeout(TIMEOUT).unwrap();
        let threads = format!("/proc/{}/task", login.running.child.id());
        let threads = std::fs::read_dir(threads).unwrap().count();
        assert!(threads <= 8, "{threads} threads");
        drop(release);
        expect(303, &called.join().unwrap());
    });
    expect(200, &login.ask("/"));
    login.has_ended();
}

/// Runs a login in a mount namespace in which nothing can be written.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs root"]
fn a_login_and_a_sandbox_need_no_writable_directory() {
    let home = Home::new();
    let script = "mount --make-rprivate / && mount -o remount,bind,ro / && \
        for dir in /tmp /run /var/tmp /dev/shm; do \
            ! mountpoint -q $dir || mount -o remount,bind,ro $dir; done && \
        ! touch /tmp/x /run/x /x 2>/dev/null && cd / && \
        exec \"$0\" login --sandbox --no-browser";
    let mut command = std::process::Command::new("unshare");
    home.furnish(&mut command);
    command.args(["-m", "sh", "-c", script, crate::support::BINARY]);
    let done = crate::support::run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
}

#[test]
#[cfg(unix)]
fn descriptors_used_up_cost_neither_the_callback_nor_the_exchange() {
    for (count, begun, has_given_way, stay) in [
        (80, "", false, true),
        (100, "", false, true),
        (200, "", false, true),
        (100, "GET", false, true),
        (100, "GET", true, true),
        (100, "GET", true, false),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let arguments = arguments(&server, "http://127.0.0.1:0/");
        let command = home.after("ulimit -n 64", &arguments);
        let login = Waiting::start(home, server, command);
        let connect = |_| connection(login.address(), begun.as_bytes());
        let held: Vec<_> = (0..count).map(connect).collect();
        if has_given_way {
            // They are more than it can have at once.
            let _ = (&held[0]).read(&mut [0]);
        }
        let held = stay.then_some(held);
        login.succeeds();
        drop(held);
    }
}
