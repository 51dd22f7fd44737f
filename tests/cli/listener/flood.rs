//! Floods, idlers and endless requests, against listener and sandbox:
//! neither grows, and both answer meanwhile.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};

use crate::support::browser::raw;
use crate::support::sandbox::Served;
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, Waiting, arguments, expect};
use crate::support::waiting::{connection, is_closed, peak_memory};
use crate::support::{Home, rows, unescape, wait_for};

/// Connections between two of which an answer is wanted. Where many more come
/// at once, the kernel's queue is full, and it lets some wait for a second.
const AT_ONCE: usize = 25;

/// A server under attack.
enum Prey {
    Login(Waiting),
    Sandbox(Served),
}

impl Prey {
    fn both() -> [Prey; 2] {
        Prey::after(":")
    }

    /// Started by a shell after this.
    fn after(before: &str) -> [Prey; 2] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let command = home.after(before, &arguments(&server, "http://127.0.0.1:0/"));
        let login = Waiting::start(home, server, command);
        let home = Home::new();
        let sandbox = home.after(before, &["sandbox", "--consent", "allow"]);
        [
            Prey::Login(login),
            Prey::Sandbox(Served::run(home, sandbox)),
        ]
    }

    fn address(&self) -> SocketAddr {
        match self {
            Prey::Login(login) => login.address(),
            Prey::Sandbox(served) => served.address(),
        }
    }

    /// Checks that it has not grown, and does what it is there for.
    #[track_caller]
    fn survives(self) {
        let running = match &self {
            Prey::Login(login) => &login.running,
            Prey::Sandbox(served) => &served.running,
        };
        let peak = peak_memory(running.child.id());
        assert!(peak < 32 << 10, "{peak} KiB");
        match self {
            Prey::Login(login) => drop(login.succeeds()),
            Prey::Sandbox(served) => drop(served.code("")),
        }
    }
}

/// Checks that there is an answer for anybody.
#[track_caller]
fn answers(to: SocketAddr) {
    let head = b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect(404, &raw(to, head));
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
fn ten_thousand_connections_that_close_or_reset_are_survived() {
    for prey in Prey::both() {
        let to = prey.address();
        for at in 0..5_000 {
            let sent: [&[u8]; 5] = [
                b"",
                b"G",
                b"GET /favicon.ico HTTP/1.1\r\nHost: loc",
                b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na",
            ];
            reset(connection(to, sent[at % 5]));
            drop(connection(to, sent[at % 5]));
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
    if let Prey::Sandbox(_) = prey {
        begun.push(format!("{post}Content-Length: 999\r\n\r\n"));
        begun.push(format!("{post}Transfer-Encoding: chunked\r\n\r\n9;x="));
    }
    let connect = |at: usize| connection(to, begun[at / 2 % begun.len()].as_bytes());
    let held: Vec<_> = (0..50).map(connect).collect();
    answers(to);
    assert!(!held.iter().any(is_closed), "it waited for one of them");
    wait_for("they are cut off", || {
        for mut stream in held.iter().skip(1).step_by(2) {
            let _ = stream.write_all(b"a");
        }
        held.iter().all(is_closed)
    });
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
    for [begun, goes_on] in rows(
        r"                              | \0
                                        | a
                                        | \r\n
          GET /?                        | a
          GET / HOSTx:                  | a
          GET / HOSTx                   | a
          GET / HOST                    | x: y\r\n
          GET / HOSTx:                  | ы
          GET / HOST\r\n                | GET /x
          POST LENGTH67108864\r\n\r\n   | a
          POST FORMLENGTH65536\r\n\r\n  | a
          POST CHUNKED                  | 1;
          POST CHUNKED                  | 1\r\na\r\n
          POST CHUNKED4000000\r\n       | a
          POST CHUNKED0\r\n             | x: y\r\n",
    ) {
        let begun = begun
            .replace(
                "FORM",
                r"HOSTContent-Type: application/x-www-form-urlencoded\r\n",
            )
            .replace("POST LENGTH", "POST HOSTLENGTH")
            .replace("LENGTH", "Content-Length: ")
            .replace("CHUNKED", r"HOSTTransfer-Encoding: chunked\r\n\r\n")
            .replace("HOST", r"HTTP/1.1\r\nHost: localhost\r\n")
            .replace("POST", "POST /token");
        let (begun, goes_on) = (unescape(&begun), unescape(goes_on));
        let chunk = goes_on.repeat((1 << 16) / goes_on.len());
        for prey in Prey::both() {
            let mut stream = connection(prey.address(), &begun);
            let is_cut = (0..1024).any(|_| stream.write_all(&chunk).is_err());
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
