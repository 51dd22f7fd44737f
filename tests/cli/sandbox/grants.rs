//! What a token of the sandbox is good for: scopes, devices, lifetimes, user
//! info, and the two kinds of application.

use serde_json::{Value, json};

use crate::support::browser::{Reply, get, parameter, request};
use crate::support::sandbox::{FORM, Served, redirected, refused_with_a_page};
use crate::support::{Home, run};

const BOTH: &str = "login:info login:email";

/// Posts a form of these fields, with the application's own credentials.
fn post(served: &Served, path: &str, fields: &[(&str, &str)]) -> Reply {
    let own = [
        ("client_id", &*served.client_id),
        ("client_secret", &*served.client_secret),
    ];
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(own).extend_pairs(fields);
    let url = format!("{}/{path}", served.origin);
    request("POST", &url, FORM, &form.finish())
}

#[track_caller]
fn posted(served: &Served, path: &str, fields: &[(&str, &str)]) -> Value {
    let reply = post(served, path, fields);
    assert_eq!(reply.status, 200, "{reply:#?}");
    serde_json::from_str(&reply.body).unwrap()
}

#[track_caller]
fn refused(served: &Served, path: &str, fields: &[(&str, &str)], error: &str) {
    let reply = post(served, path, fields);
    assert_eq!(reply.status, 400, "{reply:#?}");
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["error"], error);
}

/// The token behind a redirect that carries a code.
#[track_caller]
fn exchanged(served: &Served, reply: &Reply) -> Value {
    let code = parameter(&redirected(reply), "code").unwrap();
    let fields = [("grant_type", "authorization_code"), ("code", &code)];
    posted(served, "token", &fields)
}

/// A token asked for with these parameters, and allowed.
#[track_caller]
fn token(served: &Served, parameters: &[(&str, &str)]) -> Value {
    exchanged(served, &get(&served.authorize(parameters)))
}

fn info(served: &Served, authorization: &str) -> Reply {
    let header = format!("Authorization: {authorization}\r\n");
    let url = format!("{}/info?format=json", served.origin);
    request("GET", &url, &header, "")
}

#[track_caller]
fn user(served: &Served, token: &Value) -> Value {
    let reply = info(served, &format!("OAuth {}", text(&token["access_token"])));
    assert_eq!(reply.status, 200, "{reply:#?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn scopes_are_told_only_where_the_user_unticked_one() {
    let served = Served::start(&[]);
    let asked = [
        ("scope", "login:info"),
        ("optional_scope", "login:email login:avatar"),
    ];
    let page = get(&served.authorize(&asked)).body;
    for scope in ["login:info", "login:email", "login:avatar"] {
        assert!(page.contains(scope), "{page}");
    }
    let all = exchanged(&served, &served.press(&page, "Allow"));
    assert_eq!(all.get("scope"), None);

    let page = get(&served.authorize(&asked)).body;
    let fewer = served.press_without(&page, "Allow", &["optional.1"]);
    let fewer = exchanged(&served, &fewer);
    assert_eq!(fewer["scope"], "login:avatar login:info");
    let refresh_token = text(&fewer["refresh_token"]);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    let refreshed = posted(&served, "token", &fields);
    assert_eq!(refreshed["scope"], "login:avatar login:info");
}

#[test]
fn a_user_who_unticks_all_there_is_has_denied() {
    let served = Served::start(&[]);
    let page = get(&served.authorize(&[("optional_scope", BOTH)])).body;
    let unticked = ["optional.0", "optional.1"];
    let location = redirected(&served.press_without(&page, "Allow", &unticked));
    assert_eq!(
        parameter(&location, "error").as_deref(),
        Some("access_denied")
    );
}

#[test]
fn a_scope_that_the_application_does_not_have_is_a_page_or_an_error() {
    for (options, bad) in [
        (
            &["--scope", BOTH, "--scope", "login:avatar"][..],
            "direct:api",
        ),
        (&["--api-access"], "login:info"),
        (&[], "a:b c:d e:f g:h"),
        (&[], "\u{44f}"),
    ] {
        let served = Served::start(&[&["--consent", "allow"], options].concat());
        refused_with_a_page(
            &get(&served.authorize(&[("redirect_uri", ""), ("scope", bad)])),
            "invalid_scope",
        );
        refused(&served, "device/code", &[("scope", bad)], "invalid_scope");
        refused(
            &served,
            "device/code",
            &[("optional_scope", bad)],
            "invalid_scope",
        );
    }
    let home = Home::new();
    for (options, says) in [
        (
            &["--scope", "a:b c:d", "--scope", "e:f g:h"][..],
            "three groups",
        ),
        (&["--api-access", "--scope", "login:info"], "for API access"),
    ] {
        let mut command = home.command(&["sandbox"]);
        command.args(options);
        run(command).fails(2, says);
    }
    let served = Served::start(&["--consent", "allow", "--scope", BOTH]);
    token(&served, &[("scope", "login:info")]);
}

#[test]
fn an_application_for_api_access_shows_its_code_on_the_page() {
    let served = Served::start(&["--api-access", "--consent", "allow"]);
    let elsewhere = get(&served.authorize(&[]));
    refused_with_a_page(&elsewhere, "does not match");
    let location = redirected(&get(&served.authorize(&[("redirect_uri", "")])));
    let page = format!("{}/verification_code?", served.origin);
    assert!(location.starts_with(&page), "{location}");
    let code = parameter(&location, "code").unwrap();
    assert!(get(&location).body.contains(&code));
    let fields = [("grant_type", "authorization_code"), ("code", &code)];
    let token = posted(&served, "token", &fields);
    assert_eq!(user(&served, &token).get("default_email"), None);
}

#[test]
fn the_page_that_shows_a_code_is_no_error_where_a_token_or_a_refusal_ends() {
    for (consent, asked, says) in [
        ("allow", ("response_type", "token"), "response_type=token"),
        ("deny", ("response_type", "code"), "access_denied"),
    ] {
        let served = Served::start(&["--api-access", "--consent", consent]);
        let url = served.authorize(&[("redirect_uri", ""), asked]);
        let page = get(&redirected(&get(&url)));
        assert_eq!(page.status, 200, "{page:#?}");
        assert!(page.body.contains(says), "{page:#?}");
    }
}

#[test]
fn a_device_unticks_scopes_behind_its_code() {
    let served = Served::start(&[]);
    let asked = [("scope", "login:info"), ("optional_scope", "login:email")];
    let answer = posted(&served, "device/code", &asked);
    let code = format!("code={}&decision=allow", text(&answer["user_code"]));
    let url = format!("{}/device", served.origin);
    let page = request("POST", &url, FORM, &code).body;
    let poll = [
        ("grant_type", "device_code"),
        ("code", text(&answer["device_code"])),
    ];
    refused(&served, "token", &poll, "authorization_pending");
    let done = served.press_without(&page, "Allow", &["optional.0"]);
    assert_eq!(done.status, 200, "{done:#?}");
    assert_eq!(posted(&served, "token", &poll)["scope"], "login:info");
    refused(&served, "token", &poll, "invalid_grant");
}

#[test]
fn the_31st_device_pushes_out_the_oldest() {
    let served = Served::start(&["--consent", "allow"]);
    let of = |n: u32| token(&served, &[("device_id", &format!("device-{n}"))]);
    let tokens: Vec<_> = (0..30).map(of).collect();
    user(&served, &tokens[0]);
    of(30);
    let oldest = format!("OAuth {}", text(&tokens[0]["access_token"]));
    assert_eq!(info(&served, &oldest).status, 401);
    user(&served, &tokens[1]);
}

#[test]
fn only_the_token_of_a_device_is_revoked_and_as_often_as_one_likes() {
    let served = Served::start(&["--consent", "allow"]);
    let bare = token(&served, &[]);
    let access_token = [("access_token", text(&bare["access_token"]))];
    refused(
        &served,
        "revoke_token",
        &access_token,
        "unsupported_token_type",
    );
    user(&served, &bare);
    // The device may also be named with the code.
    let location = redirected(&get(&served.authorize(&[])));
    let code = parameter(&location, "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("device_id", "device-1"),
    ];
    let mine = posted(&served, "token", &fields);
    let access_token = [("access_token", text(&mine["access_token"]))];
    for _ in 0..2 {
        let answer = posted(&served, "revoke_token", &access_token);
        assert_eq!(answer, json!({ "status": "ok" }));
    }
    let authorization = format!("Bearer {}", access_token[0].1);
    assert_eq!(info(&served, &authorization).status, 401);
    let refresh_token = text(&mine["refresh_token"]);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    refused(&served, "token", &fields, "invalid_grant");
}

#[test]
fn user_info_is_what_the_scopes_reach() {
    let served = Served::start(&["--consent", "allow"]);
    let email = user(&served, &token(&served, &[("scope", "login:email")]));
    assert_eq!(email["id"], "1000000001");
    assert_eq!(email["client_id"], *served.client_id);
    assert_eq!(email["emails"], json!(["sandbox.user@example.org"]));
    assert_eq!(email.get("first_name"), None);
    let all = token(&served, &[]);
    assert_eq!(user(&served, &all)["sex"], Value::Null);
    let access_token = text(&all["access_token"]);
    for accepted in ["OAuth", "oauth", "Bearer"] {
        let reply = info(&served, &format!("{accepted} {access_token}"));
        assert_eq!(reply.status, 200, "{accepted}");
    }
    let in_query = format!("{}/info?oauth_token={access_token}", served.origin);
    assert_eq!(get(&in_query).status, 200);
    for refused in [
        access_token.to_owned(),
        format!("Basic {access_token}"),
        "OAuth x".into(),
    ] {
        let reply = info(&served, &refused);
        assert_eq!(reply.status, 401, "{refused}");
        assert!(serde_json::from_str::<Value>(&reply.body).is_err());
    }
    let header = format!("Authorization: {access_token}\r\n");
    let both = request("GET", &in_query, &header, "");
    assert_eq!(both.status, 401, "a faulty header is not passed over");
}

#[test]
fn a_token_can_be_asked_for_in_the_fragment() {
    let served = Served::start(&["--consent", "allow"]);
    let asked = [("response_type", "token"), ("device_id", "device-1")];
    let location = redirected(&get(&served.authorize(&asked)));
    let (uri, fragment) = location.split_once('#').unwrap();
    assert_eq!(uri, "http://127.0.0.1:8000/");
    let answer = format!("{uri}?{fragment}");
    let access_token = parameter(&answer, "access_token").unwrap();
    assert_eq!(parameter(&answer, "state").as_deref(), Some("st-1"));
    assert_eq!(parameter(&answer, "token_type").as_deref(), Some("bearer"));
    assert_eq!(
        parameter(&answer, "expires_in").as_deref(),
        Some("31536000")
    );
    assert_eq!(info(&served, &format!("OAuth {access_token}")).status, 200);

    let served = Served::start(&["--consent", "deny"]);
    let location = redirected(&get(&served.authorize(&asked)));
    let (_, fragment) = location.split_once('#').unwrap();
    assert!(fragment.contains("error=access_denied"), "{location}");
}

#[test]
fn a_code_is_not_spent_by_whom_no_secret_vouches_for() {
    let served = Served::start(&["--consent", "allow"]);
    let location = redirected(&get(&served.authorize(&[])));
    let code = parameter(&location, "code").unwrap();
    let fields = [("grant_type", "authorization_code"), ("code", &*code)];
    let bare = format!(
        "client_id={}&grant_type=authorization_code&code={code}",
        served.client_id
    );
    let url = format!("{}/token", served.origin);
    for body in [bare.clone(), format!("{bare}&client_secret=wrong")] {
        let reply = request("POST", &url, FORM, &body);
        assert!(reply.body.contains("invalid_client"), "{reply:#?}");
    }
    posted(&served, "token", &fields);
}

#[test]
fn a_device_is_checked_wherever_it_is_named() {
    let served = Served::start(&["--consent", "allow"]);
    let long = "n".repeat(101);
    for bad in [("device_id", "short"), ("device_name", &*long)] {
        refused(&served, "device/code", &[bad], "invalid_request");
        let location = redirected(&get(&served.authorize(&[])));
        let code = parameter(&location, "code").unwrap();
        let fields = [("grant_type", "authorization_code"), ("code", &*code)];
        refused(
            &served,
            "token",
            &[&fields[..], &[bad]].concat(),
            "invalid_request",
        );
        posted(&served, "token", &fields);
    }
}

#[test]
fn a_tokens_lifetime_and_the_rotation_can_be_chosen() {
    let options = [
        "--consent",
        "allow",
        "--token-lifetime",
        "90s",
        "--no-rotation",
    ];
    let served = Served::start(&options);
    let first = token(&served, &[]);
    let expires_in = first["expires_in"].as_u64().unwrap();
    assert_eq!(expires_in, 90);
    let refresh_token = text(&first["refresh_token"]);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    for _ in 0..2 {
        assert_eq!(
            posted(&served, "token", &fields)["refresh_token"],
            refresh_token
        );
    }
}

#[test]
fn a_method_that_an_endpoint_has_not_is_405_and_says_which_it_has() {
    let served = Served::start(&[]);
    for (path, allowed) in [
        ("authorize", "GET, POST"),
        ("token", "POST"),
        ("device/code", "POST"),
        ("device", "GET, POST"),
        ("revoke_token", "POST"),
        ("info", "GET, POST"),
        ("verification_code", "GET"),
    ] {
        let url = format!("{}/{path}", served.origin);
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = request(method, &url, "", "");
            let refused = !allowed.split(", ").any(|allowed| allowed == method);
            assert_eq!(reply.status == 405, refused, "{method} {path}");
            let told = reply.header("Allow");
            assert_eq!(told, refused.then_some(allowed), "{method} {path}");
        }
    }
}
