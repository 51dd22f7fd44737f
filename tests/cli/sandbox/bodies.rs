//! Requests as the sandbox gets them, the only server here that reads a body:
//! what is malformed is refused, and it goes on.

use crate::support::browser::{Reply, raw};
use crate::support::sandbox::{FORM, Served, refused};
use crate::support::waiting::{refuses_what_is_not_http_1, tls_hello};
use crate::support::{rows, unescape};

/// Sends what comes behind these headers of a form.
fn send(served: &Served, rest: &str) -> Reply {
    let head = format!("POST /token HTTP/1.1\r\nHost: localhost\r\n{FORM}");
    raw(
        served.address(),
        &[head.as_bytes(), &unescape(rest)].concat(),
    )
}

/// Checks that the form came through: its client is unknown.
#[track_caller]
fn is_read(reply: &Reply) {
    refused(reply, "invalid_client");
}

#[test]
fn the_sandbox_refuses_what_is_not_http_1() {
    let served = Served::start(&[]);
    let to = served.address();
    refuses_what_is_not_http_1(to, "/info");
    assert_eq!(raw(to, &tls_hello()).head, "");
    is_read(&served.post("/token", "grant_type=authorization_code&client_id=x"));
}

/// A form in two chunks.
const WHOLE: &str = "1D;name=\"value\"\r\ngrant_type=authorization_code\r\n\
    c\r\n&client_id=x\r\n0\r\n\r\n";

#[test]
fn the_sandbox_reads_a_body_in_chunks_and_refuses_one_that_is_malformed() {
    let served = Served::start(&[]);
    let in_chunks = |chunks: &str| {
        let rest = format!("Transfer-Encoding: chunked\r\n\r\n{chunks}");
        send(&served, &rest)
    };
    is_read(&in_chunks(WHOLE));
    // The end is reached before the trailer is, which is not ours to read.
    is_read(&in_chunks(
        &WHOLE.replace("\r\n0\r\n", "\r\n000\r\nx: y\r\n"),
    ));
    is_read(&in_chunks(&format!("{WHOLE}POST /token HTTP/1.1\r\n\r\n")));
    let half = format!("8000\r\n{}\r\n", "a".repeat(0x8000));
    let long = "x".repeat(20 << 10);
    for [chunks, status] in rows(
        r"x\r\na\r\n0\r\n\r\n         | 400
          -1\r\na\r\n0\r\n\r\n        | 400
          0x1\r\na\r\n0\r\n\r\n       | 400
          1\r\nab\r\n0\r\n\r\n        | 400
          2\r\na\r\n0\r\n\r\n         | 400
          1\r\na0\r\n\r\n             | 400
          10000000000000000\r\na\r\n  | 400
          ffffffffffffffff\r\na\r\n   | 413
          10001\r\na                  | 413
          HALF_HALF_1\r\na\r\n        | 413
          1;LONG\r\na\r\n             | 400",
    ) {
        let sent = chunks.replace("HALF_", &half).replace("LONG", &long);
        let reply = in_chunks(&sent);
        assert_eq!(reply.status.to_string(), status, "{chunks}: {reply:#?}");
    }
    for [headers, status] in rows(
        r"Content-Length: 65537\r\n                                        | 413
          Content-Length: 18446744073709551616\r\n                         | 400
          Content-Length: -1\r\n                                           | 400
          Content-Length: 1, 1\r\n                                         | 400
          Content-Length: 1\r\nContent-Length: 1\r\n                       | 400
          Content-Length: 1\r\nTransfer-Encoding: chunked\r\n              | 400
          Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n     | 400
          Transfer-Encoding: identity\r\n                                  | 400",
    ) {
        let reply = send(&served, &format!("{headers}\r\n1\r\na\r\n0\r\n\r\n"));
        assert_eq!(reply.status.to_string(), status, "{headers}: {reply:#?}");
    }
    let headers = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n";
    let reply = send(&served, &format!("{headers}\r\n{WHOLE}"));
    let is_asked_for = reply.head.starts_with("HTTP/1.1 100 Continue");
    assert!(is_asked_for, "{reply:#?}");
    assert!(reply.body.contains("invalid_client"), "{reply:#?}");
}
