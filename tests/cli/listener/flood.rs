//! Floods, idlers and endless requests, against listener and sandbox:
//! neither grows, and both answer meanwhile.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};

use crate::support::browser::{address, callback, get, raw};
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, Waiting, arguments, expect};
use crate::support::waiting::{connection, peak_memory};
use crate::support::{Home, PATIENCE, Running};

/// Connections between two of which an answer is wanted. Where many more come
/// at once, the kernel's queue is full, and it lets some wait for a second.
const AT_ONCE: usize = 25;

/// A server under attack.
pub enum Prey {
    Login(Waiting),
    Sandbox {
        _home: Home,
        running: Running,
        origin: String,
        id: String,
    },
}

impl Prey {
    pub fn both() -> [Prey; 2] {
        Prey::after(":")
    }

    /// Started by a shell after this.
    fn after(before: &str) -> [Prey; 2] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let command = home.after(before, &arguments(&server, "http://127.0.0.1:0/"));
        let login = Waiting::start(home, server, command);
        let home = Home::new();
        let sandbox = ["sandbox", "--consent", "allow"];
        let mut running = Running::start(&mut home.after(before, &sandbox));
        let [origin, id, _] = running.sandbox_lines();
        [
            Prey::Login(login),
            Prey::Sandbox {
                _home: home,
                running,
                origin,
                id,
            },
        ]
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Prey::Login(login) => login.address(),
            Prey::Sandbox { origin, .. } => address(origin),
        }
    }

    /// Checks that it has not grown, and does what it is there for.
    #[track_caller]
    pub fn survives(self) {
        let running = match &self {
            Prey::Login(login) => &login.running,
            Prey::Sandbox { running, .. } => running,
        };
        let peak = peak_memory(running.child.id());
        assert!(peak < 32 << 10, "{peak} KiB");
        match self {
            Prey::Login(login) => drop(login.succeeds()),
            Prey::Sandbox { origin, id, .. } => {
                let query = format!("response_type=code&client_id={id}&redirect_uri=http://[::1]/");
                let allowed = get(&format!("{origin}/authorize?{query}"));
                assert_eq!(allowed.status, 302, "{allowed:#?}");
                let to = allowed.header("Location").unwrap();
                assert!(to.starts_with("http://[::1]/?code="), "{allowed:#?}");
            }
        }
    }
}

/// Checks that there is an answer for anybody.
#[track_caller]
fn answers(to: SocketAddr) {
    let head = b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect(404, &raw(to, head));
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// A callback after so many connections that say little or nothing. Had it
/// waited for one of them, that one would have been closed.
#[track_caller]
fn is_not_late_behind(idle: usize, round: usize) {
    let login = Waiting::new();
    let begun: [&[u8]; 4] = [b"", b"G", b"GET /?co", b"GET / HTTP/1.1\r\nHost: lo"];
    let begun = |at| begun[(at + round) % 4];
    let connect = |at| connection(login.address(), begun(at));
    let held: Vec<_> = (0..idle).map(connect).collect();
    let redirected = get(&callback(&login.url, &[("code", "c0de1234")]));
    expect(303, &redirected);
    let closed = held.iter().filter(|stream| is_closed(stream)).count();
    // There are 64 places.
    assert!(
        closed <= (idle + 1).saturating_sub(64),
        "{closed} of {idle}"
    );
    expect(200, &get(redirected.header("Location").unwrap()));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
    drop(held);
}

#[test]
fn a_callback_waits_for_no_idle_connection() {
    for idle in [4, 5, 8, 13, 24, 40, 61, 62, 63, 64] {
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

/// Closes it by a reset.
fn reset(stream: TcpStream) {
    let at_once = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, Linger, &at_once).unwrap();
}

#[test]
fn ten_thousand_connections_that_are_reset_are_survived() {
    for prey in Prey::both() {
        let to = prey.address();
        for at in 0..10_000 {
            let sent: [&[u8]; 5] = [
                b"",
                b"G",
                b"GET /favicon.ico HTTP/1.1\r\nHost: loc",
                b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na",
            ];
            reset(connection(to, sent[at % 5]));
            if at % AT_ONCE == 0 {
                answers(to);
            }
        }
        prey.survives();
    }
}

/// Many connections that send one part and then nothing, or bytes one by one.
#[track_caller]
fn are_cut_off(prey: Prey) {
    let to = prey.address();
    let post = "POST /token HTTP/1.1\r\nHost: localhost\r\n";
    let mut begun = vec![
        String::new(),
        "G".into(),
        "GET /x HTTP/1.1\r\nHost: localhost\r\nx: ".into(),
    ];
    // A login does not read a body, and answers at once.
    if let Prey::Sandbox { .. } = prey {
        begun.push(format!("{post}Content-Length: 999\r\n\r\n"));
        begun.push(format!("{post}Transfer-Encoding: chunked\r\n\r\n9;x="));
    }
    let connect = |at: usize| connection(to, begun[at / 2 % begun.len()].as_bytes());
    let held: Vec<_> = (0..50).map(connect).collect();
    answers(to);
    assert!(!held.iter().any(is_closed), "it waited for one of them");
    let until = Instant::now() + PATIENCE;
    while !held.iter().all(is_closed) {
        assert!(Instant::now() < until, "they are never cut off");
        for mut stream in held.iter().skip(1).step_by(2) {
            let _ = stream.write_all(b"a");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    prey.survives();
}

#[test]
fn slow_senders_are_cut_off_and_hold_nothing_up_meanwhile() {
    std::thread::scope(|scope| {
        for prey in Prey::both() {
            scope.spawn(|| are_cut_off(prey));
        }
    });
}

#[test]
fn a_request_without_an_end_is_cut_off_and_fills_no_memory() {
    let host = "HTTP/1.1\r\nHost: localhost\r\n";
    let chunked = format!("POST /token {host}Transfer-Encoding: chunked\r\n\r\n");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (begun, goes_on) in [
        ("", "\0"),
        ("", "a"),
        ("", "\r\n"),
        ("GET /?", "a"),
        (&format!("GET / {host}x: "), "a"),
        (&format!("GET / {host}x"), "a"),
        (&format!("GET / {host}"), "x: y\r\n"),
        (&format!("GET / {host}x: "), "\u{44b}"),
        (&format!("GET / {host}\r\n"), "GET / "),
        (
            &format!("POST /token {host}Content-Length: 67108864\r\n\r\n"),
            "a",
        ),
        (
            &format!("POST /token {host}{form}Content-Length: 65536\r\n\r\n"),
            "a",
        ),
        (&chunked, "1;"),
        (&chunked, "1\r\na\r\n"),
        (&format!("{chunked}4000000\r\n"), "a"),
        (&format!("{chunked}0\r\n"), "x: y\r\n"),
    ] {
        let chunk = goes_on.repeat((1 << 16) / goes_on.len());
        for prey in Prey::both() {
            let mut stream = connection(prey.address(), begun.as_bytes());
            let is_cut = (0..1024).any(|_| stream.write_all(chunk.as_bytes()).is_err());
            assert!(is_cut, "{begun:?}: 64 MiB of {goes_on:?} were taken");
            prey.survives();
        }
    }
}

#[test]
fn two_hundred_thousand_requests_by_clients_that_read_no_answer_are_survived() {
    let requests = "GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    for prey in Prey::both() {
        let to = prey.address();
        let flood = || {
            let mut held = VecDeque::new();
            for at in 0..500 {
                held.push_back(connection(to, requests.as_bytes()));
                if held.len() > 40 {
                    held.pop_front();
                }
                if at % AT_ONCE == 0 {
                    answers(to);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(flood);
            }
        });
        prey.survives();
    }
}

#[test]
fn descriptors_that_are_used_up_again_and_again_come_back() {
    for prey in Prey::after("ulimit -n 64") {
        let to = prey.address();
        for _ in 0..20 {
            let connect = |_| connection(to, b"GET");
            let held: Vec<_> = (0..100).map(connect).collect();
            answers(to);
            drop(held);
            answers(to);
        }
        prey.survives();
    }
}
