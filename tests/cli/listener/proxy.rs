//! A login behind a reverse proxy: by raw requests as a proxy passes them on,
//! and with the real Nginx and Caddy.

use crate::support::browser::{Reply, request};
use crate::support::server::Server;
use crate::support::{Finished, Home, Running, free_port, run};

const URI: &str = "https://site.ru/get_token";
const ANSWER: &str = r#"{"access_token": "t0ken"}"#;

struct Login {
    home: Home,
    server: Server,
    running: Running,
    port: u16,
    /// `start=SECRET`.
    start: String,
}

impl Login {
    fn at(uri: &str) -> Login {
        let (home, server, port) = (Home::new(), Server::json(200, ANSWER), free_port());
        let listen = format!("127.0.0.1:{port}");
        let mut running = Running::start(&mut home.command(&[
            "login",
            "--client-id",
            "app",
            "--no-browser",
            "--oauth-url",
            &server.origin,
            "--redirect-uri",
            uri,
            "--listen",
            &listen,
        ]));
        let link = running.line("start=").trim().to_owned();
        assert!(link.starts_with(uri), "{link}");
        running.line("Waiting for the redirect");
        let start = link[uri.len() + 1..].to_owned();
        Login {
            home,
            server,
            running,
            port,
            start,
        }
    }

    /// What a proxy passes on, for site.ru unless told otherwise.
    fn ask(&self, target: &str, headers: &str) -> Reply {
        let headers = match headers.contains("Host:") {
            true => headers.to_owned(),
            false => format!("Host: site.ru\r\n{headers}"),
        };
        request(
            "GET",
            &format!("http://127.0.0.1:{}{target}", self.port),
            &headers,
            "",
        )
    }

    /// Opens the start link: the cookie and the authorize URL.
    fn open(&self, path: &str) -> (String, String) {
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
        let authorize = sent.header("Location").unwrap();
        assert!(authorize.starts_with(&format!("{}/authorize?", self.server.origin)));
        (
            format!("Cookie: other=1; имя=é; {pair}\r\n"),
            authorize.to_owned(),
        )
    }

    fn finish(self) -> Finished {
        let done = self.running.finish();
        assert_eq!(
            (done.code, &*done.stdout),
            (Some(0), "t0ken\n"),
            "{done:#?}"
        );
        assert!(
            !done.stderr.contains("state="),
            "only the link is shown: {done:#?}"
        );
        drop(self.home);
        done
    }
}

fn state(authorize_url: &str) -> String {
    crate::support::browser::parameter(authorize_url, "state").unwrap()
}

#[test]
fn the_start_link_leads_to_the_token_by_the_path_or_stripped_of_it() {
    for path in ["/get_token", "/"] {
        let login = Login::at(URI);
        let (cookie, authorize) = login.open(path);
        let ended = login.ask(
            &format!("{path}?code=c0de&state={}", state(&authorize)),
            &cookie,
        );
        assert_eq!(ended.status, 303, "{ended:#?}");
        assert_eq!(ended.header("Location"), Some(URI));
        let page = login.ask(path, &cookie);
        assert!(page.body.contains("You are logged in"), "{page:#?}");
        login.server.exchange_of(&authorize);
        login.finish();
    }
}

#[test]
fn nobody_without_the_secret_the_cookie_and_the_state_starts_or_ends_it() {
    let login = Login::at(URI);
    let (cookie, authorize) = login.open("/get_token");
    let state = state(&authorize);
    let start = login.start.clone();
    let forged = cookie.replace('=', "=x");
    for (target, headers) in [
        ("/get_token".to_owned(), ""),
        ("/".to_owned(), ""),
        ("/get_token".to_owned(), &*cookie),
        ("/get_token?start=".to_owned(), ""),
        (format!("/get_token?{start}x"), ""),
        (format!("/get_token?{start}&{start}"), ""),
        (format!("/get_token?code=c0de&state={state}"), ""),
        (format!("/?code=c0de&state={state}"), ""),
        (format!("/get_token?code=c0de&state={state}"), &*forged),
        (format!("/get_token?error=access_denied&state={state}"), ""),
        ("/get_token?code=c0de&state=forged".to_owned(), &*cookie),
        ("/get_token?error=access_denied".to_owned(), &*cookie),
    ] {
        let refused = login.ask(&target, headers);
        assert_eq!(refused.status, 400, "{target} {headers}: {refused:#?}");
        assert_eq!(refused.header("Set-Cookie"), None);
    }
    assert_eq!(login.ask("/other", &cookie).status, 404);
    for _ in 0..5 {
        assert_eq!(
            login.open("/get_token").1,
            authorize,
            "it works until the end"
        );
    }
    let (other, _) = login.open("/");
    let ended = login.ask(&format!("/get_token?code=c0de&state={state}"), &other);
    assert_eq!(
        ended.status, 303,
        "a second browser that opened the link may end it"
    );
    login.finish();
}

#[test]
fn the_host_is_the_sites_the_listeners_or_a_loopback_name() {
    let mut login = Login::at(URI);
    for host in ["site.ru", "SITE.ru:443", "127.0.0.1:8000", "localhost"] {
        let reply = login.ask(&format!("/?{}", login.start), &format!("Host: {host}\r\n"));
        assert_eq!(reply.status, 303, "{host}: {reply:#?}");
    }
    for host in ["backend", "evil.example", "site.ru.evil.example"] {
        let reply = login.ask(&format!("/?{}", login.start), &format!("Host: {host}\r\n"));
        assert_eq!(reply.status, 421, "{host}: {reply:#?}");
    }
    login.running.line("Host: backend");
    let (cookie, authorize) = login.open("/");
    login.ask(&format!("/?code=c0de&state={}", state(&authorize)), &cookie);
    login.ask("/", &cookie);
    login.finish();
}

#[test]
fn a_redirect_uri_keeps_a_query_of_its_own() {
    let login = Login::at("https://site.ru/cb?shop=7");
    let (cookie, authorize) = login.open("/cb");
    let target = format!("/cb?shop=7&code=c0de&state={}", state(&authorize));
    let ended = login.ask(&target, &cookie);
    assert_eq!(ended.header("Location"), Some("https://site.ru/cb?shop=7"));
    assert!(
        login
            .ask("/cb?shop=7", &cookie)
            .body
            .contains("You are logged in")
    );
    login.finish();
}

#[test]
fn a_public_redirect_uri_needs_a_listener_and_no_sandbox_inside() {
    let home = Home::new();
    let base = ["login", "--client-id", "a", "--redirect-uri", URI];
    run(home.command(&base)).fails(2, "--listen");
    let inside = [&base[..], &["--sandbox", "--listen", "127.0.0.1:0"]].concat();
    run(home.command(&inside)).fails(2, "sandbox");
}

#[cfg(unix)]
mod real {
    use std::fs;
    use std::net::TcpStream;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::support::{PATIENCE, block};

    /// A proxy that ends with its test.
    struct Proxy(Child);

    impl Drop for Proxy {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn certificate(home: &Home) {
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj \
                   /CN=site.ru -addext subjectAltName=DNS:site.ru"
                    .split_whitespace(),
            )
            .current_dir(home.path())
            .output()
            .expect("openssl is there");
        assert!(made.status.success(), "{made:?}");
    }

    fn start(home: &Home, port: u16, program: &str, arguments: &[&str]) -> Proxy {
        let mut command = Command::new(program);
        home.furnish(&mut command);
        let log = fs::File::create(home.path().join("proxy.log")).unwrap();
        let child = command
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
        let proxy = Proxy(child);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(home.path().join("proxy.log"));
            assert!(
                Instant::now() < until,
                "{program} never listened: {:?}",
                log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        proxy
    }

    /// Follows the link as a browser on another machine would, and calls back.
    fn log_in_through(login: Login, port: u16) {
        let curl = |url: &str| {
            let to = format!("site.ru:443:127.0.0.1:{port}");
            let done = Command::new("curl")
                .args([
                    "-sS",
                    "-i",
                    "--http1.1",
                    "--cacert",
                    "cert.pem",
                    "-b",
                    "jar",
                    "-c",
                    "jar",
                ])
                .args(["--connect-to", &to, url])
                .current_dir(login.home.path())
                .stdin(Stdio::null())
                .output()
                .expect("curl is there");
            assert!(done.status.success(), "{done:?}");
            crate::support::browser::reply(&done.stdout)
        };
        assert_eq!(curl(URI).status, 400, "the bare address");
        let sent = curl(&format!("{URI}?{}", login.start));
        let authorize = sent
            .header("Location")
            .unwrap_or_else(|| panic!("{sent:#?}"));
        let ended = curl(&format!("{URI}?code=c0de&state={}", state(authorize)));
        assert_eq!(ended.header("Location"), Some(URI), "{ended:#?}");
        let page = curl(URI);
        assert!(page.body.contains("You are logged in"), "{page:#?}");
        login.finish();
    }

    #[test]
    #[ignore = "needs nginx, openssl and curl"]
    fn nginx_passes_a_login_through_however_it_names_the_host() {
        let stripped = |host: &str| format!("proxy_pass http://127.0.0.1:@PORT@/; {host}");
        for location in [
            stripped("proxy_set_header Host $host;"),
            stripped("proxy_set_header Host $http_host;"),
            stripped(""),
            "proxy_pass http://127.0.0.1:@PORT@;".to_owned(),
            "proxy_pass http://backend/; proxy_set_header Host $host;".to_owned(),
        ]
        .map(|passing| format!("location /get_token {{ {passing} }}"))
        .into_iter()
        .chain([block("nginx").replace(":8000", ":@PORT@")])
        {
            let login = Login::at(URI);
            certificate(&login.home);
            let port = free_port();
            let config = "daemon off; master_process off; pid nginx.pid; error_log stderr;
                events {}
                http {
                    access_log off;
                    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
                    uwsgi_temp_path t4; scgi_temp_path t5;
                    upstream backend { server 127.0.0.1:@PORT@; }
                    server {
                        listen 127.0.0.1:@LISTEN@ ssl;
                        server_name site.ru;
                        ssl_certificate cert.pem;
                        ssl_certificate_key key.pem;
                        @LOCATION@
                    }
                }"
            .replace("@LOCATION@", &location)
            .replace("@PORT@", &login.port.to_string())
            .replace("@LISTEN@", &port.to_string());
            let prefix = login.home.path().to_str().unwrap().to_owned();
            fs::write(login.home.path().join("nginx.conf"), config).unwrap();
            let arguments = ["-p", &prefix, "-e", "stderr", "-c", "nginx.conf"];
            let _nginx = start(&login.home, port, "nginx", &arguments);
            log_in_through(login, port);
        }
    }

    #[test]
    #[ignore = "needs caddy, openssl and curl"]
    fn caddy_passes_a_login_through() {
        let login = Login::at(URI);
        certificate(&login.home);
        let port = free_port();
        let site = block("caddy").replace(":8000", &format!(":{}", login.port));
        let here = format!("https://site.ru:{port} {{\nbind 127.0.0.1\ntls cert.pem key.pem\n");
        let site = site.replace("site.ru {\n", &here);
        assert!(site.starts_with("https://"), "{site}");
        let config = format!("{{\nadmin off\nauto_https off\n}}\n{site}");
        fs::write(login.home.path().join("Caddyfile"), config).unwrap();
        let arguments = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
        let _caddy = start(&login.home, port, "caddy", &arguments);
        log_in_through(login, port);
    }
}
