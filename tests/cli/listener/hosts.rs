//! The names and addresses that the listener answers to: `Host`, addresses, ports,
//! and the exact Redirect URI.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::support::browser::{get, parameter, raw};
#[cfg(unix)]
use crate::support::files::script;
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, Waiting, arguments, expect};
use crate::support::{Home, Running, free_port, rows, run, unescape};

#[test]
fn a_foreign_host_is_421_and_named_once_however_often_it_asks() {
    let login = Waiting::new();
    let target = login.target();
    for host in ["evil.example"; 2] {
        expect(421, &login.ask_as(host, &target));
    }
    for [host] in rows(
        "evil.example
         Evil.Example:8000
         127.0.0.1.evil.example
         localhost.evil.example
         evil.example:80@127.0.0.1
         localhost@evil.example
         127.0.0.1, evil.example
         localhost:80:80
         localhost:x
         0.0.0.0
         [::2]
         [::1
         ::1",
    ) {
        let reply = login.ask_as(host, &target);
        assert_eq!(reply.status, 421, "{host:?}: {reply:#?}");
        expect(421, &reply);
    }
    expect(421, &login.ask_as("", &target));
    let to = login.address();
    let absolute = format!("GET http://evil.example{target} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    expect(421, &login.raw(&absolute));
    let done = login.succeeds();
    let warnings: Vec<_> = done.stderr.matches("warning: ").collect();
    assert_eq!(warnings.len(), 1, "{done:#?}");
    let warning = done.stderr.lines().find(|line| line.contains("warning: "));
    assert!(warning.unwrap().contains("evil.example"), "{done:#?}");
}

#[test]
fn a_host_that_is_none_or_no_name_is_warned_about_as_it_came() {
    for [head, named] in rows(
        r"GET / HTTP/1.1\r\nHost: site.ru:80:80            | (Host: site.ru:80:80)
          GET / HTTP/1.1\r\nHost: a@b                      | (Host: a@b)
          GET / HTTP/1.1\r\nHost:                          | (Host: )
          GET / HTTP/1.0                                   | (Host: )
          GET http://x:y/ HTTP/1.1\r\nHost: localhost      | (Host: x:y)",
    ) {
        let head = [unescape(head), b"\r\n\r\n".to_vec()].concat();
        let login = Waiting::new();
        expect(421, &raw(login.address(), &head));
        let done = login.succeeds();
        assert!(done.stderr.contains(named), "{named}: {done:#?}");
    }
}

#[test]
fn the_redirect_uris_host_and_every_loopback_name_pass_whatever_their_port_and_case() {
    let login = Waiting::new();
    for [host] in rows(
        "127.0.0.1
         127.0.0.1:1
         127.0.0.1:65535
         127.1.2.3
         localhost
         LocalHost:99
         localhost.
         [::1]
         [::1]:8000
         [0:0:0:0:0:0:0:1]:1",
    ) {
        for head in [
            format!("GET /cb HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /cb HTTP/1.1\r\nhOST:{host} \r\n\r\n"),
            format!("GET http://{host}/cb HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET /cb HTTP/1.0\r\nHost: {host}\r\n\r\n"),
        ] {
            let reply = login.raw(&head);
            assert_eq!(reply.status, 404, "{head}: {reply:#?}");
        }
    }
    let done = login.succeeds();
    assert!(!done.stderr.contains("warning"), "{done:#?}");
}

#[test]
fn a_request_without_a_host_or_with_two_is_refused() {
    let login = Waiting::new();
    let target = login.target();
    for (host, statuses) in [
        ("1.1", [400, 400]),
        ("1.1\r\nHost: localhost\r\nHost: localhost", [400, 400]),
        ("1.1\r\nHost: localhost\r\nhost: evil.example", [400, 400]),
        ("1.1\r\nHost : localhost", [400, 400]),
        ("1.0", [400, 421]),
        ("1.0\r\nHost: localhost\r\nHost: localhost", [400, 400]),
    ] {
        let reply = login.raw(&format!("GET {target} HTTP/{host}\r\n\r\n"));
        assert!(statuses.contains(&reply.status), "{host:?}: {reply:#?}");
        expect(reply.status, &reply);
    }
    login.succeeds();
}

#[test]
fn an_absolute_target_and_http_1_0_end_the_login_like_any_callback() {
    for how in [
        "GET http://HOST-TARGET HTTP/1.1\r\nHost: HOST",
        "GET HTTP://HOST-TARGET HTTP/1.1\r\nHost: HOST",
        "GET -TARGET HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive",
    ] {
        let login = Waiting::new();
        let head = how.replace("HOST", &login.address().to_string());
        let head = head.replace("-TARGET", &login.target());
        let reply = login.raw(&(head + "\r\n\r\n"));
        expect(303, &reply);
        expect(200, &get(reply.header("Location").unwrap()));
        login.has_ended();
    }
}

#[test]
fn the_redirect_uri_is_sent_and_redirected_to_exactly_as_written() {
    let fixed = free_port();
    for [written, sent] in rows(
        "http://127.0.0.1:0                        | http://127.0.0.1:PORT
         http://127.0.0.1:0/                       | http://127.0.0.1:PORT/
         http://LOCALHOST:0/Cb                     | http://LOCALHOST:PORT/Cb
         http://127.0.0.1:0/a%2fb/?x=1&y=%20+&z    | http://127.0.0.1:PORT/a%2fb/?x=1&y=%20+&z
         http://127.0.0.1:0?own                    | http://127.0.0.1:PORT?own
         http://127.0.0.1:0/вход                   | http://127.0.0.1:PORT/вход
         http://127.0.0.1:FIXED?a=b                | http://127.0.0.1:FIXED?a=b",
    ) {
        let [written, sent] = [written, sent].map(|uri| uri.replace("FIXED", &fixed.to_string()));
        let login = Waiting::on(&written, &[]);
        let port = login.address().port();
        assert_ne!(port, 0);
        let uri = login.redirect_uri();
        assert_eq!(uri, sent.replace("PORT", &port.to_string()));
        let redirected = get(&login.callback());
        expect(303, &redirected);
        // A header's field is ASCII, so a path that isn't is escaped there.
        let returned = match uri.is_ascii() {
            true => uri.clone(),
            false => url::Url::parse(&uri).unwrap().into(),
        };
        let location = redirected.header("Location");
        assert_eq!(location, Some(&*returned), "{redirected:#?}");
        let page = get(&returned);
        expect(200, &page);
        assert!(page.body.contains("You are logged in"), "{page:#?}");
        let done = login.has_ended();
        assert!(done.stderr.contains(&format!(" {uri} ")), "{done:#?}");
    }
}

#[test]
fn localhost_is_served_on_both_address_families() {
    if !has_ipv6() {
        return;
    }
    for family in [0, 1] {
        let login = Waiting::on("http://localhost:0/", &[]);
        let port = login.address().port();
        let addresses: [SocketAddr; 2] = [
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ];
        let ask = |to: SocketAddr, target: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
            raw(to, head.as_bytes())
        };
        for to in addresses {
            expect(404, &ask(to, "/x"));
        }
        expect(303, &ask(addresses[family], &login.target()));
        expect(200, &ask(addresses[family], "/"));
        login.has_ended();
    }
}

#[test]
fn a_listener_on_an_ipv6_address_is_there() {
    if !has_ipv6() {
        return;
    }
    let login = Waiting::on("http://[::1]:0/", &[]);
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
    let login = Waiting::on(&first, &options);
    assert_eq!(login.redirect_uri(), second);
    login.succeeds();
}

#[test]
#[cfg(unix)]
fn ports_that_are_taken_or_forbidden_are_8_by_name_before_a_browser_opens() {
    let take = |address: &str| TcpListener::bind(address).unwrap();
    let port = |taken: &TcpListener| taken.local_addr().unwrap().port().to_string();
    let (one, two) = (take("127.0.0.1:0"), take("127.0.0.1:0"));
    let mut cases = vec![
        (vec!["http://127.0.0.1:ONE/"], None),
        (vec!["http://127.0.0.1:ONE/", "http://127.0.0.1:TWO/"], None),
        (vec!["http://localhost:ONE/"], None),
        (vec!["http://127.0.0.1:1/"], Some("127.0.0.1:ONE")),
    ];
    // Another program that has only the other family would get our code.
    let six = TcpListener::bind("[::1]:0").ok();
    if six.is_some() {
        cases.push((vec!["http://localhost:SIX/"], None));
    }
    let ports = [
        ("ONE", Some(&one)),
        ("TWO", Some(&two)),
        ("SIX", six.as_ref()),
    ];
    for (uris, listen) in cases {
        let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
        let mut options = vec!["login", "--client-id", "app", "--oauth-url", &server.origin];
        options.extend(uris.iter().flat_map(|uri| ["--redirect-uri", uri]));
        options.extend(listen.iter().flat_map(|address| ["--listen", address]));
        let (mut options, mut named) = (options.join(" "), Vec::new());
        for (name, taken) in ports {
            if options.contains(name) {
                named.push(port(taken.unwrap()));
                options = options.replace(name, named.last().unwrap());
            }
        }
        let mut command = home.command(&options.split(' ').collect::<Vec<_>>());
        command.env("BROWSER", script(&home, ": >opened"));
        let done = run(command);
        done.fails(8, "in use");
        for port in named {
            assert!(done.stderr.contains(&port), "{port}: {done:#?}");
        }
        assert!(!done.stderr.contains("/authorize?"), "{done:#?}");
        assert_eq!(home.files(), ["browser"], "{done:#?}");
    }
}

#[test]
fn listen_binds_there_and_leaves_the_redirect_uri_as_it_is() {
    let port = free_port();
    for [listen, uri, host] in rows(
        "127.0.0.1 | http://127.0.0.1:1/cb    | 127.0.0.1:1
         127.0.0.1 | http://localhost:8000/cb | localhost:8000
         0.0.0.0   | http://127.0.0.1:1/cb    | 0.0.0.0:5",
    ) {
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
