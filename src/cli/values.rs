//! Parses the values of options and of the variables behind them. An error is
//! the second half of a sentence, and says what to write instead.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::store;
use crate::store::keychain::is_helper_name;

pub fn profile(text: &str) -> Result<String, String> {
    let why = "a profile is a name of letters, digits and . _ - @ +; \
               for a path, use --token-file FILE";
    checked(text, store::is_profile_name(text), why)
}

fn checked(text: &str, is_valid: bool, why: &str) -> Result<String, String> {
    is_valid.then(|| text.to_owned()).ok_or_else(|| why.into())
}

pub fn token_file(path: &OsStr) -> Result<PathBuf, String> {
    match path.as_encoded_bytes() {
        b"" => Err("it is empty".into()),
        b"-" => Err("a token file can't be standard input: write the path of a file".into()),
        [b'~', ..] => Err("only a shell expands ~: write the whole path, or ./~...".into()),
        _ => Ok(path.into()),
    }
}

/// Whose token a service application asks for.
pub fn subject(text: &str) -> Result<String, String> {
    let is_uid = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    let is_email = is_plain && text.contains('@');
    checked(
        text,
        is_uid || is_email,
        "an e-mail address or a numeric uid",
    )
}

/// The end of a name of a program, `docker-credential-HELPER`.
pub fn keychain_helper(text: &str) -> Result<String, String> {
    let why = "letters, digits and -, such as pass or secretservice";
    checked(text, is_helper_name(text), why)
}

pub fn client_id(text: &str) -> Result<String, String> {
    let fits = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let why = "an application ID is printable ASCII without blanks";
    checked(text, fits, why)
}

/// RFC 6749, 3.3.
pub fn scope(text: &str) -> Result<String, String> {
    let scopes = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let fits = |b: u8| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\';
    let why = "scopes are printable ASCII, separated by spaces";
    checked(&scopes, !scopes.is_empty() && scopes.bytes().all(fits), why)
}

pub fn device_id(text: &str) -> Result<String, String> {
    let fits = (6..=50).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    checked(text, fits, "6 to 50 printable ASCII characters")
}

pub fn device_name(text: &str) -> Result<String, String> {
    let fits = (1..=100).contains(&text.chars().count());
    checked(text, fits, "1 to 100 characters")
}

/// Seconds where there is no unit; 100 years at most.
pub fn duration(text: &str) -> Result<Duration, String> {
    const MAX: u64 = 100 * 365 * 86400;
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => 0,
    };
    let number = digits.parse().ok().filter(|_| !digits.starts_with('+'));
    let seconds = number.and_then(|number: u64| number.checked_mul(unit));
    match seconds {
        Some(seconds) if unit > 0 && seconds <= MAX => Ok(Duration::from_secs(seconds)),
        _ => Err(
            "write a whole number with s, m, h or d, such as 5m, or seconds; at most 100 years"
                .into(),
        ),
    }
}

pub fn variable_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_name = text.starts_with(|c: char| !c.is_ascii_digit()) && text.bytes().all(fits);
    checked(text, is_name, "a variable's name is letters, digits and _")
}

pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("the sandbox serves this machine only: write 127.0.0.1:PORT".into()),
        Err(_) => Err("write ADDR:PORT, such as 127.0.0.1:8080".into()),
    }
}

pub fn any_uri(text: &str) -> Result<String, String> {
    let parsed = url::Url::parse(text).map_err(|error| format!("not a URL ({error})"));
    parsed.map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_whole_number_of_seconds_or_of_its_unit() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for bad in [
            "",
            "m",
            "1.5h",
            "-1s",
            "+1s",
            "5 m",
            "99999999999999999999d",
            "5ms",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_what_was_written(
            text in prop_oneof![any::<String>(), "[+-]?[0-9]{1,25}[a-z]{0,2}", "[ -~\t]{0,9}"]
        ) {
            properties::values(&text);
        }
    }
}
