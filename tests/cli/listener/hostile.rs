//! Bytes and connections that no browser sends: refused or survived, and the
//! login goes on.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use crate::support::browser::{callback, get, raw};
use crate::support::waiting::connection;
#[cfg(target_os = "linux")]
use crate::support::waiting::peak_memory;
use crate::support::waiting::{AT_ONCE, Waiting, expect, refuses_what_is_not_http_1, tls_hello};

#[test]
fn what_is_not_http_1_is_refused() {
    let login = Waiting::new();
    let (to, target) = (login.address(), login.target());
    refuses_what_is_not_http_1(to, &target);
    let not_utf8 = [
        b"GET ",
        target.as_bytes(),
        b"&\xff\xfe HTTP/1.1\r\n",
        b"Host: localhost\r\n\r\n",
    ];
    expect(400, &raw(to, &not_utf8.concat()));
    login.succeeds();
}

#[test]
fn a_header_that_is_not_ascii_does_not_spoil_the_callback() {
    let login = Waiting::new();
    let target = login.target();
    let (line, host) = (format!("GET {target} HTTP/1.1\r\n"), "Host: localhost\r\n");
    let head = [
        line.as_bytes(),
        b"Cookie: \xff\xfe\xd1\x8b\r\nAccept-Language: \xd1\x8b\r\n",
        host.as_bytes(),
        b"\r\n",
    ];
    expect(303, &raw(login.address(), &head.concat()));
    expect(200, &login.ask("/"));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
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
fn an_endless_request_line_is_cut_off_and_fills_no_memory() {
    let login = Waiting::new();
    let mut stream = connection(login.address(), b"GET /");
    let chunk = [b'a'; 1 << 16];
    let cut = (0..1024).any(|_| stream.write_all(&chunk).is_err());
    assert!(cut, "64 MiB were taken");
    #[cfg(target_os = "linux")]
    {
        let peak = peak_memory(login.running.child.id());
        assert!(peak < 32 << 10, "{peak} KiB");
    }
    login.succeeds();
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
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    expect(303, &crate::support::browser::reply(answer.as_bytes()));
    expect(200, &login.ask("/"));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
}

#[test]
fn pipelined_requests_get_one_answer() {
    let login = Waiting::new();
    let one = "GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut requests = one.repeat(1000);
    requests.push_str(&one.replace("/favicon.ico", &login.target()));
    let reply = raw(login.address(), requests.as_bytes());
    expect(404, &reply);
    assert_eq!(reply.body.matches("HTTP/1.1").count(), 0, "{reply:#?}");
    login.succeeds();
}

#[test]
fn idle_connections_delay_neither_the_callback_nor_the_exit() {
    for (connections, rounds) in [(12, 10), (63, 2), (64, 2), (200, 4)] {
        for round in 0..rounds {
            let login = Waiting::new();
            let started = Instant::now();
            let held: Vec<_> = (0..connections)
                .map(|at| {
                    let begun: [&[u8]; 3] = [b"", b"GET /?co", b"GET / HTTP/1.1\r\nHost: lo"];
                    connection(login.address(), begun[(at + round) % 3])
                })
                .collect();
            login.succeeds();
            let took = started.elapsed();
            assert!(took < AT_ONCE, "{connections} idle: {took:?}");
            drop(held);
        }
    }
}

#[test]
fn clients_that_never_read_their_answers_hold_nothing_up() {
    let login = Waiting::new();
    let started = Instant::now();
    let one = "GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    let held: Vec<_> = (0..150)
        .map(|_| connection(login.address(), one.as_bytes()))
        .collect();
    login.succeeds();
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    drop(held);
}

#[test]
fn thousands_of_connections_that_close_or_reset_are_survived() {
    let login = Waiting::new();
    let started = Instant::now();
    let one = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for at in 0..2000 {
        match at % 4 {
            0 => drop(connection(login.address(), b"")),
            1 => drop(connection(login.address(), b"GET / HT")),
            2 => drop(connection(login.address(), one.as_bytes())),
            // An answer left unread when a socket closes makes it a reset.
            _ => {
                let stream = connection(login.address(), one.as_bytes());
                stream.peek(&mut [0]).unwrap();
            }
        }
    }
    #[cfg(target_os = "linux")]
    {
        let peak = peak_memory(login.running.child.id());
        assert!(peak < 32 << 10, "{peak} KiB");
    }
    login.succeeds();
    assert!(started.elapsed() < 3 * AT_ONCE, "{:?}", started.elapsed());
}

/// A login that may have no more than 64 descriptors open.
#[cfg(unix)]
fn with_few_descriptors() -> Waiting {
    use crate::support::Home;
    use crate::support::server::Server;
    use crate::support::waiting::{ANSWER, arguments};

    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let arguments = arguments(&server, "http://127.0.0.1:0/");
    let command = home.after("ulimit -n 64", &arguments);
    Waiting::start(home, server, command)
}

#[test]
#[cfg(unix)]
fn descriptors_used_up_are_survived_while_and_after_they_are() {
    for stay in [false, true] {
        let login = with_few_descriptors();
        let held: Vec<_> = (0..100)
            .map(|_| connection(login.address(), b"GET"))
            .collect();
        // They are more than it can have at once: one had to give way.
        let _ = (&held[0]).read(&mut [0]);
        let held = stay.then_some(held);
        login.succeeds();
        drop(held);
    }
}

#[test]
#[cfg(unix)]
fn descriptors_used_up_do_not_cost_the_callback() {
    let login = with_few_descriptors();
    let held: Vec<_> = (0..100)
        .map(|_| connection(login.address(), b"GET"))
        .collect();
    login.succeeds();
    drop(held);
}

/// Elsewhere it can't be told, without reading, whether a connection has sent
/// something: see `platform::has_unread`.
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
            let callback = callback(&login.url, &[("code", "c0de1234")]);
            assert!((0..5).any(|_| get(&callback).status == 303));
            let done = login.running.finish();
            assert_eq!(
                (done.code, &*done.stdout),
                (Some(0), "t0ken\n"),
                "{done:#?}"
            );
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
