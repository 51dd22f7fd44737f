//! What foreign clients send and ask for: multipart forms, user info in three
//! formats, tokens for service applications.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{HMAC_SHA256, Key, verify};
use serde_json::{Value, json};

use crate::support::browser::{Reply, get, parameter, request};
use crate::support::now;
use crate::support::sandbox::{FORM, Served, redirected};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const EMAIL: &str = "urn:yandex:params:oauth:token-type:email";
const UID: &str = "urn:yandex:params:oauth:token-type:uid";

/// Posts these fields as PHP's curl sends an array.
fn multipart(url: &str, fields: &[(&str, &str)]) -> Reply {
    let boundary = "------------------------d74496d66958873e";
    let part = |(name, value): &(&str, &str)| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let body: String = fields.iter().map(part).collect();
    let headers = format!("Content-Type: multipart/form-data; boundary={boundary}\r\n");
    request("POST", url, &headers, &format!("{body}--{boundary}--\r\n"))
}

fn form(url: &str, fields: &[(&str, &str)]) -> Reply {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    request("POST", url, FORM, &form.extend_pairs(fields).finish())
}

#[track_caller]
fn json(reply: &Reply, status: u16) -> Value {
    assert_eq!(reply.status, status, "{reply:#?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// The token behind an authorization request with these parameters.
#[track_caller]
fn token(served: &Served, parameters: &[(&str, &str)]) -> String {
    let mut asked = vec![("response_type", "token")];
    asked.extend(parameters);
    let location = redirected(&get(&served.authorize(&asked)));
    parameter(&location.replace('#', "?"), "access_token").unwrap()
}

#[test]
fn a_multipart_form_is_read_like_any_other() {
    let served = Served::start(&["--consent", "allow"]);
    let (id, secret) = (&*served.client_id, &*served.client_secret);
    let own = [("client_id", id), ("client_secret", secret)];
    let post = |path: &str, fields: &[(&str, &str)]| {
        let url = format!("{}/{path}", served.origin);
        multipart(&url, &[&own[..], fields].concat())
    };
    let location = redirected(&get(&served.authorize(&[("device_id", "device-1")])));
    let code = parameter(&location, "code").unwrap();
    let code = [("grant_type", "authorization_code"), ("code", &*code)];
    let first = json(&post("token", &code), 200);
    let refresh_token = first["refresh_token"].as_str().unwrap();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    json(&post("token", &refresh), 200);
    let device = json(&post("device/code", &[]), 200);
    assert_eq!(device["interval"], 1, "it answers by itself");
    let access_token = first["access_token"].as_str().unwrap();
    let revoked = post("revoke_token", &[("access_token", access_token)]);
    assert_eq!(json(&revoked, 200), json!({ "status": "ok" }));
    let twice = post("token", &[code[0], code[0]]);
    assert_eq!(json(&twice, 400)["error"], "invalid_request");
}

#[test]
fn a_broken_boundary_is_the_error_of_a_broken_form() {
    let served = Served::start(&[]);
    let url = format!("{}/token", served.origin);
    for (kind, body) in [
        ("multipart/form-data", "--b\r\n\r\n--b--"),
        ("multipart/form-data; boundary=b", "--a\r\n\r\n--a--"),
        ("multipart/form-data; boundary=b", "--b\r\n"),
        ("application/json", "{}"),
    ] {
        let reply = request("POST", &url, &format!("Content-Type: {kind}\r\n"), body);
        assert_eq!(json(&reply, 400)["error"], "invalid_request", "{kind}");
    }
}

#[test]
fn user_info_is_posted_for_and_comes_as_json_or_xml() {
    let served = Served::start(&["--consent", "allow"]);
    let token = token(&served, &[("scope", "login:email login:info")]);
    let url = format!("{}/info", served.origin);
    let fields = [("oauth_token", &*token), ("format", "json")];
    for reply in [form(&url, &fields), multipart(&url, &fields)] {
        assert_eq!(json(&reply, 200)["login"], "sandbox.user");
    }
    let xml = form(&url, &[("oauth_token", &token), ("format", "xml")]);
    assert_eq!(xml.header("Content-Type"), Some("text/xml; charset=utf-8"));
    for part in [
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<user>",
        "<id>1000000001</id>",
        "<emails><address>sandbox.user@example.org</address></emails>",
        "<sex></sex>",
        "</user>",
    ] {
        assert!(xml.body.contains(part), "{part}: {xml:#?}");
    }
    assert_eq!(form(&url, &[("format", "json")]).status, 401);
    let unknown = form(&url, &[("oauth_token", &token), ("format", "yaml")]);
    assert_eq!(unknown.status, 400);
}

#[test]
fn user_info_comes_as_a_jwt_signed_with_the_secret_of_the_client_or_the_request() {
    let served = Served::start(&["--consent", "allow", "--token-lifetime", "2h"]);
    let token = token(&served, &[("scope", "login:email login:birthday")]);
    let url = format!("{}/info?format=jwt", served.origin);
    let header = format!("Authorization: OAuth {token}\r\n");
    for (query, secret) in [
        ("", &*served.client_secret),
        ("&jwt_secret=my-own", "my-own"),
    ] {
        let reply = request("GET", &format!("{url}{query}"), &header, "");
        assert_eq!(reply.status, 200, "{reply:#?}");
        let (signed, signature) = reply.body.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = Key::new(HMAC_SHA256, secret.as_bytes());
        verify(&key, signed.as_bytes(), &signature).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let decode = |part: &str| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(decode(header), json!({ "typ": "JWT", "alg": "HS256" }));
        let claims = decode(claims);
        assert_eq!(claims["iss"], "login.yandex.ru");
        assert_eq!(claims["uid"], 1_000_000_001);
        assert_eq!(claims["email"], "sandbox.user@example.org");
        assert_eq!(claims["birthday"], "0000-04-01");
        assert_eq!(claims.get("display_name"), None, "not its scope");
        let left = claims["exp"].as_u64().unwrap() - now();
        assert!((7100..=7200).contains(&left), "the token's own end: {left}");
    }
}

/// Asks for a token of this user.
fn exchange(served: &Served, subject: &str, kind: &str, more: &[(&str, &str)]) -> Reply {
    let fields = [
        ("grant_type", EXCHANGE),
        ("client_id", &served.client_id),
        ("subject_token", subject),
        ("subject_token_type", kind),
    ];
    let url = format!("{}/token", served.origin);
    form(&url, &[&fields[..], more].concat())
}

#[test]
fn a_service_application_gets_a_token_of_any_user() {
    let served = Served::start(&[]);
    let secret = [("client_secret", &*served.client_secret)];
    for (subject, kind, field, value) in [
        ("ivan@example.ru", EMAIL, "default_email", "ivan@example.ru"),
        ("1130000000000001", UID, "id", "1130000000000001"),
    ] {
        let answer = json(&exchange(&served, subject, kind, &secret), 200);
        let token = answer["access_token"].as_str().unwrap();
        assert!(token.starts_with("2."), "{answer}");
        let mut rest = answer.clone();
        rest.as_object_mut().unwrap().remove("access_token");
        assert_eq!(
            rest,
            json!({
                "expires_in": 3600,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "bearer",
            })
        );
        let info = format!("{}/info", served.origin);
        let user = json(&form(&info, &[("oauth_token", token)]), 200);
        assert_eq!(user[field], value);
    }
}

#[test]
fn what_is_wrong_with_a_token_exchange_is_named() {
    let users = "--service-users=ivan@example.ru,1130000000000001";
    let served = Served::start(&[users]);
    let secret = [("client_secret", &*served.client_secret)];
    let scope = [secret[0], ("scope", "openid")];
    let ivan = "ivan@example.ru";
    for (subject, kind, more, error) in [
        (ivan, EMAIL, &[][..], "invalid_client"),
        (ivan, UID, &secret, "invalid_request"),
        (ivan, "email", &secret, "invalid_request"),
        ("", EMAIL, &secret, "invalid_request"),
        ("petr@example.ru", EMAIL, &secret, "unauthorized_client"),
        ("1130000000000002", UID, &secret, "unauthorized_client"),
        (ivan, EMAIL, &scope, "invalid_scope"),
    ] {
        let reply = exchange(&served, subject, kind, more);
        assert_eq!(json(&reply, 400)["error"], error, "{subject} {kind}");
    }
    json(&exchange(&served, "Ivan@example.ru", EMAIL, &secret), 200);
    json(&exchange(&served, "1130000000000001", UID, &secret), 200);
}

#[test]
fn an_empty_secret_is_none_in_the_header_as_in_the_body() {
    use base64::engine::general_purpose::STANDARD;
    let served = Served::start(&["--consent", "allow"]);
    let url = format!("{}/token", served.origin);
    let basic = STANDARD.encode(format!("{}:", served.client_id));
    let basic = format!("{FORM}Authorization: Basic {basic}\r\n");
    let empty = format!("client_id={}&client_secret=&", served.client_id);
    let verifier = "x".repeat(43);
    for (headers, credentials) in [(&*basic, ""), (FORM, &*empty)] {
        let refresh = format!("{credentials}grant_type=refresh_token&refresh_token=x");
        let reply = request("POST", &url, headers, &refresh);
        assert_eq!(json(&reply, 400)["error"], "invalid_client");
        let asked = [("code_challenge", &*verifier)];
        let location = redirected(&get(&served.authorize(&asked)));
        let code = parameter(&location, "code").unwrap();
        let body = format!(
            "{credentials}grant_type=authorization_code&code={code}&code_verifier={verifier}"
        );
        json(&request("POST", &url, headers, &body), 200);
    }
}

#[test]
fn an_authorization_header_beats_credentials_in_the_body() {
    use base64::engine::general_purpose::STANDARD;
    let served = Served::start(&[]);
    let url = format!("{}/device/code", served.origin);
    for (secret, in_body, status) in [
        (&*served.client_secret, "client_secret=wrong", 200),
        (
            "wrong",
            &*format!("client_secret={}", served.client_secret),
            400,
        ),
    ] {
        let basic = STANDARD.encode(format!("{}:{secret}", served.client_id));
        let headers = format!("{FORM}Authorization: Basic {basic}\r\n");
        let reply = request(
            "POST",
            &url,
            &headers,
            &format!("client_id=other&{in_body}"),
        );
        json(&reply, status);
    }
}

#[test]
fn a_scope_with_a_comma_or_without_a_colon_is_refused() {
    let served = Served::start(&["--consent", "allow"]);
    for scope in [
        "login:info,login:email",
        "openid",
        "login:",
        ":info",
        "login:info openid",
    ] {
        let page = get(&served.authorize(&[("scope", scope)]));
        assert_eq!(page.status, 400, "{scope}");
        assert!(page.body.contains("invalid_scope"), "{scope}: {page:#?}");
        let page = get(&served.authorize(&[("optional_scope", scope)]));
        assert!(page.body.contains("invalid_scope"), "{scope}: {page:#?}");
        let url = format!("{}/device/code", served.origin);
        let fields = [("client_id", &*served.client_id), ("scope", scope)];
        assert_eq!(json(&form(&url, &fields), 400)["error"], "invalid_scope");
    }
}
