//! The authorization server's endpoints as functions: one request each, and
//! what its answer means.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use ureq::Agent;
use url::form_urlencoded;

use super::Server;
use super::authorization::RequestOptions;
use super::pkce::Verifier;
use super::redact::redact;
use super::response::{self, Classified, DeviceCode, OAuthError, TokenResponse};
pub use super::transport::REQUEST_TIME;
use super::transport::{self, agent};
use crate::error::{Error, Kind};

const SUBJECT_REFUSED: &str = "Check that the organisation's list of service applications has \
    this one with these scopes, and that the user is in the organisation.";

const DEVICE_ENDPOINT: &str = "/device/code";
/// The parameters that an error must not make us show.
const SECRETS: [&str; 4] = ["code", "code_verifier", "refresh_token", "access_token"];

/// One application at one authorization server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    pub server: Server,
    pub client_id: String,
    pub client_secret: Option<ClientSecret>,
    /// Secrets that the server gave us before, and must not make us show.
    pub known: Vec<SecretString>,
    /// For all tries to connect together.
    pub connect_limit: Duration,
}

/// A client secret, and where it came from: Yandex may report that it
/// is wrong long after the user was asked for it.
#[derive(Clone)]
pub struct ClientSecret {
    pub secret: SecretString,
    pub source: String,
}

/// What a poll came to.
pub enum Poll {
    Token(TokenResponse),
    Pending,
    SlowDown,
    /// The network or the server failed, and may not the next time.
    Fault(Error),
}

impl Client {
    /// Without a secret it is a public client: PKCE alone.
    ///
    /// # Errors
    /// A proxy variable that can't be used.
    pub fn new(
        server: Server,
        client_id: String,
        client_secret: Option<ClientSecret>,
    ) -> Result<Client, Error> {
        Ok(Client {
            agent: agent(&server.endpoint("/"))?,
            server,
            client_id,
            client_secret,
            known: Vec::new(),
            connect_limit: REQUEST_TIME,
        })
    }

    /// Exchanges an authorization code (RFC 6749, 4.1.3; RFC 7636, 4.5). The
    /// request is sent once: a code that was sent may be spent.
    pub fn exchange_code(
        &self,
        code: &SecretString,
        verifier: &Verifier,
        redirect_uri: Option<&str>,
    ) -> Result<TokenResponse, Error> {
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("code_verifier", verifier.secret().expose_secret()),
        ];
        parameters.extend(redirect_uri.map(|uri| ("redirect_uri", uri)));
        let what = format!("exchanging the code at {}", self.server.origin());
        let answer = self.token(&what, &parameters);
        answer.map_err(|error| match error.refusal.as_deref() {
            Some("invalid_grant" | "bad_verification_code") => {
                error.hint("A code can be used once, within ten minutes: log in again.")
            }
            _ => error,
        })
    }

    /// Exchanges a refresh token (RFC 6749, section 6). Sent once, as a code
    /// is: the answer may hold its successor.
    pub fn refresh(&self, refresh_token: &SecretString) -> Result<TokenResponse, Error> {
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        let what = format!("refreshing the token at {}", self.server.origin());
        self.token(&what, &parameters)
    }

    /// Exchanges a service application's credentials for the token of a user,
    /// an e-mail address or a numeric uid (RFC 8693, in Yandex's dialect).
    pub fn exchange_subject(
        &self,
        subject: &str,
        scope: Option<&str>,
    ) -> Result<TokenResponse, Error> {
        let subject_type = match subject.bytes().all(|b| b.is_ascii_digit()) {
            true => "urn:yandex:params:oauth:token-type:uid",
            false => "urn:yandex:params:oauth:token-type:email",
        };
        let grant_type = "urn:ietf:params:oauth:grant-type:token-exchange";
        let mut parameters = vec![
            ("grant_type", grant_type),
            ("subject_token", subject),
            ("subject_token_type", subject_type),
        ];
        parameters.extend(scope.map(|scope| ("scope", scope)));
        let what = format!("asking {} for a user's token", self.server.origin());
        let answer = self.token(&what, &parameters);
        answer.map_err(|error| match error.refusal.as_deref() {
            None | Some("invalid_client") => error,
            Some(_) => error.hint(SUBJECT_REFUSED),
        })
    }

    /// Asks for a device code (RFC 8628, 3.1). Yandex wants no credentials
    /// here but the ID.
    pub fn request_device_code(&self, options: &RequestOptions) -> Result<DeviceCode, Error> {
        let what = format!("asking {} for a device code", self.server.origin());
        let parameters: Vec<_> = [
            ("scope", &options.scope),
            ("optional_scope", &options.optional_scope),
            ("device_id", &options.device_id),
            ("device_name", &options.device_name),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        let asked = self.ask(&what, DEVICE_ENDPOINT, &parameters);
        let fields = asked.map_err(|error| match error.refusal.as_deref() {
            // Nothing but the ID was sent.
            Some("invalid_client") => error.hint("Check the client ID."),
            _ => error,
        })?;
        response::device_code(fields).map_err(|why| useless(&what, why))
    }

    /// Asks once whether the user has entered the code (RFC 8628, 3.4, in
    /// Yandex's dialect), within this time.
    ///
    /// # Errors
    /// What no further poll will change.
    pub fn poll(&self, code: &DeviceCode, limit: Duration) -> Result<Poll, Error> {
        let what = format!("waiting for the device code at {}", self.server.origin());
        let parameters = [
            ("grant_type", "device_code"),
            ("code", code.device_code.expose_secret()),
        ];
        let (status, answer) = match self.post(&what, "/token", &parameters, limit) {
            Ok(answer) => answer,
            Err(error) => return Ok(Poll::Fault(error)),
        };
        match answer {
            Classified::Success(fields) => token(&what, fields).map(Poll::Token),
            Classified::Useless(why) if status == 200 => {
                Err(self.useless(&what, &why, &parameters))
            }
            // A captcha, a firewall's page, an outage: gone by the next poll,
            // perhaps.
            Classified::Useless(why) => Ok(Poll::Fault(self.useless(&what, &why, &parameters))),
            Classified::Error(refusal) => match refusal.error.as_str() {
                "authorization_pending" => Ok(Poll::Pending),
                "slow_down" => Ok(Poll::SlowDown),
                _ => Err(self.refused(&what, &refusal, &parameters)),
            },
        }
    }

    /// Revokes an access token (RFC 7009, in Yandex's dialect).
    pub fn revoke(&self, access_token: &SecretString) -> Result<(), Error> {
        let parameters = [("access_token", access_token.expose_secret())];
        let what = format!("revoking the token at {}", self.server.origin());
        match self.post(&what, "/revoke_token", &parameters, REQUEST_TIME)? {
            // RFC 7009, 2.2: whatever is in it.
            (200..=299, _) | (_, Classified::Success(_)) => Ok(()),
            (_, Classified::Useless(why)) => Err(self.useless(&what, &why, &parameters)),
            (_, Classified::Error(refusal)) => Err(self.refused(&what, &refusal, &parameters)),
        }
    }

    /// Sends a grant to the token endpoint.
    fn token(&self, what: &str, parameters: &[(&str, &str)]) -> Result<TokenResponse, Error> {
        token(what, self.ask(what, "/token", parameters)?)
    }

    /// One request, and its answer if that is a success.
    fn ask(
        &self,
        what: &str,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Map<String, Value>, Error> {
        match self.post(what, path, parameters, REQUEST_TIME)?.1 {
            Classified::Success(fields) => Ok(fields),
            Classified::Useless(why) => Err(self.useless(what, &why, parameters)),
            Classified::Error(refusal) => Err(self.refused(what, &refusal, parameters)),
        }
    }

    /// The error for a refusal, without the secrets that it may quote.
    pub fn refused(&self, what: &str, refusal: &OAuthError, sent: &[(&str, &str)]) -> Error {
        let hide = |text: &String| self.redact(text, sent);
        let redacted = OAuthError {
            error: hide(&refusal.error),
            description: refusal.description.as_ref().map(hide),
        };
        Error {
            hint: self.advice(&refusal.error),
            ..response::refused(what, &redacted)
        }
    }

    /// The error for what is no OAuth server's answer. A redirect's target may
    /// quote secrets as well.
    fn useless(&self, what: &str, why: &str, sent: &[(&str, &str)]) -> Error {
        useless(what, &self.redact(why, sent))
    }

    /// A server's text without our secrets and those that it was sent.
    fn redact(&self, text: &str, sent: &[(&str, &str)]) -> String {
        let sent = sent.iter().filter(|(name, _)| SECRETS.contains(name));
        let own = self.client_secret.iter().map(|given| &given.secret);
        let known = own.chain(&self.known).map(|secret| secret.expose_secret());
        let secrets: Vec<&str> = sent.map(|(_, value)| *value).chain(known).collect();
        redact(text, &secrets)
    }

    /// What the user can do about an OAuth error.
    fn advice(&self, error: &str) -> Option<String> {
        let advice = match (error, &self.client_secret) {
            ("invalid_client", Some(given)) => {
                let source = &given.source;
                return Some(format!(
                    "Check the client ID and the client secret, which came from {source}."
                ));
            }
            ("invalid_client", None) => {
                "Check the client ID. If the application needs its client secret, set \
                 YANDEX_CLIENT_SECRET or pass --client-secret-file."
            }
            ("invalid_scope", _) => {
                "Check that the application is registered with these scopes. If its scopes have \
                 changed, log in again."
            }
            ("unauthorized_client", _) => {
                "The application is waiting for moderation, or was rejected."
            }
            _ => return None,
        };
        Some(advice.to_owned())
    }

    /// One POST of a form, credentials included: the status, and what the answer
    /// means.
    fn post(
        &self,
        what: &str,
        path: &str,
        parameters: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(u16, Classified), Error> {
        let url = self.server.endpoint(path);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        form.append_pair("client_id", &self.client_id);
        let has_secret = path != DEVICE_ENDPOINT;
        if let Some(given) = self.client_secret.as_ref().filter(|_| has_secret) {
            form.append_pair("client_secret", given.secret.expose_secret());
        }
        let form = SecretString::from(form.finish());
        let limit = limit.min(REQUEST_TIME);
        let response = transport::post(&self.agent, what, &url, &form, limit, self.connect_limit)?;
        Ok((response.status, response::classify(&response, &url)))
    }
}

fn token(what: &str, fields: Map<String, Value>) -> Result<TokenResponse, Error> {
    response::token(fields).map_err(|why| useless(what, &why))
}

pub(super) fn useless(what: &str, why: &str) -> Error {
    let hint = match why.contains("captcha") {
        true => {
            "Yandex takes this machine for a robot. Open the OAuth URL in a browser here, or try \
             later or from another network."
        }
        false => "Check the OAuth URL, and whether the server works.",
    };
    Error::new(Kind::Unreachable, what, why).hint(hint)
}
