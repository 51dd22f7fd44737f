//! A login that waits for its redirect, and what a client may send to it.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::browser::{Reply, address, answer, callback, parameter, raw};
use super::server::Server;
use super::{Finished, Home, Running, TIMEOUT, rows, unescape};

pub const ANSWER: &str = r#"{"access_token": "t0ken"}"#;

/// No promise is near it, but a delay of the kind that a starved listener has
/// is over it.
pub const AT_ONCE: Duration = Duration::from_secs(10);

/// A login that waits for its redirect.
pub struct Waiting {
    _home: Home,
    pub server: Server,
    pub running: Running,
    pub url: String,
}

impl Waiting {
    pub fn new() -> Waiting {
        Waiting::on("http://127.0.0.1:0/", &[])
    }

    /// With this Redirect URI and these options.
    pub fn on(redirect_uri: &str, options: &[&str]) -> Waiting {
        Waiting::at(Server::json(200, ANSWER), redirect_uri, options)
    }

    /// At this server, with this Redirect URI and these options.
    pub fn at(server: Server, redirect_uri: &str, options: &[&str]) -> Waiting {
        let home = Home::new();
        let mut command = home.command(&arguments(&server, redirect_uri));
        command.args(options);
        Waiting::start(home, server, command)
    }

    pub fn start(home: Home, server: Server, mut command: Command) -> Waiting {
        let mut running = Running::start(&mut command);
        let url = running.url();
        Waiting {
            _home: home,
            server,
            running,
            url,
        }
    }

    pub fn redirect_uri(&self) -> String {
        parameter(&self.url, "redirect_uri").unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.redirect_uri())
    }

    /// The path and query of the callback that ends it.
    pub fn target(&self) -> String {
        let state = parameter(&self.url, "state").unwrap();
        format!("/?code=c0de1234&state={state}")
    }

    /// Sends a GET of this target, byte for byte.
    pub fn ask(&self, target: &str) -> Reply {
        self.ask_as(&self.address().to_string(), target)
    }

    /// The same with this `Host`.
    pub fn ask_as(&self, host: &str, target: &str) -> Reply {
        self.raw(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    pub fn raw(&self, request: &str) -> Reply {
        raw(self.address(), request.as_bytes())
    }

    /// The callback that ends it.
    pub fn callback(&self) -> String {
        callback(&self.url, &[("code", "c0de1234")])
    }

    /// Checks that the login was not disturbed: its answer comes, and ends it.
    #[track_caller]
    pub fn succeeds(self) -> Finished {
        let page = answer(&self.url, &[("code", "c0de1234")]);
        expect(200, &page);
        assert!(page.body.contains("You are logged in"), "{page:#?}");
        self.has_ended()
    }

    /// Checks that its callback came once and ended it.
    #[track_caller]
    pub fn has_ended(self) -> Finished {
        let done = self.running.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(done.stdout, "t0ken\n", "{done:#?}");
        let exchange = self.server.exchange_of(&self.url);
        assert_eq!(exchange.field("code").as_deref(), Some("c0de1234"));
        done
    }
}

pub fn arguments<'a>(server: &'a Server, redirect_uri: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["login", "--client-id", "app", "--no-browser"];
    arguments.extend(["--oauth-url", &server.origin]);
    arguments.extend(["--redirect-uri", redirect_uri]);
    arguments
}

/// Checks the status, and what every answer must have.
#[track_caller]
pub fn expect(status: u16, reply: &Reply) {
    assert_eq!(reply.status, status, "{reply:#?}");
    for (name, value) in [
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{reply:#?}");
        let start = format!("\r\n{}:", name.to_ascii_lowercase());
        let times = reply.head.to_ascii_lowercase().matches(&start).count();
        assert_eq!(times, 1, "{name}: {reply:#?}");
    }
    let policy = reply.header("Content-Security-Policy").unwrap_or_default();
    let first = policy.split(';').next();
    assert_eq!(first, Some("default-src 'none'"), "{reply:#?}");
    let open = reply.head.to_ascii_lowercase().contains("access-control-");
    assert!(!open, "another origin may read it: {reply:#?}");
}

/// Checks that requests which are not HTTP/1, for this target, are refused.
#[track_caller]
pub fn refuses_what_is_not_http_1(to: SocketAddr, target: &str) {
    let long = "a".repeat(17 << 10);
    let relative = &target[1..];
    for [request, status] in rows(
        r"GET TARGET\r\n\r\n                                                | 400
          PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0               | 400
          GET TARGET HTTP/2.0\r\nHOST                                       | 400
          GET TARGET HTTP/1.1\r\nHost: localhost\r\nx\r\n\r\n                | 400
          GET TARGET HTTP/1.1\r\nHost: localhost\r\n x: y\r\n\r\n            | 400
          GET TARGET\0 HTTP/1.1\r\nHOST                                     | 400
          GET TARGET HTTP/1.1\r\nx: a\0b\r\nHOST                            | 400
          GET TARGETы HTTP/1.1\r\nHOST                                      | 400
          GET  TARGET HTTP/1.1\r\nHOST                                      | 400
          GET TARGET x HTTP/1.1\r\nHOST                                     | 400
          GET RELATIVE HTTP/1.1\r\nHOST                                     | 400
          GET ftp://localhostTARGET HTTP/1.1\r\nHOST                        | 400
          CONNECT localhost:80 HTTP/1.1\r\nHOST                             | 400
          GET * HTTP/1.1\r\nHOST                                            | 404
          \0\0\0\0\r\n\r\n                                                  | 400
          \r\n\r\n\r\n\r\n                                                  | 400
          GET /LONG HTTP/1.1\r\nHOST                                        | 431
          GET TARGET HTTP/1.1\r\nx: LONG\r\nHOST                            | 431
          GET TARGET HTTP/1.1\r\n200_LINES                                  | 431
          GET TARGET HTTP/1.1\r\n10000_LINES                                | 431",
    ) {
        let sent = request.replace("HOST", r"Host: localhost\r\n\r\n");
        let sent = sent.replace("TARGET", target).replace("RELATIVE", relative);
        let sent = sent.replace("LONG", &long);
        let sent = sent.replace("10000_LINES", &(r"x: y\r\n".repeat(10_000) + r"\r\n"));
        let sent = sent.replace("200_LINES", &(r"x: y\r\n".repeat(200) + r"\r\n"));
        let reply = raw(to, &unescape(&sent));
        assert_eq!(reply.status.to_string(), status, "{request}: {reply:#?}");
        expect(reply.status, &reply);
    }
}

/// How a client begins that speaks TLS.
pub fn tls_hello() -> Vec<u8> {
    let begin = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    [begin, [7; 400].as_slice()].concat()
}

/// A connection on which this was sent, and nothing is read.
pub fn connection(to: SocketAddr, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // A listener out of descriptors may have closed it already.
    let _ = stream.write_all(sent);
    stream
}

/// Has the other end closed it?
pub fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The most memory that a process ever had, in KiB.
#[cfg(target_os = "linux")]
pub fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    digits.parse().unwrap()
}
