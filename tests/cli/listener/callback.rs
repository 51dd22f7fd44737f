//! The listener: what ends a login, what does not, and what the browser is
//! shown in the end.

use crate::support::browser::{answer, callback, get, parameter, request};
use crate::support::server::Server;
use crate::support::waiting::{ANSWER, AT_ONCE, Waiting, arguments, connection, expect};
use crate::support::{Home, Running, TIMEOUT, rows, run};

#[test]
fn only_exactly_one_code_or_error_with_our_state_ends_the_login() {
    let login = Waiting::new();
    let state = parameter(&login.url, "state").unwrap();
    for [query] in rows(
        "?
         ?code=c
         ?code=c&state=
         ?code=c&state=wrong
         ?code=c&state
         ?code=c&state=SHORTER
         ?code=c&state=STATEx
         ?code=c&state=%20STATE
         ?code=c&state=UPPER
         ?code=c&State=STATE
         ?code=c&state=STATE&state=STATE
         ?code=c&state=STATE&state=wrong
         ?state=wrong&code=c&state=STATE
         ?error=access_denied
         ?error=access_denied&state=
         ?error=access_denied&state=wrong
         ?error=access_denied&state=STATE&state=STATE
         ?code=c&error=access_denied&state=STATE
         ?code=c&code=c&state=STATE
         ?error=a&error=a&state=STATE
         ?state=STATE
         ?code=&state=STATE
         ?code=a%20b&state=STATE
         ?error=&state=STATE",
    ) {
        let query = query.replace("SHORTER", &state[..state.len() - 1]);
        let query = query.replace("UPPER", &state.to_ascii_uppercase());
        let reply = login.ask(&format!("/{}", query.replace("STATE", &state)));
        assert_eq!(reply.status, 400, "{query}: {reply:#?}");
        expect(400, &reply);
        assert!(reply.body.contains("still waiting"), "{reply:#?}");
    }
    expect(400, &login.ask("/"));
    login.succeeds();
}

#[test]
fn other_paths_and_methods_are_refused_even_with_the_right_state() {
    let login = Waiting::on("http://127.0.0.1:0/cb", &[]);
    let right = login.callback();
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
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (method, headers, body) in [
        ("OPTIONS", preflight, ""),
        ("HEAD", "", ""),
        ("POST", "", ""),
        ("POST", form, query),
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
    expect(405, &login.raw(&chunked));
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
                login.raw(&head),
                login.raw(&head.replace("localhost", markup)),
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
    let (server, was_asked, release) = Server::held(ANSWER);
    let login = Waiting::at(server, "http://127.0.0.1:0/cb?own=1&b=%20", &[]);
    let first = login.callback();
    let again = callback(&login.url, &[("code", "an0ther")]);
    let refused = callback(&login.url, &[("error", "access_denied")]);
    let call = |url: &str| {
        let url = url.to_owned();
        std::thread::spawn(move || get(&url))
    };
    let mut calls = vec![call(&first)];
    was_asked.recv_timeout(TIMEOUT).unwrap();
    calls.extend([&first, &again, &refused].map(|url| call(url)));
    expect(400, &login.ask("/cb?code=c0de1234&state=wrong"));
    expect(404, &login.ask("/favicon.ico"));
    drop(release);
    let calls = calls.into_iter().map(|call| call.join().unwrap());
    let late = [&first, &again, &refused].map(|url| get(url));
    for reply in calls.chain(late) {
        expect(303, &reply);
        assert_eq!(reply.header("Location"), Some(&*login.redirect_uri()));
        assert_eq!(reply.body, "");
    }
    expect(400, &login.ask("/cb?code=c0de1234&state=wrong"));
    let page = get(&login.redirect_uri());
    expect(200, &page);
    assert!(page.body.contains("You are logged in"));
    login.has_ended();
}

#[test]
fn the_page_of_a_failed_login_says_what_failed_and_holds_no_code() {
    let expired = r#"{"error": "invalid_grant", "error_description": "Code has expired <i>"}"#;
    for (status, body, code, says) in [
        (400, expired, 5, "Code has expired &lt;i&gt;"),
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
fn the_token_is_printed_before_the_browser_gets_an_answer() {
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
        let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", login.target());
        let browser = stays.then_some(connection(login.address(), head.as_bytes()));
        let started = login.running.started;
        login.has_ended();
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
