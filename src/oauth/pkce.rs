//! What ties an authorization response to our request: the code verifier with
//! its S256 challenge (RFC 7636, section 4) and `state` (RFC 6749, 10.12).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::random;

/// A code verifier: 43 unreserved characters, 256 bits.
pub struct Verifier(SecretString);

impl Verifier {
    pub fn new() -> Verifier {
        Verifier(random::base64url().into())
    }

    /// The `code_challenge` for `code_challenge_method=S256`.
    pub fn challenge(&self) -> String {
        let hash = digest(&SHA256, self.0.expose_secret().as_bytes());
        URL_SAFE_NO_PAD.encode(hash)
    }

    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// The `state` of one request. It is printed with the URL, by necessity.
#[derive(Clone)]
pub struct State(String);

impl State {
    pub fn new() -> State {
        State(random::base64url())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that says nothing about where they differ.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let verifier = Verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(
            verifier.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn only_the_whole_state_matches() {
        let state = State::new();
        assert!(state.matches(state.as_str()));
        assert!(!state.matches(&state.as_str()[1..]));
        assert!(!state.matches(""));
    }
}
