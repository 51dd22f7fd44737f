//! A login that waits for its redirect, and what a client may send to it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::browser::{Reply, address, answer, parameter, raw};
use super::server::Server;
use super::{Finished, Home, PATIENCE, Running};

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
        Waiting::at(Server::json(200, ANSWER), "http://127.0.0.1:0/", &[])
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
        let host = self.address();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        raw(host, head.as_bytes())
    }

    /// Checks that the login was not disturbed: its answer comes, and ends it.
    #[track_caller]
    pub fn succeeds(self) -> Finished {
        let page = answer(&self.url, &[("code", "c0de1234")]);
        assert_eq!(page.status, 200, "{page:#?}");
        assert!(page.body.contains("You are logged in"), "{page:#?}");
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

/// A connection on which this was sent, and nothing is read.
pub fn connection(to: SocketAddr, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A listener out of descriptors may have closed it already.
    let _ = stream.write_all(sent);
    stream
}

/// The most memory that a process ever had, in KiB.
#[cfg(target_os = "linux")]
pub fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = peak.unwrap().trim().strip_suffix(" kB").unwrap();
    digits.parse().unwrap()
}
