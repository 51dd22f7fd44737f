//! The device grant (RFC 8628, in Yandex's dialect): shows a code that the
//! user enters on any device, and polls until that is done.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::oauth::client::Poll;
use crate::oauth::response::{DeviceCode, TokenResponse};
use crate::output;

const WHAT: &str = "waiting for the code to be entered";
/// RFC 8628, 3.5.
const SLOW_DOWN: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);

/// Polls until the user has answered, at the server's interval, and outlives
/// faults in between. `sleep` is given the deadline of it all too.
///
/// # Errors
/// Exit 3 when the user denies, 4 when the code or the time is over.
pub fn wait(
    code: &DeviceCode,
    timeout: Duration,
    now: impl Fn() -> Instant,
    sleep: impl Fn(Duration, Instant),
    poll: impl Fn(Duration) -> Result<Poll, Error>,
) -> Result<TokenResponse, Error> {
    let deadline = now() + timeout.min(code.expires_in);
    let left = || deadline.saturating_duration_since(now());
    let mut interval = code.interval;
    let mut fault: Option<Error> = None;
    loop {
        sleep(interval.min(left()), deadline);
        if left().is_zero() {
            let why = match fault {
                Some(fault) => format!(
                    "the code is no longer valid; the last request failed: {}",
                    fault.why
                ),
                None => "the code was not entered in time".to_owned(),
            };
            return Err(Error::new(Kind::TimedOut, WHAT, why));
        }
        match poll(left()).map_err(ended)? {
            Poll::Token(token) => return Ok(token),
            Poll::Pending => fault = None,
            Poll::SlowDown => interval += SLOW_DOWN,
            Poll::Fault(error) => {
                output::debug(&format!("{}: {}; trying again", error.what, error.why));
                fault = Some(error);
            }
        }
    }
}

/// Sleeps, with a countdown at a terminal that leaves nothing behind.
pub fn countdown(duration: Duration, deadline: Instant) {
    let until = Instant::now() + duration;
    loop {
        let now = Instant::now();
        let left = until.saturating_duration_since(now);
        if left.is_zero() {
            return output::progress("");
        }
        let shown = clock(deadline.saturating_duration_since(now));
        output::progress(&format!("{shown} left"));
        std::thread::sleep(left.min(TICK));
    }
}

/// What an OAuth error means to a poll.
fn ended(error: Error) -> Error {
    let kind = match error.refusal.as_deref() {
        Some("access_denied") => Kind::Denied,
        Some("invalid_grant" | "expired_token") => Kind::TimedOut,
        _ => return error,
    };
    let why = match kind {
        Kind::Denied => format!("access was denied ({})", error.why),
        _ => format!("the code is no longer valid ({})", error.why),
    };
    Error {
        kind,
        why,
        hint: (kind == Kind::TimedOut).then(|| "Run the command again for a new code.".into()),
        ..error
    }
}

/// Minutes and seconds.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    fn code(interval: u64, expires_in: u64) -> DeviceCode {
        DeviceCode {
            device_code: "d".into(),
            user_code: "u".into(),
            verification_url: url::Url::parse("https://ya.ru/device").expect("valid"),
            interval: Duration::from_secs(interval),
            expires_in: Duration::from_secs(expires_in),
        }
    }

    fn refusal(error: &str) -> Result<Poll, Error> {
        Err(Error {
            refusal: Some(error.into()),
            ..Error::new(Kind::Refused, "w", error)
        })
    }

    fn token() -> Result<Poll, Error> {
        let fields = serde_json::from_str(r#"{"access_token": "t"}"#).expect("JSON");
        Ok(Poll::Token(
            crate::oauth::response::token(fields).expect("usable"),
        ))
    }

    /// The outcome, and the seconds at which the server was asked.
    fn run(
        code: &DeviceCode,
        timeout: u64,
        answers: Vec<Result<Poll, Error>>,
    ) -> (Result<(), Kind>, Vec<u64>) {
        let start = Instant::now();
        let time = Cell::new(start);
        let sleep = |duration, _| time.set(time.get() + duration);
        let answers = RefCell::new(VecDeque::from(answers));
        let asked = RefCell::new(Vec::new());
        let poll = |_| {
            asked.borrow_mut().push((time.get() - start).as_secs());
            let answer = answers.borrow_mut().pop_front();
            answer.unwrap_or(Ok(Poll::Pending))
        };
        let timeout = Duration::from_secs(timeout);
        let outcome = wait(code, timeout, || time.get(), sleep, poll);
        let outcome = outcome.map(drop).map_err(|error| error.kind);
        (outcome, asked.into_inner())
    }

    #[test]
    fn the_servers_interval_is_kept_and_slow_down_adds_five_seconds() {
        let fault = || Ok(Poll::Fault(Error::new(Kind::Unreachable, "w", "503")));
        let answers = vec![
            Ok(Poll::Pending),
            Ok(Poll::SlowDown),
            fault(),
            fault(),
            token(),
        ];
        let (outcome, asked) = run(&code(5, 300), 300, answers);
        assert_eq!((outcome, asked), (Ok(()), vec![5, 10, 20, 30, 40]));
    }

    #[test]
    fn it_waits_no_longer_than_the_code_or_the_timeout() {
        for (expires_in, timeout, asked) in [(12, 300, 2), (300, 12, 2), (0, 300, 0), (5, 5, 0)] {
            let (outcome, times) = run(&code(5, expires_in), timeout, Vec::new());
            assert_eq!((outcome, times.len()), (Err(Kind::TimedOut), asked));
        }
    }

    #[test]
    fn an_error_of_the_protocol_ends_it_as_it_should() {
        for (error, kind) in [
            ("access_denied", Kind::Denied),
            ("invalid_grant", Kind::TimedOut),
            ("expired_token", Kind::TimedOut),
            ("bad_verification_code", Kind::Refused),
            ("invalid_client", Kind::Refused),
        ] {
            let (outcome, asked) = run(&code(5, 300), 300, vec![refusal(error)]);
            assert_eq!((outcome, asked.len()), (Err(kind), 1), "{error}");
        }
    }
}
