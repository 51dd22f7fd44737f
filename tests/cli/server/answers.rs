//! What a token endpoint may answer to the exchange of a code, and what it
//! must come to: the exit status, one line that names it, nothing on standard
//! output, no secret anywhere, and a page that says the login failed.

use std::fs;

use serde_json::json;

use crate::support::browser::{Reply, callback, get};
use crate::support::server::{Answer, Request, Server, http};
use crate::support::{Finished, Home, Running, rows};

/// Secrets whose letters stay together however they are escaped.
const CODE: &str = "c0de7654321/+=";
const SECRET: &str = "pa55w0rd&%+ö";
const FRAGMENTS: [&str; 3] = ["c0de7654321", "pa55w0rd", "T0kenText"];
const SUCCESS: &str = r#"{"access_token": "y0_T0kenText", "refresh_token": "1:T0kenText"}"#;

/// How a login ended whose code came.
struct Ended {
    url: String,
    page: Reply,
    done: Finished,
}

/// Logs in at this origin, as a confidential client.
#[track_caller]
fn log_in(home: &Home, origin: &str, options: &[&str]) -> Ended {
    let mut arguments = vec!["login", "--client-id", "app", "--no-browser"];
    arguments.extend(["--oauth-url", origin]);
    arguments.extend(["--redirect-uri", "http://127.0.0.1:0/"]);
    arguments.extend(options);
    let mut command = home.command(&arguments);
    command.env("YANDEX_CLIENT_SECRET", SECRET);
    let mut running = Running::start(&mut command);
    let url = running.url();
    let redirected = get(&callback(&url, &[("code", CODE)]));
    assert_eq!(redirected.status, 303, "{redirected:#?}");
    assert!(!redirected.head.contains("c0de"), "{redirected:#?}");
    let page = get(redirected.header("Location").unwrap());
    let done = running.finish();
    Ended { url, page, done }
}

impl Ended {
    /// The one error line, after which comes at most one that advises.
    #[track_caller]
    fn error_line(&self, case: &str, origin: &str, code: i32) -> String {
        let done = &self.done;
        assert_eq!(done.code, Some(code), "{case}: {done:#?}");
        assert_eq!(done.stdout, "", "{case}: {done:#?}");
        let start = format!("yandex-token: exchanging the code at {origin}: ");
        let lines: Vec<_> = done.stderr.lines().collect();
        let found = lines.iter().position(|line| line.starts_with(&start));
        let at = found.unwrap_or_else(|| panic!("{case}: no error line: {done:#?}"));
        assert!(lines.len() <= at + 2, "{case}: {done:#?}");
        lines[at].to_owned()
    }

    /// Checks that nobody is shown any of these, and that the page, too, says
    /// that it failed.
    #[track_caller]
    fn hides(&self, case: &str, secrets: &[&str]) {
        let (done, page) = (&self.done, &self.page);
        assert_eq!(page.status, 200, "{case}: {page:#?}");
        assert!(page.body.contains("The login failed"), "{case}: {page:#?}");
        for secret in secrets {
            let shown = [&done.stderr, &page.head, &page.body].map(|text| text.contains(secret));
            assert_eq!(shown, [false; 3], "{case}: {secret} in {done:#?} {page:#?}");
        }
    }
}

/// Logs in at this server, which was asked once, and failed with this.
#[track_caller]
fn fails(case: &str, server: &Server, options: &[&str], code: i32, says: &str) -> Ended {
    let ended = log_in(&Home::new(), &server.origin, options);
    let line = ended.error_line(case, &server.origin, code);
    assert!(line.contains(says), "{case}: {says:?} is not in {line:?}");
    let request = server.exchange_of(&ended.url);
    assert_eq!(request.field("code").as_deref(), Some(CODE));
    assert_eq!(request.field("client_secret").as_deref(), Some(SECRET));
    ended.hides(case, &FRAGMENTS);
    ended.hides(case, &[&request.field("code_verifier").unwrap()]);
    ended
}

/// A server that answers with this status and body.
fn answers(status: u16, body: impl Into<Vec<u8>>) -> Server {
    let body = body.into();
    Server::start(move |_| http(status, "Content-Type: application/json\r\n", &body))
}

/// A server that sends these bytes and hangs up.
fn sends(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::start(move |_| Answer::Bytes(bytes.clone()))
}

#[test]
fn every_oauth_error_of_the_reference_is_a_refusal_named_with_its_description() {
    for [error] in rows(
        "authorization_pending
         bad_verification_code
         invalid_client
         invalid_grant
         invalid_request
         invalid_scope
         unauthorized_client
         unsupported_grant_type
         Basic auth required
         Malformed Authorization header
         an_error_of_tomorrow",
    ) {
        for status in [400, 401] {
            let why = "Код <истёк>: why, exactly";
            let body = json!({"error": error, "error_description": why});
            let server = answers(status, body.to_string());
            let ended = fails(error, &server, &[], 5, error);
            let line = ended.error_line(error, &server.origin, 5);
            assert!(line.contains(why), "{line}");
            let server = answers(status, json!({ "error": error }).to_string());
            fails(error, &server, &["-q"], 5, error);
        }
    }
    // A description that is no text is none.
    for description in ["null", "\"\"", "7", "[\"a\"]"] {
        let body = format!(r#"{{"error": "invalid_grant", "error_description": {description}}}"#);
        fails(&body, &answers(400, &*body), &[], 5, "invalid_grant");
    }
}

#[test]
fn a_server_error_or_rate_limit_is_6_whatever_the_body() {
    let oauth = r#"{"error": "invalid_grant", "error_description": "Code has expired"}"#;
    for [status, body] in rows(
        "500 | <html><h1>Internal Server Error</h1></html>
         502 | OAUTH
         503 |
         503 | SUCCESS
         429 |
         429 | OAUTH
         429 | SUCCESS",
    ) {
        let body = body.replace("OAUTH", oauth).replace("SUCCESS", SUCCESS);
        let server = answers(status.parse().unwrap(), &*body);
        fails(&body, &server, &["-v"], 6, status);
    }
}

#[test]
fn what_is_no_oauth_answer_is_not_a_refusal() {
    for [body] in rows(
        r#"<html>T0kenText</html>
           {"access_token": "y0_T0kenText"
           {"error": "invalid_gra
           {"access_token": "y0_T0kenText"} {"access_token": "y0_T0kenText"}
           ["y0_T0kenText"]
           access_token=y0_T0kenText&token_type=bearer
           {}
           {"error": null}
           {"error": ""}"#,
    ) {
        for status in [200, 400, 401, 403, 404] {
            fails(body, &answers(status, body), &[], 6, "answered with");
        }
    }
    fails("nothing", &answers(200, ""), &[], 6, "answered with");
    fails("nothing", &answers(400, ""), &[], 6, "answered with");
    let not_utf8 = &b"{\"access_token\": \"y0_\xff\"}"[..];
    fails("not UTF-8", &answers(200, not_utf8), &[], 6, "not JSON");
    fails("400", &answers(400, SUCCESS), &[], 6, "400");
}

#[test]
fn a_token_that_cannot_be_used_is_no_token() {
    for [token] in rows(
        r#""y0_T0kenText\nexport EVIL=1"
           "y0_T0kenText\r\nX-Evil: 1"
           "y0_T0kenText\n"
           " y0_T0kenText"
           "y0_T0kenText with spaces"
           "y0_T0kenText\""
           "y0_T0kenText'$(id)`id`"
           "y0_T0kenText\u0000"
           "y0_T0kenText\u001b[2J"
           "y0_T0kenTextö"
           ["y0_T0kenText"]
           {"token": "y0_T0kenText"}
           ""
           null
           7"#,
    ) {
        let body = format!(r#"{{"access_token": {token}, "token_type": "bearer"}}"#);
        fails(&body, &answers(200, &*body), &[], 6, "access token");
    }
    let none = r#"{"token_type": "bearer", "token": "y0_T0kenText"}"#;
    fails("none", &answers(200, none), &[], 6, "access token");
}

/// A successful answer of this many bytes.
fn padded(bytes: usize) -> String {
    " ".repeat(bytes - 32) + r#"{"access_token": "y0_T0kenText"}"#
}

#[test]
fn an_answer_over_1_mib_is_not_taken_however_it_comes() {
    let body = padded((1 << 20) + 1);
    fails("length", &answers(200, body.clone()), &[], 6, "1 MiB");
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    let unbounded = format!("{head}\r\n{}", padded(8 << 20));
    fails("no length", &sends(unbounded), &[], 6, "1 MiB");
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    fails("chunked", &sends(chunked), &[], 6, "1 MiB");
    fails("an error", &answers(500, body), &[], 6, "");
}

#[test]
fn an_answer_of_1_mib_is_taken() {
    let server = answers(200, padded(1 << 20));
    let ended = log_in(&Home::new(), &server.origin, &[]);
    assert_eq!(ended.done.stdout, "y0_T0kenText\n", "{:#?}", ended.done);
}

#[test]
fn a_redirect_of_the_exchange_is_not_followed_anywhere() {
    let target = Server::json(200, SUCCESS).idle();
    for status in [301, 302, 303, 307, 308] {
        for base in [&target.origin, ""] {
            let headers = format!("Location: {base}/token?moved\r\n");
            let server = Server::start(move |_| http(status, &headers, SUCCESS.as_bytes()));
            fails("redirect", &server, &["-v"], 6, &status.to_string());
        }
    }
    assert!(target.requests().is_empty(), "{:#?}", target.requests());
}

#[test]
fn a_redirect_is_named_by_host_and_path_and_a_captcha_is_called_one() {
    let location = "Location: https://login.test/sign/in?code=c0de7654321\r\n";
    let captcha = "Location: https://ya.test/showcaptcha?retpath=1\r\n";
    let header = "X-Yandex-Captcha: captcha\r\n";
    let required = r#"{"error": "403", "error_description": "CAPTCHA required"}"#;
    for (status, headers, body, says) in [
        (302, location, "", "redirected to login.test/sign/in (302)"),
        (302, captcha, "", "captcha"),
        (200, header, "<html>", "captcha"),
        (403, "", required, "captcha"),
    ] {
        let server = Server::start(move |_| http(status, headers, body.as_bytes()));
        fails(says, &server, &["-v"], 6, says);
    }
}

#[test]
fn a_field_that_a_token_file_could_not_hold_makes_an_answer_useless() {
    let long = "T0kenText".repeat(2000);
    for [field, says] in rows(
        "access_token  | an access token over 16 KiB
         refresh_token | a refresh token over 16 KiB
         scope         | a scope over 16 KiB",
    ) {
        let mut answer = json!({"access_token": "y0_T0kenText"});
        answer[field] = json!(long);
        let server = answers(200, answer.to_string());
        fails(field, &server, &["--save"], 6, says);
    }
}

#[test]
fn a_server_that_hangs_up_or_breaks_off_was_not_reached() {
    let hangs_up = Server::start(|_| Answer::HangUp);
    fails("a hang-up", &hangs_up, &[], 6, "without an answer");
    let short = format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{SUCCESS}");
    fails("short", &sends(short), &["-v"], 6, "");
}

#[test]
fn a_connection_that_is_refused_is_tried_again_and_then_an_error() {
    // Nobody listens there, and no other test can.
    let origin = "http://127.0.0.1:1";
    let ended = log_in(&Home::new(), origin, &["-v"]);
    ended.error_line("refused", origin, 6);
    ended.hides("refused", &FRAGMENTS);
    let done = ended.done;
    assert!(done.stderr.contains("no connection to"), "{done:#?}");
}

#[test]
fn a_description_can_neither_move_the_cursor_nor_forge_a_line() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\n\tyandex-token: done\u{0}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}end";
    let harmless = |c: &char| (' '..='~').contains(c) || *c == '\n';
    let odd: Vec<char> = evil.chars().filter(|c| !harmless(c)).collect();
    for body in [
        json!({"error": "invalid_grant", "error_description": evil}),
        json!({"error": evil, "error_description": "end"}),
    ] {
        for options in [&[][..], &["-v"]] {
            let server = answers(400, body.to_string());
            let ended = fails("evil", &server, options, 5, "end");
            for text in [&ended.done.stderr, &ended.page.body] {
                assert_eq!(text.find(&odd[..]), None, "{text:?}");
            }
        }
    }
}

#[test]
fn a_megabyte_of_description_is_cut_short() {
    let long = "long ".repeat(200_000);
    for body in [
        json!({"error": "invalid_grant", "error_description": long}),
        json!({"error": long, "error_description": long.get(..1000)}),
    ] {
        let server = answers(400, body.to_string());
        let ended = fails("long", &server, &[], 5, "long long");
        assert!(ended.done.stderr.len() < 2000, "{:#?}", ended.done);
        assert!(ended.page.body.len() < 20_000);
    }
}

fn secrets_of(request: &Request) -> [String; 3] {
    ["code", "code_verifier", "client_secret"].map(|name| request.field(name).unwrap())
}

#[test]
fn a_secret_is_not_shown_in_part_where_a_long_description_is_cut() {
    for (case, name) in [(0, "code"), (1, "verifier"), (2, "secret")] {
        for padding in [1, 8] {
            let server = Server::start(move |request| {
                let text = "-".repeat(padding) + &secrets_of(request)[case].repeat(100);
                let body = json!({"error": "invalid_grant", "error_description": text});
                http(400, "", body.to_string().as_bytes())
            });
            let ended = fails(name, &server, &[], 5, "invalid_grant");
            let secret = secrets_of(&server.exchange_of(&ended.url))[case].clone();
            ended.hides(name, &[&secret[..6]]);
        }
    }
}

#[test]
fn a_failed_login_leaves_the_saved_token_alone_and_nothing_beside_it() {
    let saved = "{\"access_token\": \"kept\",\n  \"client_id\": \"app\", \"mine\": [1]}";
    for (code, answer) in [
        (5, "HTTP/1.1 400 Bad\r\n\r\n{\"error\": \"invalid_grant\"}"),
        (6, "HTTP/1.1 500 Bad\r\n\r\n"),
        (6, "HTTP/1.1 200 OK\r\n\r\n{\"access_token\": \"a b\"}"),
        (6, ""),
    ] {
        let (home, server) = (Home::new(), sends(answer));
        let log_in = |options: &[&str]| {
            let ended = log_in(&home, &server.origin, options);
            ended.error_line(answer, &server.origin, code);
            home.files()
        };
        assert_eq!(log_in(&["--save"]), Vec::<String>::new());
        let files = ["data/yandex-token/default.json", "mine.json"];
        fs::create_dir_all(home.data()).unwrap();
        for file in files {
            fs::write(home.path().join(file), saved).unwrap();
        }
        let left = files;
        assert_eq!(log_in(&["--save"]), left, "{answer}");
        assert_eq!(log_in(&["--token-file", "mine.json"]), left, "{answer}");
        assert_eq!(log_in(&["-o", "mine.json"]), left, "{answer}");
        for file in files {
            let now = fs::read_to_string(home.path().join(file)).unwrap();
            assert_eq!(now, saved, "{answer}");
        }
    }
}
