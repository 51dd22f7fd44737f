//! Bytes and connections that no browser sends: refused or survived, and the
//! login goes on.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use crate::support::browser::{get, raw, reply};
use crate::support::unescape;
use crate::support::waiting::{AT_ONCE, Waiting, connection, expect, is_closed};
use crate::support::waiting::{refuses_what_is_not_http_1, tls_hello};

#[test]
fn what_is_not_http_1_is_refused() {
    let login = Waiting::new();
    let (to, target) = (login.address(), login.target());
    refuses_what_is_not_http_1(to, &target);
    let head = format!(r"GET {target}&\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(400, &raw(to, &unescape(&head)));
    login.succeeds();
}

#[test]
fn a_header_that_is_not_ascii_does_not_spoil_the_callback() {
    let login = Waiting::new();
    let target = login.target();
    let (line, host) = (format!("GET {target} HTTP/1.1\r\n"), "Host: localhost\r\n");
    let headers = b"Cookie: \xff\xfe\xd1\x8b\r\nAccept-Language: \xd1\x8b\r\n";
    let head = [line.as_bytes(), headers, host.as_bytes(), b"\r\n"];
    expect(303, &raw(login.address(), &head.concat()));
    expect(200, &login.ask("/"));
    login.has_ended();
}

#[test]
fn a_client_that_speaks_https_is_warned_about_once() {
    let login = Waiting::new();
    for _ in 0..5 {
        let reply = raw(login.address(), &tls_hello());
        assert_eq!(reply.head, "", "nothing that could be read as TLS");
    }
    let done = login.succeeds();
    assert_eq!(done.stderr.matches("HTTPS").count(), 2, "{done:#?}");
    assert_eq!(done.stderr.matches("warning: ").count(), 1, "{done:#?}");
}

#[test]
fn a_callback_that_comes_byte_by_byte_is_understood() {
    let login = Waiting::new();
    let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", login.target());
    let mut stream = connection(login.address(), b"");
    stream.set_nodelay(true).unwrap();
    for byte in head.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    expect(303, &reply(&answer));
    expect(200, &login.ask("/"));
    login.has_ended();
}

#[test]
fn pipelined_requests_get_one_answer() {
    let login = Waiting::new();
    let one = "GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut requests = one.repeat(1000);
    requests.push_str(&one.replace("/favicon.ico", &login.target()));
    let reply = login.raw(&requests);
    expect(404, &reply);
    assert_eq!(reply.body.matches("HTTP/1.1").count(), 0, "{reply:#?}");
    login.succeeds();
}

/// A callback after so many connections that say little or nothing. Had it
/// waited for one of them, that one would have been closed.
#[track_caller]
fn is_not_late_behind(idle: usize, round: usize) {
    let login = Waiting::new();
    let started = Instant::now();
    let begun: [&[u8]; 4] = [b"", b"G", b"GET /?co", b"GET / HTTP/1.1\r\nHost: lo"];
    let begun = |at| begun[(at + round) % 4];
    let connect = |at| connection(login.address(), begun(at));
    let held: Vec<_> = (0..idle).map(connect).collect();
    let redirected = get(&login.callback());
    expect(303, &redirected);
    let closed = held.iter().filter(|stream| is_closed(stream)).count();
    // There are 64 places.
    let most = (idle + 1).saturating_sub(64);
    assert!(closed <= most, "{closed} of {idle}");
    expect(200, &get(redirected.header("Location").unwrap()));
    login.has_ended();
    let took = started.elapsed();
    assert!(took < AT_ONCE, "{idle} idle: {took:?}");
    drop(held);
}

#[test]
fn idle_connections_delay_neither_the_callback_nor_the_exit() {
    for idle in [4, 5, 8, 13, 24, 40, 61, 62, 63, 64, 200] {
        is_not_late_behind(idle, idle);
    }
}

#[test]
#[ignore = "needs minutes"]
fn a_callback_waits_for_no_idle_connection_in_3050_runs() {
    for idle in 4..=64 {
        for round in 0..50 {
            is_not_late_behind(idle, round);
        }
    }
}

/// Windows can't make room for a new connection at once: see
/// `platform::MAX_CONNECTIONS`.
#[cfg(unix)]
#[test]
fn a_flood_of_new_connections_does_not_cost_the_callback() {
    for _ in 0..3 {
        let login = Waiting::new();
        let (to, started) = (login.address(), Instant::now());
        let over = AtomicBool::new(false);
        let sent = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut held = VecDeque::new();
                    while !over.load(Relaxed) {
                        // It fails when the listener is gone.
                        held.extend(TcpStream::connect(to));
                        if sent.fetch_add(1, Relaxed) > 5000 {
                            return; // Every connection costs the machine a port.
                        }
                        if held.len() > 100 {
                            held.pop_front();
                        }
                    }
                });
            }
            let _over = SetAtEnd(&over);
            while sent.load(Relaxed) < 200 {
                std::thread::yield_now();
            }
            // A browser connects again where it was closed before it had sent
            // anything, as the oldest of so many.
            let callback = login.callback();
            assert!((0..5).any(|_| get(&callback).status == 303));
            login.has_ended();
        });
        assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    }
}

/// Ends the flood when the test fails, too.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
