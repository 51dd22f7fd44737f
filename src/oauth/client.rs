//! The only HTTP client: sends forms to the authorization server over TLS with
//! the platform's trust store, within limits, and never follows a redirect.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};
use url::{Url, form_urlencoded};

use super::authorization::Wishes;
use super::pkce::Verifier;
use super::response::{self, Answer, OAuthError, TokenResponse};
use super::{Server, proxy};
use crate::error::{Error, Kind};
use crate::output;

const CONNECT_TIME: Duration = Duration::from_secs(10);
const REQUEST_TIME: Duration = Duration::from_secs(30);
const MAX_BODY: u64 = 1 << 20;
/// Waits before a connection that was never made is tried again.
const RETRIES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// One application at one authorization server.
pub struct Client {
    agent: Agent,
    server: Server,
    client_id: String,
    client_secret: Option<ClientSecret>,
}

/// An application password, and where it came from: Yandex may tell that it
/// is wrong long after the user was asked for it.
#[derive(Clone)]
pub struct ClientSecret {
    pub secret: SecretString,
    pub source: String,
}

/// An answer of the device authorization endpoint (RFC 8628, 3.2).
pub struct DeviceCode {
    pub device_code: SecretString,
    pub user_code: String,
    pub verification_url: Url,
    pub interval: Duration,
    pub expires_in: Duration,
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
            agent: agent(&server)?,
            server,
            client_id,
            client_secret,
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
        self.token(&what, &parameters, &[code, verifier.secret()])
    }

    /// Exchanges a refresh token (RFC 6749, section 6). Sent once, as a code
    /// is: the answer may hold its successor.
    pub fn refresh(&self, refresh_token: &SecretString) -> Result<TokenResponse, Error> {
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        let what = format!("refreshing the token at {}", self.server.origin());
        self.token(&what, &parameters, &[refresh_token])
    }

    /// Asks for a device code (RFC 8628, 3.1). Yandex wants no credentials
    /// here but the ID.
    pub fn request_device_code(&self, wishes: &Wishes) -> Result<DeviceCode, Error> {
        let what = format!("asking {} for a device code", self.server.origin());
        let parameters: Vec<_> = [
            ("scope", &wishes.scope),
            ("optional_scope", &wishes.optional_scope),
            ("device_id", &wishes.device_id),
            ("device_name", &wishes.device_name),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        let public = Client {
            agent: self.agent.clone(),
            server: self.server.clone(),
            client_id: self.client_id.clone(),
            client_secret: None,
        };
        let fields = public.ask(&what, "/device/code", &parameters, &[])?;
        response::device_code(fields, &self.server).map_err(|why| useless(&what, why))
    }

    /// Asks once whether the user has entered the code (RFC 8628, 3.4, in
    /// Yandex's dialect), within this time.
    ///
    /// # Errors
    /// What no further poll will change.
    pub fn poll(&self, code: &DeviceCode, limit: Duration) -> Result<Poll, Error> {
        let what = format!("waiting for the device code at {}", self.server.origin());
        let device_code = &code.device_code;
        let parameters = [
            ("grant_type", "device_code"),
            ("code", device_code.expose_secret()),
        ];
        let (status, body) = match self.post(&what, "/token", &parameters, limit) {
            Ok(answer) => answer,
            Err(error) => return Ok(Poll::Fault(error)),
        };
        match response::classify(status, &body) {
            Answer::Success(fields) => response::token(fields)
                .map(Poll::Token)
                .map_err(|why| useless(&what, why)),
            Answer::Useless(why) if status == 429 || status >= 500 => {
                Ok(Poll::Fault(useless(&what, &why)))
            }
            Answer::Useless(why) => Err(useless(&what, &why)),
            Answer::Error(refusal) => match refusal.error.as_str() {
                "authorization_pending" => Ok(Poll::Pending),
                "slow_down" => Ok(Poll::SlowDown),
                _ => Err(self.refused(&what, &refusal, &[device_code])),
            },
        }
    }

    /// Revokes an access token (RFC 7009, in Yandex's dialect).
    pub fn revoke(&self, access_token: &SecretString) -> Result<(), Error> {
        let parameters = [("access_token", access_token.expose_secret())];
        let what = format!("revoking the token at {}", self.server.origin());
        self.ask(&what, "/revoke_token", &parameters, &[access_token])
            .map(drop)
    }

    /// Sends a grant to the token endpoint. `secrets` are what the answer must
    /// not make us show.
    fn token(
        &self,
        what: &str,
        parameters: &[(&str, &str)],
        secrets: &[&SecretString],
    ) -> Result<TokenResponse, Error> {
        let fields = self.ask(what, "/token", parameters, secrets)?;
        response::token(fields).map_err(|why| useless(what, why))
    }

    /// One request, and its answer if that is a success.
    fn ask(
        &self,
        what: &str,
        path: &str,
        parameters: &[(&str, &str)],
        secrets: &[&SecretString],
    ) -> Result<Map<String, Value>, Error> {
        let (status, body) = self.post(what, path, parameters, REQUEST_TIME)?;
        match response::classify(status, &body) {
            Answer::Success(fields) => Ok(fields),
            Answer::Useless(why) => Err(useless(what, &why)),
            Answer::Error(refusal) => Err(self.refused(what, &refusal, secrets)),
        }
    }

    /// The error for a refusal, without the secrets that it may quote.
    fn refused(&self, what: &str, refusal: &OAuthError, secrets: &[&SecretString]) -> Error {
        let own = self.client_secret.iter().map(|given| &given.secret);
        let secrets: Vec<_> = secrets.iter().copied().chain(own).collect();
        let concealed = OAuthError {
            error: conceal(&refusal.error, &secrets),
            description: refusal
                .description
                .as_ref()
                .map(|text| conceal(text, &secrets)),
        };
        let mut error = response::refused(what, &concealed);
        error.hint = self.advice(refusal);
        error
    }

    /// What the user can do about an OAuth error.
    fn advice(&self, refusal: &OAuthError) -> Option<String> {
        let advice = match refusal.error.as_str() {
            "invalid_client" => match &self.client_secret {
                None => {
                    "Check the application ID. An application that wants its password too \
                     gets it from YANDEX_CLIENT_SECRET or --client-secret-file."
                }
                Some(given) => {
                    return Some(format!(
                        "Check the application ID and its password, which came from {}.",
                        given.source
                    ));
                }
            },
            "invalid_grant" | "bad_verification_code" => {
                "A code is good once and for ten minutes: log in again."
            }
            "invalid_scope" => "The application's scopes have changed: log in again.",
            "unauthorized_client" => {
                "The application is waiting for moderation, or was turned down."
            }
            _ => return None,
        };
        Some(advice.to_owned())
    }

    /// One POST of a form, credentials included. Only a connection that was
    /// never made is tried again.
    fn post(
        &self,
        what: &str,
        path: &str,
        parameters: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(u16, Vec<u8>), Error> {
        let url = self.server.endpoint(path);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        form.append_pair("client_id", &self.client_id);
        if let Some(given) = &self.client_secret {
            form.append_pair("client_secret", given.secret.expose_secret());
        }
        let form = SecretString::from(form.finish());
        let mut retries = RETRIES.iter();
        loop {
            let begun = Instant::now();
            let sent = self
                .agent
                .post(url.as_str())
                .config()
                .timeout_global(Some(limit))
                .build()
                .content_type("application/x-www-form-urlencoded")
                .header("Accept", "application/json")
                .send(form.expose_secret());
            let answered = sent.is_ok();
            let error = match read(sent) {
                Ok((status, body)) => {
                    let took = begun.elapsed().as_millis();
                    output::step(&format!("POST {url}: {status} in {took} ms"));
                    return Ok((status, body));
                }
                Err(error) => error,
            };
            match retries
                .next()
                .filter(|_| !answered && never_connected(&error))
            {
                Some(wait) => {
                    let wait_ms = wait.as_millis();
                    output::step(&format!("no connection to {url}: again in {wait_ms} ms"));
                    thread::sleep(*wait);
                }
                None => return Err(unreachable(what, &error)),
            }
        }
    }
}

/// A server's text without our secrets, should it quote what it was sent: as
/// it is, or encoded as in a form in whatever spelling.
fn conceal(text: &str, secrets: &[&SecretString]) -> String {
    let secrets = || secrets.iter().map(|secret| secret.expose_secret());
    let plain = secrets().fold(text.to_owned(), |text, secret| text.replace(secret, "[…]"));
    let decoded: String = form_urlencoded::parse(plain.as_bytes())
        .map(|(name, value)| format!("{name}={value}&"))
        .collect();
    match secrets().any(|secret| decoded.contains(secret)) {
        true => "[…]".to_owned(),
        false => plain,
    }
}

/// Whose a token is, as far as the server says.
pub struct User {
    pub id: String,
    pub login: Option<String>,
}

/// Asks whose token it is: Yandex at a host of its own, any other server at
/// the OAuth URL itself.
///
/// # Errors
/// [`Kind::NoToken`] where the server does not know the token (any more).
pub fn user_info(server: &Server, access_token: &SecretString) -> Result<User, Error> {
    let url = match server.is_yandex() {
        true => "https://login.yandex.ru/info".to_owned(),
        false => server.endpoint("/info").to_string(),
    };
    let what = format!("asking {url}");
    let authorization = format!("OAuth {}", access_token.expose_secret());
    let asked = agent(server)?
        .get(format!("{url}?format=json"))
        .header("Authorization", &authorization)
        .call();
    let (status, body) = read(asked).map_err(|error| unreachable(&what, &error))?;
    output::step(&format!("GET {url}: {status}"));
    if status == 401 {
        return Err(Error::new(
            Kind::NoToken,
            what,
            "the server does not accept the token",
        ));
    }
    let Answer::Success(fields) = response::classify(status, &body) else {
        return Err(useless(&what, &format!("answered with status {status}")));
    };
    match response::text(&fields, "id") {
        Some(id) => Ok(User {
            id,
            login: response::text(&fields, "login"),
        }),
        None => Err(useless(&what, "answered without a user")),
    }
}

/// The settings that every request is made with.
fn agent(server: &Server) -> Result<Agent, Error> {
    let proxy = if server.is_loopback() {
        None
    } else {
        proxy::choose(server.host())?
    };
    if let Some(proxy) = &proxy {
        let (host, port) = (proxy.host(), proxy.port());
        output::step(&format!("through the proxy {host}:{port}"));
    }
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_TIME))
        .timeout_global(Some(REQUEST_TIME))
        .user_agent(concat!("yandex-token/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.into())
}

/// Status and body, within the limit.
fn read(sent: Result<Response<Body>, ureq::Error>) -> Result<(u16, Vec<u8>), ureq::Error> {
    let mut answer = sent?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MAX_BODY);
    Ok((status, body.read_to_vec()?))
}

fn useless(what: &str, why: &str) -> Error {
    Error::new(Kind::Unreachable, what, why)
        .hint("Is the OAuth URL that of an OAuth server, and does it work now?")
}

/// True where not a byte can have reached the server.
fn never_connected(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(at) => matches!(at, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::AddrNotAvailable
            ) || is_lookup(error)
        }
        _ => false,
    }
}

/// The resolver's failure has no kind of its own.
fn is_lookup(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
}

/// The error of a request that got no answer.
fn unreachable(what: &str, error: &ureq::Error) -> Error {
    let why = match error {
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Timeout(Timeout::Connect) => "no connection within 10 s".to_owned(),
        ureq::Error::Timeout(_) => "no answer within 30 s".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "answered with more than 1 MiB".to_owned(),
        // Its text may quote the proxy's answer; the proxy's word is its status.
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused the connection".to_owned(),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the server hung up before it had answered".to_owned()
        }
        ureq::Error::Io(error) => plain(&error.to_string()),
        other => plain(&other.to_string()),
    };
    let certificate = why.contains("certificate");
    let failed = Error::new(Kind::Unreachable, what, why);
    if certificate {
        failed.hint(
            "The server's certificate is checked against this system's certificate \
             authorities (package ca-certificates); SSL_CERT_FILE names others.",
        )
    } else {
        failed
    }
}

/// A library's message without what only its authors can use.
fn plain(message: &str) -> String {
    let message = message.split(" (os error").next().unwrap_or(message);
    let message = message.replace("rustls: unexpected error: ", "");
    response::short(&match message.strip_prefix("invalid peer certificate: ") {
        Some("UnknownIssuer") => "the certificate's issuer is not trusted here".to_owned(),
        Some(why) => format!("the certificate is not valid: {why}"),
        None => message,
    })
}
