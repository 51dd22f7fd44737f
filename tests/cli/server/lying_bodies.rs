//! Bodies that are none, have no end or hold no sense, to every command that
//! asks a server: see `lies`.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::lies::{REQUESTS, TRUE, bytes, chunks, line, ok, refused, taken, tell};
use crate::support::server::{Answer, http};
use crate::support::several_at_once;
use crate::support::{now, run};

#[test]
fn a_body_that_is_not_json_is_refused_however_it_is_called() {
    let utf16: Vec<u8> = TRUE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let in_json = |value: &str| bytes(TRUE.replacen('{', &format!("{{\"x\":{value},"), 1));
    let lies = vec![
        (
            "two BOMs",
            [b"\xef\xbb\xbf\xef\xbb\xbf", TRUE.as_bytes()].concat(),
        ),
        ("NUL before", [b"\0", TRUE.as_bytes()].concat()),
        ("NUL behind", [TRUE.as_bytes(), b"\0"].concat()),
        ("NUL within", bytes(TRUE.replace("n3w", "n\u{0}3w"))),
        ("UTF-16", utf16),
        (
            "not UTF-8",
            TRUE.bytes()
                .map(|b| if b == b'3' { 0xff } else { b })
                .collect(),
        ),
        ("surrogate", in_json(r#""\ud800""#)),
        (
            "gzip",
            bytes(&b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xabV\xca\xccKI\xadP\xb2R2T\xaa\x05\0"[..]),
        ),
        ("deep", in_json(&"[".repeat(100_000))),
        (
            "deep and whole",
            in_json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ),
        (
            "deep objects",
            in_json(&format!(
                "{}1{}",
                r#"{"x":"#.repeat(100_000),
                "}".repeat(100_000)
            )),
        ),
        ("1e999", in_json("1e999")),
        ("NaN", in_json("NaN")),
        ("leading zero", in_json("007")),
        ("comment", in_json("1/**/")),
        ("single quotes", bytes(TRUE.replace('"', "'"))),
        ("JSONP", bytes(format!("call({TRUE})"))),
        ("guard", bytes(format!(")]}}'\n{TRUE}"))),
        ("two", bytes(format!("{TRUE}{TRUE}"))),
        ("list", bytes(format!("[{TRUE}]"))),
        ("string", bytes(json!(TRUE).to_string())),
        (
            "XML",
            bytes("<?xml version='1.0'?><access_token>n3wt0ken</access_token>"),
        ),
    ];
    let lies = lies
        .into_iter()
        .map(|(name, body)| (name, ok("Content-Type: application/json\r\n", &body)));
    refused(lies);
}

/// JSON of just under 1 MiB that holds as many of these as there is room for.
fn full_of(one: &str) -> Vec<u8> {
    let many = format!("{one},").repeat(((1 << 20) - 300) / (one.len() + 1));
    bytes(TRUE.replacen('{', &format!("{{\"x\":[{many}0],"), 1))
}

#[test]
fn json_that_grows_when_it_is_read_fits_into_the_memory() {
    let lies = [
        r#"0"#,
        r#""""#,
        r#""a""#,
        "[]",
        "[0]",
        "[[0]]",
        "{}",
        r#"{"":0}"#,
        r#"[{"":0}]"#,
    ]
    .map(|one| (one, ok("", &full_of(one))));
    taken(lies);
}

#[test]
fn what_is_odd_but_no_lie_is_taken() {
    let own = TRUE.len();
    let body = TRUE.as_bytes();
    let chunk = format!("{own:x}\r\n{TRUE}\r\n");
    let lies = vec![
        ("no length", ok("", body)),
        ("HTTP/1.0", line("HTTP/1.0 200 OK")),
        ("no reason", line("HTTP/1.1 200")),
        ("201", line("HTTP/1.1 201 Created")),
        ("text/html", ok("Content-Type: text/html\r\n", body)),
        (
            "image",
            ok("Content-Type: image/png; charset=utf-16\r\n", body),
        ),
        ("odd type", ok("Content-Type: \u{ff}/;;;\r\n", body)),
        ("no gzip", ok("Content-Encoding: gzip\r\n", body)),
        ("no br", ok("Content-Encoding: br, gzip, zstd\r\n", body)),
        (
            "same length twice",
            ok(
                &format!("Content-Length: {own}\r\nContent-Length: {own}\r\n"),
                body,
            ),
        ),
        (
            "more behind",
            ok(
                &format!("Content-Length: {own}\r\n"),
                &[body, b"HTTP/1.1 500 x\r\n\r\n"].concat(),
            ),
        ),
        (
            "chunk extension",
            chunks(&format!("{own:x};x=\"y\"\r\n{TRUE}\r\n0\r\n\r\n")),
        ),
        ("trailer", chunks(&format!("{chunk}0\r\nx: y\r\n\r\n"))),
        (
            "UPPER",
            chunks(&format!("{own:X}\r\n{TRUE}\r\n000\r\n\r\n")),
        ),
        (
            "early hints",
            [
                &b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"[..],
                &ok("", body),
            ]
            .concat(),
        ),
        (
            "continue",
            [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &ok("", body)].concat(),
        ),
        (
            "1000 hints",
            [
                b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000),
                ok("", body),
            ]
            .concat(),
        ),
        (
            "a key twice",
            ok(
                "",
                TRUE.replacen('{', r#"{"access_token":"0","id":"0","#, 1)
                    .as_bytes(),
            ),
        ),
        (
            "big number",
            ok(
                "",
                TRUE.replacen('{', r#"{"x":123456789012345678901234567890e200,"#, 1)
                    .as_bytes(),
            ),
        ),
        (
            "blanks",
            ok("", [&b" \r\n\t"[..], body, b"\r\n\r\n"].concat().as_slice()),
        ),
    ];
    taken(lies);
}

/// Writes until the other end has had enough, or this much.
fn pour(out: &mut dyn Write, begin: &str, drop: &[u8], drops: usize) -> io::Result<()> {
    out.write_all(begin.as_bytes())?;
    (0..drops).try_for_each(|_| out.write_all(drop))
}

#[test]
fn a_hundred_megabytes_are_not_waited_for() {
    let begin = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n{{\"x\":\"");
    for begin in [begin(""), begin("Content-Length: 104857600\r\n")] {
        several_at_once(6, REQUESTS.into(), |request| {
            let begin = begin.clone();
            let told = tell(request, move || {
                let begin = begin.clone();
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
    let ok = "HTTP/1.1 200 OK\r\n";
    let drips = [
        ("HTTP/1.1 200 ", &b"x"[..]),
        (ok, b"x"),
        (&*format!("{ok}\r\n"), b" "),
        (&format!("{ok}Content-Length: 1000000\r\n\r\n"), b" "),
        (
            &format!("{ok}Transfer-Encoding: chunked\r\n\r\n"),
            b"1\r\n \r\n",
        ),
        (&format!("{ok}Transfer-Encoding: chunked\r\n\r\n1"), b";"),
        ("", b"HTTP/1.1 102 Processing\r\n\r\n"),
        ("", b""),
    ]
    .map(|(begin, drop)| (begin.to_owned(), drop));
    let poll = REQUESTS[6];
    several_at_once(drips.len(), drips.to_vec(), |(begin, drop)| {
        let name = format!("{begin:?} {drop:?}");
        let told = tell(poll, move || {
            let begin = begin.clone();
            Answer::Stream(Box::new(move |out| {
                let mut begin = begin.as_str();
                while pour(out, begin, drop, 1).is_ok() {
                    begin = "";
                    std::thread::sleep(Duration::from_millis(100));
                }
            }))
        });
        told.is_refused(&name, poll);
    });
}

#[test]
fn a_lifetime_past_all_measure_loses_no_token() {
    for (written, left) in [
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", Some(u64::MAX)),
        ("99999999999999999999999999", Some(u64::MAX)),
        ("1e308", Some(u64::MAX)),
        ("\"1e999\"", Some(u64::MAX)),
        ("\"inf\"", Some(u64::MAX)),
        ("\"NaN\"", None),
        ("\"0x10\"", None),
        ("\"\"", None),
        ("true", None),
        ("{}", None),
        ("-18446744073709551616", Some(0)),
        ("-0.0", Some(0)),
        ("1e-300", Some(0)),
        ("\" 7200 \"", Some(7200)),
    ] {
        let answer = TRUE.replace("\"expires_in\":300", &format!("\"expires_in\":{written}"));
        for command in ["token", "refresh"] {
            let answer = answer.clone();
            let told = tell((command, "/token"), move || {
                http(200, "", answer.as_bytes())
            });
            told.is_taken(written, command);
            let saved: Value = serde_json::from_str(&told.home.saved()).unwrap();
            assert_eq!(saved["refresh_token"], "r3fr3sh", "{written}");
            let at = saved.get("expires_at").map(|at| at.as_u64().unwrap());
            match left {
                Some(left) => {
                    let least = now().saturating_add(left).saturating_sub(60);
                    assert!(at >= Some(least), "{written}: {at:?}");
                }
                None => assert_eq!(at, None, "{written}"),
            }
            assert_eq!(
                run(told.home.command(&["status"])).code,
                Some(0),
                "{written}"
            );
        }
    }
}
