//! Requests as the sandbox gets them, the only server here that reads a body:
//! what is malformed is refused, and it goes on.

use std::net::SocketAddr;

use crate::listener::hostile::not_http_1;
use crate::support::browser::{Reply, address, raw};
use crate::support::waiting::expect;
use crate::support::{Home, Running};

const FORM: &str = "POST /token HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-www-form-urlencoded\r\n";

fn sandbox(home: &Home) -> (Running, SocketAddr) {
    let mut running = Running::start(&mut home.command(&["sandbox"]));
    let [origin, ..] = running.sandbox_lines();
    (running, address(&origin))
}

/// Checks that the form came through: its client is unknown.
#[track_caller]
fn is_read(reply: &Reply) {
    assert_eq!(reply.status, 400, "{reply:#?}");
    assert!(reply.body.contains("invalid_client"), "{reply:#?}");
}

#[test]
fn the_sandbox_refuses_what_is_not_http_1() {
    let home = Home::new();
    let (_sandbox, to) = sandbox(&home);
    for (sent, status) in not_http_1("/info") {
        let reply = raw(to, sent.as_bytes());
        let shown = &sent[..sent.len().min(100)];
        assert_eq!(reply.status, status, "{shown:?}: {reply:#?}");
        expect(status, &reply);
    }
    for host in [
        "Host: evil.example\r\n",
        "Host: a@localhost\r\n",
        "Host:\r\n",
    ] {
        let head = FORM.replace("Host: localhost\r\n", host);
        let reply = raw(to, format!("{head}\r\n").as_bytes());
        expect(421, &reply);
    }
    let hello = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        [7; 400].as_slice(),
    ]
    .concat();
    assert_eq!(raw(to, &hello).head, "");
    let known = "grant_type=authorization_code&client_id=x";
    let length = known.len();
    is_read(&raw(
        to,
        format!("{FORM}Content-Length: {length}\r\n\r\n{known}").as_bytes(),
    ));
}

#[test]
fn the_sandbox_reads_a_body_in_chunks_and_refuses_one_that_is_malformed() {
    let home = Home::new();
    let (_sandbox, to) = sandbox(&home);
    let whole = "1d\r\ngrant_type=authorization_code\r\nc\r\n&client_id=x\r\n0\r\n\r\n";
    let whole = whole.replace("1d\r\n", "1D;name=\"value\"\r\n");
    let bytes = |length: usize| format!("{length:x}\r\n{}\r\n", "a".repeat(length));
    for (chunks, status) in [
        // The end is reached before the trailer is, which is not ours to read.
        (whole.clone(), 0),
        (whole.replace("\r\n0\r\n", "\r\n000\r\nx: y\r\n"), 0),
        (format!("{whole}POST /token HTTP/1.1\r\n\r\n"), 0),
        ("x\r\na\r\n0\r\n\r\n".into(), 400),
        ("-1\r\na\r\n0\r\n\r\n".into(), 400),
        ("0x1\r\na\r\n0\r\n\r\n".into(), 400),
        ("1\r\nab\r\n0\r\n\r\n".into(), 400),
        ("2\r\na\r\n0\r\n\r\n".into(), 400),
        ("1\r\na0\r\n\r\n".into(), 400),
        ("10000000000000000\r\na\r\n".into(), 400),
        ("ffffffffffffffff\r\na\r\n".into(), 413),
        ("10001\r\na".into(), 413),
        (bytes(0x8000).repeat(2) + &bytes(1), 413),
        (format!("1;{}\r\na\r\n", "x".repeat(20 << 10)), 400),
    ] {
        let sent = format!("{FORM}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        let reply = raw(to, sent.as_bytes());
        let shown = &chunks[..chunks.len().min(100)];
        match status {
            0 => is_read(&reply),
            _ => assert_eq!(reply.status, status, "{shown:?}: {reply:#?}"),
        }
    }
    for (headers, status) in [
        ("Content-Length: 65537\r\n", 413),
        ("Content-Length: 18446744073709551616\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 1, 1\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        ("Transfer-Encoding: identity\r\n", 400),
    ] {
        let reply = raw(
            to,
            format!("{FORM}{headers}\r\n1\r\na\r\n0\r\n\r\n").as_bytes(),
        );
        assert_eq!(reply.status, status, "{headers:?}: {reply:#?}");
    }
    let expected =
        format!("{FORM}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n{whole}");
    let reply = raw(to, expected.as_bytes());
    assert!(
        reply.head.starts_with("HTTP/1.1 100 Continue"),
        "{reply:#?}"
    );
    assert!(reply.body.contains("invalid_client"), "{reply:#?}");
}
