//! What a token of the sandbox is good for: scopes, devices, lifetimes, user
//! info, and the two kinds of application.

use serde_json::{Value, json};

use crate::support::browser::{get, parameter};
use crate::support::sandbox::{
    self, OWN, REDIRECT_URI, Served, encoded, redirected, refused, refused_with_a_page, text,
};
use crate::support::{Home, rows, run};

#[test]
fn scopes_are_returned_only_where_the_user_unticked_one() {
    let served = Served::start(&[]);
    let asked = "scope=login:info&optional_scope=login:email+login:avatar";
    let page = served.ask(asked).body;
    for scope in ["login:info", "login:email", "login:avatar"] {
        assert!(page.contains(scope), "{page}");
    }
    let all = served.exchanged(&served.press(&page, "Allow"));
    assert_eq!(all.get("scope"), None);

    let page = served.ask(asked).body;
    let fewer = served.exchanged(&served.press_without(&page, "Allow", &["optional.1"]));
    assert_eq!(fewer["scope"], "login:avatar login:info");
    let refreshed = sandbox::json(200, &served.refresh(&fewer));
    assert_eq!(refreshed["scope"], "login:avatar login:info");
}

#[test]
fn a_user_who_unticks_all_there_is_has_denied() {
    let served = Served::start(&[]);
    let page = served.ask("optional_scope=login:info+login:email").body;
    let unticked = ["optional.0", "optional.1"];
    let location = redirected(&served.press_without(&page, "Allow", &unticked));
    let error = parameter(&location, "error");
    assert_eq!(error.as_deref(), Some("access_denied"));
}

#[test]
fn a_scope_that_is_malformed_or_not_the_applications_is_a_page_or_an_error() {
    const BOTH: &str = "login:info login:email";
    let application = Served::allowing(&["--scope", BOTH, "--scope", "login:avatar"]);
    let api = Served::allowing(&["--api-access"]);
    let any = Served::allowing(&[]);
    for (served, scope) in [
        (&application, "direct:api"),
        (&api, "login:info"),
        (&any, "a:b c:d e:f g:h"),
        (&any, "\u{44f}"),
        (&any, "login:info,login:email"),
        (&any, "openid"),
        (&any, "login:"),
        (&any, ":info"),
        (&any, "login:info openid"),
    ] {
        for name in ["scope", "optional_scope"] {
            let asked = format!("{name}={}", encoded(scope));
            let page = served.ask(&format!("redirect_uri=&{asked}"));
            refused_with_a_page(&page, "invalid_scope");
            let reply = served.post("/device/code", &format!("{OWN}&{asked}"));
            refused(&reply, "invalid_scope");
        }
    }
    application.token("scope=login:info");
    for (options, says) in [
        (
            &["--scope", "a:b c:d", "--scope", "e:f g:h"][..],
            "three groups",
        ),
        (&["--api-access", "--scope", "login:info"], "for API access"),
    ] {
        let home = Home::new();
        let mut command = home.command(&["sandbox"]);
        command.args(options);
        run(command).fails(2, says);
    }
}

#[test]
fn an_application_for_api_access_shows_its_code_on_the_page() {
    let served = Served::allowing(&["--api-access"]);
    refused_with_a_page(&served.ask(""), "does not match");
    let redirect = served.ask("redirect_uri=");
    let location = redirected(&redirect);
    let page = format!("{}/verification_code?", served.origin);
    assert!(location.starts_with(&page), "{location}");
    let code = parameter(&location, "code").unwrap();
    assert!(get(&location).body.contains(&code));
    let token = served.exchanged(&redirect);
    assert_eq!(served.user(&token).get("default_email"), None);
}

#[test]
fn the_page_that_shows_a_code_is_no_error_where_a_token_or_a_refusal_ends() {
    for [consent, kind, says] in rows(
        "allow | token | response_type=token
         deny  | code  | access_denied",
    ) {
        let served = Served::start(&["--api-access", "--consent", consent]);
        let redirect = served.ask(&format!("redirect_uri=&response_type={kind}"));
        let page = get(&redirected(&redirect));
        assert_eq!(page.status, 200, "{page:#?}");
        assert!(page.body.contains(says), "{page:#?}");
    }
}

#[test]
fn a_device_unticks_scopes_behind_its_code() {
    let served = Served::start(&[]);
    let asked = format!("{OWN}&scope=login:info&optional_scope=login:email");
    let answer = sandbox::json(200, &served.post("/device/code", &asked));
    let user_code = text(&answer["user_code"]);
    let page = served.post("/device", &format!("code={user_code}&decision=allow"));
    let code = text(&answer["device_code"]);
    let poll = || {
        served.post(
            "/token",
            &format!("grant_type=device_code&code={code}&{OWN}"),
        )
    };
    refused(&poll(), "authorization_pending");
    let done = served.press_without(&page.body, "Allow", &["optional.0"]);
    assert_eq!(done.status, 200, "{done:#?}");
    assert_eq!(sandbox::json(200, &poll())["scope"], "login:info");
    refused(&poll(), "invalid_grant");
}

#[test]
fn the_31st_device_pushes_out_the_oldest() {
    let served = Served::allowing(&[]);
    let of = |n: u32| served.token(&format!("device_id=device-{n}"));
    let tokens: Vec<_> = (0..30).map(of).collect();
    served.user(&tokens[0]);
    of(30);
    let oldest = format!("OAuth {}", text(&tokens[0]["access_token"]));
    assert_eq!(served.info(&oldest).status, 401);
    served.user(&tokens[1]);
}

#[test]
fn only_the_token_of_a_device_is_revoked_and_as_often_as_one_likes() {
    let served = Served::allowing(&[]);
    let revoke = |token: &Value| {
        let access_token = encoded(text(&token["access_token"]));
        let form = format!("access_token={access_token}&{OWN}");
        served.post("/revoke_token", &form)
    };
    let bare = served.token("");
    refused(&revoke(&bare), "unsupported_token_type");
    served.user(&bare);
    // The device may also be named with the code.
    let code = served.code("");
    let form = format!("grant_type=authorization_code&code={code}&device_id=device-1&{OWN}");
    let mine = sandbox::json(200, &served.post("/token", &form));
    for _ in 0..2 {
        let answer = sandbox::json(200, &revoke(&mine));
        assert_eq!(answer, json!({ "status": "ok" }));
    }
    let authorization = format!("Bearer {}", text(&mine["access_token"]));
    assert_eq!(served.info(&authorization).status, 401);
    refused(&served.refresh(&mine), "invalid_grant");
}

#[test]
fn user_info_is_what_the_scopes_reach() {
    let served = Served::allowing(&[]);
    let email = served.user(&served.token("scope=login:email"));
    assert_eq!(email["id"], "1000000001");
    assert_eq!(email["client_id"], *served.client_id);
    assert_eq!(email["emails"], json!(["sandbox.user@example.org"]));
    assert_eq!(email.get("first_name"), None);
    let all = served.token("");
    assert_eq!(served.user(&all)["sex"], Value::Null);
    let token = text(&all["access_token"]);
    let in_query = format!("/info?oauth_token={token}");
    assert_eq!(served.get(&in_query).status, 200);
    for [authorization, status] in rows(
        "OAuth TOKEN  | 200
         oauth TOKEN  | 200
         Bearer TOKEN | 200
         TOKEN        | 401
         Basic TOKEN  | 401
         OAuth x      | 401",
    ) {
        let reply = served.info(&authorization.replace("TOKEN", token));
        assert_eq!(reply.status.to_string(), status, "{authorization}");
        let is_json = serde_json::from_str::<Value>(&reply.body).is_ok();
        assert_eq!(is_json, status == "200", "{authorization}");
    }
    let header = format!("Authorization: {token}\r\n");
    let both = served.request("GET", &in_query, &header, "");
    assert_eq!(both.status, 401, "a faulty header is not passed over");
}

#[test]
fn a_token_can_be_asked_for_in_the_fragment() {
    let served = Served::allowing(&[]);
    let asked = "response_type=token&device_id=device-1";
    let location = redirected(&served.ask(asked));
    let (uri, fragment) = location.split_once('#').unwrap();
    assert_eq!(uri, REDIRECT_URI);
    let parameter = |name: &str| parameter(&format!("{uri}?{fragment}"), name).unwrap();
    assert_eq!(parameter("state"), "st-1");
    assert_eq!(parameter("token_type"), "bearer");
    assert_eq!(parameter("expires_in"), "31536000");
    let authorization = format!("OAuth {}", parameter("access_token"));
    assert_eq!(served.info(&authorization).status, 200);

    let served = Served::start(&["--consent", "deny"]);
    let location = redirected(&served.ask(asked));
    let (_, fragment) = location.split_once('#').unwrap();
    assert!(fragment.contains("error=access_denied"), "{location}");
}

#[test]
fn a_device_is_checked_wherever_it_is_named() {
    let served = Served::allowing(&[]);
    let long = format!("device_name={}", "n".repeat(101));
    for bad in ["device_id=short", &long] {
        let device = served.post("/device/code", &format!("{bad}&{OWN}"));
        refused(&device, "invalid_request");
        let redirect = served.ask("");
        let code = parameter(&redirected(&redirect), "code").unwrap();
        let form = format!("grant_type=authorization_code&code={code}&{bad}&{OWN}");
        refused(&served.post("/token", &form), "invalid_request");
        served.exchanged(&redirect);
    }
}

#[test]
fn a_tokens_lifetime_and_the_rotation_can_be_chosen() {
    let served = Served::allowing(&["--token-lifetime", "90s", "--no-rotation"]);
    let first = served.token("");
    assert_eq!(first["expires_in"], 90);
    for _ in 0..2 {
        let refreshed = sandbox::json(200, &served.refresh(&first));
        assert_eq!(refreshed["refresh_token"], first["refresh_token"]);
    }
}
