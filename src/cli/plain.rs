//! The calls of `token` that scripts make every minute, taken apart by hand:
//! to set up clap costs more than to print a token. Anything else is left to
//! clap, and so are all errors.

use std::ffi::OsString;

use clap::ValueEnum;

use super::values::{profile, token_file};
use super::{Format, Token};

/// `token`, with no other options than `--profile NAME` or `--token-file FILE`
/// and `--format FORMAT`.
pub fn token(mut arguments: impl Iterator<Item = OsString>) -> Option<Token> {
    if arguments.next()? != "token" {
        return None;
    }
    let mut token = Token::default();
    while let Some(option) = arguments.next() {
        let value = arguments.next()?.into_string().ok()?;
        if value.is_empty() || value.starts_with('-') {
            return None;
        }
        let location = &mut token.saved.location;
        match option.to_str()? {
            "-p" | "--profile" if !location.is_given() => {
                location.profile = Some(profile(&value).ok()?);
            }
            "--token-file" if !location.is_given() => {
                location.token_file = Some(token_file(value.as_ref()).ok()?);
            }
            "--format" if token.result.format.is_none() => {
                token.result.format = Some(Format::from_str(&value, false).ok()?);
            }
            _ => return None,
        }
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    const WORDS: [&str; 18] = [
        "token",
        "status",
        "-p",
        "--profile",
        "--profile=work",
        "--token-file",
        "--format",
        "json",
        "JSON",
        "work",
        "a/b",
        "~/b",
        "",
        "-",
        "--",
        "-v",
        "--min-ttl",
        "5m",
    ];

    /// The `number`th call of all that these words make, none first.
    fn call(mut number: usize) -> Vec<&'static str> {
        let mut words = Vec::new();
        while number > 0 {
            number -= 1;
            words.push(WORDS[number % WORDS.len()]);
            number /= WORDS.len();
        }
        words
    }

    #[test]
    fn whatever_is_understood_is_what_clap_understands() {
        let up_to_five_words = (0..=5).map(|length| WORDS.len().pow(length)).sum();
        let mut understood = 0;
        for words in (0..up_to_five_words).map(call) {
            let Some(ours) = token(words.iter().map(OsString::from)) else {
                continue;
            };
            understood += 1;
            let claps = match Cli::try_parse_from(["yandex-token"].iter().chain(&words)) {
                Ok(cli) if !cli.verbose && !cli.quiet => cli.command,
                _ => panic!("clap does not understand {words:?}"),
            };
            assert!(
                matches!(&claps, Command::Token(claps) if *claps == ours),
                "{words:?}"
            );
        }
        // None, a place or a format, and both in either order.
        assert!(understood > 20, "{understood}");
    }
}
