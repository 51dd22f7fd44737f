//! The sandbox's token endpoint, and the requests that its port refuses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::browser::Reply;
use crate::support::rows;
use crate::support::sandbox::{FORM, Served, json, refused, text};

// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const S256: &str = "code_challenge_method=S256&\
    code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The parameters of an authorization request that a table names so.
fn asked(challenge: &str) -> String {
    match challenge {
        "S256" => S256.to_owned(),
        "plain" => format!("code_challenge={VERIFIER}"),
        _ => String::new(),
    }
}

/// Asks for a token. `GRANT` in the form stands for the grant of a new code,
/// `VERIFIER` for its verifier, and a blank for `&`.
#[track_caller]
fn exchange(served: &Served, challenge: &str, headers: &str, form: &str) -> Reply {
    let code = served.code(&asked(challenge));
    let grant = format!("grant_type=authorization_code&code={code}");
    let form = form.replace(' ', "&").replace("GRANT", &grant);
    let form = form.replace("VERIFIER", &format!("code_verifier={VERIFIER}"));
    served.request("POST", "/token", headers, &form)
}

/// Checks what every token has.
#[track_caller]
fn granted(reply: &Reply) {
    let token = json(200, reply);
    assert_eq!(token["token_type"], "bearer");
    // One that was given out before has the rest of its life.
    let left = token["expires_in"].as_u64().unwrap();
    assert!((31_535_000..=31_536_000).contains(&left), "{token}");
    assert!(text(&token["access_token"]).starts_with("y0_"));
    let refresh_token = text(&token["refresh_token"]);
    assert_eq!(refresh_token.split(':').count(), 4, "{refresh_token}");
}

fn basic(credentials: &str) -> String {
    let encoded = STANDARD.encode(credentials);
    format!("{FORM}Authorization: Basic {encoded}\r\n")
}

#[test]
fn a_code_is_exchanged_for_the_client_that_asked_for_it() {
    let served = Served::allowing(&[]);
    let own = basic(&format!("{}:{}", served.client_id, served.client_secret));
    let without_secret = basic(&format!("{}:", served.client_id));
    let utf8 = "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
    for [challenge, headers, form] in rows(
        "S256  |       | GRANT VERIFIER client_id=$ID
         S256  |       | GRANT VERIFIER client_id=$ID client_secret=$SECRET
         plain |       | GRANT VERIFIER client_id=$ID
               |       | GRANT client_id=$ID client_secret=$SECRET
               | own   | GRANT
         S256  | own   | GRANT VERIFIER
         S256  | utf8  | GRANT VERIFIER client_id=$ID
         plain | basic | GRANT VERIFIER
         plain |       | GRANT VERIFIER client_id=$ID client_secret=",
    ) {
        let headers = match headers {
            "own" => &*own,
            "basic" => &without_secret,
            "utf8" => utf8,
            _ => FORM,
        };
        granted(&exchange(&served, challenge, headers, form));
    }
}

#[test]
fn the_tokens_of_two_devices_are_never_the_same() {
    let served = Served::allowing(&[]);
    let devices = ["", "device_id=device-1", "device_id=device-2"];
    let tokens = devices.map(|device| served.token(device));
    for name in ["access_token", "refresh_token"] {
        assert_ne!(tokens[0][name], tokens[1][name], "{name}");
        assert_ne!(tokens[1][name], tokens[2][name], "{name}");
    }
}

#[test]
fn a_code_is_good_once() {
    let served = Served::allowing(&[]);
    for is_right in [true, false] {
        let code = served.code(S256);
        let post = |verifier: &str| {
            let client = format!("client_id=$ID&code_verifier={verifier}");
            let form = format!("grant_type=authorization_code&code={code}&{client}");
            served.post("/token", &form)
        };
        if is_right {
            granted(&post(VERIFIER));
        } else {
            refused(&post(&"v".repeat(43)), "invalid_grant");
        }
        let body = refused(&post(VERIFIER), "invalid_grant");
        assert_eq!(body["error_description"], "Code has expired");
    }
}

#[test]
fn what_is_wrong_with_an_exchange_is_named_as_yandex_does() {
    let served = Served::allowing(&[]);
    let wrong = format!("code_verifier={}", "w".repeat(43));
    for [challenge, form, error] in rows(
        "S256 | GRANT client_id=$ID WRONG                            | invalid_grant
         plain | GRANT client_id=$ID WRONG                           | invalid_grant
         S256 | GRANT client_id=$ID                                  | invalid_request
         S256 | GRANT client_id=$ID client_secret=$SECRET            | invalid_request
         S256 | GRANT client_id=$ID client_secret=no VERIFIER        | invalid_client
              | GRANT client_id=$ID client_secret=no                 | invalid_client
              | GRANT client_id=$ID                                  | invalid_client
              | GRANT client_id=$ID VERIFIER                         | invalid_client
         S256 | GRANT client_id=0f0f VERIFIER                        | invalid_client
         S256 | GRANT VERIFIER                                       | invalid_request
         S256 | GRANT client_id=$ID VERIFIER client_id=$ID           | invalid_request
         S256 | GRANT client_id=$ID VERIFIER x=1 x=1                 | invalid_request
         S256 | code=0123456789abcdef client_id=$ID VERIFIER         | invalid_request
         S256 | grant_type=authorization_code client_id=$ID VERIFIER | invalid_request
         S256 | CODE=0123456789abcdef client_id=$ID VERIFIER         | invalid_grant
         S256 | CODE=a-b client_id=$ID VERIFIER                      | bad_verification_code
              | PASSWORD client_id=$ID client_secret=$SECRET         | unsupported_grant_type
              | REFRESH refresh_token=x client_id=$ID client_secret= | invalid_client
              |                                                      | invalid_request",
    ) {
        let form = form.replace("CODE", "grant_type=authorization_code code");
        let form = form.replace("REFRESH", "grant_type=refresh_token");
        let form = form.replace("PASSWORD", "grant_type=password");
        let form = form.replace("WRONG", &wrong);
        let body = refused(&exchange(&served, challenge, FORM, &form), error);
        assert!(body["error_description"].is_string(), "{form}");
    }
}

#[test]
fn a_code_is_spent_neither_by_parameters_outside_of_the_body_nor_without_a_proof() {
    let served = Served::allowing(&[]);
    let code = served.code(S256);
    let form = format!("client_id=$ID&code={code}&grant_type=authorization_code&VERIFIER");
    let form = form.replace("VERIFIER", &format!("code_verifier={VERIFIER}"));
    let query = form.replace("$ID", &served.client_id);
    let (first, rest) = query.split_once('&').unwrap();
    for (query, form) in [(&*query, ""), (rest, first), ("format=json", &form)] {
        let reply = served.post(&format!("/token?{query}"), form);
        refused(&reply, "invalid_request");
    }
    for kind in ["application/json", "text/plain", ""] {
        let headers = match kind {
            "" => String::new(),
            kind => format!("Content-Type: {kind}\r\n"),
        };
        let reply = served.request("POST", "/token", &headers, &form);
        refused(&reply, "invalid_request");
    }
    granted(&served.post("/token", &form));

    let code = served.code("");
    let form = format!("client_id=$ID&code={code}&grant_type=authorization_code");
    for secret in ["", "&client_secret=wrong"] {
        let reply = served.post("/token", &format!("{form}{secret}"));
        refused(&reply, "invalid_client");
    }
    granted(&served.post("/token", &format!("{form}&client_secret=$SECRET")));
}

#[test]
fn an_authorization_header_is_basic_or_a_401() {
    let served = Served::allowing(&[]);
    let id = &served.client_id;
    // In Base64: "nocolon", and bytes that are no text.
    for [value, error] in rows(
        "Bearer y0_x            | Basic auth required
         OAuth y0_x             | Basic auth required
         Basic                  | Malformed Authorization header
         Basic ???              | Malformed Authorization header
         Basic bm9jb2xvbg==     | Malformed Authorization header
         Basic //79             | Malformed Authorization header",
    ) {
        let headers = format!("{FORM}Authorization: {value}\r\n");
        let found = json(401, &exchange(&served, "", &headers, "GRANT"));
        assert_eq!(found, serde_json::json!({ "error": error }), "{value}");
    }
    for credentials in [format!("{id}:wrong"), format!("{id}:"), "x:y".to_owned()] {
        let reply = exchange(&served, "", &basic(&credentials), "GRANT");
        refused(&reply, "invalid_client");
    }
    let refresh = "grant_type=refresh_token&refresh_token=x";
    let empty = basic(&format!("{id}:"));
    let reply = served.request("POST", "/token", &empty, refresh);
    refused(&reply, "invalid_client");
}

#[test]
fn an_authorization_header_beats_credentials_in_the_body() {
    let served = Served::start(&[]);
    for (secret, in_body, status) in [
        (&*served.client_secret, "client_secret=wrong", 200),
        ("wrong", "client_secret=$SECRET", 400),
    ] {
        let headers = basic(&format!("{}:{secret}", served.client_id));
        let form = format!("client_id=other&{in_body}");
        json(
            status,
            &served.request("POST", "/device/code", &headers, &form),
        );
    }
}

#[test]
fn a_method_that_an_endpoint_has_not_is_405_and_says_which_it_has() {
    let served = Served::start(&[]);
    for [path, allowed] in rows(
        "/authorize         | GET, POST
         /token             | POST
         /device/code       | POST
         /device            | GET, POST
         /revoke_token      | POST
         /info              | GET, POST
         /verification_code | GET",
    ) {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = served.request(method, path, "", "");
            let refused = !allowed.split(", ").any(|allowed| allowed == method);
            assert_eq!(reply.status == 405, refused, "{method} {path}");
            let told = reply.header("Allow");
            assert_eq!(told, refused.then_some(allowed), "{method} {path}");
        }
    }
    for (method, path) in [("GET", "/"), ("GET", "/token/"), ("POST", "/authorize/x")] {
        let reply = served.request(method, path, "", "");
        assert_eq!(reply.status, 404, "{method} {path}: {reply:#?}");
    }
}

#[test]
fn a_foreign_host_is_turned_away() {
    let served = Served::allowing(&[]);
    let url = served.authorize("");
    for [host, status] in rows(
        "evil.example           | 421
         evil.example:80        | 421
         127.0.0.1.evil.example | 421
         a@localhost            | 421
                                | 421
         localhost              | 302
         LOCALHOST:1            | 302
         127.0.0.1              | 302
         [::1]:8000             | 302",
    ) {
        let header = format!("Host: {host}\r\n");
        let reply = crate::support::browser::request("GET", &url, &header, "");
        assert_eq!(reply.status.to_string(), status, "{host}: {reply:#?}");
        assert_eq!(reply.header("Location").is_some(), status == "302");
    }
}

#[test]
fn a_body_over_the_limit_is_413_and_one_at_it_is_read() {
    let served = Served::start(&[]);
    let limit = 64 << 10;
    let reply = served.post("/token", &"x".repeat(limit));
    refused(&reply, "invalid_request");
    for size in [limit + 1, 1 << 20] {
        let reply = served.post("/token", &"x".repeat(size));
        assert_eq!(reply.status, 413, "{size}: {reply:#?}");
    }
}
