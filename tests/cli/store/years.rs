//! A login that lasts for years: a job that runs every night, with the clock
//! set forward for the program and the server alike (libfaketime).

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::server::{Answer, Server, json as answer};
use crate::support::{Finished, Home, Running, now, run};

const DAY: u64 = 86400;
const YEAR: u64 = 365 * DAY;

/// A server whose refresh tokens live exactly as long as its access tokens.
struct Yandex {
    server: Server,
    /// Seconds that have passed since the login.
    clock: Arc<AtomicU64>,
    issued: Arc<Mutex<Issued>>,
}

/// What it has issued last, when, and how often it was asked while it was there.
struct Issued {
    access: u64,
    refresh: u64,
    at: u64,
    requests: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Rotates,
    /// The access token stays the same while it has life left.
    LeavesTheAccessToken,
    /// It is away for ten days around each renewal.
    IsAway,
}

impl Yandex {
    fn start(habit: Habit) -> Yandex {
        let clock = Arc::new(AtomicU64::new(0));
        let issued = Arc::new(Mutex::new(Issued {
            access: 1,
            refresh: 1,
            at: 0,
            requests: 0,
        }));
        let (time, state) = (Arc::clone(&clock), Arc::clone(&issued));
        let server = Server::start(move |request| {
            let now = time.load(Ordering::Relaxed);
            let mut issued = state.lock().unwrap();
            let age = now - issued.at;
            if habit == Habit::IsAway && (85 * DAY..95 * DAY).contains(&age) {
                return Answer::HangUp;
            }
            issued.requests += 1;
            if request.field("client_secret").as_deref() != Some("s3cret") {
                return answer(400, r#"{"error": "invalid_client"}"#);
            }
            let refresh = format!("r{}", issued.refresh);
            if request.field("refresh_token") != Some(refresh) || age >= YEAR {
                return answer(400, r#"{"error": "invalid_grant"}"#);
            }
            issued.refresh += 1;
            issued.at = now;
            if habit != Habit::LeavesTheAccessToken {
                issued.access += 1;
            }
            let (access, refresh) = (issued.access, issued.refresh);
            let token = json!({"access_token": format!("a{access}"), "expires_in": YEAR,
                "refresh_token": format!("r{refresh}")});
            answer(200, &token.to_string())
        });
        Yandex {
            server: server.idle(),
            clock,
            issued,
        }
    }

    /// Saves a login of this moment.
    fn log_in(&self, home: &Home) {
        let secret = home.path().join("secret");
        std::fs::write(&secret, "s3cret\n").unwrap();
        let token = json!({
            "access_token": "a1", "refresh_token": "r1", "client_id": "app",
            "oauth_url": self.server.origin, "issued_at": now(), "expires_at": now() + YEAR,
            "client_secret_file": secret,
        });
        home.save(&token.to_string());
    }

    /// Runs `token` so many seconds later.
    fn token_after(&self, home: &Home, seconds: u64) -> Finished {
        self.clock.store(seconds, Ordering::Relaxed);
        let mut command = at(home, &format!("+{seconds}"), &["token"]);
        command.env("YANDEX_OAUTH_URL", &self.server.origin);
        run(command)
    }

    /// Checks that what was printed is good at this server now.
    #[track_caller]
    fn accepts(&self, printed: &Finished) {
        let issued = self.issued.lock().unwrap();
        let access = format!("a{}\n", issued.access);
        assert_eq!(
            (printed.code, &printed.stdout),
            (Some(0), &access),
            "{printed:#?}"
        );
        assert!(self.clock.load(Ordering::Relaxed) - issued.at < YEAR);
    }

    fn requests(&self) -> usize {
        self.issued.lock().unwrap().requests
    }
}

/// The program with its clock moved, as libfaketime writes it.
fn at(home: &Home, clock: &str, arguments: &[&str]) -> Command {
    let wrapper = Command::new("faketime")
        .args(["-f", "+0", "printenv", "LD_PRELOAD"])
        .output();
    let library = String::from_utf8(wrapper.expect("Debian's faketime").stdout).unwrap();
    let mut command = home.command(arguments);
    command
        .env("LD_PRELOAD", library.trim())
        .env("FAKETIME", clock)
        // Waits are real.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

fn three_years_of_nights(habit: Habit) {
    let (home, yandex) = (Home::new(), Yandex::start(habit));
    yandex.log_in(&home);
    for night in 1..=1095 {
        let printed = yandex.token_after(&home, night * DAY);
        yandex.accepts(&printed);
        let is_silent = habit != Habit::IsAway;
        assert!(!is_silent || printed.stderr.is_empty(), "{printed:#?}");
    }
    let requests = yandex.requests();
    assert!((9..=18).contains(&requests), "{requests} requests");
}

#[test]
#[ignore = "needs faketime"]
fn a_nightly_job_has_a_token_for_three_years() {
    three_years_of_nights(Habit::Rotates);
}

#[test]
#[ignore = "needs faketime"]
fn a_nightly_job_has_a_token_for_three_years_though_the_access_token_stays() {
    three_years_of_nights(Habit::LeavesTheAccessToken);
}

#[test]
#[ignore = "needs faketime"]
fn a_nightly_job_has_a_token_for_three_years_though_the_server_is_away_at_times() {
    three_years_of_nights(Habit::IsAway);
}

#[test]
#[ignore = "needs faketime"]
fn a_public_client_has_a_token_for_a_year_and_is_warned_in_the_last_month() {
    let (home, yandex) = (Home::new(), Yandex::start(Habit::Rotates));
    yandex.log_in(&home);
    std::fs::remove_file(home.path().join("secret")).unwrap();
    let forget = home.saved().replace("client_secret_file", "note");
    home.save(&forget);
    let mut early_lines = 0;
    for night in 1..365 {
        let printed = yandex.token_after(&home, night * DAY);
        yandex.accepts(&printed);
        match night {
            0..335 => early_lines += printed.stderr.lines().count(),
            _ => {
                assert_eq!(printed.stderr.lines().count(), 1, "{printed:#?}");
                let command = "yandex-token login --profile default";
                assert!(printed.stderr.contains(command), "{printed:#?}");
            }
        }
    }
    assert!(early_lines <= 1, "{early_lines}");
    let printed = yandex.token_after(&home, YEAR);
    printed.fails(5, "YANDEX_CLIENT_SECRET");
}

/// From the login on, against our own sandbox, whose clock is set forward too.
#[test]
#[ignore = "needs faketime"]
fn a_login_at_the_sandbox_lasts_three_years() {
    let home = Home::new();
    let clock = home.path().join("clock");
    let set = |days: u64| std::fs::write(&clock, format!("+{}\n", days * DAY)).unwrap();
    set(0);
    let secret = home.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let application = ["--client-id", "app", "--client-secret-file", "secret"];
    let sandbox = [
        "sandbox",
        "--consent",
        "allow",
        "-v",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut command = at(&home, "", &[&sandbox[..], &application].concat());
    command
        .env_remove("FAKETIME")
        .env_remove("FAKETIME_DONT_FAKE_MONOTONIC")
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1");
    let mut sandbox = Running::start(&mut command);
    let [origin, ..] = sandbox.sandbox_lines();
    let login = ["login", "--save", "--device", "--no-browser"];
    let mut command = home.command(&[&login[..], &application].concat());
    command.env("YANDEX_OAUTH_URL", &origin);
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let nightly = |night: u64, arguments: &[&str]| {
        set(night);
        let mut command = at(&home, &format!("+{}", night * DAY + 60), arguments);
        command.env("YANDEX_OAUTH_URL", &origin);
        let done = run(command);
        assert_eq!(
            (done.code, &*done.stderr),
            (Some(0), ""),
            "{night} {done:#?}"
        );
        done.stdout
    };
    let mut renewals = std::collections::BTreeSet::new();
    for night in 1..=1095 {
        nightly(night, &["token"]);
        let file: serde_json::Value = serde_json::from_str(&home.saved()).unwrap();
        renewals.insert(file["issued_at"].as_u64().unwrap());
        if night % 30 == 0 {
            nightly(night, &["status", "--online"]);
        }
    }
    assert!((9..=18).contains(&(renewals.len() - 1)), "{renewals:?}");
}

/// Asks twenty times in twenty minutes, and again once the pause is over.
#[test]
#[ignore = "needs faketime"]
fn a_server_that_is_away_is_asked_once_an_hour() {
    let (home, server) = (Home::new(), Server::json(503, "{}"));
    let token = json!({"access_token": "0ld", "refresh_token": "r1", "client_id": "app",
        "oauth_url": server.origin, "issued_at": now() - 91 * DAY, "expires_at": now() + 274 * DAY});
    home.save(&token.to_string());
    let requests_after = |minutes: u64| {
        let mut command = at(&home, &format!("+{}", minutes * 60), &["token"]);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        let done = run(command);
        assert_eq!((done.code, &*done.stdout), (Some(0), "0ld\n"), "{done:#?}");
        server.requests().len()
    };
    for minute in 0..20 {
        assert_eq!(requests_after(minute), 1, "{minute}");
    }
    assert_eq!(requests_after(59), 1);
    assert_eq!(requests_after(61), 2);
}

#[test]
#[ignore = "needs faketime"]
fn a_clock_that_is_years_off_costs_no_token_and_no_flood() {
    let server = Server::json(
        200,
        r#"{"access_token": "n3w", "expires_in": 31536000, "refresh_token": "r2"}"#,
    );
    // The clock, what is printed, and how often the server is asked; then the
    // same with the clock set right.
    for (clock, printed, requests) in [
        ("-3650d", "0ld\n", [0, 0]),
        ("@1970-01-02 00:00:00", "0ld\n", [0, 0]),
        ("+100d", "n3w\n", [1, 0]),
        ("+3650d", "n3w\n", [1, 0]),
    ] {
        let home = Home::new();
        let token = json!({"access_token": "0ld", "refresh_token": "r1", "client_id": "app",
            "oauth_url": server.origin, "issued_at": now() - DAY, "expires_at": now() + 364 * DAY});
        home.save(&token.to_string());
        for (clock, requests) in [(clock, requests[0]), ("+0", requests[1])] {
            let before = server.requests().len();
            for _ in 0..3 {
                let mut command = at(&home, clock, &["token"]);
                command.env("YANDEX_OAUTH_URL", &server.origin);
                let done = run(command);
                assert_eq!(
                    (done.code, &*done.stdout),
                    (Some(0), printed),
                    "{clock} {done:#?}"
                );
            }
            assert_eq!(server.requests().len() - before, requests, "{clock}");
        }
    }
}
