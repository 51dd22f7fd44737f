//! Interrupted, terminated, hung up: it dies by the signal and puts away what
//! it had laid out.

use std::sync::mpsc::channel;

use crate::support::browser::{callback, get};
use crate::support::files::script;
use crate::support::login::{ANSWER, login};
use crate::support::send;
use crate::support::server::{Answer, Server};
use crate::support::{Home, Running, TIMEOUT, run};

const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];
const DESTINATIONS: [&[&str]; 4] = [
    &[],
    &["-o", "out"],
    &["--save"],
    &["--token-file", "my.json"],
];

/// Checks that it died by this signal, with nothing printed or left behind.
#[track_caller]
fn died(home: &Home, running: Running, signal: i32) {
    let done = running.finish();
    assert_eq!((done.code, done.signal), (None, Some(signal)), "{done:#?}");
    assert_eq!(done.stdout, "");
    assert!(!done.stderr.contains("an unexpected error"), "{done:#?}");
    assert_eq!(home.files(), Vec::<String>::new());
}

#[test]
fn a_signal_ends_a_login_that_waits_for_the_browser() {
    for options in DESTINATIONS {
        for (name, number) in SIGNALS {
            let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
            let mut running = Running::start(&mut home.command(&login(&server, options)));
            running.url();
            send(&running, &[name]);
            died(&home, running, number);
        }
    }
}

#[test]
fn a_signal_ends_a_login_whose_exchange_hangs() {
    for options in DESTINATIONS {
        for (name, number) in SIGNALS {
            let home = Home::new();
            let (sender, asked) = channel();
            let server = Server::start(move |_| {
                sender.send(()).unwrap();
                Answer::Silence
            });
            let mut running = Running::start(&mut home.command(&login(&server, options)));
            let url = running.url();
            let browser = std::thread::spawn(move || get(&callback(&url, &[("code", "1234567")])));
            asked.recv_timeout(TIMEOUT).unwrap();
            send(&running, &[name]);
            died(&home, running, number);
            assert_eq!(
                browser.join().unwrap().status,
                0,
                "the browser has no answer"
            );
        }
    }
}

#[test]
fn a_signal_leaves_the_old_file_as_it_was() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    std::fs::write(home.path().join("old"), "old").unwrap();
    let mut running = Running::start(&mut home.command(&login(&server, &["-o", "old"])));
    running.url();
    send(&running, &["TERM"]);
    assert_eq!(running.finish().signal, Some(15));
    assert_eq!(home.files(), ["old"]);
    let old = std::fs::read_to_string(home.path().join("old")).unwrap();
    assert_eq!(old, "old");
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    for options in DESTINATIONS {
        // Of two that are there together the one with the lower number is
        // taken first, so what it dies by tells whether that one counted.
        for (ignored, deadly, number) in [("INT", "TERM", 15), ("HUP", "INT", 2)] {
            let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
            let before = format!("trap '' {ignored}");
            let mut command = home.after(&before, &login(&server, options));
            let mut running = Running::start(&mut command);
            running.url();
            send(&running, &[ignored, deadly]);
            died(&home, running, number);
        }
    }
}

#[test]
fn a_login_goes_on_after_an_ignored_signal() {
    for options in DESTINATIONS {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let mut command = home.after("trap '' INT HUP", &login(&server, options));
        let mut running = Running::start(&mut command);
        let url = running.url();
        send(&running, &["INT", "HUP", "INT"]);
        crate::support::browser::answer(&url, &[("code", "1234567")]);
        let done = running.finish();
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert!(!home.files().iter().any(|name| name.ends_with(".tmp")));
    }
}

#[test]
fn a_browser_can_be_interrupted_although_the_login_holds_signals_back() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    // A process that inherited the blocked signal would live on, and be fine.
    let script = script(&home, "kill -s TERM $$\nexit 0");
    let arguments = crate::support::login::with_browser(&server, &["--save", "--timeout", "30s"]);
    let mut command = home.command(&arguments);
    let mut running = Running::start(command.env("BROWSER", &script));
    running.line("no browser could be opened");
    send(&running, &["INT"]);
    assert_eq!(running.finish().signal, Some(2));
}

/// systemd starts its services with SIGPIPE ignored, `nohup` with SIGHUP.
#[cfg(target_os = "linux")]
#[test]
fn a_program_gets_the_signals_that_are_ignored_and_no_others() {
    let home = Home::new();
    home.save(r#"{"access_token": "t"}"#);
    let signals = |field: &str, before: &str, how: &[&str]| {
        let found = format!("s/^{field}:\t//p");
        let program = ["--", "sed", "-n", &found, "/proc/self/status"];
        let done = run(home.after(before, &[how, &program].concat()));
        assert_eq!(done.code, Some(0), "{done:#?}");
        let mask = u64::from_str_radix(done.stdout.trim(), 16).unwrap();
        [1, 13, 15, 25].map(|signal| mask & 1 << (signal - 1) != 0)
    };
    for how in ["exec", "sandbox"] {
        let found = signals("SigIgn", "trap '' HUP PIPE", &[how]);
        assert_eq!(found, [true, true, false, false]);
        assert_eq!(signals("SigIgn", "true", &[how]), [false; 4]);
        assert_eq!(signals("SigBlk", "true", &[how]), [false; 4]);
    }
    let missing = home.after("trap '' PIPE", &["exec", "--", "nonesuch"]);
    assert_eq!(run(missing).code, Some(127));
}
