//! The names and addresses that the listener answers to: `Host`, addresses, ports,
//! and the exact Redirect URI.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::support::browser::{callback, get, parameter, raw};
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, Waiting, arguments, expect};
use crate::support::{Home, Running, free_port, run};

#[test]
fn a_foreign_host_is_421_and_named_once_however_often_it_asks() {
    let login = Waiting::new();
    let (to, target) = (login.address(), login.target());
    let mut foreign = vec!["evil.example".to_owned(); 3];
    foreign.extend(
        [
            "Evil.Example:8000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example:80@127.0.0.1",
            "localhost@evil.example",
            "127.0.0.1, evil.example",
            "localhost:80:80",
            "localhost:x",
            "0.0.0.0",
            "[::2]",
            "[::1",
            "::1",
            "",
        ]
        .map(str::to_owned),
    );
    for host in foreign {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let reply = raw(to, head.as_bytes());
        assert_eq!(reply.status, 421, "{host:?}: {reply:#?}");
        expect(421, &reply);
    }
    let absolute = format!("GET http://evil.example{target} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    expect(421, &raw(to, absolute.as_bytes()));
    let done = login.succeeds();
    let warnings: Vec<_> = done.stderr.matches("warning: ").collect();
    assert_eq!(warnings.len(), 1, "{done:#?}");
    let warning = done.stderr.lines().find(|line| line.contains("warning: "));
    assert!(warning.unwrap().contains("evil.example"), "{done:#?}");
}

#[test]
fn a_host_that_is_none_or_no_name_is_warned_about_as_it_came() {
    for (head, named) in [
        (
            "GET / HTTP/1.1\r\nHost: site.ru:80:80",
            "(Host: site.ru:80:80)",
        ),
        ("GET / HTTP/1.1\r\nHost: a@b", "(Host: a@b)"),
        ("GET / HTTP/1.1\r\nHost:", "(Host: )"),
        ("GET / HTTP/1.0", "(Host: )"),
        ("GET http://x:y/ HTTP/1.1\r\nHost: localhost", "(Host: x:y)"),
    ] {
        let login = Waiting::new();
        let reply = raw(login.address(), format!("{head}\r\n\r\n").as_bytes());
        expect(421, &reply);
        let done = login.succeeds();
        assert!(done.stderr.contains(named), "{head:?}: {done:#?}");
    }
}

#[test]
fn the_redirect_uris_host_and_every_loopback_name_pass_whatever_their_port_and_case() {
    let login = Waiting::new();
    for host in [
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:65535",
        "127.1.2.3",
        "localhost",
        "LocalHost:99",
        "localhost.",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]:1",
    ] {
        for head in [
            format!("GET /cb HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /cb HTTP/1.1\r\nhOST:{host} \r\n\r\n"),
            format!("GET http://{host}/cb HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /cb HTTP/1.0\r\nHost: {host}\r\n\r\n"),
        ] {
            let reply = raw(login.address(), head.as_bytes());
            assert_eq!(reply.status, 404, "{head}: {reply:#?}");
        }
    }
    let done = login.succeeds();
    assert!(!done.stderr.contains("warning"), "{done:#?}");
}

#[test]
fn a_request_without_a_host_or_with_two_is_refused() {
    let login = Waiting::new();
    let (to, target) = (login.address(), login.target());
    for (host, statuses) in [
        ("1.1", [400, 400]),
        ("1.1\r\nHost: localhost\r\nHost: localhost", [400, 400]),
        ("1.1\r\nHost: localhost\r\nhost: evil.example", [400, 400]),
        ("1.1\r\nHost : localhost", [400, 400]),
        ("1.0", [400, 421]),
        ("1.0\r\nHost: localhost\r\nHost: localhost", [400, 400]),
    ] {
        let reply = raw(to, format!("GET {target} HTTP/{host}\r\n\r\n").as_bytes());
        assert!(statuses.contains(&reply.status), "{host:?}: {reply:#?}");
        expect(reply.status, &reply);
    }
    login.succeeds();
}

#[test]
fn an_absolute_target_and_http_1_0_end_the_login_like_any_callback() {
    for how in [
        "GET http://HOST TARGET HTTP/1.1\r\nHost: HOST",
        "GET HTTP://HOST TARGET HTTP/1.1\r\nHost: HOST",
        "GET TARGET HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive",
    ] {
        let login = Waiting::new();
        let to = login.address();
        let head = how.replace("HOST TARGET", "HOSTTARGET");
        let head = head.replace("HOST", &to.to_string());
        let head = head.replace("TARGET", &login.target()) + "\r\n\r\n";
        let reply = raw(to, head.as_bytes());
        expect(303, &reply);
        expect(200, &get(reply.header("Location").unwrap()));
        assert_eq!(login.running.finish().stdout, "t0ken\n");
    }
}

#[test]
fn the_redirect_uri_is_sent_and_returned_to_the_letter() {
    let port = free_port();
    for (written, sent) in [
        ("http://127.0.0.1:0", "http://127.0.0.1:PORT"),
        ("http://127.0.0.1:0/", "http://127.0.0.1:PORT/"),
        ("http://LOCALHOST:0/Cb", "http://LOCALHOST:PORT/Cb"),
        (
            "http://127.0.0.1:0/a%2fb/?x=1&y=%20+&z",
            "http://127.0.0.1:PORT/a%2fb/?x=1&y=%20+&z",
        ),
        ("http://127.0.0.1:0?own", "http://127.0.0.1:PORT?own"),
    ] {
        let login = Waiting::at(Server::json(200, ANSWER), written, &[]);
        let port = login.address().port();
        assert_ne!(port, 0);
        let uri = login.redirect_uri();
        assert_eq!(uri, sent.replace("PORT", &port.to_string()));
        let redirected = get(&callback(&login.url, &[("code", "c0de1234")]));
        expect(303, &redirected);
        let location = redirected.header("Location");
        assert_eq!(location, Some(&*uri), "{redirected:#?}");
        let page = get(&uri);
        expect(200, &page);
        assert!(page.body.contains("You are logged in"), "{page:#?}");
        let done = login.running.finish();
        assert_eq!(done.stdout, "t0ken\n");
        assert!(done.stderr.contains(&format!(" {uri} ")), "{done:#?}");
        login.server.exchange_of(&login.url);
    }
    // And with a port of its own, where nothing is to be replaced.
    let uri = format!("http://127.0.0.1:{port}?a=b");
    let login = Waiting::at(Server::json(200, ANSWER), &uri, &[]);
    assert_eq!(login.redirect_uri(), uri);
    login.succeeds();
}

#[test]
fn a_redirect_uri_that_is_not_ascii_is_sent_to_the_letter_and_leads_to_the_page() {
    let login = Waiting::at(Server::json(200, ANSWER), "http://127.0.0.1:0/вход", &[]);
    assert!(login.redirect_uri().ends_with("/вход"));
    let redirected = get(&callback(&login.url, &[("code", "c0de1234")]));
    expect(303, &redirected);
    // A header's field is ASCII, so here it is the same address, escaped.
    let location = redirected.header("Location");
    let escaped = url::Url::parse(&login.redirect_uri()).unwrap();
    assert_eq!(location, Some(escaped.as_str()), "{redirected:#?}");
    expect(200, &get(location.unwrap()));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
    login.server.exchange_of(&login.url);
}

#[test]
fn localhost_is_served_on_both_address_families() {
    if !has_ipv6() {
        return;
    }
    for family in [0, 1] {
        let login = Waiting::at(Server::json(200, ANSWER), "http://localhost:0/", &[]);
        let port = login.address().port();
        let addresses: [SocketAddr; 2] = [
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ];
        let target = login.target();
        for to in addresses {
            let head = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
            expect(404, &raw(to, head.as_bytes()));
        }
        let to = addresses[family];
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        expect(303, &raw(to, head.as_bytes()));
        let head = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        expect(200, &raw(to, head.as_bytes()));
        assert_eq!(login.running.finish().stdout, "t0ken\n");
    }
}

#[test]
fn a_listener_on_an_ipv6_address_is_there() {
    if !has_ipv6() {
        return;
    }
    let login = Waiting::at(Server::json(200, ANSWER), "http://[::1]:0/", &[]);
    assert!(login.address().is_ipv6());
    login.succeeds();
}

/// Skips, with a message, on a machine that has no `::1`.
fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "skipped: this machine has no ::1");
    }
    has
}

#[test]
fn the_first_redirect_uri_whose_port_is_free_is_used() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = format!("http://{}/", taken.local_addr().unwrap());
    let second = format!("http://127.0.0.1:{}/second", free_port());
    let third = format!("http://127.0.0.1:{}/third", free_port());
    let options = ["--redirect-uri", &second, "--redirect-uri", &third];
    let login = Waiting::at(Server::json(200, ANSWER), &first, &options);
    assert_eq!(login.redirect_uri(), second);
    login.succeeds();
}

#[test]
#[cfg(unix)]
fn ports_that_are_taken_or_forbidden_are_8_by_name_before_a_browser_opens() {
    let one = TcpListener::bind("127.0.0.1:0").unwrap();
    let two = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::1]:0").ok();
    let port = |taken: &TcpListener| taken.local_addr().unwrap().port();
    let (one_port, two_port) = (port(&one), port(&two));
    let uri = |host: &str, port: u16| format!("http://{host}:{port}/");
    let mut cases = vec![
        (vec![uri("127.0.0.1", one_port)], None, vec![one_port]),
        (
            vec![uri("127.0.0.1", one_port), uri("127.0.0.1", two_port)],
            None,
            vec![one_port, two_port],
        ),
        (vec![uri("localhost", one_port)], None, vec![one_port]),
        (
            vec![uri("127.0.0.1", 1)],
            Some(one.local_addr().unwrap().to_string()),
            vec![one_port],
        ),
    ];
    // Another program that has only the other family would get our code.
    if let Some(six) = &six {
        cases.push((vec![uri("localhost", port(six))], None, vec![port(six)]));
    }
    for (uris, listen, named) in cases {
        let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
        let browser = crate::support::files::script(&home, ": >opened");
        let mut command = home.command(&["login", "--client-id", "app"]);
        command.args(["--oauth-url", &server.origin]);
        for uri in &uris {
            command.args(["--redirect-uri", uri]);
        }
        if let Some(listen) = &listen {
            command.args(["--listen", listen]);
        }
        command.env("BROWSER", browser);
        let done = run(command);
        done.fails(8, "in use");
        for port in named {
            assert!(done.stderr.contains(&port.to_string()), "{port}: {done:#?}");
        }
        assert!(!done.stderr.contains("/authorize?"), "{done:#?}");
        assert_eq!(home.files(), ["browser"], "{done:#?}");
    }
}

#[test]
fn listen_binds_there_and_leaves_the_redirect_uri_as_it_is() {
    let port = free_port();
    for (listen, uri, host) in [
        ("127.0.0.1", "http://127.0.0.1:1/cb", "127.0.0.1:1"),
        ("127.0.0.1", "http://localhost:8000/cb", "localhost:8000"),
        ("0.0.0.0", "http://127.0.0.1:1/cb", "0.0.0.0:5"),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let listen = format!("{listen}:{port}");
        let mut command = home.command(&arguments(&server, uri));
        let mut running = Running::start(command.args(["--listen", &listen]));
        let url = running.url();
        assert_eq!(parameter(&url, "redirect_uri").as_deref(), Some(uri));
        let state = parameter(&url, "state").unwrap();
        let ask = |target: &str, host: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            raw((Ipv4Addr::LOCALHOST, port), head.as_bytes())
        };
        expect(421, &ask("/cb", "0.0.0.1"));
        let redirected = ask(&format!("/cb?code=c0de1234&state={state}"), host);
        expect(303, &redirected);
        assert_eq!(redirected.header("Location"), Some(uri));
        expect(200, &ask("/cb", host));
        assert_eq!(running.finish().stdout, "t0ken\n");
        server.exchange_of(&url);
    }
}

#[test]
fn the_default_redirect_uri_has_port_8000() {
    // Ours or, where that fails, somebody else's.
    let _taken = TcpListener::bind("127.0.0.1:8000");
    let home = Home::new();
    let done = run(home.command(&["login", "--client-id", "app", "--no-browser"]));
    done.fails(8, "127.0.0.1:8000: port 8000 is in use");
}
