//! The sandbox's token endpoint, and the requests that its port refuses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::browser::{Reply, get, parameter, request};
use crate::support::sandbox::{FORM, Served, redirected};

// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const PKCE: [(&str, &str); 2] = [
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// A code, asked for with these parameters beside the usual ones.
#[track_caller]
fn code(served: &Served, parameters: &[(&str, &str)]) -> String {
    let location = redirected(&get(&served.authorize(parameters)));
    parameter(&location, "code").unwrap()
}

/// Asks for a token. `CODE`, `ID` and `SECRET` in the body stand for a new
/// code, asked for with `asked`, and for the application's own.
#[track_caller]
fn exchange(served: &Served, asked: &[(&str, &str)], headers: &str, body: &str) -> Reply {
    let body = body
        .replace("CODE", &code(served, asked))
        .replace("ID", &served.client_id)
        .replace("SECRET", &served.client_secret);
    let url = format!("{}/token", served.origin);
    request("POST", &url, headers, &body)
}

#[track_caller]
fn json(reply: &Reply) -> Value {
    let kind = reply.header("Content-Type").unwrap();
    assert_eq!(kind, "application/json", "{reply:#?}");
    assert_eq!(reply.header("Cache-Control"), Some("no-store"));
    serde_json::from_str(&reply.body).unwrap()
}

#[track_caller]
fn granted(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:#?}");
    let token = json(reply);
    assert_eq!(token["token_type"], "bearer");
    // One that was given out before has the rest of its life.
    let left = token["expires_in"].as_u64().unwrap();
    assert!((31_535_000..=31_536_000).contains(&left), "{token}");
    assert!(token["access_token"].as_str().unwrap().starts_with("y0_"));
    let refresh_token = token["refresh_token"].as_str().unwrap();
    assert_eq!(refresh_token.split(':').count(), 4, "{refresh_token}");
    token
}

#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str) -> Value {
    assert_eq!(reply.status, status, "{reply:#?}");
    let body = json(reply);
    assert_eq!(body["error"], error, "{reply:#?}");
    assert!(body.get("access_token").is_none());
    body
}

fn basic(credentials: &str) -> String {
    let encoded = STANDARD.encode(credentials);
    format!("{FORM}Authorization: Basic {encoded}\r\n")
}

#[test]
fn a_code_is_exchanged_for_the_client_that_asked_for_it() {
    let served = Served::start(&["--consent", "allow"]);
    let own = basic(&format!("{}:{}", served.client_id, served.client_secret));
    let plain = [("code_challenge", VERIFIER)];
    let with_verifier = format!("grant_type=authorization_code&code=CODE&code_verifier={VERIFIER}");
    let without = "grant_type=authorization_code&code=CODE";
    for (asked, headers, body) in [
        (&PKCE[..], FORM, format!("{with_verifier}&client_id=ID")),
        (
            &PKCE,
            FORM,
            format!("{with_verifier}&client_id=ID&client_secret=SECRET"),
        ),
        (&plain, FORM, format!("{with_verifier}&client_id=ID")),
        (
            &[],
            FORM,
            format!("{without}&client_id=ID&client_secret=SECRET"),
        ),
        (&[], &own, without.to_owned()),
        (&PKCE, &own, with_verifier.clone()),
        (
            &PKCE,
            "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n",
            format!("{with_verifier}&client_id=ID"),
        ),
    ] {
        granted(&exchange(&served, asked, headers, &body));
    }
}

#[test]
fn the_tokens_of_two_devices_are_never_the_same() {
    let served = Served::start(&["--consent", "allow"]);
    let body = "grant_type=authorization_code&code=CODE&client_id=ID&client_secret=SECRET";
    let tokens = [
        &[][..],
        &[("device_id", "device-1")],
        &[("device_id", "device-2")],
    ]
    .map(|device| granted(&exchange(&served, device, FORM, body)));
    for name in ["access_token", "refresh_token"] {
        assert_ne!(tokens[0][name], tokens[1][name], "{name}");
        assert_ne!(tokens[1][name], tokens[2][name], "{name}");
    }
}

#[test]
fn a_code_is_good_once() {
    let served = Served::start(&["--consent", "allow"]);
    let url = format!("{}/token", served.origin);
    let client = format!("client_id={}", served.client_id);
    for first_verifier in [VERIFIER, &"v".repeat(43)] {
        let code = code(&served, &PKCE);
        let body = |verifier: &str| {
            format!("grant_type=authorization_code&code={code}&{client}&code_verifier={verifier}")
        };
        let first = request("POST", &url, FORM, &body(first_verifier));
        match first_verifier == VERIFIER {
            true => drop(granted(&first)),
            false => drop(refused(&first, 400, "invalid_grant")),
        }
        let second = request("POST", &url, FORM, &body(VERIFIER));
        let body = refused(&second, 400, "invalid_grant");
        assert_eq!(body["error_description"], "Code has expired");
    }
}

#[test]
fn what_is_wrong_with_an_exchange_is_named_as_yandex_does() {
    let served = Served::start(&["--consent", "allow"]);
    let base = "grant_type=authorization_code&code=CODE&client_id=ID";
    let verifier = format!("code_verifier={VERIFIER}");
    let wrong = format!("{base}&code_verifier={}", "w".repeat(43));
    for (asked, body, error) in [
        (&PKCE[..], wrong, "invalid_grant"),
        (&PKCE, base.to_owned(), "invalid_request"),
        (
            &PKCE,
            format!("{base}&client_secret=SECRET"),
            "invalid_request",
        ),
        (
            &PKCE,
            format!("{base}&client_secret=no&{verifier}"),
            "invalid_client",
        ),
        (&[], format!("{base}&client_secret=no"), "invalid_client"),
        (&[], base.to_owned(), "invalid_client"),
        (&[], format!("{base}&{verifier}"), "invalid_client"),
        (
            &PKCE,
            format!("grant_type=authorization_code&code=CODE&client_id=0f0f&{verifier}"),
            "invalid_client",
        ),
        (
            &PKCE,
            format!("grant_type=authorization_code&code=CODE&{verifier}"),
            "invalid_request",
        ),
        (
            &PKCE,
            format!("{base}&{verifier}&client_id=ID"),
            "invalid_request",
        ),
        (
            &PKCE,
            format!("{base}&{verifier}&x=1&x=1"),
            "invalid_request",
        ),
        (
            &PKCE,
            format!("code=CODE&client_id=ID&{verifier}"),
            "invalid_request",
        ),
        (
            &PKCE,
            format!("grant_type=authorization_code&client_id=ID&{verifier}"),
            "invalid_request",
        ),
        (
            &PKCE,
            format!("grant_type=authorization_code&code=0123456789abcdef&client_id=ID&{verifier}"),
            "invalid_grant",
        ),
        (
            &PKCE,
            format!("grant_type=authorization_code&code=a-b&client_id=ID&{verifier}"),
            "bad_verification_code",
        ),
        (
            &[],
            "grant_type=password&client_id=ID&client_secret=SECRET".to_owned(),
            "unsupported_grant_type",
        ),
        (&[], String::new(), "invalid_request"),
    ] {
        let reply = exchange(&served, asked, FORM, &body);
        assert_eq!(reply.status, 400, "{body}: {reply:#?}");
        let found = json(&reply);
        assert_eq!(found["error"], error, "{body}");
        assert!(found["error_description"].is_string(), "{body}");
    }
}

#[test]
fn parameters_outside_of_the_body_do_not_count() {
    let served = Served::start(&["--consent", "allow"]);
    let query = format!(
        "grant_type=authorization_code&code={}&client_id={}&code_verifier={VERIFIER}",
        code(&served, &PKCE),
        served.client_id
    );
    let url = format!("{}/token", served.origin);
    refused(
        &request("POST", &format!("{url}?{query}"), FORM, ""),
        400,
        "invalid_request",
    );
    let (first, rest) = query.split_once('&').unwrap();
    let split = request("POST", &format!("{url}?{rest}"), FORM, first);
    refused(&split, 400, "invalid_request");
    let whole = request("POST", &format!("{url}?format=json"), FORM, &query);
    refused(&whole, 400, "invalid_request");
    let not_a_form = "Content-Type: application/json\r\n";
    for headers in [not_a_form, "Content-Type: text/plain\r\n", ""] {
        refused(
            &request("POST", &url, headers, &query),
            400,
            "invalid_request",
        );
    }
    // None of these has spent the code.
    granted(&request("POST", &url, FORM, &query));
}

#[test]
fn an_authorization_header_is_basic_or_a_401() {
    let served = Served::start(&["--consent", "allow"]);
    let id = &served.client_id;
    let body = "grant_type=authorization_code&code=CODE";
    for (value, error) in [
        ("Bearer y0_x", "Basic auth required"),
        ("OAuth y0_x", "Basic auth required"),
        ("Basic", "Malformed Authorization header"),
        ("Basic ???", "Malformed Authorization header"),
        // "nocolon", and bytes that are no text.
        ("Basic bm9jb2xvbg==", "Malformed Authorization header"),
        ("Basic //79", "Malformed Authorization header"),
    ] {
        let headers = format!("{FORM}Authorization: {value}\r\n");
        let reply = exchange(&served, &[], &headers, body);
        let found = refused(&reply, 401, error);
        assert!(found.get("error_description").is_none(), "{value}");
    }
    for credentials in [format!("{id}:wrong"), format!("{id}:"), "x:y".to_owned()] {
        let reply = exchange(&served, &[], &basic(&credentials), body);
        refused(&reply, 400, "invalid_client");
    }
}

#[test]
fn another_method_is_405_and_another_path_404() {
    let served = Served::start(&[]);
    for (method, path, status) in [
        ("GET", "/token", 405),
        ("PUT", "/token", 405),
        ("DELETE", "/authorize", 405),
        ("POST", "/verification_code", 405),
        ("GET", "/", 404),
        ("GET", "/token/", 404),
        ("POST", "/authorize/x", 404),
    ] {
        let reply = request(method, &format!("{}{path}", served.origin), "", "");
        assert_eq!(reply.status, status, "{method} {path}: {reply:#?}");
    }
}

#[test]
fn a_foreign_host_is_turned_away() {
    let served = Served::start(&["--consent", "allow"]);
    let url = served.authorize(&[]);
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example"] {
        let reply = request("GET", &url, &format!("Host: {host}\r\n"), "");
        assert_eq!(reply.status, 421, "{host}: {reply:#?}");
        assert_eq!(reply.header("Location"), None);
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000"] {
        let reply = request("GET", &url, &format!("Host: {host}\r\n"), "");
        assert_eq!(reply.status, 302, "{host}: {reply:#?}");
    }
}

#[test]
fn a_body_over_the_limit_is_413_and_one_at_it_is_read() {
    let served = Served::start(&[]);
    let url = format!("{}/token", served.origin);
    let limit = 64 << 10;
    let reply = request("POST", &url, FORM, &"x".repeat(limit));
    refused(&reply, 400, "invalid_request");
    for size in [limit + 1, 1 << 20] {
        let reply = request("POST", &url, FORM, &"x".repeat(size));
        assert_eq!(reply.status, 413, "{size}: {reply:#?}");
    }
    let chunked = format!("{FORM}Transfer-Encoding: chunked\r\n");
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", limit + 1, "x".repeat(limit + 1));
    let target = url.strip_suffix("/token").unwrap();
    let host = target.strip_prefix("http://").unwrap();
    let bytes = format!("POST /token HTTP/1.1\r\nHost: {host}\r\n{chunked}\r\n{body}");
    let reply = crate::support::browser::raw(host, bytes.as_bytes());
    assert_eq!(reply.status, 413, "{reply:#?}");
}
