//! A code that is copied by hand: from Yandex's verification-code page, or the
//! whole address that a redirect ended at in a browser on another machine.
//!
//! The terminal's settings are never touched, so there is nothing to restore.

use std::io::{self, BufRead, IsTerminal, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use url::Url;

use crate::error::{Error, Kind};
use crate::oauth::authorization::{Response, is_code, parse_response};
use crate::oauth::pkce::State;
use crate::output;
use crate::signals;

/// More than any address is long.
const MAX_LINE: u64 = 64 << 10;
const WHAT: &str = "reading the pasted code";

/// Whether somebody can be asked on standard input.
pub fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Hands on the lines of standard input, until it ends.
pub fn forward(lines: Sender<String>) {
    thread::spawn(move || {
        while let Some(line) = next_line() {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

/// Reads the answer from the lines of standard input: at a terminal asking until it is
/// one, otherwise the first line.
///
/// # Errors
/// Exit 4 at the end of input and at the deadline; 1 for a line from a pipe
/// that is no answer.
pub fn read(state: &State, deadline: Instant, lines: &Receiver<String>) -> Result<Response, Error> {
    let terminal = can_ask();
    loop {
        if terminal {
            output::prompt("Paste the code, or the whole address, here:");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).map_err(|error| {
            let why = match error {
                RecvTimeoutError::Timeout => "no code came in time",
                RecvTimeoutError::Disconnected => "the input ended before a code came",
            };
            Error::new(Kind::TimedOut, WHAT, why)
        })?;
        match parse(&line, state) {
            Ok(response) => return Ok(response),
            Err(why) if terminal => output::prompt(&format!("That is not it: {why}.")),
            Err(why) => return Err(Error::new(Kind::Other, WHAT, why)),
        }
    }
}

/// Takes answers from a terminal while something else is waited for too. In a
/// background job, and when the input ends, only the reading ends.
pub fn listen(state: State, answer: impl Fn(Response) + Send + 'static) {
    if !can_ask() {
        return;
    }
    thread::spawn(move || {
        signals::never_stopped_for_reading();
        while let Some(line) = next_line() {
            match parse(&line, &state) {
                Ok(response) => {
                    answer(response);
                    return;
                }
                Err(why) => output::prompt(&format!("That is not it: {why}. The wait goes on.")),
            }
        }
    });
}

/// One line of standard input; None at its end, or when it can't be read.
fn next_line() -> Option<String> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock().take(MAX_LINE);
    match input.read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).into_owned()),
    }
}

/// Reads what was pasted: a bare code, or an address that carries the answer.
///
/// # Errors
/// Why it is neither, for the person who pasted it.
pub fn parse(line: &str, state: &State) -> Result<Response, &'static str> {
    let text = line.trim();
    if text.is_empty() {
        return Err("the line is empty");
    }
    let is_address = ["code=", "error=", "state="]
        .iter()
        .any(|part| text.contains(part));
    if is_address && !text.contains("://") {
        return parse(&format!("http://{text}"), state);
    }
    if !text.contains("://") {
        return match is_code(text) {
            true => Ok(Response::Code(text.to_owned().into())),
            false => Err("a code is printable ASCII without blanks"),
        };
    }
    // An address copied out of HTML source.
    let url = Url::parse(&text.replace("&amp;", "&")).map_err(|_| "this address is not a URL")?;
    let query = url.query().unwrap_or_default();
    if url.query_pairs().any(|(name, _)| name == "state") {
        return parse_response(query, state);
    }
    // Yandex's verification-code page need not repeat the state.
    let with_state = match query {
        "" => return Err("this address carries no code"),
        query => format!("{query}&state={}", state.as_str()),
    };
    parse_response(&with_state, state).map_err(|_| "this address carries no code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn code(line: &str, state: &State) -> Result<String, &'static str> {
        match parse(line, state)? {
            Response::Code(code) => Ok(code.expose_secret().to_owned()),
            Response::Error { error, .. } => Ok(format!("error {error}")),
        }
    }

    #[test]
    fn a_bare_code_or_the_whole_address_is_an_answer() {
        let state = State::new();
        let s = state.as_str();
        for (line, wanted) in [
            (" 1234567 \r\n".to_owned(), "1234567"),
            ("ab12cd34ef56gh78".into(), "ab12cd34ef56gh78"),
            (
                "https://oauth.yandex.ru/verification_code?code=12&cid=z".into(),
                "12",
            ),
            (format!("http://127.0.0.1:8000/?state={s}&code=12"), "12"),
            (
                format!("http://127.0.0.1:8000/?state={s}&amp;code=12"),
                "12",
            ),
            (
                "https://x/?error=access_denied".into(),
                "error access_denied",
            ),
        ] {
            assert_eq!(code(&line, &state).as_deref(), Ok(wanted), "{line}");
        }
    }

    #[test]
    fn anything_else_is_told() {
        let state = State::new();
        for line in [
            "",
            "  \n",
            "two words",
            "код",
            "https://x/?code=1&state=wrong",
            "https://oauth.yandex.ru/authorize?state=x&client_id=y",
            "https://ya.ru/",
            "https://x/?code=1&code=2",
            "127.0.0.1:8000/?code=1&state=wrong",
            "://",
        ] {
            assert!(parse(line, &state).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd_and_a_code_stays_as_it_was(
            line in prop_oneof![
                any::<String>(),
                "[!-~]{1,20}",
                "(https?://)?[!-~]{0,6}[?](code=[!-~]{0,6}|&|&amp;|state=(STATE|x?)|error=x){0,4}",
            ]
        ) {
            properties::pasted(&line);
        }
    }
}
