//! The only place that prints. Standard output carries a result and nothing
//! else; everything for people goes to standard error, a line at a time, with
//! whatever could move the cursor or turn the text around made harmless.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use supports_hyperlinks::Stream;

use crate::error::{Error, Kind};
use crate::signals;

/// Whether the last line of the terminal is one to be replaced.
static HAS_PROGRESS: AtomicBool = AtomicBool::new(false);

/// Whether nothing is to be left on the terminal any more.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// The longest that a write may take while signals are blocked.
const HELD_WRITE_TIME: Duration = Duration::from_millis(500);

static IS_QUIET: AtomicBool = AtomicBool::new(false);
static IS_VERBOSE: AtomicBool = AtomicBool::new(false);

/// How much goes to standard error.
pub fn set_level(quiet: bool, verbose: bool) {
    IS_QUIET.store(quiet, Ordering::Relaxed);
    IS_VERBOSE.store(verbose, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const STRONG: Style = Style::new().bold();

/// What the user must act on: printed even when quiet.
pub fn prompt(line: &str) {
    to_stderr(&sanitize(line));
}

/// A URL to open, indented; a hyperlink at a terminal that is known to have
/// them (OSC 8), whose text is the whole URL.
pub fn url(url: &str) {
    let is_plain = url.bytes().all(|b| b.is_ascii_graphic()) && url.starts_with("http");
    match is_plain && supports_hyperlinks::on(Stream::Stderr) {
        true => to_stderr(&format!("    \x1b]8;;{url}\x1b\\{url}\x1b]8;;\x1b\\")),
        false => to_stderr(&format!("    {}", sanitize(url))),
    }
}

/// A code that the user is to type, indented.
pub fn user_code(code: &str) {
    to_stderr(&format!("    {STRONG}{}{STRONG:#}", sanitize(code)));
}

/// What a person wants to know.
pub fn info(line: &str) {
    if !is_quiet() {
        to_stderr(&sanitize(line));
    }
}

/// Something is not as it should be, and the work goes on.
pub fn warn(line: &str) {
    if !is_quiet() {
        to_stderr(&format!(
            "yandex-token: {WARNING}warning:{WARNING:#} {}",
            sanitize(line)
        ));
    }
}

/// A step taken; only under `--verbose`.
pub fn debug(line: &str) {
    if IS_VERBOSE.load(Ordering::Relaxed) {
        to_stderr(&format!("yandex-token: {}", sanitize(line)));
    }
}

/// A text that the next one replaces, at a terminal; an empty one clears it.
pub fn progress(text: &str) {
    // Held over the question and the answer: see `end_progress`.
    let mut stderr = std::io::stderr().lock();
    let is_wanted = !text.is_empty() && !IS_ENDING.load(Ordering::Relaxed);
    let is_there = HAS_PROGRESS.load(Ordering::Relaxed);
    if !is_quiet() && stderr.is_terminal() && (is_there || is_wanted) {
        let text = if is_wanted { text } else { "" };
        let _ = write!(stderr, "\r\x1b[K{}", sanitize(text));
        HAS_PROGRESS.store(is_wanted, Ordering::Relaxed);
    }
}

/// Clears the one that is there for good: another thread is about to end the
/// process.
pub fn end_progress() {
    IS_ENDING.store(true, Ordering::Relaxed);
    progress("");
}

pub fn error(error: &Error) {
    if error.kind == Kind::ClosedPipe {
        return;
    }
    let text = sanitize(&error.to_string());
    to_stderr(&format!("{ERROR}yandex-token:{ERROR:#} {text}"));
    if let Some(hint) = &error.hint {
        to_stderr(&format!("{HINT}hint:{HINT:#} {}", sanitize(hint)));
    }
}

/// Whether the caller has closed standard output.
static IS_STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's own start, which opens `/dev/null` in place of a closed
/// stream: what is written then would be lost in silence.
#[cfg(unix)]
#[ctor::ctor]
fn note_closed_stdout() {
    use std::os::fd::AsFd;

    let copied = std::io::stdout().as_fd().try_clone_to_owned();
    let is_closed = |error: std::io::Error| error.raw_os_error() == Some(nix::libc::EBADF);
    IS_STDOUT_CLOSED.store(copied.is_err_and(is_closed), Ordering::Relaxed);
}

/// # Errors
/// Exit 1 where standard output is closed, and so nothing can be printed.
pub fn check_stdout() -> Result<(), Error> {
    match IS_STDOUT_CLOSED.load(Ordering::Relaxed) {
        true => Err(Error::new(
            Kind::Other,
            "writing to standard output",
            "it is closed",
        )),
        false => Ok(()),
    }
}

/// Writes a result, as it is, to standard output.
///
/// # Errors
/// A reader that has gone is [`Kind::ClosedPipe`]; anything else is a local
/// fault, a full disk behind a redirection for instance.
pub fn result(text: &str) -> Result<(), Error> {
    check_stdout()?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|cause| written("writing to standard output", &cause))
}

/// The error of a write to a stream that somebody else reads.
pub fn written(what: &str, cause: &std::io::Error) -> Error {
    let kind = match cause.kind() {
        ErrorKind::BrokenPipe => Kind::ClosedPipe,
        _ => Kind::Local,
    };
    Error::new(kind, what, cause)
}

/// Writes a line, with its colours where standard error is a terminal that
/// shows them. A closed standard error is no error.
fn to_stderr(line: &str) {
    let clear = match HAS_PROGRESS.swap(false, Ordering::Relaxed) {
        true => "\r\x1b[K",
        false => "",
    };
    let line = match AutoStream::choice(&std::io::stderr()) != ColorChoice::Never {
        true => format!("{clear}{line}\n"),
        false => format!("{clear}{}\n", anstream::adapter::strip_str(line)),
    };
    let write = move || drop(std::io::stderr().write_all(line.as_bytes()));
    if !signals::are_held() {
        return write();
    }
    // Where nobody reads, a write must not block the signals for ever.
    signals::at_most(HELD_WRITE_TIME, write);
}

/// Characters of what a server or a file says that are shown.
pub const MAX_SHOWN: usize = 300;

/// What a server or a file says, and no more than that of it.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Seconds since the epoch as RFC 3339 has them, in UTC, up to the year 9999.
pub fn utc(seconds: u64) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    (seconds < YEAR_10000).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// The day, in UTC.
pub fn date(seconds: u64) -> String {
    match utc(seconds) {
        Some(time) => time.chars().take_while(|c| *c != 'T').collect(),
        None => "never".to_owned(),
    }
}

/// The text with every control, direction and invisible format character
/// written out as `\u{…}`, so that a terminal or a log shows it as one line
/// and in the order that it has.
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            _ if c.is_control() || is_format(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            _ => out.push(c),
        }
    }
    out
}

/// One line of JSON that a terminal may be shown: what could move the cursor
/// is escaped. It can be nowhere but in strings, where that means the same.
pub fn json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c.is_control() || is_format(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            false => out.push(c),
        }
    }
    out.push('\n');
    out
}

/// Unicode's format characters (Cf) and line separators that change how the
/// text around them looks.
pub fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_escape_sequence_and_a_direction_override_are_written_out() {
        assert_eq!(sanitize("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(sanitize("two\r\nlines"), "two  lines");
        assert_eq!(sanitize("Код устарел"), "Код устарел");
    }

    #[test]
    fn a_date_beyond_the_calendar_is_no_date() {
        for (at, time, day) in [
            (0, Some("1970-01-01T00:00:00Z"), "1970-01-01"),
            (253_402_300_799, Some("9999-12-31T23:59:59Z"), "9999-12-31"),
            (253_402_300_800, None, "never"),
            (u64::MAX, None, "never"),
        ] {
            assert_eq!((utc(at).as_deref(), &*date(at)), (time, day));
        }
    }

    /// Any text: a `String` of proptest's own holds no control characters.
    pub fn text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select("\n\r\t\0\u{7}\u{1b}\u{7f}\u{9b}\u{202e}\u{2067}\u{200f}\u{2028}\u{feff}\u{e0041}<>&\"'".chars().collect::<Vec<_>>());
        prop::collection::vec(
            prop_oneof![any::<char>(), odd, prop::char::range(' ', '~')],
            0..40,
        )
        .prop_map(|chars| chars.into_iter().collect())
    }

    /// What no terminal may be sent, said in other words than the code's.
    pub fn is_raw(c: char) -> bool {
        let code = c as u32;
        code < 32
            || (0x7f..0xa0).contains(&code)
            || [0x200e, 0x200f, 0x2028, 0x2029, 0x61c, 0xfeff].contains(&code)
            || (0x202a..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code)
            || (0xe0000..0xe0080).contains(&code)
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_line_without_controls(text in text()) {
            let shown = sanitize(&text);
            prop_assert!(!shown.contains(is_raw), "{shown:?}");
        }

        #[test]
        fn json_is_the_same_and_without_controls((key, text) in (text(), text())) {
            let value = serde_json::json!({ key: [text, 1] });
            let line = json(&value);
            let body = line.strip_suffix('\n').expect("one line");
            prop_assert!(!body.contains(is_raw), "{body:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(body).expect("JSON"), value);
        }
    }
}
