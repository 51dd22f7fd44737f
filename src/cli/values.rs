//! Parses the values of options and of the variables behind them. An error is
//! the second half of a sentence, and says what to write instead.

use crate::store::keychain::is_helper_name;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::store;

pub fn profile(text: &str) -> Result<String, String> {
    if store::is_profile_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name of letters, digits and . _ - @ +, never a path; \
         for a file write --token-file FILE"
        .into())
}

pub fn token_file(path: &OsStr) -> Result<PathBuf, String> {
    match path.as_encoded_bytes() {
        b"" => Err("it is empty".into()),
        b"-" => Err("a saved token can't be in standard input: give the path of a file".into()),
        [b'~', ..] => Err("only a shell expands ~: give the whole path, or ./~...".into()),
        _ => Ok(path.into()),
    }
}

/// Whose token a service application asks for.
pub fn subject(text: &str) -> Result<String, String> {
    let is_uid = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    (is_uid || is_plain && text.contains('@'))
        .then(|| text.to_owned())
        .ok_or_else(|| "an e-mail address or a numeric uid".into())
}

/// The end of a name of a program, `docker-credential-HELPER`.
pub fn keychain_helper(text: &str) -> Result<String, String> {
    is_helper_name(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "letters, digits and -, such as pass or secretservice".into())
}

pub fn client_id(text: &str) -> Result<String, String> {
    let fits = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
        .ok_or_else(|| "an application ID is printable ASCII without blanks".into())
}

/// RFC 6749, 3.3.
pub fn scope(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let fits = |word: &&str| {
        word.bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    if words.is_empty() || !words.iter().all(fits) {
        return Err("scopes are printable ASCII, separated by spaces".into());
    }
    Ok(words.join(" "))
}

pub fn device_id(text: &str) -> Result<String, String> {
    store::is_device_id(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "6 to 50 printable ASCII characters".into())
}

pub fn device_name(text: &str) -> Result<String, String> {
    (1..=100)
        .contains(&text.chars().count())
        .then(|| text.to_owned())
        .ok_or_else(|| "1 to 100 characters".into())
}

/// Seconds where there is no unit; 100 years at most.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86400),
        _ => None,
    };
    let number = digits.bytes().all(|b| b.is_ascii_digit());
    let seconds = unit
        .filter(|_| number)
        .and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit));
    seconds
        .filter(|seconds| *seconds <= 100 * 365 * 86400)
        .map(Duration::from_secs)
        .ok_or_else(|| {
            "a whole number of seconds, or one with s, m, h or d, such as 5m; at most 100 years"
                .into()
        })
}

pub fn variable_name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    (!text.is_empty() && !digit && text.bytes().all(fits))
        .then(|| text.to_owned())
        .ok_or_else(|| "a variable's name is letters, digits and _".into())
}

pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write ADDR:PORT, such as 127.0.0.1:8080")?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("the sandbox is for this machine only: write 127.0.0.1:PORT".into())
}

pub fn any_uri(text: &str) -> Result<String, String> {
    url::Url::parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("not a URL ({error})"))
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
