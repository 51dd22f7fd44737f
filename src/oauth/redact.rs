//! Keeps our secrets out of what a server says, should it quote what it was
//! sent.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

/// How many guises may lie over each other: a form in base64 in JSON.
const LAYERS: usize = 3;

/// A server's text without the secrets, or nothing of it where it holds one in
/// another guise.
pub fn redact(text: &str, secrets: &[&SecretString]) -> String {
    let secrets = || {
        let secrets = secrets.iter().map(|secret| secret.expose_secret());
        secrets.filter(|secret| !secret.is_empty())
    };
    let plain = secrets().fold(text.to_owned(), |text, secret| text.replace(secret, "[…]"));
    match secrets().any(|secret| holds(&plain, secret, LAYERS)) {
        true => "[…]".to_owned(),
        false => plain,
    }
}

fn holds(text: &str, secret: &str, layers: usize) -> bool {
    text.contains(secret)
        || layers > 0
            && guises(text)
                .iter()
                .any(|under| under != text && holds(under, secret, layers - 1))
}

/// What the text says when it is read as a form, as the inside of a JSON
/// string, and as base64.
fn guises(text: &str) -> [String; 3] {
    let form = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| format!("{name}={value}&"))
        .collect();
    let quoted = serde_json::from_str(&format!("\"{text}\""));
    let unescaped = quoted.unwrap_or_else(|_| text.replace('\\', ""));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let decoded: Vec<_> = text
        .split(|c| !is_base64(c))
        .filter_map(|word| {
            let bytes = STANDARD_NO_PAD.decode(word);
            bytes.or_else(|_| URL_SAFE_NO_PAD.decode(word)).ok()
        })
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    [form, unescaped, decoded.join(" ")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let whole = serde_json::to_string(text).expect("JSON");
        whole[1..whole.len() - 1].to_owned()
    }

    fn every_byte(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    fn form(text: &str) -> String {
        form_urlencoded::byte_serialize(text.as_bytes()).collect()
    }

    proptest! {
        #[test]
        fn a_secret_is_hidden_in_whatever_guise_it_is_quoted(
            secret in "[!-~]{8,40}",
            (before, after) in ("[ -~]{0,20} ", " [ -~]{0,20}"),
        ) {
            let basic = STANDARD.encode(format!("app:{secret}"));
            for quoted in [
                secret.clone(),
                form(&secret),
                every_byte(&secret),
                form(&form(&secret)),
                escaped(&secret),
                basic.clone(),
                form(&basic),
                URL_SAFE_NO_PAD.encode(form(&secret)),
            ] {
                let text = redact(&quoted, &[&secret.clone().into()]);
                prop_assert!(!text.contains(&quoted), "{text}");
            }
            // What is around it is read all the same.
            for quoted in [&secret, &form(&secret), &basic] {
                let text = format!("{before}{quoted}{after}").replace('%', "%25");
                let text = redact(&text, &[&secret.clone().into()]);
                prop_assert!(!text.contains(&secret), "{text}");
                prop_assert!(!text.contains(&basic), "{text}");
            }
        }

        #[test]
        fn a_text_without_secrets_stays_as_it_is(text in "[ -~]{0,100}") {
            let secret = "pa55w0rd-pa55w0rd".to_owned().into();
            prop_assert_eq!(redact(&text, &[&secret]), text);
        }
    }
}
