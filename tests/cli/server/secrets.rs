//! The sweep: every command, at `-v`, against servers that give back what they
//! were sent, in success and in every failure. No secret comes to light: on
//! standard error, in an argument or the environment of any process, in a page
//! or in a file that is left behind.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;
use url::form_urlencoded;

use crate::support::browser::{answer, callback, get};
use crate::support::files::script;
use crate::support::server::{Answer, Request, Server, json as json_answer};
use crate::support::{Finished, Home, Running, now, rows, run, several_at_once};

/// What every secret holds, however it is escaped.
const MARK: &str = "M4rk";
const ACCESS: &str = "y0_M4rkAccess";
const REFRESH: &str = "1:M4rk:Refresh/+=";
const DEVICE: &str = "M4rkDevice00";
const CODE: &str = "M4rkCode%2f+=";
const SECRET: &str = r#"M4rk"Secr\et&%+=ö"#;
const PROXY: &str = "http://user:M4rkProxy@127.0.0.1:1";

/// Ours, and nobody else's: the token file and the file with the password.
const OURS: [&str; 2] = ["data/yandex-token/default.json", "password"];

const COMMANDS: [&str; 11] = [
    "login --client-id=app --redirect-uri=http://127.0.0.1:0/",
    "login --client-id=app --redirect-uri=http://127.0.0.1:0/ --save",
    "login --client-id=app --paste",
    "login --client-id=app --device --timeout=2s",
    "token",
    "token --format=json",
    "refresh --profile=default",
    "refresh --client-id=app",
    "revoke",
    "status --online",
    "exec -- env",
];

/// The endpoints, each of which may be the one that answers amiss.
const PATHS: [&str; 4] = ["/token", "/device/code", "/revoke_token", "/info"];

#[track_caller]
fn hides(what: &str, text: &str, verifier: Option<&str>) {
    for mark in [MARK].into_iter().chain(verifier) {
        assert!(!text.contains(mark), "{mark} in {what}: {text}");
    }
}

/// The arguments of all processes there are.
fn arguments() -> String {
    let mut found = String::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path().join("cmdline");
        let line = fs::read(path).unwrap_or_default();
        found.push_str(&String::from_utf8_lossy(&line));
        found.push('\n');
    }
    found
}

/// What a request held, in a guise.
type Guise = fn(&Request) -> String;

fn held(request: &Request) -> String {
    let form = form_urlencoded::parse(request.body.as_bytes());
    let form = form.map(|(_, value)| value.into_owned());
    let lines = request.head.lines();
    let header = lines.filter_map(|line| line.strip_prefix("authorization: "));
    let held: Vec<_> = form.chain(header.map(str::to_owned)).collect();
    held.join(" ")
}

/// As it was sent, and URL-encoded.
const GUISES: [Guise; 2] = [held, |request| {
    format!("{} {}", request.body, held(request))
}];

/// Answers that quote a request, in place of `@`; `%` ends a line.
const SHAPES: [&str; 16] = [
    r#"400 x%%{"error": "e", "error_description": "@"}"#,
    r#"401 x%%{"error": "@", "error_description": "<@!"}"#,
    r#"400 x%%{"error": "invalid_grant", "error_uri": "@"}"#,
    r#"200 x%%{"access_token": "@ ", "id": ""}"#,
    r#"200 x%%{"id": "@", "login": "@", "user_code": "u"}"#,
    "500 x%Content-Type: text/html%%<p>@</p>",
    "500 @%%",
    "502 x%X-Echo: @%%@",
    "302 x%Location: /?@%%",
    "302 x%Location: /a/@/b%%",
    "200 x%%@",
    "200 x%@%%",
    "200 @%Content-Length: 9999%%@",
    "200 x%Content-Length: @%%",
    "@%@%%",
    "200 x%Transfer-Encoding: chunked%%@%",
];

fn quote(shape: &str, text: &str) -> Answer {
    let json = serde_json::to_string(text).unwrap();
    let text = match shape.contains("{\"") {
        true => &json[1..json.len() - 1],
        false => text,
    };
    let answer = shape.replace('%', "\r\n").replace('@', text);
    Answer::Bytes(format!("HTTP/1.1 {answer}").into_bytes())
}

/// What an honest server answers.
fn honest() -> Answer {
    let answer = json!({
        "access_token": ACCESS, "refresh_token": REFRESH, "expires_in": 3600, "scope": "a b",
        "device_code": DEVICE, "user_code": "fakecod1", "interval": 1, "id": "1", "login": "me",
        "verification_url": "https://ya.ru/device",
    });
    json_answer(200, &answer.to_string())
}

/// The program in a home where everything is a secret that can be one.
fn command(home: &Home, origin: &str, words: &str, secret_in_file: bool) -> Command {
    let token = json!({
        "access_token": ACCESS, "refresh_token": REFRESH, "expires_at": now() - 10,
        "client_id": "app", "oauth_url": origin,
    });
    home.save(&token.to_string());
    let browser = script(home, "(env; tr '\\0' '\\n' </proc/$PPID/cmdline) >seen");
    fs::create_dir(home.path().join("run")).unwrap();
    let (own, program) = words.split_once(" -- ").unwrap_or((words, ""));
    let mut command = home.command(&own.split(' ').collect::<Vec<_>>());
    command.arg("-v");
    if !program.is_empty() {
        command.arg("--").args(program.split(' '));
    }
    command
        .env("YANDEX_OAUTH_URL", origin)
        .env("YANDEX_REFRESH_TOKEN", REFRESH)
        .env("HTTPS_PROXY", PROXY)
        .env("BROWSER", browser)
        .env("XDG_RUNTIME_DIR", home.path().join("run"));
    if secret_in_file {
        fs::write(home.path().join("password"), SECRET).unwrap();
        command.env("YANDEX_CLIENT_SECRET_FILE", home.path().join("password"));
    } else {
        command.env("YANDEX_CLIENT_SECRET", SECRET);
    }
    command
}

/// Runs a command to its end, as the person in front of it; the text of the
/// pages that were seen.
fn complete(mut command: Command, words: &str) -> (Finished, String) {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().unwrap();
    let mut pages = String::new();
    if words.contains("--paste") {
        // It may have ended already.
        let _ = stdin.write_all(format!("{CODE}\n").as_bytes());
    } else if words.contains("--redirect-uri") {
        let url = running.url();
        let redirected = get(&callback(&url, &[("code", CODE)]));
        let page = get(redirected.header("Location").unwrap());
        pages = format!("{url} {redirected:?} {page:?}");
    }
    drop(stdin);
    (running.finish(), pages)
}

/// The environment of a child without the variables that it is to have.
fn without(text: &str, names: &[&str]) -> String {
    let is_its = |line: &str| names.contains(&line.split('=').next().unwrap());
    let others: Vec<_> = text.lines().filter(|line| !is_its(line)).collect();
    others.join("\n")
}

/// Runs a command and looks everywhere.
#[track_caller]
fn sweep(
    words: &str,
    secret_in_file: bool,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Finished {
    let home = Home::new();
    let server = Server::start(answer);
    let (done, pages) = complete(command(&home, &server.origin, words, secret_in_file), words);
    let verifier = server.requests().iter().find_map(verifier);
    let hides = |what: &str, text: &str| hides(what, text, verifier.as_deref());
    hides("standard error", &done.stderr);
    hides("pages", &pages);
    let seen = fs::read_to_string(home.path().join("seen")).unwrap_or_default();
    hides("the browser", &without(&seen, &["HTTPS_PROXY"]));
    if words.starts_with("exec") {
        hides(
            "a child",
            &without(&done.stdout, &["HTTPS_PROXY", "YANDEX_TOKEN"]),
        );
    } else if words.starts_with("status") {
        hides("the table", &done.stdout);
    } else if done.code != Some(0) {
        assert_eq!(done.stdout, "", "{words}: {done:#?}");
    }
    for name in home.files() {
        if !OURS.contains(&&*name) && name != "seen" {
            let content = fs::read(home.path().join(&name)).unwrap();
            hides(&name, &String::from_utf8_lossy(&content));
        }
    }
    done
}

fn verifier(request: &Request) -> Option<String> {
    form_urlencoded::parse(request.body.as_bytes())
        .find_map(|(name, value)| (name == "code_verifier").then(|| value.into_owned()))
}

#[test]
fn no_command_that_succeeds_brings_a_secret_to_light() {
    for words in COMMANDS {
        for secret_in_file in [true, false] {
            let done = sweep(words, secret_in_file, |request| {
                // While the program waits for the answer, whatever it started
                // runs. A panic here is a failure of the program.
                hides("arguments", &arguments(), verifier(request).as_deref());
                honest()
            });
            assert_eq!(done.code, Some(0), "{words}: {done:#?}");
        }
    }
}

#[test]
fn no_server_that_quotes_a_secret_makes_a_command_show_it() {
    let mut all = Vec::new();
    for words in COMMANDS {
        for path in PATHS {
            let is_asked = match path {
                "/device/code" => words.contains("--device"),
                "/revoke_token" => words == "revoke",
                "/info" => words.contains("--online"),
                _ => !words.contains("--online") && words != "revoke",
            };
            for guise in GUISES.iter().filter(|_| is_asked) {
                all.extend(SHAPES.map(|shape| (words, path, guise, shape)));
            }
        }
    }
    several_at_once(12, all, |(words, path, guise, shape)| {
        sweep(words, false, move |request| match request.path() == path {
            true => quote(shape, &guise(request)),
            false => honest(),
        });
    });
}

#[test]
fn what_the_server_gave_us_before_is_hidden_as_well() {
    const SAVED: &str = r#"{"access_token": "s4ved-access", "refresh_token": "s4ved-refresh",
        "expires_at": 1, "client_id": "app"}"#;
    for [command, answer] in rows(
        r#"refresh | {"error": "invalid_grant", "error_description": "not s4ved-access"}
           refresh | {"error": "s4ved-access"}
           revoke  | {"error": "invalid_client", "error_description": "s4ved-refresh"}
           refresh | {"error": "x", "error_description": "s4ved-n", "access_token": "s4ved-n"}"#,
    ) {
        let home = Home::new();
        home.save(SAVED);
        let server = Server::json(400, answer);
        let done = run(home.command(&[command, "--oauth-url", &server.origin]));
        assert!(done.stderr.contains("[…]"), "{done:#?}");
        done.hides(&["s4ved"]);
    }
}

#[test]
fn a_device_code_in_what_is_shown_makes_the_answer_useless() {
    let shown = "0123456789abcdef";
    for [page, user_code] in rows(
        "https://ya.ru/device?x=0123456789abcdef | fakecod1
         https://ya.ru/device                    | 0123456789abcdef",
    ) {
        let home = Home::new();
        let answer = json!({
            "device_code": shown, "user_code": user_code, "verification_url": page,
            "interval": 5, "expires_in": 300,
        });
        let server = Server::start(move |_| json_answer(200, &answer.to_string()));
        let arguments = ["login", "--device", "--client-id", "app", "--oauth-url"];
        let mut command = home.command(&arguments);
        command.arg(&server.origin);
        run(command).fails(6, "everybody would see").hides(&[shown]);
    }
}

#[test]
fn a_redirect_that_quotes_the_client_secret_does_not_show_it() {
    let (home, secret) = (Home::new(), "M4rkSecret-1234");
    let words = "login --no-browser --client-id app --redirect-uri http://127.0.0.1:0/";
    let mut command = home.command(&words.split(' ').collect::<Vec<_>>());
    let mut running = Running::start(command.env("YANDEX_CLIENT_SECRET", secret));
    let url = running.url();
    let page = answer(&url, &[("error", secret), ("error_description", secret)]);
    assert!(!page.body.contains(secret), "{page:#?}");
    running.finish().fails(5, "logging in").hides(&[secret]);
}

#[test]
fn a_scope_that_quotes_the_tokens_does_not_show_them() {
    let (home, server) = (
        Home::new(),
        Server::json(
            200,
            r#"{"access_token": "n3w-access", "refresh_token": "n3w-refresh",
                "scope": "a:b n3w-access n3w-refresh", "expires_in": 9999}"#,
        ),
    );
    home.save(r#"{"access_token": "0ld", "refresh_token": "r", "client_id": "app"}"#);
    let refresh = ["refresh", "--oauth-url", &server.origin];
    assert_eq!(run(home.command(&refresh)).code, Some(0));
    let status = run(home.command(&["status"]));
    assert!(status.stdout.contains("a:b […] […]"), "{status:#?}");
}
