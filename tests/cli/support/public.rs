//! A login whose Redirect URI is a site's: started by a link, and reached
//! through a proxy or by the listener's own TLS.

use std::process::{Command, Stdio};

use super::browser::{Reply, reply, request};
use super::server::Server;
use super::{Finished, Home, Running, free_port};

pub const URI: &str = "https://site.ru/get_token";

pub struct PublicLogin {
    pub home: Home,
    pub server: Server,
    pub running: Running,
    pub port: u16,
    /// `start=SECRET`.
    pub start: String,
}

impl PublicLogin {
    pub fn at(uri: &str) -> PublicLogin {
        PublicLogin::start(Home::new(), uri, &[])
    }

    pub fn start(home: Home, uri: &str, options: &[&str]) -> PublicLogin {
        let server = Server::json(200, super::waiting::ANSWER);
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = login(&home, &server, uri, &listen);
        let mut running = Running::start(command.args(options));
        let link = running.line("start=").trim().to_owned();
        assert!(link.starts_with(uri), "{link}");
        running.line("Waiting for the redirect");
        let start = link[uri.len() + 1..].to_owned();
        PublicLogin {
            home,
            server,
            running,
            port,
            start,
        }
    }

    /// What a proxy passes on, for site.ru unless told otherwise.
    pub fn ask(&self, target: &str, headers: &str) -> Reply {
        let headers = match headers.contains("Host:") {
            true => headers.to_owned(),
            false => format!("Host: site.ru\r\n{headers}"),
        };
        let url = format!("http://127.0.0.1:{}{target}", self.port);
        request("GET", &url, &headers, "")
    }

    /// Opens the start link: the cookie and the authorize URL.
    pub fn open(&self, path: &str) -> (String, String) {
        let sent = self.ask(&format!("{path}?{}", self.start), "");
        assert_eq!(sent.status, 303, "{sent:#?}");
        let cookie = sent.header("Set-Cookie").unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert!(pair.starts_with("__Host-"), "{cookie}");
        for secret in [pair, &self.start] {
            let (_, secret) = secret.split_once('=').unwrap();
            assert!(secret.len() >= 43, "fewer than 256 bits: {secret}");
        }
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax");
        let authorize = sent.header("Location").unwrap().to_owned();
        assert!(authorize.starts_with(&format!("{}/authorize?", self.server.origin)));
        let cookie = format!("Cookie: other=1; имя=é; {pair}\r\n");
        (cookie, authorize)
    }

    pub fn finish(self) -> Finished {
        let done = self.running.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(done.stdout, "t0ken\n", "{done:#?}");
        let is_shown = done.stderr.contains("state=");
        assert!(!is_shown, "only the link is shown: {done:#?}");
        done
    }
}

/// The command of such a login.
pub fn login(home: &Home, server: &Server, uri: &str, listen: &str) -> Command {
    let mut command = home.command(&["login", "--client-id", "app", "--no-browser"]);
    command.args(["--oauth-url", &server.origin]);
    command.args(["--redirect-uri", uri, "--listen", listen]);
    command
}

#[track_caller]
pub fn openssl(home: &Home, arguments: &str) {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(home.path())
        .output()
        .expect("openssl is there");
    assert!(done.status.success(), "{done:?}");
}

/// A self-signed certificate for site.ru in NAME.pem, its key in NAME.key.
#[track_caller]
pub fn certificate(home: &Home, name: &str) {
    let files = format!("-keyout {name}.key -out {name}.pem -days 2");
    let names = "-subj /CN=site.ru -addext subjectAltName=DNS:site.ru";
    openssl(
        home,
        &format!("req -x509 -newkey rsa:2048 -nodes {files} {names}"),
    );
}

/// What a browser on another machine is answered, which trusts `cert.pem`.
/// The status is 0 where there is no answer.
pub fn curl(home: &Home, port: u16, url: &str, more: &[&str]) -> Reply {
    let done = Command::new("curl")
        .args("-sS -i --cacert cert.pem -b jar -c jar".split(' '))
        .args(["--connect-to", &format!("site.ru:443:127.0.0.1:{port}")])
        .args(more)
        .arg(url)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .expect("curl is there");
    reply(&done.stdout)
}
