//! A login that is not alone at its port: a browser that reloads, another page
//! that asks along, descriptors that are nearly used up.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::support::browser::{callback, get, request};
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, Waiting, expect};
use crate::support::{Home, PATIENCE};

#[test]
fn a_browser_that_reloads_during_a_slow_exchange_blocks_nobody() {
    let (server, was_asked, release) = Server::held(ANSWER);
    let login = Waiting::at(server, "http://127.0.0.1:0/", &[]);
    let call = callback(&login.url, &[("code", "c0de1234")]);
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", login.target());
    for round in 0..100 {
        let mut left = TcpStream::connect(login.address()).unwrap();
        left.write_all(head.as_bytes()).unwrap();
        if round == 0 {
            was_asked.recv_timeout(PATIENCE).unwrap();
        }
    }
    for _ in 0..10 {
        expect(400, &login.ask("/?code=c0de1234&state=wrong"));
        expect(404, &login.ask("/favicon.ico"));
    }
    drop(release);
    // It may come while the exchange is still being made.
    expect(303, &get(&call));
    let until = Instant::now() + PATIENCE;
    while login.ask("/").status != 200 {
        assert!(Instant::now() < until, "the page is never shown");
    }
    assert_eq!(login.running.finish().stdout, "t0ken\n");
    login.server.exchange_of(&login.url);
}

#[test]
fn the_page_is_kept_for_the_browser_though_another_page_asks_for_it_first() {
    let login = Waiting::new();
    let uri = login.redirect_uri();
    expect(303, &get(&callback(&login.url, &[("code", "c0de1234")])));
    for kind in ["empty", "image", "script", "iframe", "websocket"] {
        let headers = format!("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: {kind}\r\n");
        expect(200, &request("GET", &uri, &headers, ""));
    }
    let headers = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\n";
    expect(200, &request("GET", &uri, headers, ""));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_login_has_few_threads() {
    let (server, was_asked, release) = Server::held(ANSWER);
    let login = Waiting::at(server, "http://127.0.0.1:0/", &[]);
    let call = callback(&login.url, &[("code", "c0de1234")]);
    std::thread::scope(|scope| {
        let called = scope.spawn(|| get(&call));
        was_asked.recv_timeout(PATIENCE).unwrap();
        let threads = format!("/proc/{}/task", login.running.child.id());
        let threads = std::fs::read_dir(threads).unwrap().count();
        assert!(threads <= 8, "{threads} threads");
        drop(release);
        expect(303, &called.join().unwrap());
    });
    expect(200, &login.ask("/"));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
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

/// A login under this limit of open files.
#[cfg(unix)]
fn limited(limit: u32) -> (Home, Server, std::process::Command) {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let arguments = crate::support::waiting::arguments(&server, "http://127.0.0.1:0/");
    let command = home.after(&format!("ulimit -n {limit}"), &arguments);
    (home, server, command)
}

#[test]
#[cfg(unix)]
fn idle_connections_leave_descriptors_for_the_exchange() {
    for idle in [80, 100, 200] {
        let (home, server, command) = limited(64);
        let login = Waiting::start(home, server, command);
        let connect = |_| TcpStream::connect(login.address()).unwrap();
        let held: Vec<_> = (0..idle).map(connect).collect();
        login.succeeds();
        drop(held);
    }
}
