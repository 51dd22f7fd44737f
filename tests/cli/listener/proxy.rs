//! A login behind a reverse proxy: by raw requests as a proxy passes them on,
//! and with the real Nginx and Caddy.

use crate::support::browser::parameter;
use crate::support::public::{PublicLogin, URI};
use crate::support::{Home, rows, run};

fn state(authorize_url: &str) -> String {
    parameter(authorize_url, "state").unwrap()
}

#[test]
fn the_start_link_leads_to_the_token_by_the_path_or_stripped_of_it() {
    for path in ["/get_token", "/"] {
        let login = PublicLogin::at(URI);
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
    let login = PublicLogin::at(URI);
    let (cookie, authorize) = login.open("/get_token");
    let state = state(&authorize);
    let start = login.start.clone();
    let forged = cookie.replace('=', "=x");
    for [target, headers] in rows(
        "/get_token                                   |
         /                                            |
         /get_token                                   | cookie
         /get_token?start=                            |
         /get_token?STARTx                            |
         /get_token?START&START                       |
         /get_token?code=c0de&state=STATE             |
         /?code=c0de&state=STATE                      |
         /get_token?code=c0de&state=STATE             | forged
         /get_token?error=access_denied&state=STATE   |
         /get_token?code=c0de&state=forged            | cookie
         /get_token?error=access_denied               | cookie",
    ) {
        let target = target.replace("START", &start).replace("STATE", &state);
        let headers = match headers {
            "cookie" => &*cookie,
            "forged" => &forged,
            _ => "",
        };
        let refused = login.ask(&target, headers);
        assert_eq!(refused.status, 400, "{target} {headers}: {refused:#?}");
        assert_eq!(refused.header("Set-Cookie"), None);
    }
    assert_eq!(login.ask("/other", &cookie).status, 404);
    for _ in 0..5 {
        let (_, again) = login.open("/get_token");
        assert_eq!(again, authorize, "it works until the end");
    }
    let (other, _) = login.open("/");
    let ended = login.ask(&format!("/get_token?code=c0de&state={state}"), &other);
    // A second browser that opened the link may end it.
    assert_eq!(ended.status, 303, "{ended:#?}");
    login.finish();
}

#[test]
fn the_host_is_the_sites_the_listeners_or_a_loopback_name() {
    let mut login = PublicLogin::at(URI);
    for (host, status) in [
        ("site.ru", 303),
        ("SITE.ru:443", 303),
        ("127.0.0.1:8000", 303),
        ("localhost", 303),
        ("backend", 421),
        ("evil.example", 421),
        ("site.ru.evil.example", 421),
    ] {
        let reply = login.ask(&format!("/?{}", login.start), &format!("Host: {host}\r\n"));
        assert_eq!(reply.status, status, "{host}: {reply:#?}");
    }
    login.running.line("Host: backend");
    let (cookie, authorize) = login.open("/");
    login.ask(&format!("/?code=c0de&state={}", state(&authorize)), &cookie);
    login.ask("/", &cookie);
    login.finish();
}

#[test]
fn a_redirect_uri_keeps_a_query_of_its_own() {
    let login = PublicLogin::at("https://site.ru/cb?shop=7");
    let (cookie, authorize) = login.open("/cb");
    let target = format!("/cb?shop=7&code=c0de&state={}", state(&authorize));
    let ended = login.ask(&target, &cookie);
    assert_eq!(ended.header("Location"), Some("https://site.ru/cb?shop=7"));
    let page = login.ask("/cb?shop=7", &cookie);
    assert!(page.body.contains("You are logged in"), "{page:#?}");
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
    use std::process::Command;

    use super::*;
    use crate::support::public::{certificate, curl};
    use crate::support::{Process, block, free_port, wait_for};

    fn start(home: &Home, port: u16, program: &str, arguments: &[&str]) -> Process {
        let mut command = Command::new(program);
        home.furnish(&mut command);
        let log = fs::File::create(home.path().join("proxy.log")).unwrap();
        let child = command
            .args(arguments)
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
        let proxy = Process(child);
        wait_for(program, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        proxy
    }

    /// Follows the link as a browser on another machine would, and calls back.
    fn log_in_through(login: PublicLogin, port: u16) {
        let curl = |url: &str| curl(&login.home, port, url, &["--http1.1"]);
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
            let login = PublicLogin::at(URI);
            certificate(&login.home, "cert");
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
                        ssl_certificate_key cert.key;
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
        let login = PublicLogin::at(URI);
        certificate(&login.home, "cert");
        let port = free_port();
        let site = block("caddy").replace(":8000", &format!(":{}", login.port));
        let here = format!("https://site.ru:{port} {{\nbind 127.0.0.1\ntls cert.pem cert.key\n");
        let site = site.replace("site.ru {\n", &here);
        assert!(site.starts_with("https://"), "{site}");
        let config = format!("{{\nadmin off\nauto_https off\n}}\n{site}");
        fs::write(login.home.path().join("Caddyfile"), config).unwrap();
        let arguments = ["run", "--config", "Caddyfile", "--adapter", "caddyfile"];
        let _caddy = start(&login.home, port, "caddy", &arguments);
        log_in_through(login, port);
    }
}
