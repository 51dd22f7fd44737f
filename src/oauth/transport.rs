//! One request over the network: TLS with the platform's trust store, limits of
//! time and size, no redirect followed, and in plain words why it failed.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};
use url::Url;

use super::{handshake, proxy, response};
use crate::error::{Error, Kind};
use crate::gate::is_loopback_name;
use crate::output;

const CONNECT_TIME: Duration = Duration::from_secs(10);
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
const MAX_BODY: u64 = 1 << 20;
/// Waits before a connection that was never made is tried again.
const RETRIES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// Posts a form, within `limit` in all. Only a connection that was never made
/// is tried again.
pub fn post(
    agent: &Agent,
    what: &str,
    url: &Url,
    form: &SecretString,
    limit: Duration,
) -> Result<(u16, Vec<u8>), Error> {
    let until = Instant::now() + limit;
    let left = || until.saturating_duration_since(Instant::now());
    let mut retries = RETRIES.iter();
    loop {
        let begun = Instant::now();
        let sent = agent
            .post(url.as_str())
            .config()
            .timeout_global(Some(left()))
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
        let again = retries
            .next()
            .filter(|wait| !answered && never_connected(&error) && **wait < left());
        match again {
            Some(wait) => {
                let wait_ms = wait.as_millis();
                output::step(&format!("no connection to {url}: again in {wait_ms} ms"));
                thread::sleep(*wait);
            }
            None => return Err(unreachable(what, &error)),
        }
    }
}

/// The settings that every request to this URL's host is made with.
pub fn agent(url: &Url) -> Result<Agent, Error> {
    let host = url.host_str().unwrap_or_default();
    let proxy = match is_loopback_name(host) {
        true => None,
        false => proxy::choose(host)?,
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
pub fn read(sent: Result<Response<Body>, ureq::Error>) -> Result<(u16, Vec<u8>), ureq::Error> {
    let mut answer = sent?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MAX_BODY);
    Ok((status, body.read_to_vec()?))
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
                || is_out_of_descriptors(error)
        }
        _ => false,
    }
}

/// No socket could be made: the gate will have freed some in a moment.
fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    {
        use nix::libc::{EMFILE, ENFILE};

        matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// The resolver's failure has no kind of its own.
fn is_lookup(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
}

/// The error of a request that got no answer.
pub fn unreachable(what: &str, error: &ureq::Error) -> Error {
    if let Some(error) = handshake::cause(error) {
        return handshake::failed(what, error);
    }
    let why = match error {
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Timeout(Timeout::Connect) => "no connection within 10 s".to_owned(),
        ureq::Error::Timeout(_) => "no answer within 30 s".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "answered with more than 1 MiB".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "answered with endless headers".to_owned(),
        ureq::Error::BodyStalled => "broke off its answer".to_owned(),
        ureq::Error::Protocol(why) => {
            let why = why.to_string();
            let why = why.strip_prefix("http parse fail: ").unwrap_or(&why);
            format!("answered with what is not proper HTTP ({})", plain(why))
        }
        // Its text may quote the proxy's answer; the proxy's word is its status.
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused the connection".to_owned(),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the server hung up before it had answered".to_owned()
        }
        ureq::Error::Io(error) => plain(&error.to_string()),
        other => plain(&other.to_string()),
    };
    Error::new(Kind::Unreachable, what, why)
}

/// A library's message without what only its authors can use.
fn plain(message: &str) -> String {
    let message = message.split(" (os error").next().unwrap_or(message);
    response::short(message)
}
