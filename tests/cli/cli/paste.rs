//! Codes that are copied by hand: `login --paste` from a pipe and at a
//! terminal, and pasting into a login that listens.

use crate::support::browser::parameter;
use crate::support::server::Server;
use crate::support::{Home, Running, run, run_with};

const TOKEN: &str = r#"{"access_token": "t0ken", "expires_in": 60}"#;

fn arguments<'a>(server: &'a Server, options: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["login", "--client-id", "app", "--no-browser"];
    arguments.extend(["--oauth-url", &server.origin]);
    arguments.extend(options);
    arguments
}

#[test]
fn a_code_or_an_address_from_a_pipe_is_exchanged_without_a_redirect_uri() {
    for line in [
        "1234567",
        "  1234567\r\n",
        "https://oauth.yandex.ru/verification_code?code=1234567&cid=z\n",
    ] {
        let (home, server) = (Home::new(), Server::json(200, TOKEN));
        let done = run_with(home.command(&arguments(&server, &["--paste"])), line);
        assert_eq!(
            (done.code, &*done.stdout),
            (Some(0), "t0ken\n"),
            "{done:#?}"
        );
        done.hides(&["1234567"]);
        let url = done
            .stderr
            .lines()
            .find(|line| line.contains("/authorize?"))
            .unwrap()
            .trim();
        assert_eq!(parameter(url, "redirect_uri"), None);
        let request = server.exchange_of(url);
        assert_eq!(request.field("code").as_deref(), Some("1234567"));
        assert_eq!(request.field("redirect_uri"), None);
    }
}

#[test]
fn a_redirect_uri_of_any_https_host_is_named_where_the_option_gives_one() {
    let (home, server) = (Home::new(), Server::json(200, TOKEN));
    let page = "https://oauth.yandex.ru/verification_code";
    let options = arguments(&server, &["--paste", "--redirect-uri", page]);
    let done = run_with(home.command(&options), "1234567\n");
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(
        server.requests()[0].field("redirect_uri").as_deref(),
        Some(page)
    );
}

#[test]
fn what_is_no_answer_is_1_from_a_pipe_and_the_end_of_input_4() {
    for (line, code, says) in [
        ("", 4, "input ended"),
        ("\n1234567\n", 1, "empty"),
        ("two words\n", 1, "without blanks"),
        ("https://ya.ru/\n", 1, "state"),
        (
            "http://127.0.0.1:8000/?code=1234567&state=forged\n",
            1,
            "state",
        ),
        (
            "https://oauth.yandex.ru/verification_code?error=access_denied\n",
            3,
            "access was denied",
        ),
    ] {
        let (home, server) = (Home::new(), Server::json(200, TOKEN).idle());
        let done = run_with(home.command(&arguments(&server, &["--paste"])), line);
        done.fails(code, says);
        assert!(server.requests().is_empty(), "{line}");
    }
}

#[test]
fn the_deadline_holds_while_nothing_is_pasted() {
    let (home, server) = (Home::new(), Server::json(200, TOKEN).idle());
    let mut command = home.command(&arguments(&server, &["--paste", "--timeout", "1s"]));
    let running = Running::start(command.stdin(std::process::Stdio::piped()));
    running.finish().fails(4, "timed out");
}

#[test]
fn the_client_secret_and_the_code_cannot_both_come_from_standard_input() {
    let home = Home::new();
    let options = [
        "login",
        "--paste",
        "--client-id",
        "a",
        "--client-secret-file",
        "-",
    ];
    run(home.command(&options)).fails(2, "both read standard input");
    let mut command = home.command(&options[..4]);
    command.env("YANDEX_CLIENT_SECRET_FILE", "-");
    run(command).fails(2, "both read standard input");
    run(home.command(&["login", "--paste", "--device"])).fails(2, "cannot be used with");
    run(home.command(&["login", "--device", "--redirect-uri", "http://127.0.0.1/"])).fails(2, "");
}

#[test]
fn the_sandbox_pastes_for_the_user() {
    let home = Home::new();
    let done = run(home.command(&["login", "--sandbox", "--paste", "--no-browser"]));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.starts_with("y0_"));
}

#[test]
fn over_ssh_the_login_says_so_and_opens_nothing() {
    let (home, server) = (Home::new(), Server::json(200, TOKEN).idle());
    let arguments = [
        "login",
        "--client-id",
        "app",
        "--oauth-url",
        &server.origin,
        "--timeout",
        "1s",
        "--redirect-uri",
        "http://127.0.0.1:0/",
    ];
    let mut command = home.command(&arguments);
    command
        .env("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.2 2222")
        .env("USER", "me");
    command.env("DISPLAY", ":99");
    let done = run(command);
    done.fails(4, "SSH session");
    let url = done
        .stderr
        .lines()
        .find(|line| line.contains("/authorize?"))
        .unwrap()
        .trim();
    let uri = url::Url::parse(&parameter(url, "redirect_uri").unwrap()).unwrap();
    let port = uri.port().unwrap();
    let line = format!("ssh -N -L {port}:127.0.0.1:{port} -p 2222 me@10.0.0.2");
    assert!(done.stderr.contains(&line), "{done:#?}");
}

#[cfg(target_os = "linux")]
mod terminal {
    use super::*;
    use crate::support::browser;
    use crate::support::terminal::Terminal;

    #[test]
    fn at_a_terminal_what_is_no_answer_is_asked_for_again() {
        let (home, server) = (Home::new(), Server::json(200, TOKEN));
        let mut terminal = Terminal::start(&home, &arguments(&server, &["--paste"]));
        let before = terminal.settings();
        terminal.shows("Paste the code");
        for wrong in ["\n", "two words\n", "https://ya.ru/\n"] {
            terminal.types(wrong);
            terminal.shows("That can't be used");
            terminal.shows("Paste the code");
        }
        terminal.types("1234567\n");
        terminal.shows("t0ken");
        assert_eq!(terminal.settings(), before);
        assert_eq!(terminal.finish(), Some(0));
    }

    #[test]
    fn an_interrupt_at_the_prompt_leaves_the_terminal_as_it_was() {
        let (home, server) = (Home::new(), Server::json(200, TOKEN).idle());
        let mut terminal = Terminal::start(&home, &arguments(&server, &["--paste"]));
        let before = terminal.settings();
        terminal.shows("Paste the code");
        terminal.types("\x03");
        assert_eq!(terminal.finish(), Some(130));
        assert_eq!(terminal.settings(), before);
    }

    #[test]
    fn a_paste_ends_a_login_that_listens_and_a_wrong_one_does_not() {
        let (home, server) = (Home::new(), Server::json(200, TOKEN));
        let loopback = arguments(&server, &["--redirect-uri", "http://127.0.0.1:0/"]);
        let mut terminal = Terminal::start(&home, &loopback);
        let url = terminal.url();
        terminal.shows("Waiting for the redirect");
        let callback = browser::callback(&url, &[("code", "1234567")]);
        terminal.types("http://127.0.0.1:8000/?code=1&state=forged\n");
        terminal.shows("Still waiting");
        terminal.types(&format!("{callback}\n"));
        terminal.shows("t0ken");
        assert_eq!(terminal.finish(), Some(0));
        server.exchange_of(&url);
    }

    #[test]
    fn the_browser_ends_a_login_that_could_be_pasted_into_also_after_the_input_ended() {
        for end in ["", "\x04"] {
            let (home, server) = (Home::new(), Server::json(200, TOKEN));
            let loopback = arguments(&server, &["--redirect-uri", "http://127.0.0.1:0/"]);
            let mut terminal = Terminal::start(&home, &loopback);
            let url = terminal.url();
            terminal.shows("Waiting for the redirect");
            terminal.types(end);
            browser::answer(&url, &[("code", "1234567")]);
            terminal.shows("t0ken");
            assert_eq!(terminal.finish(), Some(0));
        }
    }

    #[test]
    fn in_a_background_job_the_terminal_is_left_alone() {
        let (home, server) = (Home::new(), Server::json(200, TOKEN));
        let loopback = arguments(&server, &["--redirect-uri", "http://127.0.0.1:0/"]);
        // A shell with job control: the job is not the terminal's foreground.
        let mut terminal =
            Terminal::shell(&home, "set -m; \"$@\" & wait; echo ended $?", &loopback);
        let url = terminal.url();
        terminal.shows("Waiting for the redirect");
        terminal.types("not for the job\n");
        browser::answer(&url, &[("code", "1234567")]);
        terminal.shows("t0ken");
        terminal.shows("ended 0");
        assert_eq!(terminal.finish(), Some(0));
    }

    #[test]
    fn the_countdown_of_a_device_login_leaves_no_rubbish() {
        let home = Home::new();
        let mut terminal =
            Terminal::start(&home, &["login", "--sandbox", "--device", "--no-browser"]);
        terminal.shows(" left");
        terminal.shows("\r\x1b[K");
        terminal.shows("y0_");
        assert_eq!(terminal.finish(), Some(0));
        let screen = terminal.screen();
        assert!(!screen.contains(" left"), "{screen:?}");
    }
}
