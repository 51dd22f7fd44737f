//! A server that lies about HTTP, to every command that asks one: what it
//! comes to is an exit status and one line, nothing is lost, and neither the
//! memory nor the time is the server's to choose.

use crate::support::server::{Answer, Server, http};
use crate::support::{Finished, Home, rows, run, run_with, several_at_once};
use crate::support::{OLD, unescape, without_note};

/// A successful answer of every endpoint.
pub const TRUE: &str = r#"{"access_token":"n3wt0ken","expires_in":300,"device_code":"d3vice","interval":1,"user_code":"fakecod1","verification_url":"https://ya.ru/device","id":"1"}"#;

const LOGIN: &str = "login --client-id=app --no-browser";

/// Every request that is made, and where the lie is told.
pub const REQUESTS: [(&str, &str); 7] = [
    ("token", "/token"),
    ("refresh", "/token"),
    ("revoke", "/revoke_token"),
    ("status --online", "/info"),
    ("login --paste", "/token"),
    ("login --device", "/device/code"),
    ("login --device --timeout=2s", "/token"),
];

/// A request of this command whose answer is this one, and how that ended.
pub struct Told {
    pub home: Home,
    server: Server,
    saved: String,
    pub done: Finished,
}

/// More than 128 MiB of memory are not to be had.
const MEMORY: &str = "ulimit -d 131072";

pub fn tell(
    request: (&str, &'static str),
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> Told {
    let (command, path) = request;
    let server = Server::start(move |request| match request.head.contains(path) {
        true => answer(),
        false => http(200, "", TRUE.as_bytes()),
    });
    let home = Home::new();
    home.save_expired(&server.origin);
    let command = command.replace("login", LOGIN);
    let arguments: Vec<_> = command.split(' ').collect();
    let mut command = home.after(MEMORY, &arguments);
    command
        .env("YANDEX_OAUTH_URL", &server.origin)
        .env("YANDEX_CLIENT_SECRET", "pa55w0rd");
    let saved = home.saved();
    let done = match arguments.contains(&"--paste") {
        true => run_with(command, "c0de1234\n"),
        false => run(command),
    };
    Told {
        home,
        server,
        saved,
        done,
    }
}

impl Told {
    /// Whatever it was, this holds.
    #[track_caller]
    pub fn is_orderly(&self, lie: &str) {
        let done = self.done.is_plain().hides(&OLD);
        done.hides(&["pa55w0rd", "c0de1234", "n3wt0ken", "d3vice"]);
        let is_fault = done.stderr.contains("an unexpected error");
        assert!(!is_fault, "{lie}: {done:#?}");
    }

    #[track_caller]
    pub fn is_refused(&self, lie: &str, request: (&str, &str)) {
        self.is_orderly(lie);
        let (done, (command, path)) = (&self.done, request);
        let is_poll = command.contains("--device") && path == "/token";
        let is_code = done.code == Some(6) || is_poll && done.code == Some(4);
        assert!(is_code, "{lie}, {command}: {done:#?}");
        if command.starts_with("status") {
            // The fault is in its row.
            assert_eq!(done.stdout.lines().count(), 2, "{lie}: {done:#?}");
        } else {
            assert_eq!(done.stdout, "", "{lie}, {command}: {done:#?}");
            let errors = done.stderr.lines().filter(|line| {
                line.starts_with("yandex-token: ") && !line.starts_with("yandex-token: warning: ")
            });
            assert_eq!(errors.count(), 1, "{lie}, {command}: {done:#?}");
        }
        let [saved, before] = [&self.home.saved(), &self.saved].map(|text| without_note(text));
        assert_eq!(saved, before, "{lie}, {command}");
        assert_eq!(self.home.files(), ["data/yandex-token/default.json"]);
        if !is_poll {
            assert_eq!(self.server.requests().len(), 1, "{lie}, {command}");
        }
    }

    #[track_caller]
    pub fn is_taken(&self, truth: &str, command: &str) {
        self.is_orderly(truth);
        let done = &self.done;
        assert_eq!(done.code, Some(0), "{truth}, {command}: {done:#?}");
        match command {
            "revoke" => assert!(self.home.files().is_empty(), "{truth}: {done:#?}"),
            "status --online" => assert!(
                done.stdout.contains("  1        app  "),
                "{truth}: {done:#?}"
            ),
            _ => assert_eq!(done.stdout, "n3wt0ken\n", "{truth}: {done:#?}"),
        }
    }
}

/// The bytes of an answer in a table. `OK` is the begin of a head, `LENGTH` and
/// `CHUNKED` are headers with its end, `TRUE` is a body that every endpoint
/// takes, `REST` the same without its `{`, `LEN`, `HEX` and `UPPER` are its length.
fn bytes(row: &str) -> Vec<u8> {
    let length = TRUE.len();
    let text = row
        .replace("LENGTH", r"Content-Length: LEN\r\n\r\n")
        .replace("CHUNKED", r"Transfer-Encoding: chunked\r\n\r\n")
        .replace("OK ", r"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        .replace("TRUE", TRUE)
        .replace("REST", &TRUE[1..])
        .replace("LEN", &length.to_string())
        .replace("HEX", &format!("{length:x}"))
        .replace("UPPER", &format!("{length:X}"));
    unescape(&repeated(&text))
}

/// Replaces `<<TEXT * COUNT>>`.
fn repeated(text: &str) -> String {
    let mut parts = text.split("<<");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once(">>").unwrap();
        let (text, count) = inside.rsplit_once(" * ").unwrap();
        out += &text.repeat(count.parse().unwrap());
        out += rest;
    }
    out
}

/// Tells each request each of these, which it must not believe.
pub fn refused(table: &'static str) {
    refused_as(table, str::to_owned);
}

/// The same, with this around each row.
pub fn refused_as(table: &'static str, whole: fn(&str) -> String) {
    let each = |[row]: [&'static str; 1]| {
        let bytes = bytes(&whole(row));
        REQUESTS.map(|request| (row, bytes.clone(), request))
    };
    // Any 2xx is agreement to a revocation, whatever is in it (RFC 7009, 2.2).
    let is_lie = |(_, bytes, (command, _)): &(&str, Vec<u8>, (&str, &str))| {
        *command != "revoke" || !bytes.starts_with(b"HTTP/1.1 2")
    };
    let all = rows(table).into_iter().flat_map(each).filter(is_lie);
    several_at_once(10, all.collect(), |(row, bytes, request)| {
        tell(request, move || Answer::Bytes(bytes.clone())).is_refused(row, request);
    });
}

/// Answers each request with each of these, which is as good as any.
pub fn taken(table: &'static str, whole: fn(&str) -> String) {
    let each = |[row]: [&'static str; 1]| {
        let bytes = bytes(&whole(row));
        REQUESTS.map(|request| (row, bytes.clone(), request))
    };
    let all = rows(table).into_iter().flat_map(each);
    several_at_once(10, all.collect(), |(row, bytes, (command, path))| {
        // A device is given all the time that it needs.
        let command = command.replace(" --timeout=2s", "");
        let told = tell((&command, path), move || Answer::Bytes(bytes.clone()));
        told.is_taken(row, &command);
    });
}

#[test]
fn a_status_line_that_is_none_is_refused() {
    refused_as(
        r"HTTP/1.1
          HTTP/1.1 2
          HTTP/1.1 099 x
          HTTP/1.1 -200 OK
          HTTP/1.1 200OK
          HTTP/1.1 ２００ OK
          HTTP/2 200 OK
          HTTP/1.10 200 OK
          ICY 200 OK
          http/1.1 200 OK
          HTTP/1.1 200 \e[2J\x07
          HTTP/1.1 200 \0
          \0\0\0\0
          HTTP/1.1\t200\tOK
          220 smtp.example ESMTP
          SSH-2.0-OpenSSH_9.9",
        |line| format!(r"{line}\r\nConnection: close\r\n\r\nTRUE"),
    );
    // Among them the begins of TLS and of HTTP/2.
    refused(
        r"\xff\xfe\xfd\r\n\r\n
          TRUE
          \x15\x03\x01\0\x02\x02\x46
          \0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80
          \r\nConnection: close\r\n\r\nTRUE
          HTTP/1.1 2
          HTTP/1.1 200 OK\r\nContent-Type: appl",
    );
}

#[test]
fn a_status_that_belongs_to_no_token_is_refused_whatever_comes_with_it() {
    refused_as(
        r"199 x
          101 Switching Protocols
          204 No Content
          300 x
          304 x
          307 x
          400 x
          407 x
          429 x
          500 x
          599 x
          999 x
          302 x\r\nLocation: /token
          302 x\r\nLocation: //evil.example
          302 x\r\nLocation: \e[2J
          302 x\r\nLocation: javascript:1",
        |status| format!(r"HTTP/1.1 {status}\r\nLENGTHTRUE"),
    );
}

#[test]
fn a_length_that_is_a_lie_is_refused() {
    refused_as(
        r"-1
          +LEN
          0x99
          many
          \t
          5.0
          5, 6
          99999999999999999999999999
          18446744073709551615
          1LEN
          9999
          1
          0
          LEN\r\nContent-Length: 5
          5\r\nContent-Length: LEN
          LEN\r\nTransfer-Encoding: chunked",
        |length| format!(r"OK Content-Length: {length}\r\n\r\nTRUE"),
    );
}

#[test]
fn chunks_that_are_none_are_refused() {
    refused_as(
        r"TRUE
          -HEX\r\nTRUE\r\n0\r\n\r\n
          0xHEX\r\nTRUE\r\n0\r\n\r\n
          fffffffffffffffffHEX\r\nTRUE\r\n0\r\n\r\n
          ffffffffffffffff\r\nTRUE\r\n0\r\n\r\n
          zz\r\nTRUE\r\n0\r\n\r\n
          HEX\r\nTRUE0\r\n\r\n
          HEX\r\nTRUE\r\n
          0\r\n\r\n
          HEX;<<x * 10000000>>\r\nTRUE\r\n0\r\n\r\n
          <<0 * 10000000>>HEX\r\nTRUE\r\n0\r\n\r\n",
        |chunks| format!("OK CHUNKED{chunks}"),
    );
    refused(r"OK Transfer-Encoding: gzip\r\n\r\nHEX\r\nTRUE\r\n");
}

#[test]
fn headers_past_all_measure_are_refused() {
    // RFC 9110 allows the headers of a 100, but ureq refuses them.
    refused(
        r"OK <<x: y\r\n * 100000>>\r\nTRUE
          OK x: <<x * 10000000>>\r\n\r\nTRUE
          OK <<x * 10000000>>: x\r\n\r\nTRUE
          HTTP/1.1 200 <<x * 10000000>>\r\nConnection: close\r\n\r\nTRUE
          HTTP/1.1 200 OK\r\nx: <<x * 10000000>>
          <<HTTP/1.1 102 Processing\r\n\r\n * 100000>>OK \r\nTRUE
          HTTP/1.1 100 Continue\r\nx: y\r\n\r\nOK \r\nTRUE
          OK xyz\r\n\r\nTRUE
          OK x : y\r\n\r\nTRUE
          OK : y\r\n\r\nTRUE
          OK x: \0\r\n\r\nTRUE
          OK x: \e[2J\r\n\r\nTRUE
          OK \e[2J: x\r\n\r\nTRUE",
    );
}
