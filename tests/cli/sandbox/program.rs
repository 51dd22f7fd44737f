//! `sandbox` as a command: what it prints, and the program it runs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::support::browser::get;
use crate::support::files::chmod;
use crate::support::sandbox::{Served, redirected};
use crate::support::send;
use crate::support::{BINARY, Finished, Home, Running, rows, run};

/// Runs a shell script in a sandbox with these options.
fn script(home: &Home, options: &[&str], text: &str) -> Running {
    let mut command = home.command(&["sandbox"]);
    command.args(options).args(["--", "sh", "-c", text]);
    Running::start(command.env("BIN", BINARY).stdin(Stdio::piped()))
}

/// Says that it is ready once the sandbox holds the signals back again, which
/// it does not while it starts the program.
const READY: &str = "[ ! -e /proc/self ] || \
    until grep -q 'SigBlk:.*4007$' /proc/$PPID/status; do :; done; echo ready >&2";

#[track_caller]
fn ended(done: &Finished, code: i32) {
    assert_eq!((done.code, done.signal), (Some(code), None), "{done:#?}");
}

/// Checks that the directory of the program's token file is gone.
#[track_caller]
fn left_nothing(home: &Home) {
    let left = fs::read_dir(home.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "{:?}", home.files());
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
    let expected = format!(
        "YANDEX_OAUTH_URL={}\nYANDEX_CLIENT_ID={}\nYANDEX_CLIENT_SECRET={}\n",
        served.origin, served.client_id, served.client_secret
    );
    let page = served.ask("");
    assert!(page.status == 200 && page.body.contains("<form"), "it asks");
    assert_eq!(served.end().stdout, expected, "three lines and no more");
}

#[test]
fn a_sandbox_listens_at_the_given_address() {
    let port = crate::support::free_port();
    for address in [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")] {
        let served = Served::start(&["--listen", &address]);
        assert_eq!(served.origin, format!("http://{address}"));
        assert_eq!(served.ask("").status, 200);
    }
}

#[test]
fn a_sandbox_has_the_id_and_the_secret_that_it_is_given() {
    let home = Home::new();
    fs::write(home.path().join("secret"), "s3cret\n").unwrap();
    let options = ["--client-id=mine", "--client-secret-file=secret"];
    let print = "echo $YANDEX_CLIENT_ID $YANDEX_CLIENT_SECRET";
    let done = script(&home, &options, print).finish();
    assert_eq!(done.stdout, "mine s3cret\n", "{done:#?}");
}

#[test]
fn a_signal_ends_a_sandbox_that_serves() {
    for (name, signal) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let home = Home::new();
        let mut running = Running::start(&mut home.command(&["sandbox"]));
        running.line("The sandbox is running");
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
    let theirs = "OAUTH_URL CLIENT_ID CLIENT_SECRET CLIENT_SECRET_FILE REDIRECT_URI \
        REFRESH_TOKEN TOKEN TOKEN_FILE TOKEN_NO_RENEW TOKEN_PROFILE";
    for name in theirs.split(' ') {
        command.env(format!("YANDEX_{name}"), "the-users-own");
    }
    command.env("KEPT", "kept");
    let done = run(command);
    ended(&done, 0);
    assert_eq!(done.stderr, "", "nothing of its own");
    let lines: Vec<_> = done.stdout.lines().collect();
    let starts = [
        "YANDEX_CLIENT_ID=",
        "YANDEX_CLIENT_SECRET=",
        "YANDEX_OAUTH_URL=http://127.0.0.1:",
        "YANDEX_REDIRECT_URI=http://127.0.0.1:0/",
        "YANDEX_TOKEN_FILE=/",
        "YANDEX_TOKEN_IN_SANDBOX=1",
        "kept an argument",
    ];
    assert_eq!(lines.len(), starts.len(), "{done:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(!done.stdout.contains("the-users-own"), "{done:#?}");
}

#[test]
fn the_programs_token_file_is_in_a_private_directory_whatever_the_umask() {
    let text = "dir=$(dirname \"$YANDEX_TOKEN_FILE\"); ls -ld \"$dir\"; ls -A \"$dir\"; \
                echo \"$YANDEX_TOKEN_FILE\"; echo x >\"$YANDEX_TOKEN_FILE\"";
    for umask in ["000", "022", "077", "0777"] {
        let home = Home::new();
        let before = format!("umask {umask}");
        let done = run(home.after(&before, &["sandbox", "--", "sh", "-c", text]));
        ended(&done, 0);
        assert!(done.stdout.starts_with("drwx------"), "{done:#?}");
        let lines: Vec<_> = done.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "the directory is empty at first: {done:#?}");
        let file = Path::new(lines[1]);
        assert!(file.starts_with(home.path()), "in our TMPDIR: {done:#?}");
        assert!(!file.parent().unwrap().exists(), "it goes with the program");
        assert_eq!(home.files(), Vec::<String>::new());
        left_nothing(&home);
    }
}

#[test]
fn a_sandbox_ends_with_its_programs_status_and_its_directory_goes() {
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
        let text = format!("echo x >\"$YANDEX_TOKEN_FILE\"; {text}");
        let done = script(&home, &[], &text).finish();
        ended(&done, code);
        assert_eq!((&*done.stdout, &*done.stderr), ("", ""), "{text}");
        left_nothing(&home);
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
        left_nothing(&home);
    }
}

#[test]
fn sigterm_to_the_sandbox_reaches_the_program() {
    let home = Home::new();
    for (before, then, code) in [
        ("", "exec sleep 600", 128 + 15),
        // Not `wait`: a signal that comes just before it is only seen behind it.
        ("trap 'exit 5' TERM; ", "while :; do sleep 0.05; done", 5),
    ] {
        let mut running = script(&home, &[], &format!("{before}{READY}; {then}"));
        running.line("ready");
        send(&running, &["TERM"]);
        ended(&running.finish(), code);
        left_nothing(&home);
    }
}

#[test]
fn what_is_typed_at_the_terminal_does_not_end_the_sandbox_alone() {
    let home = Home::new();
    let mut running = script(&home, &[], &format!("{READY}; read line; exit $line"));
    running.line("ready");
    send(&running, &["INT", "INT", "QUIT"]);
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"7\n").unwrap();
    ended(&running.finish(), 7);
}

#[test]
fn a_script_logs_in_and_saves_in_a_sandbox_of_its_own() {
    for [options, code] in rows("| 0\n--consent=allow | 0\n--consent=deny | 3") {
        let home = Home::new();
        let text = "\"$BIN\" login --no-browser --redirect-uri http://127.0.0.1:0/ --save && \
                    cat \"$YANDEX_TOKEN_FILE\"";
        let options: Vec<_> = options.split_whitespace().collect();
        let mut running = script(&home, &options, text);
        let back = get(&redirected(&get(&running.url())));
        get(back.header("Location").unwrap());
        let done = running.finish();
        ended(&done, code.parse().unwrap());
        if code == "0" {
            let saved: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
            assert!(saved["access_token"].as_str().unwrap().starts_with("y0_"));
            assert!(saved["refresh_token"].is_string(), "{saved}");
        }
        assert!(!home.data().join("default.json").exists());
        left_nothing(&home);
    }
}

#[test]
fn a_sandbox_asks_a_scripts_user_where_it_is_told_to() {
    let home = Home::new();
    let text = "echo \"$YANDEX_OAUTH_URL/authorize?response_type=code&client_id=$YANDEX_CLIENT_ID\
                &redirect_uri=http://127.0.0.1:1/\" >&2; read line";
    let mut running = script(&home, &["--consent", "ask"], text);
    let page = get(&running.url());
    assert!(page.status == 200 && page.body.contains("<form"), "it asks");
    drop(running.child.stdin.take());
    running.finish();
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
        ended(&done, code);
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
    for [server, url] in rows(
        "http://127.0.0.1:1  | http://127.0.0.1:12/
         https://example.com | https://example.com/
                             | http://127.0.0.1:1/",
    ) {
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
fn a_login_that_the_sandbox_refuses_is_warned_about() {
    let home = Home::new();
    let login = [BINARY, "login", "--client-id", "wrong", "--timeout", "5s"];
    let done = run(home.command(&[&["sandbox", "--"][..], &login].concat()));
    done.fails(4, "no browser could be opened");
}
