//! Faults on demand, and the sandbox's log.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::browser::{Reply, parameter};
use crate::support::sandbox::{FORM, OWN, Served, json, redirected, refused, refused_with_a_page};
use crate::support::waiting::connection;
use crate::support::{Home, rows, run, wait_for};

/// A sandbox whose user allows everything, with these faults.
fn served(faults: &[&str]) -> Served {
    let options = faults.iter().flat_map(|fault| ["--fault", fault]);
    Served::allowing(&options.collect::<Vec<_>>())
}

fn device_code(served: &Served, headers: &str) -> Reply {
    let headers = format!("{FORM}{headers}");
    served.request("POST", "/device/code", &headers, "client_id=$ID")
}

#[test]
fn a_fault_comes_so_many_times_and_then_the_next_one() {
    let served = served(&["device/code:503:2", "device/code:slow_down:1", "info:502"]);
    for _ in 0..2 {
        let reply = device_code(&served, "");
        assert_eq!(reply.status, 503);
        let kind = reply.header("Content-Type");
        assert_eq!(kind, Some("text/html; charset=utf-8"));
        assert!(reply.body.starts_with("<!doctype html>"), "{reply:#?}");
    }
    refused(&device_code(&served, ""), "slow_down");
    json(200, &device_code(&served, ""));
    for _ in 0..3 {
        assert_eq!(served.get("/info").status, 502);
    }
}

#[test]
fn an_answer_is_empty_torn_or_lost() {
    let faults = ["empty", "torn", "lost"].map(|fault| format!("device/code:{fault}:1"));
    let served = served(&faults.each_ref().map(|fault| &**fault));
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
    json(200, &device_code(&served, ""));
}

/// Connections that wait for an answer which is slow.
fn slow(served: &Served, count: usize) -> Vec<TcpStream> {
    let target = "/info?sandbox_fault=slow=3600s";
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\nmore");
    let connect = |_| connection(served.address(), head.as_bytes());
    (0..count).map(connect).collect()
}

#[test]
fn slow_answers_hold_up_nobody_else() {
    let served = served(&[]);
    let waiting = slow(&served, 20);
    assert_eq!(served.get("/device").status, 200);
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        let error = stream.peek(&mut [0]).expect_err("nothing has come yet");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn slow_answers_that_many_wait_for_give_way() {
    let served = served(&[]);
    let waiting = slow(&served, 100);
    for _ in 0..10 {
        assert_eq!(served.get("/device").status, 200);
    }
    drop(waiting);
    // Nobody waits any more, and nothing does so in their stead.
    let threads = || std::fs::read_dir(format!("/proc/{}/task", served.running.child.id()));
    if cfg!(target_os = "linux") {
        wait_for("no threads are left", || threads().unwrap().count() <= 30);
    }
}

#[test]
fn a_slow_answer_comes_late_and_whole() {
    let served = served(&["device/code:slow=1s:1"]);
    let begun = Instant::now();
    let reply = device_code(&served, "");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(json(200, &reply)["interval"], 1);
}

#[test]
fn a_client_asks_for_a_fault_of_one_answer_itself() {
    let served = served(&[]);
    let reply = device_code(&served, "Sandbox-Fault: invalid_client\r\n");
    refused(&reply, "invalid_client");
    let reply = device_code(&served, "Sandbox-Fault: nonsense\r\n");
    refused(&reply, "sandbox_fault");
    assert!(
        reply.body.contains("invalid_grant"),
        "it says what there is"
    );
    json(200, &device_code(&served, ""));
    let location = redirected(&served.ask("sandbox_fault=unauthorized_client"));
    let error = parameter(&location, "error");
    assert_eq!(error.as_deref(), Some("unauthorized_client"));
    assert_eq!(parameter(&location, "state").as_deref(), Some("st-1"));
}

#[test]
fn an_error_of_a_header_is_a_401_without_a_description() {
    let error = "Malformed Authorization header";
    let served = served(&[&format!("device/code:{error}:1")]);
    let body = json(401, &device_code(&served, ""));
    assert_eq!(body, serde_json::json!({ "error": error }));
    json(200, &device_code(&served, ""));
}

#[test]
fn an_answer_to_the_consent_page_can_be_refused_too() {
    let served = Served::start(&[]);
    let page = served.ask("");
    let (_, handle) = page.body.split_once("name=\"request\" value=\"").unwrap();
    let form = format!("decision=allow&request={}", &handle[..32]);
    let headers = format!("{FORM}Sandbox-Fault: server_error\r\n");
    let reply = served.request("POST", "/authorize", &headers, &form);
    refused(&reply, "server_error");
    redirected(&served.post("/authorize", &form));
}

#[test]
fn an_authorization_request_fails_as_yandex_lets_it_fail() {
    let served = served(&["authorize:invalid_client:1", "authorize:invalid_scope:1"]);
    refused_with_a_page(&served.ask(""), "Unknown client");
    refused_with_a_page(&served.ask(""), "invalid_scope");
    served.code("");
}

#[cfg(unix)]
#[test]
fn a_script_is_tested_against_injected_faults() {
    // The second call is the script's own second try.
    let script = "$BIN login -q --device --save; \
        for try in 1 2; do $BIN token --min-ttl 366d >/dev/null 2>&1; done; echo $?";
    // Where an answer is torn once, the refresh token was spent for it.
    let faults = rows(
        "503              | 6
         torn             | 6
         torn:1           | 7
         invalid_grant    | 7
         invalid_client   | 5
         503:1            | 0",
    );
    crate::support::several_at_once(6, faults, |[fault, code]| {
        let home = Home::new();
        let fault = format!("token/refresh_token:{fault}");
        let mut command = home.command(&["sandbox", "--fault", &fault]);
        command.args(["--", "sh", "-c", script]);
        command.env("BIN", crate::support::BINARY);
        let done = run(command);
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(done.stdout.trim(), code, "{fault}: {done:#?}");
    });
}

#[test]
fn a_fault_that_cannot_be_is_a_usage_error_that_says_what_can() {
    let home = Home::new();
    for [bad, says] in rows(
        "tokens:503      | revoke_token
         token:nonsense  | invalid_grant
         token:503:never | how many times",
    ) {
        run(home.command(&["sandbox", "--fault", bad])).fails(2, says);
    }
}

#[test]
fn each_request_is_logged_and_never_a_whole_secret() {
    let mut served = Served::allowing(&["-v"]);
    let (code, token) = ("0123456789abcdef", "y0_0123456789abcdef");
    let other = "9876543210fedcba";
    let form = format!("grant_type=authorization_code&code={code}&{OWN}&other={other}");
    served.post("/token", &form);
    let line = served.running.line("POST /token");
    for told in [
        "grant_type=authorization_code",
        &served.client_id,
        "-> 400 invalid_grant",
        "code=0123…",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }
    let target = format!("/info?oauth_token={token}");
    for scheme in ["OAuth ", "Bearer ", "Basic ", ""] {
        let header = format!("Authorization: {scheme}{token}\r\n");
        served.request("GET", &target, &header, "");
        served.running.line("GET /info");
    }
    served.get("/nothing\u{1b}[31m");
    served.running.line("/nothing");
    let secret = served.client_secret.clone();
    let done = served.end();
    done.hides(&[code, token, &secret, other, "\u{1b}"]);
}

#[test]
fn without_verbose_nothing_is_logged() {
    let served = Served::start(&[]);
    served.get("/device");
    let done = served.end();
    assert!(!done.stderr.contains("/device"), "{done:#?}");
}
