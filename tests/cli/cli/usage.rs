//! What the command line and the environment may not ask for: exit 2, one
//! line that names it, one that says what to write, and no login begun. And
//! which of an option and a variable is believed.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::support::browser::{address, answer, parameter};
use crate::support::server::{Request, Server, http};
use crate::support::{Finished, Home, Running, rows, run};

const ANSWER: &str = r#"{"access_token": "t0ken"}"#;

const CODE: &str = "c0de7654321";
const SECRETS: [&str; 2] = ["YANDEX_CLIENT_SECRET", "YANDEX_CLIENT_SECRET_FILE"];
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

type Variables<'a> = &'a [(&'a str, &'a str)];

/// A login that is complete but for these; the options are written in a row.
fn login(home: &Home, options: &str, variables: Variables) -> Command {
    let mut command = home.command(&["login"]);
    if !options.contains("--subject") {
        command.arg("--no-browser");
    }
    command.env("YANDEX_CLIENT_ID", "app");
    command.env("YANDEX_REDIRECT_URI", "http://127.0.0.1:0/");
    command.args(options.split_whitespace());
    command.envs(variables.iter().copied());
    command
}

/// Runs such a login, which waits for nobody.
fn begin(home: &Home, options: &str, variables: Variables) -> Finished {
    let mut command = login(home, options, variables);
    let ends = ["--timeout", "--subject"];
    if !ends.iter().any(|option| options.contains(option)) {
        command.args(["--timeout", "0s"]);
    }
    run(command)
}

/// Checks that such a login is refused at once, and all that it says.
#[track_caller]
fn refuses(options: &str, variables: Variables, says: &[&str]) -> Finished {
    let home = Home::new();
    let done = begin(&home, options, variables);
    let case = format!("{options} {variables:?} {done:#?}");
    assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{case}");
    // clap's form, or that of every other error.
    let mut forms = ["error: ", "yandex-token: "].iter();
    assert!(forms.any(|start| done.stderr.starts_with(start)), "{case}");
    for word in says {
        // On Windows HTTPS_PROXY and https_proxy are one variable.
        let is_said = done.stderr.contains(word)
            || cfg!(windows) && done.stderr.contains(&word.to_lowercase());
        assert!(is_said, "{word:?} is not said: {case}");
    }
    assert_eq!(home.files(), [""; 0], "{case}");
    done
}

/// Checks that such a login begins, and returns the authorize URL.
#[track_caller]
fn begins(home: &Home, options: &str, variables: Variables) -> String {
    let done = begin(home, options, variables);
    assert_eq!(done.code, Some(4), "{options} {variables:?} {done:#?}");
    let mut words = done.stderr.split_whitespace();
    let url = words.find(|word| word.contains("/authorize?"));
    url.expect("an authorize URL").to_owned()
}

/// Logs in at this server, to the end.
#[track_caller]
fn finishes(home: &Home, server: &Server, options: &str, variables: Variables) -> Finished {
    let mut command = login(home, options, variables);
    command.args(["--oauth-url", &server.origin]);
    let mut running = Running::start(&mut command);
    answer(&running.url(), &[("code", CODE)]);
    let done = running.finish();
    assert_eq!(done.code, Some(0), "{options} {variables:?} {done:#?}");
    done
}

#[test]
fn the_oauth_url_is_an_origin_and_plain_http_stays_on_this_machine() {
    for [url, says] in rows(
        "http://oauth.yandex.ru        | https://
         http://localhost.evil.example | https://
         https://oauth.example/token   | write https://oauth.example
         https://oauth.example/?a=b    | write https://oauth.example
         https://oauth.example/#a      | write https://oauth.example
         https://me@oauth.example      | write https://oauth.example
         https://:p@oauth.example:1    | https://oauth.example:1
         oauth.yandex.ru               | not a URL
         ftp://127.0.0.1               | https://",
    ) {
        let option = format!("--oauth-url={url}");
        refuses(&option, &[], &["--oauth-url", says]);
        let variable = [("YANDEX_OAUTH_URL", url)];
        refuses("", &variable, &["YANDEX_OAUTH_URL: ", says]);
    }
    refuses("--oauth-url=", &[], &["--oauth-url"]);
}

#[test]
fn a_redirect_uri_that_this_login_could_not_serve_is_refused() {
    for (uri, says) in [
        ("https://site.example/get_token", "needs --listen"),
        ("https://127.0.0.1:8443/", "needs --listen"),
        ("http://site.example/get_token", "https://"),
        ("http://127.0.0.1:8000/#there", "no fragment"),
        ("https://site.example/#there", "no fragment"),
        ("http://me@127.0.0.1:8000/", "no user"),
        ("http://127.0.0.1:8000/?code=1", "code"),
        ("127.0.0.1:8000", "URL"),
        ("myapp://callback", "http://127.0.0.1:8000/"),
    ] {
        let option = format!("--redirect-uri={uri}");
        refuses(&option, &[], &["--redirect-uri", says]);
        let second = format!("--redirect-uri=http://127.0.0.1:0/ {option}");
        refuses(&second, &[], &["--redirect-uri", says]);
        refuses("", &[("YANDEX_REDIRECT_URI", uri)], &[says]);
    }
    let listen = "--redirect-uri=http://site.example/ --listen=127.0.0.1:0";
    refuses(listen, &[], &["--redirect-uri", "https://"]);
    refuses("--listen=8000", &[], &["--listen <ADDR:PORT>"]);
    refuses("--redirect-uri=", &[], &["--redirect-uri"]);
}

#[test]
fn without_a_client_id_the_way_to_give_one_is_shown() {
    let says = ["--client-id ID", "client/new", "login --sandbox"];
    refuses("", &[("YANDEX_CLIENT_ID", "")], &says);
    let own = [
        "Redirect URI http://localhost:9000/cb, then",
        "login --redirect-uri http://localhost:9000/cb --profile work --client-id ID",
    ];
    let none = ("YANDEX_CLIENT_ID", "");
    refuses(
        "--redirect-uri=http://localhost:9000/cb -p work",
        &[none],
        &own,
    );
    let variable = [none, ("YANDEX_REDIRECT_URI", "http://localhost:9000/cb")];
    refuses("", &variable, &own[..1]);
    refuses("--client-id=", &[], &["--client-id"]);
    for bad in ["a b", "ид", "a\nb"] {
        refuses("", &[("YANDEX_CLIENT_ID", bad)], &["YANDEX_CLIENT_ID: "]);
    }
}

#[test]
fn a_profile_is_a_name_and_never_a_path() {
    let instead = "--token-file FILE";
    refuses("--profile=", &[], &["--profile", instead]);
    for name in "a/b /etc/passwd .. . ../x a\\b .hidden".split(' ') {
        let option = format!("--profile={name}");
        refuses(&option, &[], &["--profile", instead]);
        let variable = [("YANDEX_TOKEN_PROFILE", name)];
        refuses("--save", &variable, &["YANDEX_TOKEN_PROFILE: ", instead]);
    }
}

#[test]
fn a_format_or_duration_that_is_none_is_answered_with_those_there_are() {
    for bad in ["jsn", "JSON", "", "token,env"] {
        let says = "[possible values: token, json, env, header, bearer]";
        refuses(&format!("--format={bad}"), &[], &["--format", says]);
    }
    let bad = "m 1.5h 1,5h -1s +1s 5ms 5M 5min 1h30m 0x5s ٥m inf";
    let huge = "99999999999999999999d 18446744073709551615s 307445734561825861m";
    for bad in bad.split(' ').chain(huge.split(' ')).chain([""]) {
        let says = "write a whole number with s, m, h or d";
        refuses(&format!("--timeout={bad}"), &[], &["--timeout", says]);
    }
}

#[test]
fn options_that_contradict_each_other_are_both_named() {
    for [one, others] in rows(
        "--profile=a    | --token-file=b --output=x --format=json
         -p=a           | --token-file=b -o=x
         --save         | --output=x --format=token
         --token-file=a | --output=x --format=json --keychain=pass
         --keychain     | --output=x --format=json
         --sandbox      | --save --profile=a --token-file=a --keychain --oauth-url=https://oauth.ex
         --device       | --paste --redirect-uri=http://[::1]:0/ --listen=[::1]:0
         --device       | --tls-cert=c --tls-key=k
         --paste        | --tls-cert=c --tls-key=k
         --paste        | --listen=127.0.0.1:0 --client-secret-file=-
         --subject=a@b  | --device --paste --redirect-uri=http://[::1]:0/ --listen=[::1]:0
         --subject=a@b  | --no-browser --timeout=5 --optional-scope=a:b --login-hint=me
         --subject=a@b  | --force-confirm --device-id=abcdef --device-name=x",
    ) {
        for other in others.split_whitespace() {
            let [a, b] = [one, other].map(|option| match option.split('=').next() {
                Some("-p") => "--profile",
                Some("-o") => "--output",
                name => name.unwrap(),
            });
            let says = [a, b, "cannot be used with"];
            refuses(&format!("{one} {other}"), &[], &says);
            refuses(&format!("{other} {one}"), &[], &says);
        }
    }
    let two = "--redirect-uri=http://127.0.0.1:0/ --redirect-uri=http://localhost:0/";
    for (one, other) in [("--listen", "=127.0.0.1:0"), ("--paste", "")] {
        let says = [one, "cannot be used with more than one '--redirect-uri'"];
        refuses(&format!("{two} {one}{other}"), &[], &says);
    }
}

#[test]
fn a_token_file_is_neither_standard_input_nor_below_a_tilde() {
    for (file, says) in [
        ("-", "standard input"),
        ("~/a.json", "only a shell expands ~"),
    ] {
        let option = format!("--token-file={file}");
        refuses(&option, &[], &["--token-file", says]);
        let variable = [("YANDEX_TOKEN_FILE", file)];
        refuses("--save", &variable, &["YANDEX_TOKEN_FILE: ", says]);
    }
}

#[test]
fn what_surrounds_a_variables_value_is_dropped_and_quotes_are_refused() {
    let home = Home::new();
    let id = |text| [("YANDEX_CLIENT_ID", text)];
    for text in [" app\t\r\n", "\u{feff}app", " \u{feff} app "] {
        let url = begins(&home, "", &id(text));
        assert_eq!(parameter(&url, "client_id").as_deref(), Some("app"));
    }
    refuses("", &id(" \n"), &["--client-id"]);
    for name in [
        "YANDEX_CLIENT_ID",
        "YANDEX_OAUTH_URL",
        "YANDEX_REDIRECT_URI",
    ] {
        for value in ["'s3cret'", "\"s3cret\"", " 's3cret' ", "\"\""] {
            refuses("", &[(name, value)], &[name, "quotes"]).hides(&["s3cret"]);
        }
    }
    for name in SECRETS {
        refuses("", &[(name, "'s3cret'")], &[name, "quotes"]).hides(&["s3cret"]);
    }
}

#[test]
fn both_secret_variables_are_a_contradiction_that_shows_neither() {
    let [secret, file] = SECRETS;
    let both = [(secret, "s3cr3t"), (file, "elsewhere")];
    refuses("-v", &both, &["YANDEX_CLIENT_SECRET and", file, "unset"]).hides(&["s3cr3t"]);
    let home = Home::new();
    begins(&home, "", &[(secret, "s3cr3t"), (file, "")]);
    fs::write(home.path().join("elsewhere"), "other\n").unwrap();
    begins(&home, "", &[(secret, ""), (file, "elsewhere")]);
}

/// The line's error, which is of clap's form and hides `s3cret`.
#[track_caller]
fn mistyped(line: &str, says: &[&str]) {
    let words = line.split(' ');
    let done = run(Home::new().command(&words.collect::<Vec<_>>()));
    assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{done:#?}");
    assert!(done.stderr.starts_with("error: "), "{done:#?}");
    for word in says {
        assert!(done.stderr.contains(word), "{word}: {done:#?}");
    }
    done.hides(&["s3cret", "\u{1b}"]);
}

#[test]
fn what_is_mistyped_is_answered_with_what_is_like_it() {
    for [line, says, instead] in rows(
        "tokne                         | 'tokne'       | 'token'
         login --client-di x           | '--client-di' | '--client-id'
         login --no-brwser             | --no-brwser   | '--no-browser'
         token --format jsno           |               | 'json'
         completions zhs               |               | zsh
         man logn                      |               | 'login'
         exec ./script                 |               | put `--` before
         sandbox ./script              |               | put `--` before
         exec                          |               | <PROGRAM>
         whoami                        |               | `yandex-token status --online`
         auth login                    |               | `yandex-token login`
         status --json                 |               | --format json
         login --port 9000             |               | --redirect-uri http://127.0.0.1:PORT/
         login --client-secret s3cret  |               | other users can see
         login --client-secret=s3cret  |               | --client-secret-file FILE",
    ) {
        mistyped(line, &[says, instead]);
    }
    for (alias, command) in [("logout", "revoke"), ("list", "status")] {
        let done = run(Home::new().command(&[alias, "--help"]));
        let usage = format!("Usage: yandex-token {command} ");
        assert!(done.stdout.contains(&usage), "{done:#?}");
    }
}

#[test]
fn a_value_that_could_be_a_secret_is_not_repeated() {
    for line in [
        "s3cret",
        "status s3cret",
        "login -xs3cret",
        "login --no-browser=s3cret",
        "login --oauth-url https://me:s3cret@oauth.example",
        "login --redirect-uri http://me:s3cret@127.0.0.1/",
        "login --timeout s3cret",
        "login --client-id \u{1b}s3cret",
        "login --\u{1b}",
    ] {
        mistyped(line, &[]);
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let home = Home::new();
    let places = ["YANDEX_TOKEN_PROFILE", "YANDEX_TOKEN_FILE"];
    let names = ["YANDEX_OAUTH_URL"].into_iter().chain(places);
    let names = names.chain(SECRETS).chain(PROXIES);
    let empty: Vec<_> = names.map(|name| (name, "")).collect();
    let url = begins(&home, "", &empty);
    assert!(url.starts_with("https://oauth.yandex.com/"), "{url}");
    finishes(&home, &Server::json(200, ANSWER), "--save", &empty);
    assert_eq!(home.files(), ["data/yandex-token/default.json"]);
    // Whoever has the default's port, it is the one that is meant.
    let done = begin(&home, "", &[("YANDEX_REDIRECT_URI", "")]);
    assert!(done.stderr.contains("127.0.0.1:8000"), "{done:#?}");
}

#[test]
fn an_option_beats_its_variable() {
    let home = Home::new();
    let options = "--client-id=mine --oauth-url=https://mine.example \
                   --redirect-uri=http://localhost:0/mine";
    let theirs = [
        ("YANDEX_CLIENT_ID", "not mine"),
        ("YANDEX_OAUTH_URL", "http://theirs.example"),
        ("YANDEX_REDIRECT_URI", "http://theirs.example/"),
    ];
    let url = begins(&home, options, &theirs);
    assert!(url.starts_with("https://mine.example/"), "{url}");
    assert_eq!(parameter(&url, "client_id").as_deref(), Some("mine"));
    let uri = parameter(&url, "redirect_uri").unwrap();
    assert!(uri.ends_with("/mine"), "{uri}");
    fs::write(home.path().join("mine"), "mine\n").unwrap();
    let option = "--client-secret-file=mine";
    for name in SECRETS {
        let server = Server::json(200, ANSWER);
        finishes(&home, &server, option, &[(name, "theirs")]);
        let sent = server.requests()[0].field("client_secret");
        assert_eq!(sent.as_deref(), Some("mine"), "{name}");
    }
}

#[test]
fn an_option_for_the_place_beats_the_variables_for_both() {
    let profile = ("YANDEX_TOKEN_PROFILE", "theirs");
    let file = ("YANDEX_TOKEN_FILE", "theirs.json");
    let path = ("YANDEX_TOKEN_PROFILE", "../theirs");
    let [mine, theirs] = ["mine", "theirs"].map(|name| format!("data/yandex-token/{name}.json"));
    for (options, variables, saved) in [
        ("--profile=mine", &[profile, file][..], &*mine),
        ("--profile=mine", &[file], &mine),
        ("--profile=mine", &[path], &mine),
        ("--profile=mine --save", &[file], &mine),
        ("--token-file=mine.json", &[profile, file], "mine.json"),
        ("--token-file=mine.json", &[profile], "mine.json"),
        ("--token-file=mine.json", &[path], "mine.json"),
        ("--save", &[profile], &theirs),
        ("--save", &[file], "theirs.json"),
        // A variable names a place, and does not ask to save there.
        ("", &[profile], ""),
        ("", &[file], ""),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let done = finishes(&home, &server, options, variables);
        let files = home.files();
        let printed = if saved.is_empty() { "t0ken\n" } else { "" };
        let left = (&*done.stdout, &*files.join(" "));
        assert_eq!(left, (printed, saved), "{options} {variables:?}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused_and_its_password_is_not_shown() {
    for [value, says] in rows(
        "socks5://user:pa55w0rd@proxy.example      | HOST:PORT
         ftp://user:pa55w0rd@proxy.example         | HOST:PORT
         http://us er:pa55w0rd@proxy.example       | HOST:PORT
         http://user:pa55w0rd@[::1                 | HOST:PORT
         http://user:pa55w0rd@                     | HOST:PORT
         ://                                       | HOST:PORT
         http://proxy.example:99999                |
         http://user:pa55w0rd@proxy.example:port   |
         http://user:pa55w0rd#1@proxy.example:3128 |",
    ) {
        for name in PROXIES {
            refuses("-v", &[(name, value)], &[name, says]).hides(&["pa55w0rd"]);
        }
    }
}

/// Logs in at an https server on this machine, under this name, which hangs up
/// after the first byte of the TLS handshake. Whether it was called.
#[track_caller]
fn calls_directly(host: &str, variables: Variables) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let origin = format!("https://{host}:{port}");
    let option = format!("-v --oauth-url={origin}");
    let home = Home::new();
    let mut running = Running::start(&mut login(&home, &option, variables));
    let url = running.url();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).is_ok_and(|()| first == [22])
    });
    answer(&url, &[("code", CODE)]);
    let done = running.finish();
    done.fails(6, &origin).hides(&["pa55w0rd", CODE]);
    // It has ended: who has not called yet never will, and the wait ends too.
    let _ = TcpStream::connect(address(&origin));
    server.join().unwrap()
}

#[test]
fn loopback_and_what_no_proxy_names_are_called_directly_and_the_rest_is_not() {
    // It is asked on Unix alone.
    let proxy = Server::start(|request| http(407, "", request.head.as_bytes())).idle();
    let url = proxy.origin.replace("http://", "http://user:pa55w0rd@");
    for value in [&url, "socks5://proxy.example"] {
        let names = ["HTTP_PROXY", "http_proxy"].into_iter().chain(PROXIES);
        let all: Vec<_> = names.map(|name| (name, value)).collect();
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        assert_eq!(finishes(&home, &server, "", &all).stdout, "t0ken\n");
        assert!(calls_directly("127.0.0.1", &all));
        assert!(calls_directly("localhost", &all));
        for list in ["oauth.yandex.com", "a.example, .yandex.com", "*"] {
            begins(&home, "", &[&all[..], &[("NO_PROXY", list)]].concat());
        }
    }
    let blank: Vec<_> = PROXIES.into_iter().map(|name| (name, " \t")).collect();
    begins(&Home::new(), "", &blank);
    let other = [("NO_PROXY", "yandex.ru"), ("ALL_PROXY", "socks5://p")];
    refuses("", &other, &["ALL_PROXY"]);
    assert_eq!(proxy.requests().len(), 0);
    // No loopback address, and this machine all the same.
    if cfg!(unix) {
        let through = ("HTTPS_PROXY", &*url);
        let around = ("NO_PROXY", "0.0.0.0");
        assert!(!calls_directly("0.0.0.0", &[through]));
        assert!(calls_directly("0.0.0.0", &[through, around]));
        let requests = proxy.requests();
        // The second only asks which schemes a 407 offers.
        assert!((1..=2).contains(&requests.len()));
        let is_connect = |request: &Request| request.head.starts_with("CONNECT 0.0.0.0:");
        assert!(requests.iter().all(is_connect));
        assert!(!format!("{requests:?}").contains(CODE));
    }
}

#[test]
fn help_and_version_are_results() {
    let version = concat!("yandex-token ", env!("CARGO_PKG_VERSION"), "\n");
    for [arguments, says] in rows(
        "--help         | Usage: yandex-token
         help           | sandbox
         login --help   | --redirect-uri <URI>
         help login     | --client-id <ID>
         sandbox --help | --consent <ANSWER>
         --version      | VERSION
         -V             | VERSION",
    ) {
        let says = says.replace("VERSION", version);
        let arguments: Vec<_> = arguments.split(' ').collect();
        let done = run(Home::new().command(&arguments));
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:#?}");
        assert!(done.stdout.contains(&says), "{done:#?}");
    }
}

#[test]
fn no_arguments_are_answered_with_the_help_on_standard_error() {
    let done = run(Home::new().command(&[]));
    assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{done:#?}");
    for says in ["Usage: yandex-token", "login --sandbox"] {
        assert!(done.stderr.contains(says), "{says}: {done:#?}");
    }
}
