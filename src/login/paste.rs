//! A code that is copied by hand: from Yandex's verification-code page, or the
//! whole address that a redirect ended at in a browser on another machine.
//!
//! The terminal's settings are never touched, so there is nothing to restore.

use std::io::{self, BufRead, IsTerminal, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use url::{Position, Url};

use super::redirect_uri::RedirectUri;
use crate::error::{Error, Kind};
use crate::oauth::Server;
use crate::oauth::authorization::{Response, is_code, parse_response};
use crate::oauth::pkce::State;
use crate::output;
use crate::signals;

/// More than any address is long.
const MAX_LINE: u64 = 64 << 10;
/// How long the rest of an address that a terminal has wrapped may take to
/// come behind its first line.
const REST_TIME: Duration = Duration::from_millis(100);
/// How long after an address its rest may follow.
const ENTER_TIME: Duration = Duration::from_secs(10);
const WHAT: &str = "reading the pasted code";

/// Whether somebody can be asked on standard input.
pub fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// What a pasted text may be the answer to.
#[derive(Clone)]
pub struct Expected {
    pub state: State,
    pub server: Server,
    /// None where the request names none: then our `state` is enough.
    pub redirect_uri: Option<RedirectUri>,
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

/// Reads the answer from the lines of standard input: at a terminal asking
/// until it is one, otherwise the first line.
///
/// # Errors
/// Exit 4 at the end of input and at the deadline; 1 for a line from a pipe
/// that is no answer.
pub fn read(
    expected: &Expected,
    deadline: Instant,
    lines: &Receiver<String>,
) -> Result<Response, Error> {
    let terminal = can_ask();
    let mut address = None;
    loop {
        if terminal {
            output::prompt("Paste the code, or the whole address, here:");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).map_err(|error| {
            let why = match error {
                RecvTimeoutError::Timeout => "timed out",
                RecvTimeoutError::Disconnected => "the input ended without a code",
            };
            Error::new(Kind::TimedOut, WHAT, why)
        })?;
        let response = match terminal {
            true => expected.read(&line, &mut address, lines),
            false => expected.parse(&line),
        };
        match response {
            Ok(response) => return Ok(response),
            Err(why) if terminal => output::prompt(&format!("That can't be used: {why}.")),
            Err(why) => return Err(Error::new(Kind::Other, WHAT, why)),
        }
    }
}

/// Takes answers from a terminal while something else is waited for too. In a
/// background job, and when the input ends, only the reading ends.
pub fn listen(expected: Expected, answer: impl Fn(Response) + Send + 'static) {
    if !can_ask() {
        return;
    }
    let (sender, lines) = channel();
    thread::spawn(move || {
        signals::never_stopped_for_reading();
        while let Some(line) = next_line() {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        let mut address = None;
        while let Ok(line) = lines.recv() {
            match expected.read(&line, &mut address, &lines) {
                Ok(response) => answer(response),
                Err(why) => output::prompt(&format!("That can't be used: {why}. Still waiting.")),
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

impl Expected {
    /// Reads a line as [`Expected::parse`] does, and puts an address together
    /// again that a terminal has wrapped: the rest comes at once, or is sent by
    /// the Enter after `address`.
    fn read(
        &self,
        line: &str,
        address: &mut Option<(String, Instant)>,
        lines: &Receiver<String>,
    ) -> Result<Response, &'static str> {
        let line = bare(line);
        if !line.contains("://") {
            if let Some((begun, at)) = address.take()
                && at.elapsed() < ENTER_TIME
                && let Ok(response) = self.parse(&(begun + &line))
            {
                return Ok(response);
            }
            return self.parse(&line);
        }
        let mut whole = line;
        while let Ok(rest) = lines.recv_timeout(REST_TIME) {
            whole.push_str(&bare(&rest));
        }
        let response = self.parse(&whole);
        *address = Some((whole, Instant::now()));
        response
    }

    /// Reads what was pasted: a bare code, an address that carries the answer,
    /// or its query.
    ///
    /// # Errors
    /// Why it is none of these, for the person who pasted it.
    pub fn parse(&self, text: &str) -> Result<Response, &'static str> {
        let text = bare(text);
        if text.is_empty() {
            return Err("the line is empty");
        }
        if !is_address(&text) {
            return match is_code(&text) {
                true => Ok(Response::Code(text.into())),
                false => Err("a code is printable ASCII without blanks"),
            };
        }
        // An address copied out of HTML source.
        let text = text.replace("&amp;", "&");
        let path = text.split(['?', '&', '=']).next().unwrap_or_default();
        if !text.contains("://") && !path.contains(['/', ':', '.']) {
            let response = parse_response(text.trim_start_matches('?'), &self.state);
            return response.map_err(|_| "this query has no code, or not the state of this login");
        }
        let with_scheme = match text.contains("://") {
            true => text,
            false => format!("http://{text}"),
        };
        let url = Url::parse(&with_scheme).map_err(|_| "this address is not a URL")?;
        let query = url.query().unwrap_or_default();
        let has_state = url.query_pairs().any(|(name, _)| name == "state");
        if self.is_verification_page(&url) && !has_state {
            let query = format!("{query}&state={}", self.state.as_str());
            let response = parse_response(&query, &self.state);
            return response.map_err(|_| "this address has no code in it");
        }
        if !self.is_verification_page(&url)
            && let Some(uri) = &self.redirect_uri
            && url[..Position::AfterPath] != *uri.without_query()
        {
            return Err("this address is not the Redirect URI of this login");
        }
        parse_response(query, &self.state)
    }

    /// The page that shows a code, of this server or of Yandex.
    fn is_verification_page(&self, url: &Url) -> bool {
        let server = Server::parse(&url.origin().ascii_serialization());
        let is_known = server.is_ok_and(|server| server.is_yandex() || server == self.server);
        is_known && url.path() == "/verification_code"
    }
}

/// Whether a text is meant as an address or a query, and not as a code.
fn is_address(text: &str) -> bool {
    let parts = ["://", "code=", "error=", "state="];
    parts.iter().any(|part| text.contains(part))
}

/// The text without what copying has put around it, and without characters
/// that nobody sees.
fn bare(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !output::is_format(*c)).collect();
    let around = |c: char| c.is_whitespace() || "\"'`<>«»“”„‘’".contains(c);
    visible.trim_matches(around).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn expected(redirect_uri: Option<&str>) -> Expected {
        Expected {
            state: State::new(),
            server: Server::default(),
            redirect_uri: redirect_uri.map(|uri| RedirectUri::parse(uri).expect("a Redirect URI")),
        }
    }

    /// `STATE` stands for the state of the request.
    fn code(expected: &Expected, line: &str) -> Result<String, &'static str> {
        match expected.parse(&line.replace("STATE", expected.state.as_str()))? {
            Response::Code(code) => Ok(code.expose_secret().to_owned()),
            Response::Error(refusal) => Ok(format!("error {}", refusal.error)),
        }
    }

    #[test]
    fn a_code_its_address_or_its_query_is_an_answer() {
        let loopback = expected(Some("http://127.0.0.1:8000/"));
        for (line, wanted) in [
            (" 1234567 \r\n", "1234567"),
            ("ab12cd34ef56gh78", "ab12cd34ef56gh78"),
            ("\u{200b}«12\u{feff}34»", "1234"),
            (
                "https://oauth.yandex.ru/verification_code?code=12&cid=z",
                "12",
            ),
            ("http://127.0.0.1:8000/?state=STATE&code=12", "12"),
            (
                "<http://127.0.0.1:8000/?state=STATE&amp;code=12&cid=z>",
                "12",
            ),
            ("127.0.0.1:8000/?state=STATE&code=12", "12"),
            ("\"?code=12&state=STATE\"", "12"),
            ("code=12&state=STATE", "12"),
            (
                "http://127.0.0.1:8000/?error=access_denied&state=STATE",
                "error access_denied",
            ),
        ] {
            assert_eq!(code(&loopback, line).as_deref(), Ok(wanted), "{line}");
        }
        let anywhere = expected(None);
        let line = "https://site.example/x?code=12&state=STATE";
        assert_eq!(code(&anywhere, line).as_deref(), Ok("12"));
    }

    #[test]
    fn anything_else_is_refused() {
        for redirect_uri in [None, Some("http://127.0.0.1:8000/")] {
            let expected = expected(redirect_uri);
            for line in [
                "",
                "  \n",
                "\"\"",
                "two words",
                "код",
                "https://example.com/?code=1",
                "https://x/?code=1&state=wrong",
                "https://oauth.yandex.ru/authorize?state=x&client_id=y",
                "https://oauth.yandex.ru/verification_code?code=1&state=wrong",
                "https://oauth.yandex.ru/verification_code#access_token=y0_x",
                "https://ya.ru/",
                "http://127.0.0.1:8000/?code=1",
                "http://127.0.0.1:8000/?code=1&code=2&state=STATE",
                "127.0.0.1:8000/?code=1&state=wrong",
                "code=1",
                "://",
            ] {
                assert!(code(&expected, line).is_err(), "{line}");
            }
        }
        let loopback = expected(Some("http://127.0.0.1:8000/"));
        for line in [
            "https://example.com/?code=1&state=STATE",
            "http://127.0.0.1:8001/?code=1&state=STATE",
            "http://127.0.0.1:8000/x?code=1&state=STATE",
        ] {
            assert!(code(&loopback, line).is_err(), "{line}");
        }
    }

    #[test]
    fn an_address_that_was_wrapped_is_put_together_again() {
        let expected = expected(Some("http://127.0.0.1:8000/"));
        let whole = format!(
            "http://127.0.0.1:8000/?state={}&code=1234567",
            expected.state.as_str()
        );
        // At once, or the second line once the first one was refused.
        for (cut, sent) in [
            (whole.len() - 3, true),
            (whole.len() - 3, false),
            (30, false),
        ] {
            let (sender, lines) = channel();
            let (first, second) = whole.split_at(cut);
            let mut address = None;
            if sent {
                sender.send(format!("{second}\n")).expect("it is read");
            }
            let mut response = expected.read(&format!("{first}\n"), &mut address, &lines);
            if !sent {
                response = expected.read(second, &mut address, &lines);
            }
            match response {
                Ok(Response::Code(code)) => assert_eq!(code.expose_secret(), "1234567"),
                other => panic!("{other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd_and_a_code_stays_as_it_was(
            line in prop_oneof![
                any::<String>(),
                "[!-~]{1,20}",
                "(https?://)?[!-~]{0,6}[?](code=[!-~]{0,6}|&|&amp;|state=x?|error=x){0,4}",
            ]
        ) {
            let expected = expected(Some("http://127.0.0.1:8000/"));
            if let Ok(Response::Code(code)) = expected.parse(&line) {
                prop_assert!(is_code(code.expose_secret()));
                prop_assert!(line.contains(code.expose_secret()) || is_address(&line));
            }
        }
    }
}
