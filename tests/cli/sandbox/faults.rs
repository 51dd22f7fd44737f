//! Faults on demand, and the sandbox's log.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::browser::{Reply, get, parameter, request};
use crate::support::sandbox::{FORM, Served, redirected, refused_with_a_page};
use crate::support::{Home, PATIENCE, Running, run};

/// A sandbox whose user allows everything, with these faults.
fn served(faults: &[&str]) -> Served {
    let mut options = vec!["--consent", "allow"];
    for fault in faults {
        options.extend(["--fault", fault]);
    }
    Served::start(&options)
}

fn device_code(served: &Served, headers: &str) -> Reply {
    let url = format!("{}/device/code", served.origin);
    let body = format!("client_id={}", served.client_id);
    request("POST", &url, &format!("{FORM}{headers}"), &body)
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).expect(&reply.body)
}

#[test]
fn a_fault_comes_so_many_times_and_then_the_next_one() {
    let served = served(&["device/code:503:2", "device/code:slow_down:1", "info:502"]);
    for _ in 0..2 {
        let reply = device_code(&served, "");
        assert_eq!(reply.status, 503);
        assert_eq!(
            reply.header("Content-Type"),
            Some("text/html; charset=utf-8")
        );
        assert!(reply.body.starts_with("<!doctype html>"), "{reply:#?}");
    }
    let reply = device_code(&served, "");
    assert_eq!(
        (reply.status, &json(&reply)["error"]),
        (400, &"slow_down".into())
    );
    assert_eq!(device_code(&served, "").status, 200);
    for _ in 0..3 {
        assert_eq!(get(&format!("{}/info", served.origin)).status, 502);
    }
}

#[test]
fn an_answer_is_empty_torn_or_lost() {
    let served = served(&[
        "device/code:empty:1",
        "device/code:torn:1",
        "device/code:lost:1",
    ]);
    let empty = device_code(&served, "");
    assert_eq!((empty.status, &*empty.body), (200, ""));
    assert_eq!(empty.header("Content-Length"), Some("0"));
    assert_eq!(empty.header("Content-Type"), Some("application/json"));
    let torn = device_code(&served, "");
    let promised: usize = torn.header("Content-Length").unwrap().parse().unwrap();
    assert_eq!(torn.body.len(), promised / 2, "{torn:#?}");
    assert!(torn.body.starts_with("{\"device_code\""), "{torn:#?}");
    let lost = device_code(&served, "");
    assert_eq!((lost.status, &*lost.head), (0, ""), "{lost:#?}");
    assert_eq!(device_code(&served, "").status, 200);
}

#[test]
fn slow_answers_hold_up_nobody_else() {
    let served = served(&["device/code:slow=3600s"]);
    let body = format!("client_id={}", served.client_id);
    let address = served.origin.strip_prefix("http://").unwrap();
    let text = format!(
        "POST /device/code HTTP/1.1\r\nHost: {address}\r\n{FORM}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(get(&format!("{}/device", served.origin)).status, 200);
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        let error = stream.peek(&mut [0]).expect_err("nothing has come yet");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn slow_answers_that_many_wait_for_give_way() {
    let served = served(&[]);
    let address = served.origin.strip_prefix("http://").unwrap();
    let text =
        format!("GET /info?sandbox_fault=slow=3600s HTTP/1.1\r\nHost: {address}\r\n\r\nmore");
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(get(&format!("{}/device", served.origin)).status, 200);
    }
    drop(waiting);
    // Nobody waits any more, and nothing does so in their stead.
    let threads = || std::fs::read_dir(format!("/proc/{}/task", served.child.id()));
    let until = Instant::now() + PATIENCE;
    while cfg!(target_os = "linux") && threads().unwrap().count() > 30 {
        assert!(Instant::now() < until, "threads are left over");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_slow_answer_comes_late_and_whole() {
    let served = served(&["device/code:slow=1s:1"]);
    let begun = Instant::now();
    let reply = device_code(&served, "");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(json(&reply)["interval"], 1);
}

#[test]
fn a_client_asks_for_a_fault_of_one_answer_itself() {
    let served = served(&[]);
    let reply = device_code(&served, "Sandbox-Fault: invalid_client\r\n");
    assert_eq!(json(&reply)["error"], "invalid_client");
    let reply = device_code(&served, "Sandbox-Fault: nonsense\r\n");
    assert_eq!(json(&reply)["error"], "sandbox_fault");
    assert!(
        reply.body.contains("invalid_grant"),
        "it says what there is"
    );
    assert_eq!(device_code(&served, "").status, 200);
    let url = format!(
        "{}&sandbox_fault=unauthorized_client",
        served.authorize(&[])
    );
    let location = redirected(&get(&url));
    let error = parameter(&location, "error");
    assert_eq!(error.as_deref(), Some("unauthorized_client"));
    assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
}

#[test]
fn an_error_of_a_header_is_a_401_without_a_description() {
    let error = "Malformed Authorization header";
    let served = served(&[&format!("device/code:{error}:1")]);
    let reply = device_code(&served, "");
    assert_eq!(reply.status, 401);
    assert_eq!(json(&reply), serde_json::json!({ "error": error }));
    assert_eq!(device_code(&served, "").status, 200);
}

#[test]
fn an_answer_to_the_consent_page_can_be_refused_too() {
    let served = Served::start(&[]);
    let page = get(&served.authorize(&[]));
    let (_, handle) = page.body.split_once("name=\"request\" value=\"").unwrap();
    let body = format!("decision=allow&request={}", &handle[..32]);
    let url = format!("{}/authorize", served.origin);
    let headers = format!("{FORM}Sandbox-Fault: server_error\r\n");
    let reply = request("POST", &url, &headers, &body);
    assert_eq!(
        (reply.status, &json(&reply)["error"]),
        (400, &"server_error".into())
    );
    redirected(&request("POST", &url, FORM, &body));
}

#[test]
fn an_authorization_request_fails_as_yandex_lets_it_fail() {
    let served = served(&["authorize:invalid_client:1", "authorize:invalid_scope:1"]);
    let page = get(&served.authorize(&[]));
    refused_with_a_page(&page, "Unknown client");
    let page = get(&served.authorize(&[]));
    refused_with_a_page(&page, "invalid_scope");
    let location = redirected(&get(&served.authorize(&[])));
    assert!(parameter(&location, "code").is_some());
}

/// Runs a script under a sandbox with this fault, after a login that is saved.
#[cfg(unix)]
#[track_caller]
fn script(home: &Home, fault: &str, script: &str) -> String {
    let script = format!(
        "{0} login -q --device --save; {script}",
        crate::support::BINARY
    );
    let script = script.replace("TOKEN", &format!("{} token", crate::support::BINARY));
    let done = run(home.command(&["sandbox", "--fault", fault, "--", "sh", "-c", &script]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    done.stdout
}

#[cfg(unix)]
#[test]
fn a_script_finds_out_what_it_does_on_a_bad_day() {
    std::thread::scope(|scope| {
        for (fault, code) in [
            ("token/refresh_token:503", "6"),
            ("token/refresh_token:torn", "6"),
            // The first answer is lost, and the refresh token was spent for it.
            ("token/refresh_token:torn:1", "7"),
            ("token/refresh_token:invalid_grant", "7"),
            ("token/refresh_token:invalid_client", "5"),
            ("token/refresh_token:503:1", "0"),
        ] {
            scope.spawn(move || {
                // The second call is the script's own second try.
                let twice = "TOKEN --min-ttl 366d >/dev/null 2>&1; \
                             TOKEN --min-ttl 366d >/dev/null 2>&1; echo $?";
                let text = script(&Home::new(), fault, twice);
                assert_eq!(text.trim(), code, "{fault}");
            });
        }
    });
}

#[test]
fn a_fault_that_cannot_be_is_a_usage_error_that_says_what_can() {
    let home = Home::new();
    for (bad, says) in [
        ("tokens:503", "revoke_token"),
        ("token:nonsense", "invalid_grant"),
        ("token:503:never", "how many times"),
    ] {
        run(home.command(&["sandbox", "--fault", bad])).fails(2, says);
    }
}

#[test]
fn the_log_tells_each_request_and_never_a_secret_whole() {
    let home = Home::new();
    let mut running = Running::start(&mut home.command(&["sandbox", "-v", "--consent", "allow"]));
    let [origin, client_id, client_secret] = running.sandbox_lines();
    let url = format!("{origin}/token");
    let code = "0123456789abcdef";
    let token = "y0_0123456789abcdef";
    let body = format!(
        "grant_type=authorization_code&code={code}&client_id={client_id}\
         &client_secret={client_secret}&other=9876543210fedcba"
    );
    request("POST", &url, FORM, &body);
    let line = running.line("POST /token");
    for told in [
        "grant_type=authorization_code",
        &client_id,
        "-> 400 invalid_grant",
        "code=0123…",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }
    for header in ["OAuth ", "Bearer ", "Basic ", ""] {
        let header = format!("Authorization: {header}{token}\r\n");
        request(
            "GET",
            &format!("{origin}/info?oauth_token={token}"),
            &header,
            "",
        );
        running.line("GET /info");
    }
    request("GET", &format!("{origin}/nothing\u{1b}[31m"), "", "");
    running.line("/nothing");
    running.child.kill().unwrap();
    let done = running.finish();
    done.hides(&[code, token, &client_secret, "9876543210fedcba", "\u{1b}"]);
}

#[test]
fn without_verbose_nothing_is_logged() {
    let home = Home::new();
    let mut running = Running::start(&mut home.command(&["sandbox"]));
    let [origin, ..] = running.sandbox_lines();
    get(&format!("{origin}/device"));
    running.child.kill().unwrap();
    let done = running.finish();
    assert!(!done.stderr.contains("/device"), "{done:#?}");
}
