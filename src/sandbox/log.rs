//! A line for each request, under `--verbose`: what was asked and what came of
//! it, and never a secret whole.

use super::http::{Answer, Body, Call, Parameters};
use crate::output;

/// Parameters that are shown; any other's value is a secret.
const SHOWN: [&str; 14] = [
    "client_id",
    "code_challenge_method",
    "decision",
    "device_id",
    "device_name",
    "error",
    "force_confirm",
    "format",
    "grant_type",
    "login_hint",
    "optional_scope",
    "redirect_uri",
    "response_type",
    "scope",
];
/// The shortest secret of ours that a client can send: a code.
const MIN_MASKED: usize = 16;
const MAX_SHOWN: usize = 60;
const MAX_LINE: usize = 2000;

/// What is known of a request before it is answered.
pub fn asked(call: &Call, client_id: &str) -> String {
    let mut line = format!("{} {}", shown(&call.method), shown(&call.path));
    if let Some(authorization) = &call.authorization {
        let scheme = authorization.split(' ').next().unwrap_or_default();
        let known = ["basic", "bearer", "oauth"].contains(&&*scheme.to_ascii_lowercase());
        line.push_str(&format!(
            " Authorization={}…",
            if known { scheme } else { "" }
        ));
    }
    for parameters in [call.asked().ok(), call.form().and_then(Result::ok)] {
        parameters
            .iter()
            .flat_map(Parameters::iter)
            .for_each(|(name, value)| {
                let value = match SHOWN.contains(&name) {
                    true if value == client_id => value.to_owned(),
                    true => shown(value),
                    false => masked(value),
                };
                line.push_str(&format!(" {}={value}", shown(name)));
            });
    }
    shortened(&line, MAX_LINE)
}

pub fn answered(asked: &str, answer: &Answer) {
    let error = match &answer.body {
        Body::Json(value) => value["error"].as_str().unwrap_or_default(),
        _ => "",
    };
    output::debug(format!("{asked} -> {} {error}", answer.status).trim_end());
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What is no secret by its name or place. A client may have mixed those up, so
/// whatever looks like a secret is masked all the same.
fn shown(text: &str) -> String {
    let mut line = String::new();
    let ends = |c: char| !(c.is_ascii_alphanumeric() || "_-%".contains(c));
    for piece in text.split_inclusive(ends) {
        let word = piece.trim_end_matches(ends);
        match word.len() >= MIN_MASKED && word.contains(|c: char| c.is_ascii_digit()) {
            true => line.push_str(&masked(word)),
            false => line.push_str(word),
        }
        line.push_str(&piece[word.len()..]);
    }
    shortened(&line, MAX_SHOWN)
}

/// Enough to tell one from another, of what is long enough to spare it.
fn masked(secret: &str) -> String {
    let shown = match secret.len() {
        0 => return String::new(),
        MIN_MASKED.. => secret.char_indices().nth(4).map_or(0, |(end, _)| end),
        _ => 0,
    };
    format!("{}…", &secret[..shown])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown_whole() {
        for (secret, shown) in [
            ("", ""),
            ("1234567", "…"),
            ("0123456789abcde", "…"),
            ("0123456789abcdef", "0123…"),
            ("ключ-и-ещё-немного", "ключ…"),
        ] {
            assert_eq!(masked(secret), shown);
        }
    }
    #[test]
    fn what_looks_like_a_secret_is_masked_wherever_it_stands() {
        for (text, masked) in [
            ("/device/code", "/device/code"),
            ("token/authorization_code", "token/authorization_code"),
            ("http://127.0.0.1:8000/back", "http://127.0.0.1:8000/back"),
            ("login:default_phone я", "login:default_phone я"),
            ("/info/y0_AbCdEfGhIjKlMn", "/info/y0_A…"),
            (
                "http://[::1]/?code=0123456789abcdef",
                "http://[::1]/?code=0123…",
            ),
            ("1:aaaaaaaaaaaaaaa1:bbb", "1:aaaa…:bbb"),
            ("%79%30%5f%41%62%63", "%79%…"),
        ] {
            assert_eq!(shown(text), masked);
        }
    }
}
