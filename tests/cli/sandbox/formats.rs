//! What foreign clients send and ask for: multipart forms, user info in three
//! formats, tokens for service applications.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac::{HMAC_SHA256, Key, verify};
use serde_json::{Value, json};

use crate::support::browser::Reply;
use crate::support::sandbox::{self, FORM, OWN, Served, refused, text};
use crate::support::{now, rows};

/// Posts these fields as PHP's curl sends an array.
fn multipart(served: &Served, target: &str, fields: &str) -> Reply {
    let boundary = "------------------------d74496d66958873e";
    let part = |field: &str| {
        let (name, value) = field.split_once('=').unwrap();
        let disposition = format!("Content-Disposition: form-data; name=\"{name}\"");
        format!("--{boundary}\r\n{disposition}\r\n\r\n{value}\r\n")
    };
    let body: String = fields.split('&').map(part).collect();
    let headers = format!("Content-Type: multipart/form-data; boundary={boundary}\r\n");
    served.request(
        "POST",
        target,
        &headers,
        &format!("{body}--{boundary}--\r\n"),
    )
}

#[test]
fn a_multipart_form_is_read_like_any_other() {
    let served = Served::allowing(&[]);
    let post = |target: &str, fields: &str| multipart(&served, target, &format!("{OWN}&{fields}"));
    let code = format!("code={}", served.code("device_id=device-1"));
    let exchange = format!("grant_type=authorization_code&{code}");
    let first = sandbox::json(200, &post("/token", &exchange));
    let refresh_token = text(&first["refresh_token"]);
    let refresh = format!("grant_type=refresh_token&refresh_token={refresh_token}");
    sandbox::json(200, &post("/token", &refresh));
    let device = sandbox::json(200, &post("/device/code", "device_name=x"));
    assert_eq!(device["interval"], 1, "it answers by itself");
    let access_token = format!("access_token={}", text(&first["access_token"]));
    let revoked = sandbox::json(200, &post("/revoke_token", &access_token));
    assert_eq!(revoked, json!({ "status": "ok" }));
    let twice = post("/token", &format!("{exchange}&{code}"));
    refused(&twice, "invalid_request");
}

#[test]
fn a_broken_boundary_is_the_error_of_a_broken_form() {
    let served = Served::start(&[]);
    for (kind, body) in [
        ("multipart/form-data", "--b\r\n\r\n--b--"),
        ("multipart/form-data; boundary=b", "--a\r\n\r\n--a--"),
        ("multipart/form-data; boundary=b", "--b\r\n"),
        ("application/json", "{}"),
    ] {
        let headers = format!("Content-Type: {kind}\r\n");
        let reply = served.request("POST", "/token", &headers, body);
        refused(&reply, "invalid_request");
    }
}

#[test]
fn user_info_is_posted_for_and_comes_as_json_or_xml() {
    let served = Served::allowing(&[]);
    let token = served.token("scope=login:email+login:info");
    let fields = format!("oauth_token={}&format=", text(&token["access_token"]));
    let as_json = format!("{fields}json");
    for reply in [
        served.post("/info", &as_json),
        multipart(&served, "/info", &as_json),
    ] {
        assert_eq!(sandbox::json(200, &reply)["login"], "sandbox.user");
    }
    let xml = served.post("/info", &format!("{fields}xml"));
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
    assert_eq!(served.post("/info", "format=json").status, 401);
    assert_eq!(served.post("/info", &format!("{fields}yaml")).status, 400);
}

#[test]
fn user_info_comes_as_a_jwt_signed_with_the_secret_of_the_client_or_the_request() {
    let served = Served::allowing(&["--token-lifetime", "2h"]);
    let token = served.token("scope=login:email+login:birthday");
    let header = format!("Authorization: OAuth {}\r\n", text(&token["access_token"]));
    for (query, secret) in [
        ("", &*served.client_secret),
        ("&jwt_secret=my-own", "my-own"),
    ] {
        let target = format!("/info?format=jwt{query}");
        let reply = served.request("GET", &target, &header, "");
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

/// Asks for a token of this user, whose kind is `email` or `uid`.
fn exchange(served: &Served, subject: &str, kind: &str, more: &str) -> Reply {
    let kind = match kind {
        "email" | "uid" => format!("urn:yandex:params:oauth:token-type:{kind}"),
        other => other.to_owned(),
    };
    let form = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&client_id=$ID";
    let form = format!("{form}&subject_token={subject}&subject_token_type={kind}&{more}");
    served.request("POST", "/token", FORM, &form)
}

const SECRET: &str = "client_secret=$SECRET";

#[test]
fn a_service_application_gets_a_token_of_any_user() {
    let served = Served::start(&[]);
    for [subject, kind, field] in rows(
        "ivan@example.ru  | email | default_email
         1130000000000001 | uid   | id",
    ) {
        let reply = exchange(&served, subject, kind, SECRET);
        let token = sandbox::json(200, &reply);
        assert!(text(&token["access_token"]).starts_with("2."), "{token}");
        assert_eq!(served.user(&token)[field], subject);
        let expected = json!({
            "access_token": token["access_token"],
            "expires_in": 3600,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "bearer",
        });
        assert_eq!(token, expected);
    }
}

#[test]
fn what_is_wrong_with_a_token_exchange_is_named() {
    let served = Served::start(&["--service-users=ivan@example.ru,1130000000000001"]);
    for [subject, kind, more, error] in rows(
        "ivan@example.ru  | email |                     | invalid_client
         ivan@example.ru  | uid   | SECRET              | invalid_request
         ivan@example.ru  | Email | SECRET              | invalid_request
                          | email | SECRET              | invalid_request
         petr@example.ru  | email | SECRET              | unauthorized_client
         1130000000000002 | uid   | SECRET              | unauthorized_client
         ivan@example.ru  | email | SECRET&scope=openid | invalid_scope",
    ) {
        let more = more.replace("SECRET", SECRET);
        refused(&exchange(&served, subject, kind, &more), error);
    }
    for [subject, kind] in rows("Ivan@example.ru | email\n1130000000000001 | uid") {
        sandbox::json(200, &exchange(&served, subject, kind, SECRET));
    }
}
