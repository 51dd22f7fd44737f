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
const MAX_SHOWN: usize = 60;

/// What is known of a request before it is answered.
pub fn asked(call: &Call) -> String {
    let mut line = format!("{} {}", call.method, shortened(&call.path));
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
                    true => shortened(value),
                    false => masked(value),
                };
                line.push_str(&format!(" {}={value}", shortened(name)));
            });
    }
    line
}

pub fn answered(asked: &str, answer: &Answer) {
    let error = match &answer.body {
        Body::Json(value) => value["error"].as_str().unwrap_or_default(),
        _ => "",
    };
    output::step(format!("{asked} -> {} {error}", answer.status).trim_end());
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Enough to tell one from another, of what is long enough to spare it.
fn masked(secret: &str) -> String {
    let shown = match secret.len() {
        0 => return String::new(),
        16.. => secret.char_indices().nth(4).map_or(0, |(end, _)| end),
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
}
