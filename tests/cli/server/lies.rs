//! A server that lies about HTTP, to every command that asks one: what it
//! comes to is an exit status and one line, nothing is lost, and neither the
//! memory nor the time is the server's to choose.

use serde_json::json;

use crate::support::server::{Answer, Server, http};
use crate::support::several_at_once;
use crate::support::{Finished, Home, now, run, run_with, without_note};

const SECRETS: [&str; 6] = [
    "0ldt0ken", "r3fr3sh", "pa55w0rd", "c0de1234", "n3wt0ken", "d3vice",
];

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
    let token = json!({
        "access_token": "0ldt0ken", "refresh_token": "r3fr3sh", "expires_at": now() - 10,
        "client_id": "app", "oauth_url": server.origin,
    });
    let saved = token.to_string();
    home.save(&saved);
    let command = command.replace("login", LOGIN);
    let arguments: Vec<_> = command.split(' ').collect();
    let mut command = home.after(MEMORY, &arguments);
    command
        .env("YANDEX_OAUTH_URL", &server.origin)
        .env("YANDEX_CLIENT_SECRET", "pa55w0rd");
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
        let done = &self.done;
        done.hides(&SECRETS);
        let raw = |c: char| c.is_control() && c != '\n';
        let shown = [&done.stdout, &done.stderr].map(|text| text.contains(raw));
        assert_eq!(shown, [false; 2], "{lie}: {done:#?}");
        assert!(
            !done.stderr.contains("an unexpected fault"),
            "{lie}: {done:#?}"
        );
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

pub type Lie = (&'static str, Vec<u8>);

/// Tells each request each of these, which it must not believe.
pub fn refused(lies: impl IntoIterator<Item = Lie>) {
    let each = |lie: Lie| REQUESTS.map(|request| (lie.clone(), request));
    // Any 2xx is agreement to a revocation, whatever is in it (RFC 7009, 2.2).
    let is_agreement = |bytes: &[u8]| bytes.starts_with(b"HTTP/1.1 2");
    let all = lies.into_iter().flat_map(each);
    let all = all
        .filter(|((_, bytes), (command, _))| *command != "revoke" || !is_agreement(bytes))
        .collect();
    several_at_once(10, all, |((name, bytes), request)| {
        tell(request, move || Answer::Bytes(bytes.clone())).is_refused(name, request);
    });
}

/// Answers each request with each of these, which is as good as any.
pub fn taken(answers: impl IntoIterator<Item = Lie>) {
    let each = |answer: Lie| REQUESTS.map(|request| (answer.clone(), request));
    let all = answers.into_iter().flat_map(each).collect();
    several_at_once(10, all, |((name, bytes), (command, path))| {
        // A device is given all the time that it needs.
        let command = command.replace(" --timeout=2s", "");
        let told = tell((&command, path), move || Answer::Bytes(bytes.clone()));
        told.is_taken(name, &command);
    });
}

pub fn bytes(text: impl Into<Vec<u8>>) -> Vec<u8> {
    text.into()
}

pub fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

pub fn line(status: &str) -> Vec<u8> {
    bytes(format!("{status}\r\nConnection: close\r\n\r\n{TRUE}"))
}

pub fn chunks(chunks: &str) -> Vec<u8> {
    ok("Transfer-Encoding: chunked\r\n", chunks.as_bytes())
}

#[test]
fn a_status_line_that_is_none_is_refused() {
    let lines = [
        "HTTP/1.1",
        "HTTP/1.1 2",
        "HTTP/1.1 099 x",
        "HTTP/1.1 -200 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 ２００ OK",
        "HTTP/2 200 OK",
        "HTTP/1.10 200 OK",
        "ICY 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1 200 \u{1b}[2J\u{7}",
        "HTTP/1.1 200 \0",
        "\0\0\0\0",
        "HTTP/1.1\t200\tOK",
        "",
        "220 smtp.example ESMTP",
    ];
    let mut lies: Vec<_> = lines.iter().map(|text| (*text, line(text))).collect();
    lies.push(("not UTF-8", bytes(&b"\xff\xfe\xfd\r\n\r\n"[..])));
    lies.push(("HTTP/0.9", bytes(TRUE)));
    lies.push(("TLS", bytes(&b"\x15\x03\x01\0\x02\x02\x46"[..])));
    lies.push((
        "HTTP/2",
        bytes(&b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80"[..]),
    ));
    refused(lies);
}

#[test]
fn a_status_that_belongs_to_no_token_is_refused_whatever_comes_with_it() {
    let statuses = [
        "199 x",
        "101 Switching Protocols",
        "204 No Content",
        "300 x",
        "304 x",
        "307 x",
        "400 x",
        "407 x",
        "429 x",
        "500 x",
        "599 x",
        "999 x",
    ];
    let locations = ["/token", "//evil.example", "\u{1b}[2J", "javascript:1"];
    let answer = |status: &str, headers: &str| {
        let length = TRUE.len();
        bytes(format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{TRUE}"
        ))
    };
    let redirects = locations.map(|it| (it, answer("302 x", &format!("Location: {it}\r\n"))));
    refused(
        statuses
            .map(|it| (it, answer(it, "")))
            .into_iter()
            .chain(redirects),
    );
}

#[test]
fn a_length_that_is_a_lie_is_refused() {
    let length = |value: &str| ok(&format!("Content-Length: {value}\r\n"), TRUE.as_bytes());
    let own = TRUE.len();
    let lies = vec![
        ("negative", length("-1")),
        ("plus", length(&format!("+{own}"))),
        ("hex", length("0x99")),
        ("words", length("many")),
        ("empty", length("")),
        ("fraction", length("5.0")),
        ("list", length("5, 6")),
        ("huge", length("99999999999999999999999999")),
        ("u64::MAX", length("18446744073709551615")),
        ("long", length(&(own + 1).to_string())),
        ("short", length(&(own - 1).to_string())),
        ("none", length("0")),
        (
            "twice",
            ok(
                &format!("Content-Length: {own}\r\nContent-Length: 5\r\n"),
                TRUE.as_bytes(),
            ),
        ),
        (
            "twice",
            ok(
                &format!("Content-Length: 5\r\nContent-Length: {own}\r\n"),
                TRUE.as_bytes(),
            ),
        ),
        (
            "with chunks",
            ok(
                &format!("Content-Length: {own}\r\nTransfer-Encoding: chunked\r\n"),
                TRUE.as_bytes(),
            ),
        ),
    ];
    refused(lies);
}

#[test]
fn chunks_that_are_none_are_refused() {
    let own = format!("{:x}\r\n{TRUE}\r\n", TRUE.len());
    let lies = vec![
        ("no size", chunks(TRUE)),
        ("negative", chunks(&format!("-{own}0\r\n\r\n"))),
        ("0x", chunks(&format!("0x{own}0\r\n\r\n"))),
        (
            "too big",
            chunks(&format!("fffffffffffffffff{own}0\r\n\r\n")),
        ),
        (
            "u64::MAX",
            chunks(&format!("ffffffffffffffff\r\n{TRUE}\r\n0\r\n\r\n")),
        ),
        (
            "no line end",
            chunks(&format!("{:x}\r\n{TRUE}0\r\n\r\n", TRUE.len())),
        ),
        ("no end", chunks(&own)),
        ("no body", chunks("0\r\n\r\n")),
        (
            "long extension",
            chunks(&format!(
                "{:x};{}\r\n{TRUE}\r\n0\r\n\r\n",
                TRUE.len(),
                "x".repeat(10 << 20)
            )),
        ),
        (
            "long size",
            chunks(&format!("{}{own}0\r\n\r\n", "0".repeat(10 << 20))),
        ),
        (
            "unknown",
            ok("Transfer-Encoding: gzip\r\n", &own.into_bytes()),
        ),
    ];
    refused(lies);
}

#[test]
fn headers_past_all_measure_are_refused() {
    let ten_mib = "x".repeat(10 << 20);
    let lies = vec![
        (
            "100,000 lines",
            ok(&"x: y\r\n".repeat(100_000), TRUE.as_bytes()),
        ),
        (
            "one of 10 MiB",
            ok(&format!("x: {ten_mib}\r\n"), TRUE.as_bytes()),
        ),
        (
            "a name of 10 MiB",
            ok(&format!("{ten_mib}: x\r\n"), TRUE.as_bytes()),
        ),
        (
            "a reason of 10 MiB",
            line(&format!("HTTP/1.1 200 {ten_mib}")),
        ),
        ("no end", bytes(format!("HTTP/1.1 200 OK\r\nx: {ten_mib}"))),
        (
            "hints",
            [
                b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100_000),
                ok("", TRUE.as_bytes()),
            ]
            .concat(),
        ),
        // RFC 9110 allows this, but ureq refuses it.
        (
            "continue",
            [
                &b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n"[..],
                &ok("", TRUE.as_bytes()),
            ]
            .concat(),
        ),
        ("no colon", ok("xyz\r\n", TRUE.as_bytes())),
        ("blank", ok("x : y\r\n", TRUE.as_bytes())),
        ("no name", ok(": y\r\n", TRUE.as_bytes())),
        ("NUL", ok("x: \0\r\n", TRUE.as_bytes())),
        ("escape", ok("x: \u{1b}[2J\r\n", TRUE.as_bytes())),
        ("escape in a name", ok("\u{1b}[2J: x\r\n", TRUE.as_bytes())),
    ];
    refused(lies);
}
