//! The listener: what ends a login, what does not, and what the browser is
//! shown in the end.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::support::browser::{answer, callback, get, parameter, raw, request};
use crate::support::server::{Server, json};
use crate::support::waiting::{ANSWER, AT_ONCE, Waiting, arguments, expect};
use crate::support::{Home, PATIENCE, Running, run};

#[test]
fn only_exactly_one_code_or_error_with_our_state_ends_the_login() {
    let login = Waiting::new();
    let s = parameter(&login.url, "state").unwrap();
    let shorter = &s[..s.len() - 1];
    let other = s.to_ascii_uppercase();
    for query in [
        String::new(),
        "?".into(),
        "?code=c".into(),
        "?code=c&state=".into(),
        "?code=c&state=wrong".into(),
        "?code=c&state".into(),
        format!("?code=c&state={shorter}"),
        format!("?code=c&state={s}x"),
        format!("?code=c&state=%20{s}"),
        format!("?code=c&state={other}"),
        format!("?code=c&State={s}"),
        format!("?code=c&state={s}&state={s}"),
        format!("?code=c&state={s}&state=wrong"),
        format!("?state=wrong&code=c&state={s}"),
        "?error=access_denied".into(),
        "?error=access_denied&state=".into(),
        "?error=access_denied&state=wrong".into(),
        format!("?error=access_denied&state={s}&state={s}"),
        format!("?code=c&error=access_denied&state={s}"),
        format!("?code=c&code=c&state={s}"),
        format!("?error=a&error=a&state={s}"),
        format!("?state={s}"),
        format!("?code=&state={s}"),
        format!("?error=&state={s}"),
    ] {
        let reply = login.ask(&format!("/{query}"));
        assert_eq!(reply.status, 400, "{query}: {reply:#?}");
        expect(400, &reply);
        assert!(reply.body.contains("The login goes on"), "{reply:#?}");
    }
    login.succeeds();
}

#[test]
fn other_paths_and_methods_are_refused_even_with_the_right_state() {
    let login = Waiting::at(Server::json(200, ANSWER), "http://127.0.0.1:0/cb", &[]);
    let right = callback(&login.url, &[("code", "c0de1234")]);
    let query = right.split_once('?').unwrap().1;
    for path in [
        "/",
        "/favicon.ico",
        "/cb/",
        "/CB",
        "/cb/..",
        "//cb",
        "/%63b",
    ] {
        expect(404, &login.ask(&format!("{path}?{query}")));
    }
    let preflight = "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\
        Access-Control-Request-Private-Network: true\r\n";
    for (method, headers, body) in [
        ("OPTIONS", preflight, ""),
        ("HEAD", "", ""),
        ("POST", "", ""),
        (
            "POST",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            query,
        ),
        ("POST", "Expect: 100-continue\r\n", query),
        ("PUT", "", query),
        ("DELETE", "", ""),
        ("PATCH", "", "{}"),
        ("get", "", ""),
        ("BREW", "", ""),
    ] {
        let reply = request(method, &right, headers, body);
        expect(405, &reply);
        assert_eq!(reply.header("Allow"), Some("GET"), "{method}");
        assert_eq!(reply.body.is_empty(), method == "HEAD", "{method}");
    }
    let chunked = format!(
        "POST /cb?{query} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\ncode\r\n0\r\n\r\nGET /cb?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    );
    expect(405, &raw(login.address(), chunked.as_bytes()));
    login.succeeds();
}

#[test]
fn markup_in_a_request_never_comes_back_as_markup() {
    let login = Waiting::at(Server::json(200, ANSWER).idle(), "http://127.0.0.1:0/", &[]);
    let state = parameter(&login.url, "state").unwrap();
    for markup in ["<i>x", "%3Ci%3Ex", "%22%3E%3Ci%3Ex", "&lt;i>x"] {
        for target in [
            format!("/{markup}"),
            format!("/?{markup}"),
            format!("/?code={markup}&state={markup}&cid={markup}"),
            format!("/?code={markup}&code={markup}&state={state}"),
            format!("/?error={markup}&error_description={markup}&error_uri={markup}"),
            format!("/?state={markup}"),
        ] {
            let head = format!(
                "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Language: {markup}\r\n\
                 Referer: http://x/{markup}\r\nUser-Agent: {markup}\r\n{markup}: {markup}\r\n\r\n"
            );
            let replies = [
                raw(login.address(), head.as_bytes()),
                raw(
                    login.address(),
                    head.replace("localhost", markup).as_bytes(),
                ),
                login.ask(&target),
            ];
            for reply in replies {
                assert!((400..500).contains(&reply.status), "{target}: {reply:#?}");
                assert!(!reply.body.contains("<i>"), "{target}: {reply:#?}");
                assert!(!reply.head.contains("<i>"), "{target}: {reply:#?}");
            }
        }
    }
    let bad = "\"'><i>x</i>&amp;";
    let page = answer(&login.url, &[("error", bad), ("error_description", bad)]);
    expect(200, &page);
    assert!(!page.body.contains("<i>"), "{page:#?}");
    assert!(!page.body.contains("\"'>"), "{page:#?}");
    assert!(page.body.contains("&lt;i&gt;x&lt;/i&gt;&amp;amp;"));
    login.running.finish().fails(5, "<i>x</i>");
}

#[test]
fn a_slow_exchange_is_made_once_however_often_the_browser_calls_back() {
    let (asked, was_asked) = channel();
    let (release, released) = channel::<()>();
    let (asked, released) = (Mutex::new(asked), Mutex::new(released));
    let server = Server::start(move |_| {
        asked.lock().unwrap().send(()).unwrap();
        let _ = released.lock().unwrap().recv_timeout(PATIENCE);
        json(200, ANSWER)
    });
    let login = Waiting::at(server, "http://127.0.0.1:0/cb?own=1&b=%20", &[]);
    let first = callback(&login.url, &[("code", "c0de1234")]);
    let again = callback(&login.url, &[("code", "an0ther")]);
    let refused = callback(&login.url, &[("error", "access_denied")]);
    let call = |url: &str| {
        let url = url.to_owned();
        std::thread::spawn(move || get(&url))
    };
    let mut calls = vec![call(&first)];
    was_asked.recv_timeout(PATIENCE).unwrap();
    calls.extend([&first, &again, &refused].map(|url| call(url)));
    expect(400, &login.ask("/cb?code=c0de1234&state=wrong"));
    expect(404, &login.ask("/favicon.ico"));
    drop(release);
    for call in calls {
        let reply = call.join().unwrap();
        expect(303, &reply);
        assert_eq!(reply.header("Location"), Some(&*login.redirect_uri()));
        assert_eq!(reply.body, "");
    }
    for late in [&first, &again, &refused] {
        let reply = get(late);
        expect(303, &reply);
        assert_eq!(reply.header("Location"), Some(&*login.redirect_uri()));
    }
    expect(400, &login.ask("/cb?code=c0de1234&state=wrong"));
    let page = get(&login.redirect_uri());
    expect(200, &page);
    assert!(page.body.contains("You are logged in"));
    assert_eq!(login.running.finish().stdout, "t0ken\n");
    let exchange = login.server.exchange_of(&login.url);
    assert_eq!(exchange.field("code").as_deref(), Some("c0de1234"));
}

#[test]
fn the_page_of_a_failed_login_says_what_failed_and_holds_no_code() {
    for (status, body, code, says) in [
        (
            400,
            r#"{"error": "invalid_grant", "error_description": "Code has expired <i>"}"#,
            5,
            "Code has expired &lt;i&gt;",
        ),
        (401, r#"{"error": "invalid_client"}"#, 5, "invalid_client"),
        (502, "<i>Bad Gateway</i>", 6, "502"),
    ] {
        let login = Waiting::at(Server::json(status, body), "http://127.0.0.1:0/", &[]);
        let page = answer(&login.url, &[("code", "c0de1234")]);
        expect(200, &page);
        assert!(page.body.contains("The login failed"), "{page:#?}");
        assert!(page.body.contains(says), "{page:#?}");
        let secret = parameter(&login.url, "state").unwrap();
        for hidden in ["<i>", "c0de1234", "t0ken", &secret] {
            assert!(!page.body.contains(hidden), "{hidden}: {page:#?}");
        }
        login.running.finish().fails(code, "");
        login.server.exchange_of(&login.url);
    }
}

#[test]
#[cfg(unix)]
fn the_token_is_out_before_the_browser_is_told_anything() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    for (before, options) in [("exec >out", vec![]), (":", vec!["-o", "out"])] {
        let mut arguments = arguments(&server, "http://127.0.0.1:0/");
        arguments.extend(options);
        let mut running = Running::start(&mut home.after(before, &arguments));
        let url = running.url();
        let redirected = get(&callback(&url, &[("code", "c0de1234")]));
        expect(303, &redirected);
        let out = home.path().join("out");
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "t0ken\n");
        get(redirected.header("Location").unwrap());
        assert_eq!(running.finish().code, Some(0));
        std::fs::remove_file(out).unwrap();
    }
}

#[test]
fn a_browser_that_never_asks_for_the_page_does_not_keep_the_command() {
    // It may leave at once, or stay and read nothing.
    for stays in [false, true] {
        let login = Waiting::new();
        let target = login.target();
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut browser = TcpStream::connect(login.address()).unwrap();
        browser.write_all(head.as_bytes()).unwrap();
        let browser = stays.then_some(browser);
        let started = login.running.started;
        let done = login.running.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(done.stdout, "t0ken\n");
        assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
        drop(browser);
    }
}

#[test]
fn a_wait_that_runs_out_is_4_and_names_the_redirect_uri_to_register() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let port = crate::support::free_port();
    let uri = format!("http://127.0.0.1:{port}/cb");
    let mut arguments = arguments(&server, &uri);
    arguments.extend(["-q", "--timeout", "1s"]);
    let done = run(home.command(&arguments));
    done.fails(4, "Redirect URI");
    let hint = done.stderr.lines().last().unwrap();
    assert!(hint.ends_with(&uri), "{done:#?}");
}

#[test]
fn the_state_has_256_bits_and_is_another_each_time() {
    let states = [(); 2].map(|()| {
        let server = Server::json(200, ANSWER).idle();
        let login = Waiting::at(server, "http://127.0.0.1:0/", &[]);
        parameter(&login.url, "state").unwrap()
    });
    assert_ne!(states[0], states[1]);
    for state in states {
        assert!(state.len() >= 43, "{state}");
    }
}
