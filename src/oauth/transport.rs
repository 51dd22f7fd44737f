//! One request over the network: TLS with the platform's trust store, limits of
//! time and size, no redirect followed, and in plain words why it failed.

use std::io::ErrorKind;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};
use ureq::{Agent, Body, Timeout};
use url::Url;

use super::connect::{CONNECT_TIME, InTurn};
use super::response::HttpResponse;
use super::{failure, proxy};
use crate::error::{Error, Kind};
use crate::http::is_loopback_name;
use crate::output;
use crate::platform;

pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How often the time that has passed is added up.
const TICK: Duration = Duration::from_millis(500);
/// Bytes of an answer's status line and headers.
const MAX_HEAD: usize = 64 << 10;
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
    connect_limit: Duration,
) -> Result<HttpResponse, Error> {
    let begun = Instant::now();
    let left_of = |limit: Duration| (begun + limit).saturating_duration_since(Instant::now());
    let mut retries = RETRIES.iter();
    loop {
        let begun = Instant::now();
        let request = agent
            .post(url.as_str())
            .config()
            .timeout_resolve(Some(left_of(connect_limit)))
            .timeout_connect(Some(left_of(connect_limit).min(CONNECT_TIME)))
            .build()
            .content_type("application/x-www-form-urlencoded")
            .header("Accept", "application/json");
        let form = form.clone();
        let error = match within(left_of(limit), move || request.send(form.expose_secret())) {
            Ok(response) => {
                let (status, took) = (response.status, begun.elapsed().as_millis());
                output::debug(&format!("POST {url}: {status} in {took} ms"));
                return Ok(response);
            }
            Err(error) => error,
        };
        match retries.next() {
            Some(wait) if never_connected(&error) && *wait < left_of(limit.min(connect_limit)) => {
                let wait_ms = wait.as_millis();
                output::debug(&format!("no connection to {url}: again in {wait_ms} ms"));
                thread::sleep(*wait);
            }
            _ => return Err(failed(&error, agent, url, what)),
        }
    }
}

/// Gets a resource with this `Authorization`.
pub fn get(
    agent: &Agent,
    what: &str,
    url: &Url,
    authorization: &SecretString,
    limit: Duration,
) -> Result<HttpResponse, Error> {
    let value = authorization.expose_secret();
    let request = agent.get(url.as_str()).header("Authorization", value);
    within(limit, || request.call()).map_err(|error| failed(&error, agent, url, what))
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
        output::debug(&format!("through the proxy {host}:{port}"));
    }
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .timeout_connect(Some(CONNECT_TIME))
        // The default is 128 KiB each, zeroed for every request.
        .input_buffer_size(MAX_HEAD + (16 << 10))
        .output_buffer_size(16 << 10)
        .max_response_header_size(MAX_HEAD)
        .user_agent(concat!("yandex-token/", env!("CARGO_PKG_VERSION")))
        .build();
    let connector = ConnectProxyConnector::default()
        .chain(InTurn::default())
        .chain(RustlsConnector::default());
    let resolver = DefaultResolver::default();
    Ok(Agent::with_parts(config, connector, resolver))
}

/// Sends a request, and returns the response. The limit is kept here and not by
/// ureq, which would throw away a response that came while the process was
/// stopped: time in which we did not run does not count. (It would also give
/// each read from a proxy the whole limit.)
fn within(
    limit: Duration,
    send: impl FnOnce() -> Result<Response<Body>, ureq::Error> + Send + 'static,
) -> Result<HttpResponse, ureq::Error> {
    let (done, answer) = channel();
    thread::Builder::new().spawn(move || drop(done.send(send().and_then(read))))?;
    let mut left = limit;
    while !left.is_zero() {
        let wait = left.min(TICK);
        match answer.recv_timeout(wait) {
            Ok(answer) => return answer,
            Err(_) => left -= wait,
        }
    }
    Err(ureq::Error::Timeout(Timeout::Global))
}

fn read(mut answer: Response<Body>) -> Result<HttpResponse, ureq::Error> {
    let header = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
    Ok(HttpResponse {
        status: answer.status().as_u16(),
        location: header("Location"),
        has_captcha_header: answer.headers().contains_key("X-Yandex-Captcha"),
        body: {
            let body = answer.body_mut().with_config().limit(MAX_BODY);
            body.read_to_vec()?
        },
    })
}

/// True where not a byte can have reached the server.
fn never_connected(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(at) => matches!(at, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Io(error) => {
            error.kind() == ErrorKind::NotConnected
                || platform::is_lookup(error)
                // The listener will have freed some in a moment.
                || platform::is_out_of_descriptors(error)
        }
        _ => false,
    }
}

/// The error of a request in words for people.
fn failed(error: &ureq::Error, agent: &Agent, url: &Url, what: &str) -> Error {
    let (mut why, hint) = failure::explain(error);
    let mut hint = hint.map(str::to_owned);
    if let (None, Some(proxy)) = (&hint, agent.config().proxy()) {
        if matches!(error, ureq::Error::ConnectProxyFailed(why) if why.contains("407")) {
            why = match proxy::offered_schemes(proxy, url) {
                Some(schemes) => format!(
                    "the proxy requires authentication by {schemes} (407); this program has Basic"
                ),
                None => "the proxy requires another user or password (407)".to_owned(),
            };
        }
        hint = Some(format!(
            "Check the proxy {}:{}, which HTTPS_PROXY or ALL_PROXY sets.",
            proxy.host(),
            proxy.port()
        ));
    }
    Error {
        hint,
        ..Error::new(Kind::Unreachable, what, why)
    }
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);
    const OK: &str = "HTTP/1.1 200 OK\r\n";

    /// A server whose connections get this, and then that again and again.
    fn server(begin: &'static str, drop: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let drip = move |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(begin.as_bytes());
            while stream.write_all(drop.as_bytes()).is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || drip(stream.unwrap()));
            }
        });
        port
    }

    #[track_caller]
    fn gives_up(agent: &Agent, url: &str) {
        let form = SecretString::from("a=b");
        let url = Url::parse(url).unwrap();
        let failed = post(agent, "It", &url, &form, LIMIT, LIMIT).unwrap_err();
        assert_eq!(failed.kind, Kind::Unreachable);
        assert!(failed.why.starts_with("no "), "{failed:?}");
    }

    #[test]
    fn a_server_that_drips_or_says_nothing_is_given_up_at_the_limit() {
        let hints = "HTTP/1.1 102 Processing\r\n\r\n";
        for (begin, drop) in [("", ""), ("", hints), (OK, "x"), (OK, "x: y\r\n")] {
            let agent = Agent::config_builder().build().into();
            gives_up(
                &agent,
                &format!("http://127.0.0.1:{}/", server(begin, drop)),
            );
        }
    }

    #[test]
    fn so_is_a_proxy_to_which_ureq_would_give_the_limit_for_each_read() {
        for drop in ["", "x"] {
            let proxy = format!("http://127.0.0.1:{}", server(OK, drop));
            let config = Agent::config_builder().proxy(proxy::parse(&proxy));
            gives_up(&config.build().into(), "https://oauth.test/");
        }
    }
}
