//! Removes our secrets from a server's text, which may quote the request: as
//! they are, and URL-encoded. Other encodings are not found.

use std::cmp::Reverse;

use url::form_urlencoded;

use crate::output::MAX_SHOWN;

/// A server's text, cut short, without the secrets. Only what is shown is
/// searched: a description of a megabyte costs nothing.
pub fn redact(text: &str, secrets: &[&str]) -> String {
    let mut forms: Vec<String> = Vec::new();
    for &secret in secrets {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        forms.extend([secret.to_owned(), encoded.replace('+', "%20"), encoded]);
    }
    forms.retain(|form| !form.is_empty());
    // The longest first: one secret may be the beginning of another.
    forms.sort_by_key(|form| Reverse(form.len()));
    let (mut shown, mut length, mut rest) = (String::new(), 0, text);
    while let Some(c) = rest.chars().next() {
        if length >= MAX_SHOWN {
            shown.push('…');
            break;
        }
        // `%2f` is `%2F`.
        let is_next = |form: &&String| {
            let start = rest.get(..form.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(form))
        };
        let (word, taken) = match forms.iter().find(is_next) {
            Some(form) => ("[…]", form.len()),
            None => (&rest[..c.len_utf8()], c.len_utf8()),
        };
        shown.push_str(word);
        length += word.chars().count();
        rest = &rest[taken..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(text: &str) -> String {
        form_urlencoded::byte_serialize(text.as_bytes()).collect()
    }

    proptest! {
        #[test]
        fn a_secret_is_hidden_as_it_was_sent_and_url_encoded(
            secret in "[!-~]{8,40}",
            padding in 0..310usize,
        ) {
            for quoted in [secret.clone(), form(&secret), form(&secret).to_lowercase()] {
                let text = "-".repeat(padding) + " " + &quoted + &quoted;
                let text = redact(&text, &[&secret]);
                prop_assert!(!text.contains(&quoted[..6]), "{text}");
            }
        }

        #[test]
        fn a_text_without_secrets_stays_as_it_is(text in "[ -~]{0,100}") {
            prop_assert_eq!(redact(&text, &["pa55w0rd-pa55w0rd"]), text);
        }
    }
}
