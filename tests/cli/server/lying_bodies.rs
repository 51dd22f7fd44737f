//! Bodies that are none, have no end or hold no sense, to every command that
//! asks a server: see `lies`.

use std::io::{self, Write};
use std::time::Duration;

use crate::server::lies::{REQUESTS, TRUE, refused_as, taken, tell};
use crate::support::server::{Answer, http};
use crate::support::{now, rows, run, several_at_once};

#[test]
fn a_body_that_is_not_json_is_refused_however_it_is_called() {
    // The second row is gzip; a surrogate stands alone in the seventh.
    refused_as(
        r#"\xef\xbb\xbf\xef\xbb\xbfTRUE
           \x1f\x8b\x08\0\0\0\0\0\0\x03\xabV\xca\xccKI\xadP\xb2R2T\xaa\x05\0
           \0TRUE
           TRUE\0
           {"x":"\xff",REST
           {"x":"\0",REST
           {"x":"\x5cud800",REST
           {"x":<<[ * 100000>>,REST
           {"x":<<[ * 100000>><<] * 100000>>,REST
           {"x":<<{"x": * 100000>>1<<} * 100000>>,REST
           {"x":1e999,REST
           {"x":NaN,REST
           {"x":007,REST
           {"x":1/**/,REST
           {'x':1,REST
           call(TRUE)
           )]}'\nTRUE
           TRUETRUE
           [TRUE]
           "access_token"
           <?xml version='1.0'?><access_token>n3wt0ken</access_token>"#,
        |body| format!(r"OK Content-Type: application/json\r\n\r\n{body}"),
    );
    refused_as("UTF-16", |_| {
        let utf16: String = TRUE.chars().map(|c| format!(r"{c}\0")).collect();
        format!(r"OK \r\n{utf16}")
    });
}

#[test]
fn json_that_grows_when_it_is_read_fits_into_the_memory() {
    // Just under 1 MiB that holds as many of these as there is room for: those
    // that take the most memory for their length.
    taken(
        r#"0
           "a"
           [[0]]
           {"":0}"#,
        |one| {
            let many = format!("{one},").repeat(((1 << 20) - 300) / (one.len() + 1));
            format!(r#"OK \r\n{{"x":[{many}0],REST"#)
        },
    );
}

#[test]
fn what_is_odd_but_no_lie_is_taken() {
    taken(
        r#"OK \r\nTRUE
           HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nTRUE
           HTTP/1.1 200\r\nConnection: close\r\n\r\nTRUE
           HTTP/1.1 201 Created\r\nConnection: close\r\n\r\nTRUE
           OK Content-Type: text/html\r\n\r\nTRUE
           OK Content-Type: image/png; charset=utf-16\r\n\r\nTRUE
           OK Content-Type: \xff/;;;\r\n\r\nTRUE
           OK Content-Encoding: gzip\r\n\r\nTRUE
           OK Content-Encoding: br, gzip, zstd\r\n\r\nTRUE
           OK Content-Length: LEN\r\nLENGTHTRUE
           OK LENGTHTRUEHTTP/1.1 500 x\r\n\r\n
           OK CHUNKEDHEX;x="y"\r\nTRUE\r\n0\r\n\r\n
           OK CHUNKEDHEX\r\nTRUE\r\n0\r\nx: y\r\n\r\n
           OK CHUNKEDUPPER\r\nTRUE\r\n000\r\n\r\n
           HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nOK \r\nTRUE
           HTTP/1.1 100 Continue\r\n\r\nOK \r\nTRUE
           <<HTTP/1.1 102 Processing\r\n\r\n * 1000>>OK \r\nTRUE
           OK \r\n{"access_token":"0","id":"0",REST
           OK \r\n{"x":123456789012345678901234567890e200,REST
           OK \r\n \r\n\tTRUE\r\n\r\n"#,
        str::to_owned,
    );
}

/// Writes until the other end has had enough, or this much.
fn pour(out: &mut dyn Write, begin: &str, drop: &[u8], drops: usize) -> io::Result<()> {
    out.write_all(begin.as_bytes())?;
    (0..drops).try_for_each(|_| out.write_all(drop))
}

#[test]
fn a_hundred_megabytes_are_not_waited_for() {
    for length in ["", "Content-Length: 104857600\r\n"] {
        several_at_once(6, REQUESTS.into(), |request| {
            let told = tell(request, move || {
                let begin = format!("HTTP/1.1 200 OK\r\n{length}\r\n{{\"x\":\"");
                // It fails when the client has gone.
                Answer::Stream(Box::new(move |out| {
                    let _ = pour(out, &begin, &[b'x'; 1 << 20], 100);
                }))
            });
            told.is_refused("100 MB", request);
            let said = told.done.stdout + &told.done.stderr;
            assert!(said.contains("more than 1 MiB"), "{said}");
        });
    }
}

/// With the limit that a user sets; that all requests have one is shown where
/// they are sent.
#[test]
fn an_answer_that_drips_or_never_comes_is_not_waited_for_past_the_deadline() {
    let drips = rows(
        r"HTTP/1.1 200                                               | x
          HTTP/1.1 200 OK\r\n                                        | x
          HTTP/1.1 200 OK\r\n\r\n                                    | BLANK
          HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n         | BLANK
          HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n      | 1\r\nBLANK\r\n
          HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1     | ;
                                                                     | HTTP/1.1 102 Wait\r\n\r\n
                                                                     | ",
    );
    let poll = REQUESTS[6];
    several_at_once(drips.len(), drips, |[begin, drop]| {
        let told = tell(poll, move || {
            let bytes = |text: &str| crate::support::unescape(&text.replace("BLANK", " "));
            let (mut next, drop) = (bytes(begin), bytes(drop));
            Answer::Stream(Box::new(move |out| {
                while out.write_all(&next).is_ok() {
                    next.clone_from(&drop);
                    std::thread::sleep(Duration::from_millis(100));
                }
            }))
        });
        told.is_refused(&format!("{begin} {drop}"), poll);
    });
}

#[test]
fn a_lifetime_past_all_measure_loses_no_token() {
    for [written, left] in rows(
        r#"18446744073709551616  | 18446744073709551615
           "1e999"               | 18446744073709551615
           "NaN"                 |
           -18446744073709551616 | 0
           " 7200 "              | 7200"#,
    ) {
        let answer = TRUE.replace("\"expires_in\":300", &format!("\"expires_in\":{written}"));
        let told = tell(REQUESTS[0], move || http(200, "", answer.as_bytes()));
        told.is_taken(written, "token");
        let saved = told.home.token();
        assert_eq!(saved["refresh_token"], "r3fr3sh", "{written}");
        let at = saved.get("expires_at").map(|at| at.as_u64().unwrap());
        let least = left.parse().ok().map(|left| now().saturating_add(left));
        let least = least.map(|least: u64| least.saturating_sub(60));
        assert_eq!(at.is_some(), least.is_some(), "{written}: {at:?}");
        assert!(at >= least, "{written}: {at:?}");
        let done = run(told.home.command(&["status"]));
        assert_eq!(done.code, Some(0), "{written}");
    }
}
