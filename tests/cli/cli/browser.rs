//! How a browser is started: with the URL and nothing of ours.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::browser::answer;
use crate::support::files::{install, script};
use crate::support::server::Server;
use crate::support::waiting::ANSWER;
use crate::support::{Finished, Home, Running, TIMEOUT, run};

/// Waits for a file in the home that is written whole, with a final newline.
#[track_caller]
fn file(home: &Home, name: &str) -> String {
    let until = Instant::now() + TIMEOUT;
    while Instant::now() < until {
        match fs::read_to_string(home.path().join(name)) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    panic!("{name} was never written");
}

/// A login that may open a browser.
fn login(home: &Home, server: &Server) -> Command {
    let mut command = home.command(&["login", "--client-id", "app"]);
    command.args(["--oauth-url", &server.origin]);
    command.args(["--redirect-uri", "http://127.0.0.1:0/"]);
    command
}

#[track_caller]
fn succeeds(url: &str, running: Running) -> Finished {
    answer(url, &[("code", "c0de1234")]);
    let done = running.finish();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.stdout, "t0ken\n", "{done:#?}");
    done
}

#[test]
fn the_browser_gets_the_url_and_neither_our_secrets_nor_our_streams() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let browser = script(
        &home,
        "echo n0ise; echo n0ise >&2
         env >seen.env; echo >>seen.env
         echo \"$#
         $1\" >seen.arguments
         if read line; then echo \"read $line\"; else echo nothing; fi >seen.input
         if kill -s 0 -- -$$; then echo own; else echo ours; fi >seen.group
         echo n0ise; echo n0ise >&2
         echo >seen.all",
    );
    let mut command = login(&home, &server);
    command
        .env("BROWSER", browser)
        .env("YANDEX_CLIENT_SECRET", "s3cr3t")
        .env("YANDEX_REFRESH_TOKEN", "r3fr3sh")
        .env("SOMETHING_ELSE", "kept")
        .stdin(Stdio::piped());
    let mut running = Running::start(&mut command);
    // Held open: a browser that shared it would read this.
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"typed\n").unwrap();
    let url = running.url();
    file(&home, "seen.all");
    let seen: Vec<_> = ["arguments", "input", "group", "env"]
        .map(|name| file(&home, &format!("seen.{name}")))
        .into();
    let arguments: Vec<_> = seen[0].lines().map(str::trim).collect();
    assert_eq!(arguments, ["1", &url]);
    assert_eq!(seen[1], "nothing\n");
    assert_eq!(seen[2], "own\n", "the process group");
    let environment = &seen[3];
    assert!(environment.contains("SOMETHING_ELSE=kept"), "{environment}");
    for hidden in [
        "s3cr3t",
        "r3fr3sh",
        "YANDEX_CLIENT_SECRET",
        "YANDEX_REFRESH_TOKEN",
    ] {
        assert!(!environment.contains(hidden), "{environment}");
    }
    let done = succeeds(&url, running);
    assert!(!done.stderr.contains("n0ise"), "{done:#?}");
    assert!(!done.stderr.contains("warning"), "{done:#?}");
    let exchange = server.exchange_of(&url);
    assert_eq!(exchange.field("client_secret").as_deref(), Some("s3cr3t"));
    drop(input);
}

#[test]
fn the_url_is_printed_before_the_browser_starts() {
    for _ in 0..5 {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let browser = script(&home, "cp err seen; echo \"$1\" >url");
        let arguments = ["login", "--client-id", "app", "--oauth-url", &server.origin];
        let mut command = home.after("exec 2>err", &arguments);
        command.args(["--redirect-uri", "http://127.0.0.1:0/", "--quiet"]);
        let running = Running::start(command.env("BROWSER", browser));
        let url = file(&home, "url");
        let seen = fs::read_to_string(home.path().join("seen")).unwrap();
        assert!(seen.contains(url.trim()), "{seen:?}");
        succeeds(url.trim(), running);
    }
}

#[test]
fn a_browser_that_hangs_is_not_waited_for() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    // It ends with the home that it was started from.
    let browser = script(
        &home,
        "echo $$ >pid; trap '' HUP TERM; while [ -e \"$0\" ]; do sleep 0.05; done",
    );
    let mut running = Running::start(login(&home, &server).env("BROWSER", browser));
    let url = running.url();
    let pid = file(&home, "pid");
    succeeds(&url, running);
    let alive = Command::new("/bin/sh")
        .args(["-c", "kill -0 $1", "sh", pid.trim()])
        .status();
    assert!(alive.unwrap().success(), "it ended before the login did");
}

#[test]
fn a_browser_that_cannot_be_opened_is_a_warning_and_the_login_waits_on() {
    for (browser, says) in [
        ("/nowhere/browser", "/nowhere/browser"),
        ("no-such-browser", "no-such-browser"),
        ("failing", "exit status: 3"),
        ("killed", "signal"),
        ("powershell.exe", "exit status: 3"),
        ("not-a-program", "not-a-program"),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let bin = home.path().to_str().unwrap().to_owned();
        install(&home, "failing", "exit 3");
        install(&home, "powershell.exe", "exit 3");
        install(&home, "killed", "kill -9 $$");
        fs::write(home.path().join("not-a-program"), "").unwrap();
        let mut command = login(&home, &server);
        command.env("BROWSER", browser);
        command.env("PATH", format!("{bin}:/usr/bin:/bin"));
        let mut running = Running::start(&mut command);
        let url = running.url();
        let warning = running.line("warning: ");
        assert!(warning.starts_with("yandex-token: warning: "), "{warning}");
        assert!(warning.contains(says), "{warning}");
        let done = succeeds(&url, running);
        assert_eq!(done.stderr.matches("warning: ").count(), 1, "{done:#?}");
    }
}

/// What a login does in this environment: what was run with the URL, if any,
/// and what was said about it.
#[cfg(target_os = "linux")]
fn opened(variables: &[(&str, &str)]) -> (Option<String>, String) {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let bin = home.path().to_str().unwrap().to_owned();
    for name in ["xdg-open", "mine"] {
        install(
            &home,
            name,
            "echo \"$0 $#\" >opened.new; mv opened.new opened",
        );
    }
    let mut command = login(&home, &server);
    command.env("PATH", format!("{bin}:/usr/bin:/bin"));
    command.envs(variables.iter().copied());
    let mut running = Running::start(&mut command);
    let url = running.url();
    let expected = variables.iter().any(|(name, value)| match *name {
        "BROWSER" => !value.is_empty(),
        "DISPLAY" => !variables.iter().any(|(name, _)| *name == "SSH_CONNECTION"),
        _ => false,
    });
    if expected {
        file(&home, "opened");
    } else if variables.iter().any(|(name, _)| *name == "SSH_CONNECTION") {
        running.line("This is an SSH session");
    } else {
        running.line("warning: ");
    }
    let done = succeeds(&url, running);
    let opened = fs::read_to_string(home.path().join("opened")).ok();
    let name = opened.map(|line| line.trim().rsplit('/').next().unwrap().to_owned());
    (name, done.stderr)
}

#[test]
#[cfg(target_os = "linux")]
fn over_ssh_nothing_is_opened_but_a_browser_that_was_named() {
    let ssh = ("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22");
    let display = ("DISPLAY", ":99");
    let (mine, none) = (("BROWSER", "mine"), ("BROWSER", ""));
    for (variables, runs) in [
        (vec![display], Some("xdg-open 1")),
        (vec![display, none], Some("xdg-open 1")),
        (vec![display, mine], Some("mine 1")),
        (vec![mine], Some("mine 1")),
        (vec![ssh, display], None),
        (vec![ssh, display, none], None),
        (vec![ssh, display, mine], Some("mine 1")),
        (vec![ssh, mine], Some("mine 1")),
        (vec![], None),
    ] {
        let (ran, stderr) = opened(&variables);
        assert_eq!(ran.as_deref(), runs, "{variables:?}: {stderr}");
        let is_told = stderr.contains("warning: no browser") || stderr.contains("ssh -N -L");
        assert!(is_told || runs.is_some(), "{variables:?}: {stderr}");
        assert!(!stderr.contains("warning") || runs.is_none(), "{stderr}");
    }
}

#[test]
fn no_browser_means_none_even_where_one_is_named() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let browser = script(&home, "echo opened >opened");
    let mut command = login(&home, &server);
    command.args(["--no-browser"]).env("BROWSER", &browser);
    let mut running = Running::start(&mut command);
    let url = running.url();
    // Said after the place where a browser would have been started.
    running.line("Waiting for the redirect");
    succeeds(&url, running);
    let mut command = home.command(&["login", "--sandbox", "--no-browser"]);
    command.env("BROWSER", &browser);
    assert_eq!(run(command).code, Some(0));
    assert_eq!(home.files(), ["browser"]);
}

#[test]
fn in_the_sandbox_an_opened_browser_is_the_user_and_a_failed_one_is_stood_in_for() {
    let home = Home::new();
    for (body, code) in [("exit 0", 4), ("exit 1", 0)] {
        let browser = script(&home, body);
        let mut command = home.command(&["login", "--sandbox", "--timeout", "2s"]);
        command.env("BROWSER", browser);
        let done = run(command);
        assert_eq!(done.code, Some(code), "{body}: {done:#?}");
        assert_eq!(done.stdout.is_empty(), code == 4, "{done:#?}");
    }
}
