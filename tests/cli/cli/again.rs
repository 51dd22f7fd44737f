//! Logging in again: what a saved login remembers, whose token it says it is,
//! and which device it is for.

use serde_json::{Value, json};

use crate::support::browser::{answer, parameter};
use crate::support::server::{Server, http, json as json_answer};
use crate::support::{Finished, Home, Running, now};

/// A server that knows whose token it is.
fn server(login: &'static str) -> Server {
    Server::start(move |request| match request.path() {
        "/info" => json_answer(200, &json!({"id": "1", "login": login}).to_string()),
        "/token" => json_answer(
            200,
            r#"{"access_token": "t0ken", "refresh_token": "r", "expires_in": 31536000}"#,
        ),
        _ => http(404, "", b""),
    })
}

/// A login with these words and variables, answered by a browser; also returns
/// the authorize URL.
fn login(home: &Home, words: &str, variables: &[(&str, &str)]) -> (String, Finished) {
    let arguments: Vec<_> = words.split_whitespace().collect();
    let mut command = home.command(&arguments);
    command
        .env("BROWSER", "none")
        .envs(variables.iter().copied());
    let mut running = Running::start(&mut command);
    let url = running.url();
    answer(&url, &[("code", "1234567")]);
    (url, running.finish())
}

/// The first login of the default profile.
fn first(home: &Home, server: &Server) -> Finished {
    let words = "login --save --client-id app --redirect-uri http://127.0.0.1:0/ --oauth-url";
    login(home, &format!("{words} {}", server.origin), &[]).1
}

fn saved(home: &Home, profile: &str) -> Value {
    let path = home.data().join(format!("{profile}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn change(home: &Home, profile: &str, change: impl FnOnce(&mut Value)) {
    let mut token = saved(home, profile);
    change(&mut token);
    let path = home.data().join(format!("{profile}.json"));
    std::fs::write(path, token.to_string()).unwrap();
}

#[test]
fn a_saved_login_ends_with_whose_token_it_is_and_until_when() {
    let (home, server) = (Home::new(), server("ivan.petrov"));
    let first = format!(
        "login -p work --client-id app --oauth-url {} --redirect-uri http://127.0.0.1:0/",
        server.origin
    );
    let (_, done) = login(&home, &first, &[]);
    assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{done:#?}");
    let last = done.stderr.lines().last().unwrap();
    let start = "Logged in as ivan.petrov. Saved as profile work, expires 20";
    assert!(last.starts_with(start) && last.ends_with('.'), "{last}");
    assert_eq!(saved(&home, "work")["account"], "ivan.petrov");

    // Somebody else's in its place.
    change(&home, "work", |token| token["account"] = "anna".into());
    let (_, done) = login(&home, &first, &[]);
    let says = "this replaces the token of another account, anna";
    assert!(done.stderr.contains(says), "{done:#?}");
}

#[test]
fn a_server_that_does_not_tell_the_account_fails_no_login() {
    let home = Home::new();
    let server = Server::json(200, r#"{"access_token": "t0ken"}"#);
    let done = first(&home, &server);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let last = done.stderr.lines().last().unwrap();
    assert_eq!(last, "Logged in. Saved as profile default.");
    assert_eq!(saved(&home, "default").get("account"), None);
}

#[test]
fn a_profile_logs_in_again_with_all_that_it_remembers() {
    let (home, server) = (Home::new(), server("ivan"));
    let secret = home.path().join("secret");
    std::fs::write(&secret, "\u{feff}s3cret\n").unwrap();
    let origin = ("YANDEX_OAUTH_URL", &*server.origin);
    let first = "login -p work --client-id app --redirect-uri http://127.0.0.1:0/cb \
                 --scope a:b --optional-scope c:d --client-secret-file secret";
    let (first_url, done) = login(&home, first, &[origin]);
    assert_eq!(done.code, Some(0), "{done:#?}");

    let others = [
        origin,
        ("YANDEX_CLIENT_ID", "other"),
        ("YANDEX_REDIRECT_URI", "http://127.0.0.1:1/"),
    ];
    let (url, done) = login(&home, "login -p work", &others);
    assert_eq!(done.code, Some(0), "{done:#?}");
    for name in ["YANDEX_CLIENT_ID", "YANDEX_REDIRECT_URI"] {
        let says = format!("{name} is not used");
        assert!(done.stderr.contains(&says), "{done:#?}");
    }
    for name in "client_id scope optional_scope device_id device_name".split(' ') {
        assert_eq!(parameter(&url, name), parameter(&first_url, name), "{name}");
    }
    assert!(parameter(&url, "redirect_uri").unwrap().ends_with("/cb"));
    let requests = server.requests();
    let exchanges = requests.iter().filter(|request| request.path() == "/token");
    let secrets = exchanges.map(|request| request.field("client_secret"));
    let secrets: Vec<_> = secrets.collect();
    assert_eq!(secrets, [Some("s3cret".into()), Some("s3cret".into())]);

    // One option changes, the rest stays.
    let (url, _) = login(&home, "login -p work --scope e:f", &[origin]);
    assert_eq!(parameter(&url, "scope").as_deref(), Some("e:f"));
    assert_eq!(parameter(&url, "optional_scope").as_deref(), Some("c:d"));
    // Another application: nothing stays.
    let other = "login -p work --client-id other --redirect-uri http://127.0.0.1:0/";
    let (url, _) = login(&home, other, &[origin]);
    assert_eq!(parameter(&url, "scope"), None);
    let [device, first_device] = [&url, &first_url].map(|url| parameter(url, "device_id"));
    assert_ne!(device, first_device);
    // One that only prints remembers the client ID alone.
    let variables = [origin, ("YANDEX_TOKEN_PROFILE", "work")];
    let (url, _) = login(
        &home,
        "login --redirect-uri http://127.0.0.1:0/",
        &variables,
    );
    assert_eq!(parameter(&url, "client_id").as_deref(), Some("other"));
    assert_eq!(parameter(&url, "device_id"), None);
}

#[test]
fn an_option_of_another_method_drops_what_was_remembered_of_the_old_one() {
    let (home, server) = (Home::new(), server("ivan"));
    let origin = ("YANDEX_OAUTH_URL", &*server.origin);
    let first = "login --save --client-id app --redirect-uri http://127.0.0.1:0/cb --scope a:b";
    login(&home, first, &[origin]);
    let mut command = home.command(&["login", "--save", "--paste"]);
    command.env(origin.0, origin.1).env("BROWSER", "none");
    let done = crate::support::run_with(command, "1234567\n");
    assert_eq!(done.code, Some(0), "{done:#?}");
    let token = saved(&home, "default");
    assert_eq!(token["method"], "paste");
    assert_eq!(token.get("redirect_uris"), None);
    assert_eq!(token["scope_asked"], "a:b");
}

#[test]
fn a_new_public_redirect_uri_keeps_the_remembered_listener() {
    let home = Home::new();
    for (uri, code, says) in [
        ("https://site.test/cb2", 4, "https://site.test/cb2?start="),
        ("http://127.0.0.1:0/", 4, "http%3A%2F%2F127.0.0.1"),
    ] {
        home.save(
            &json!({"access_token": "t", "client_id": "app", "method": "loopback",
                "listen": "127.0.0.1:0", "redirect_uris": ["https://site.test/cb"]})
            .to_string(),
        );
        let options = [
            "login",
            "--save",
            "--no-browser",
            "--timeout",
            "0s",
            "--redirect-uri",
            uri,
        ];
        crate::support::run(home.command(&options)).fails(code, says);
    }
}

#[test]
fn the_secret_file_of_a_saved_login_is_the_options_then_the_profiles_then_the_variables() {
    let (home, server) = (Home::new(), server("ivan"));
    for name in ["one", "two", "three"] {
        std::fs::write(home.path().join(name), name).unwrap();
    }
    let origin = ("YANDEX_OAUTH_URL", &*server.origin);
    let named = ("YANDEX_CLIENT_SECRET_FILE", "two");
    let options = "login --save --client-id app --redirect-uri http://127.0.0.1:0/";
    for (option, variables, used, is_warned) in [
        ("", &[origin, named][..], "two", false),
        ("--client-secret-file one", &[origin, named], "one", false),
        ("", &[origin, named], "one", true),
        ("", &[origin], "one", false),
        ("--client-secret-file three", &[origin], "three", false),
    ] {
        let (_, done) = login(&home, &format!("{options} {option}"), variables);
        assert_eq!(done.code, Some(0), "{done:#?}");
        let requests = server.requests();
        let exchange = requests.iter().rfind(|request| request.path() == "/token");
        assert_eq!(
            exchange.unwrap().field("client_secret").as_deref(),
            Some(used)
        );
        let path = home.path().join(used).canonicalize().unwrap();
        assert_eq!(
            saved(&home, "default")["client_secret_file"],
            path.to_str().unwrap()
        );
        let warning = "YANDEX_CLIENT_SECRET_FILE is not used";
        assert_eq!(done.stderr.contains(warning), is_warned, "{done:#?}");
    }
}

#[test]
fn a_profile_without_a_server_takes_that_of_the_variable() {
    let (home, server) = (Home::new(), server("ivan"));
    home.save(r#"{"access_token": "t", "client_id": "app"}"#);
    let options = "login --save --redirect-uri http://127.0.0.1:0/";
    let (url, done) = login(&home, options, &[("YANDEX_OAUTH_URL", &server.origin)]);
    assert!(url.starts_with(&server.origin), "{url}");
    assert!(!done.stderr.contains("not used"), "{done:#?}");
}

#[test]
fn a_remembered_paste_and_a_secret_on_standard_input_are_a_contradiction() {
    let home = Home::new();
    home.save(r#"{"access_token": "t", "client_id": "app", "method": "paste"}"#);
    let options = ["login", "--save", "--client-secret-file", "-"];
    crate::support::run(home.command(&options)).fails(2, "standard input");
    let mut sandbox = home.command(&["login", "--sandbox", "--paste", "--no-browser"]);
    sandbox.env("YANDEX_CLIENT_SECRET_FILE", "-");
    assert_eq!(crate::support::run(sandbox).code, Some(0));
}

#[test]
fn a_server_that_is_not_yandex_is_asked_again_only_where_it_is_named() {
    let (home, server) = (Home::new(), server("ivan"));
    first(&home, &server);
    let done = crate::support::run(home.command(&["login", "--save"]));
    done.fails(2, "it is not Yandex's");
    done.fails(2, &format!("--oauth-url {}", server.origin));
}

#[test]
fn each_saved_token_has_a_device_of_its_own() {
    let (home, server) = (Home::new(), server("ivan"));
    let origin = ("YANDEX_OAUTH_URL", &*server.origin);
    let options = "--client-id app --redirect-uri http://127.0.0.1:0/";
    let device = |place: &str| {
        let (url, done) = login(&home, &format!("login {place} {options}"), &[origin]);
        assert_eq!(done.code, Some(0), "{done:#?}");
        parameter(&url, "device_id").unwrap()
    };
    let work = device("-p work");
    let other = device("-p other");
    assert_ne!(work, other);
    assert_ne!(work, device("--token-file mine.json"));
    assert_eq!(device("-p work"), work, "kept by a login again");
    let (url, _) = login(&home, &format!("login -p work {options}"), &[origin]);
    assert!(parameter(&url, "device_name").unwrap().ends_with(" (work)"));

    // Yandex would give the old token once more, with the rest of its life.
    change(&home, "work", |token| {
        token["issued_at"] = (now() - 364 * 86400).into();
        token["expires_at"] = (now() + 86400).into();
    });
    let renewed = device("-p work");
    assert_ne!(renewed, work);
    // Two profiles with one device would be one token.
    let same = |token: &mut Value| token["device_id"] = renewed.clone().into();
    change(&home, "other", same);
    assert_ne!(device("-p work"), renewed);
    assert!(!home.data().join("device-id").exists());
}

#[test]
fn a_scope_that_yandex_would_refuse_is_warned_about_before_the_browser_opens() {
    let home = Home::new();
    for scope in ["login:info,login:email", "openid"] {
        let mut command = home.command(&["login", "--client-id", "a", "--scope", scope]);
        command.args(["--timeout", "0s"]);
        command
            .env("BROWSER", "none")
            .env("YANDEX_REDIRECT_URI", "http://127.0.0.1:0/");
        let done = crate::support::run(command);
        let warning = done.stderr.find("warning: the scope");
        let is_before = warning.is_some() && warning < done.stderr.find("/authorize");
        assert!(is_before, "{done:#?}");
    }
}
