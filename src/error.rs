//! The one error type: what was being done, why it failed, what the user can
//! do about it, and the exit status that scripts go by.
//!
//! A message never holds a secret; text from outside is made harmless where it
//! is printed (`output`).

use std::fmt::{self, Display, Formatter};

/// Why a command failed. The order of the fields is the order of the message:
/// `yandex-token: WHAT: WHY`, and on a second line the hint.
#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    pub what: String,
    pub why: String,
    pub hint: Option<String>,
    /// The `error` of an OAuth error response, for callers that know what it
    /// means for them.
    pub refusal: Option<String>,
}

/// What each exit status means: an interface. Help and manual take it from
/// here; [`Kind`] belongs to it.
pub const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "success"),
    ("1", "any other error"),
    ("2", "usage: a wrong option or variable"),
    ("3", "the user denied access"),
    ("4", "timed out waiting for the user"),
    ("5", "the server refused: an OAuth error"),
    ("6", "the server could not be reached, or failed"),
    ("7", "no usable token: log in"),
    ("8", "a local error: a port, a file, a lock, the keychain"),
    ("129, 130, 143", "hung up, interrupted, terminated"),
];

/// What a script can tell apart, by the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything else.
    Other = 1,
    /// The command line or a variable is wrong.
    Usage = 2,
    /// The user refused the access.
    Denied = 3,
    /// The user's answer did not come in time.
    TimedOut = 4,
    /// The authorization server answered with an OAuth error.
    Refused = 5,
    /// The server was not reached, or what answered is no OAuth server.
    Unreachable = 6,
    /// None is saved, or it has expired and can't be refreshed.
    NoToken = 7,
    /// A port, a file or a lock on this machine.
    Local = 8,
    /// The reader of our standard output has gone: nothing is reported.
    ClosedPipe,
}

/// Without the hint.
impl Display for Error {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::ClosedPipe => 1,
            kind => kind as u8,
        }
    }
}

impl Error {
    pub fn new(kind: Kind, what: impl Into<String>, why: impl ToString) -> Error {
        Error {
            kind,
            what: what.into(),
            why: why.to_string(),
            hint: None,
            refusal: None,
        }
    }

    pub fn usage(what: impl Into<String>, why: impl ToString) -> Error {
        Error::new(Kind::Usage, what, why)
    }

    pub fn local(what: impl Into<String>, why: impl ToString) -> Error {
        Error::new(Kind::Local, what, why)
    }

    /// Adds the line that says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}
