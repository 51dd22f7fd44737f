//! Keeps our secrets out of what a server says, should it quote what it was
//! sent: as it was, or URL-encoded. An encoding of the server's own is not
//! found.

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

/// A server's text without the secrets. It is not yet cut: a secret cut in two
/// would not be found.
pub fn redact(text: &str, secrets: &[&SecretString]) -> String {
    let mut forms: Vec<String> = secrets
        .iter()
        .map(|secret| secret.expose_secret())
        .filter(|secret| !secret.is_empty())
        .flat_map(|secret| {
            let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            [secret.to_owned(), form.replace('+', "%20"), form]
        })
        .collect();
    // One secret may be the beginning of another.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
        .iter()
        .fold(text.to_owned(), |text, form| text.replace(form, "[…]"))
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
            secret in "[ -~]{8,40}",
            (before, after) in ("[a-z]{0,20} ", " [a-z]{0,20}"),
        ) {
            for quoted in [secret.clone(), form(&secret), form(&secret).replace('+', "%20")] {
                let text = redact(&format!("{before}{quoted}{after}"), &[&secret.clone().into()]);
                prop_assert_eq!(text, format!("{before}[…]{after}"));
            }
        }

        #[test]
        fn a_text_without_secrets_stays_as_it_is(text in "[ -~]{0,100}") {
            let secret = "pa55w0rd-pa55w0rd".to_owned().into();
            prop_assert_eq!(redact(&text, &[&secret]), text);
        }
    }

    #[test]
    fn of_two_secrets_the_longer_one_is_hidden_first() {
        let secrets = ["pa55w0rd", "pa55w0rd-and-more"].map(SecretString::from);
        let shown = redact("not pa55w0rd-and-more", &[&secrets[0], &secrets[1]]);
        assert_eq!(shown, "not […]");
    }
}
