//! `sandbox` as a command: what it prints, and the program it runs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::support::browser::get;
use crate::support::files::chmod;
use crate::support::sandbox::{Served, redirected};
use crate::support::send;
use crate::support::{BINARY, Finished, Home, Running, run};

/// Runs a shell script in a sandbox.
fn script(home: &Home, text: &str) -> Running {
    let mut command = home.command(&["sandbox", "--", "sh", "-c", text]);
    Running::start(command.env("BIN", BINARY).stdin(Stdio::piped()))
}

/// Says that it is ready once the sandbox holds the signals back again, which
/// it does not while it starts the program.
const READY: &str = "[ ! -e /proc/self ] || \
    until grep -q 'SigBlk:.*4007$' /proc/$PPID/status; do :; done; echo ready >&2";

#[track_caller]
fn succeeded(done: &Finished) {
    assert_eq!(done.code, Some(0), "{done:#?}");
}

#[test]
fn a_sandbox_prints_three_lines_and_serves() {
    let served = Served::start(&[]);
    let hex = |text: &str| {
        text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    assert!(served.origin.starts_with("http://127.0.0.1:"));
    assert!(hex(&served.client_id) && hex(&served.client_secret));
    assert_ne!(served.client_id, served.client_secret);
    let expected = [
        format!("YANDEX_OAUTH_URL={}\n", served.origin),
        format!("YANDEX_CLIENT_ID={}\n", served.client_id),
        format!("YANDEX_CLIENT_SECRET={}\n", served.client_secret),
    ];
    assert_eq!(served.lines, expected);
    let page = get(&served.authorize(&[]));
    assert!(page.status == 200 && page.body.contains("<form"), "it asks");
    assert_eq!(served.end(), "", "nothing after the three lines");
}

#[test]
fn a_sandbox_serves_where_it_is_told_to() {
    let port = crate::support::free_port();
    for address in [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")] {
        let served = Served::start(&["--listen", &address]);
        assert_eq!(served.origin, format!("http://{address}"));
        assert_eq!(get(&served.authorize(&[])).status, 200);
    }
}

#[test]
fn a_sandbox_has_the_id_and_the_secret_that_it_is_told() {
    let home = Home::new();
    fs::write(home.path().join("secret"), "s3cret\n").unwrap();
    let options = ["--client-id=mine", "--client-secret-file=secret"];
    let print = [
        "--",
        "sh",
        "-c",
        "echo $YANDEX_CLIENT_ID $YANDEX_CLIENT_SECRET",
    ];
    let done = run(home.command(&[&["sandbox"], &options[..], &print].concat()));
    assert_eq!(done.stdout, "mine s3cret\n", "{done:#?}");
}

#[test]
fn a_signal_ends_a_sandbox_that_serves() {
    for (name, signal) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let home = Home::new();
        let mut running = Running::start(&mut home.command(&["sandbox"]));
        running.line("Serving");
        send(&running, &[name]);
        assert_eq!(running.finish().signal, Some(signal));
    }
}

#[test]
fn a_sandbox_whose_reader_has_gone_ends_in_silence() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.after("exec 1>&0 </dev/null", &["sandbox"]);
    let done = Running::start(command.stdin(writer)).finish();
    assert_eq!((done.code, &*done.stderr), (Some(1), ""), "{done:#?}");
}

#[test]
fn the_program_gets_the_sandboxs_variables_and_none_of_the_users() {
    let home = Home::new();
    let text = "env | grep ^YANDEX_ | sort; echo \"$KEPT $1\"";
    let mut command = home.command(&["sandbox", "--", "sh", "-c", text, "sh", "an argument"]);
    command.env("KEPT", "kept");
    for name in [
        "YANDEX_OAUTH_URL",
        "YANDEX_CLIENT_ID",
        "YANDEX_CLIENT_SECRET",
        "YANDEX_CLIENT_SECRET_FILE",
        "YANDEX_REDIRECT_URI",
        "YANDEX_REFRESH_TOKEN",
        "YANDEX_TOKEN",
        "YANDEX_TOKEN_FILE",
        "YANDEX_TOKEN_NO_RENEW",
        "YANDEX_TOKEN_PROFILE",
    ] {
        command.env(name, "the-users-own");
    }
    let done = run(command);
    succeeded(&done);
    assert_eq!(done.stderr, "", "nothing of its own");
    let mut lines = done.stdout.lines();
    for start in [
        "YANDEX_CLIENT_ID=",
        "YANDEX_CLIENT_SECRET=",
        "YANDEX_OAUTH_URL=http://127.0.0.1:",
        "YANDEX_REDIRECT_URI=http://127.0.0.1:0/",
        "YANDEX_TOKEN_FILE=/",
        "YANDEX_TOKEN_IN_SANDBOX=1",
    ] {
        let line = lines.next().unwrap();
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(lines.next(), Some("kept an argument"));
    assert_eq!(lines.next(), None);
    assert!(!done.stdout.contains("the-users-own"), "{done:#?}");
}

/// Has a sandbox's program show its token file and that one's directory.
#[track_caller]
fn has_a_private_directory(umask: &str) {
    let home = Home::new();
    let text = "dir=$(dirname \"$YANDEX_TOKEN_FILE\"); ls -ld \"$dir\"; ls -A \"$dir\"; \
                echo \"$YANDEX_TOKEN_FILE\"; echo x >\"$YANDEX_TOKEN_FILE\"";
    let before = format!("umask {umask}");
    let done = run(home.after(&before, &["sandbox", "--", "sh", "-c", text]));
    succeeded(&done);
    assert!(done.stdout.starts_with("drwx------"), "{done:#?}");
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "the directory is empty at first: {done:#?}");
    let file = Path::new(lines[1]);
    assert!(file.starts_with(home.path()), "in our TMPDIR: {done:#?}");
    assert!(!file.parent().unwrap().exists(), "it goes with the program");
    assert_eq!(home.files(), Vec::<String>::new());
    assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn the_programs_token_file_is_in_a_private_directory_that_goes_with_it() {
    for umask in ["000", "022", "077"] {
        has_a_private_directory(umask);
    }
}

#[test]
fn the_programs_directory_is_usable_whatever_the_umask() {
    has_a_private_directory("0777");
}

#[test]
fn the_directory_goes_however_the_program_ends() {
    let quiet = "echo x >\"$YANDEX_TOKEN_FILE\"; ";
    for text in ["exit 3", "kill -KILL $$", "kill -TERM $$"] {
        let home = Home::new();
        let done = script(&home, &format!("{quiet}{text}")).finish();
        assert_ne!(done.code, Some(0), "{done:#?}");
        assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
    }
    let home = Home::new();
    let done = run(home.command(&["sandbox", "--", "./not-there"]));
    assert_eq!(done.code, Some(127));
    assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_sandbox_ends_with_its_programs_status() {
    let home = Home::new();
    for (text, code) in [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -s TERM $$", 128 + 15),
        ("kill -s KILL $$", 128 + 9),
        // The signals that the sandbox holds back reach its program.
        ("kill -s INT $$", 128 + 2),
        ("kill -s HUP $$", 128 + 1),
        ("kill -s QUIT $$", 128 + 3),
    ] {
        let done = script(&home, text).finish();
        assert_eq!((done.code, done.signal), (Some(code), None), "{done:#?}");
        assert_eq!((&*done.stdout, &*done.stderr), ("", ""), "{text}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_126_or_127() {
    let home = Home::new();
    fs::write(home.path().join("plain"), "#!/bin/sh\n").unwrap();
    chmod(&home.path().join("plain"), 0o644);
    for (program, code) in [
        ("./plain", 126),
        (".", 126),
        ("./not-there", 127),
        ("no-such-program-anywhere", 127),
    ] {
        run(home.command(&["sandbox", "--", program])).fails(code, program);
    }
}

#[test]
fn sigterm_to_the_sandbox_reaches_the_program() {
    let home = Home::new();
    let mut running = script(&home, &format!("{READY}; exec sleep 600"));
    running.line("ready");
    send(&running, &["TERM"]);
    let done = running.finish();
    assert_eq!((done.code, done.signal), (Some(128 + 15), None));

    // Not `wait`: a signal that comes just before it is only seen behind it.
    let text = format!("trap 'exit 5' TERM; {READY}; while :; do sleep 0.05; done");
    let mut running = script(&home, &text);
    running.line("ready");
    send(&running, &["TERM"]);
    assert_eq!(running.finish().code, Some(5), "its own answer counts");
    assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_is_typed_at_the_terminal_does_not_end_the_sandbox_alone() {
    let home = Home::new();
    let mut running = script(&home, &format!("{READY}; read line; exit $line"));
    running.line("ready");
    send(&running, &["INT", "INT", "QUIT"]);
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"7\n").unwrap();
    let done = running.finish();
    assert_eq!((done.code, done.signal), (Some(7), None), "{done:#?}");
}

#[test]
fn a_script_logs_in_and_saves_in_a_sandbox_of_its_own() {
    let home = Home::new();
    let text = "\"$BIN\" login --no-browser --redirect-uri http://127.0.0.1:0/ --save && \
                cat \"$YANDEX_TOKEN_FILE\"";
    let mut running = script(&home, text);
    let back = get(&redirected(&get(&running.url())));
    let page = get(back.header("Location").unwrap());
    assert!(page.body.contains("You are logged in"), "{page:#?}");
    let done = running.finish();
    succeeded(&done);
    let saved: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(saved["access_token"].as_str().unwrap().starts_with("y0_"));
    assert!(saved["refresh_token"].is_string(), "{saved}");
    assert!(!home.data().join("default.json").exists());
    assert_eq!(fs::read_dir(home.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_plain_login_in_a_sandbox_finishes_by_itself() {
    for (options, login, code) in [
        (&[][..], &["login"][..], 0),
        (&["--consent", "deny"], &["login", "--save"], 3),
        (&[], &["login", "--device"], 0),
    ] {
        let home = Home::new();
        let arguments = [&["sandbox"], options, &["--", BINARY], login].concat();
        let done = run(home.command(&arguments));
        assert_eq!(done.code, Some(code), "{done:#?}");
        assert_eq!(done.stdout.starts_with("y0_"), code == 0, "{done:#?}");
        assert!(!done.stderr.contains("warning"), "{done:#?}");
    }
}

#[test]
fn a_browser_of_the_users_own_stays_and_is_asked_where_consent_is() {
    for (options, browser, expected) in [
        (&[][..], Some("firefox"), "firefox"),
        (&["--consent", "ask"], None, ""),
        (&[], Some(""), BINARY),
        (&[], None, BINARY),
    ] {
        let home = Home::new();
        let print = ["--", "sh", "-c", "echo \"$BROWSER\""];
        let mut command = home.command(&[&["sandbox"], options, &print].concat());
        command.envs(browser.map(|browser| ("BROWSER", browser)));
        assert_eq!(run(command).stdout.trim(), expected, "{options:?}");
    }
}

#[test]
fn only_a_page_of_the_sandbox_is_browsed() {
    let home = Home::new();
    for (server, url) in [
        ("http://127.0.0.1:1", "http://127.0.0.1:12/"),
        ("https://example.com", "https://example.com/"),
        ("", "http://127.0.0.1:1/"),
    ] {
        let mut command = home.command(&[url]);
        command.env("YANDEX_OAUTH_URL", server);
        run(command).fails(2, "");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_the_lines_can_be_pasted_and_a_shell_says_where_it_is() {
    use crate::support::terminal::Terminal;

    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["sandbox"]);
    for line in ["URL=http://127.0.0.1:", "ID=", "SECRET="] {
        terminal.shows("export YANDEX_");
        terminal.shows(line);
    }
    terminal.shows("Paste these lines");
    let mut terminal = Terminal::start(&home, &["sandbox", "--", "bash", "--norc"]);
    terminal.shows("(sandbox) ");
    terminal.types("echo $((1233 + 1))\n");
    terminal.shows("1234");
    terminal.shows("\n(sandbox) ");
    terminal.types("exit 3\n");
    assert_eq!(terminal.finish(), Some(3));
}

#[test]
fn a_scripts_consents_are_answered_as_told() {
    for (consent, code) in [(None, 0), (Some("allow"), 0), (Some("deny"), 3)] {
        let home = Home::new();
        let mut arguments = vec!["sandbox"];
        arguments.extend(consent.iter().flat_map(|answer| ["--consent", answer]));
        let login = "exec \"$BIN\" login --no-browser --redirect-uri http://127.0.0.1:0/";
        arguments.extend(["--", "sh", "-c", login]);
        let mut command = home.command(&arguments);
        let mut running = Running::start(command.env("BIN", BINARY));
        let back = get(&redirected(&get(&running.url())));
        get(back.header("Location").unwrap());
        let done = running.finish();
        assert_eq!(done.code, Some(code), "{consent:?}: {done:#?}");
        assert_eq!(done.stdout.starts_with("y0_"), code == 0, "{done:#?}");
    }
    let home = Home::new();
    let text = "echo \"$YANDEX_OAUTH_URL/authorize?response_type=code&client_id=$YANDEX_CLIENT_ID\
                &redirect_uri=http://127.0.0.1:1/\" >&2; read line";
    let mut command = home.command(&["sandbox", "--consent", "ask", "--", "sh", "-c", text]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let page = get(&running.url());
    assert!(page.status == 200 && page.body.contains("<form"), "it asks");
    drop(running.child.stdin.take());
    running.finish();
}
