//! Builds the authorization request and reads the authorization response
//! (RFC 6749, 4.1.1 and 4.1.2). Pure: nothing here opens or sends anything.

use secrecy::SecretString;
use url::Url;
use url::form_urlencoded;

use super::Server;
use super::pkce::{State, Verifier};
use super::response::OAuthError;

/// What the user chose about the request, beside client and redirect URI.
#[derive(Default)]
pub struct RequestOptions {
    /// Space-separated, as are `optional_scope`'s.
    pub scope: Option<String>,
    pub optional_scope: Option<String>,
    pub login_hint: Option<String>,
    pub force_confirm: bool,
    pub device_id: Option<String>,
    pub device_name: Option<String>,
}

/// One authorization request, and the secrets that its response is held to.
pub struct AuthorizationRequest {
    pub url: Url,
    pub state: State,
    pub verifier: Verifier,
}

impl AuthorizationRequest {
    /// PKCE (S256) and `state` are always part of it.
    pub fn new(
        server: &Server,
        client_id: &str,
        redirect_uri: Option<&str>,
        options: &RequestOptions,
    ) -> AuthorizationRequest {
        let (state, verifier) = (State::new(), Verifier::new());
        let challenge = verifier.challenge();
        let mut url = server.endpoint("/authorize");
        let parameters = [
            ("response_type", Some("code")),
            ("client_id", Some(client_id)),
            ("redirect_uri", redirect_uri),
            ("scope", options.scope.as_deref()),
            ("optional_scope", options.optional_scope.as_deref()),
            ("login_hint", options.login_hint.as_deref()),
            ("force_confirm", options.force_confirm.then_some("yes")),
            ("device_id", options.device_id.as_deref()),
            ("device_name", options.device_name.as_deref()),
            ("code_challenge", Some(&challenge)),
            ("code_challenge_method", Some("S256")),
            ("state", Some(state.as_str())),
        ];
        url.query_pairs_mut().extend_pairs(
            parameters
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        AuthorizationRequest {
            url,
            state,
            verifier,
        }
    }
}

/// What a redirect back to us says.
#[derive(Debug)]
pub enum Response {
    Code(SecretString),
    Error(OAuthError),
}

/// Reads the query of a redirect. Unknown parameters are ignored.
///
/// # Errors
/// Why it is not the response to our request: the sender learns nothing else,
/// and the login goes on waiting.
pub fn parse_response(query: &str, state: &State) -> Result<Response, &'static str> {
    let all = |name: &str| -> Vec<String> {
        form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    };
    match all("state").as_slice() {
        [given] if state.matches(given) => {}
        [_] => return Err("the state is not the one that was sent"),
        [] => return Err("the state is missing"),
        _ => return Err("there is more than one state"),
    }
    match (all("code").as_mut_slice(), all("error").as_mut_slice()) {
        ([code], []) if is_code(code) => Ok(Response::Code(std::mem::take(code).into())),
        ([_], []) => Err("the code has characters that are not allowed"),
        ([], [error]) if !error.is_empty() => Ok(Response::Error(OAuthError {
            error: std::mem::take(error),
            description: all("error_description").into_iter().next(),
        })),
        ([], [_] | []) => Err("there is neither a code nor an error"),
        _ => Err("there must be exactly one code or error"),
    }
}

/// A code is opaque: printable ASCII without blanks, of any length.
pub fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties;
    use proptest::prelude::*;

    fn state() -> State {
        State::new()
    }

    #[test]
    fn debug_shows_no_code() {
        let state = state();
        let query = format!("code=c0de&state={}", state.as_str());
        let shown = format!("{:?}", parse_response(&query, &state));
        assert!(!shown.contains("c0de"), "{shown}");
    }

    proptest! {
        #[test]
        fn nothing_without_our_state_is_an_answer(query in "[ -~]{0,80}") {
            prop_assert!(parse_response(&query, &state()).is_err());
        }

        #[test]
        fn an_answer_has_our_state_and_one_code_or_error(
            query in "((code|error|state|%63ode|cid)=?(STATE|[ -~]{0,6})&?){0,5}"
        ) {
            properties::redirect_query(&query);
        }

        #[test]
        fn the_request_carries_what_was_wished_to_the_letter(
            redirect in "http://127\\.0\\.0\\.1:8000/[!-~]{0,20}",
            scope in "[!-~]{1,20}( [!-~]{1,20}){0,3}",
            name in "\\PC{0,20}",
        ) {
            let server = Server::default();
            let options = RequestOptions {
                scope: Some(scope.clone()),
                device_name: Some(name.clone()),
                ..RequestOptions::default()
            };
            let request = AuthorizationRequest::new(&server, "id", Some(&redirect), &options);
            let pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
            for (key, value) in [
                ("redirect_uri", &redirect),
                ("scope", &scope),
                ("device_name", &name),
            ] {
                let sent: Vec<_> = pairs.iter().filter(|(k, _)| k == key).collect();
                prop_assert_eq!(sent.len(), 1);
                prop_assert_eq!(&sent[0].1, value);
            }
        }
    }
}
