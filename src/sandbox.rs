//! A local stand-in for the Yandex OAuth server.
//!
//! A second reading of the protocol, for trying things out and for testing
//! scripts: it shares no code with `oauth`, so that the two can't share a
//! mistake. Its state is in memory and gone with the process.

mod application;
mod authorize;
mod device;
mod fault;
mod form;
mod info;
mod log;
pub mod multipart;
mod pages;
mod parameters;
mod state;
mod token;
mod user;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::json;

use crate::error::Error;
use crate::http::{self, Request, Response, Server};
pub use application::can_be_registered;
pub use fault::Fault;
use fault::Kind;
use state::State;
pub use user::follow;

/// Bytes of a form; what OAuth needs is far below.
const MAX_BODY: usize = 64 << 10;

/// What the user of the sandbox answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Consent {
    #[default]
    Ask,
    Allow,
    Deny,
}

/// What can be chosen about a sandbox.
#[derive(Default)]
pub struct Options {
    pub listen: Option<SocketAddr>,
    /// Random unless given, like the secret.
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    /// The application is "for API access", not "for user login".
    pub is_for_api: bool,
    /// Registered beside every `http` URI on a loopback address.
    pub redirect_uris: Vec<String>,
    /// The application's scopes; empty for any.
    pub scopes: Vec<String>,
    /// Whose tokens a service application may ask for; empty for anybody's.
    pub service_users: Vec<String>,
    pub consent: Consent,
    /// Seconds between two polls for a device's token; unless given 5 where
    /// consent is asked for, else 1.
    pub device_interval: Option<u64>,
    /// How long a token lives; a year unless given.
    pub token_lifetime: Option<Duration>,
    /// A refresh token stays good instead of being replaced at each use.
    pub no_rotation: bool,
    /// In the order in which they are tried.
    pub faults: Vec<Fault>,
    /// Whether requests are logged under `--verbose`.
    pub log: bool,
}

/// A sandbox that is being served, until the process ends.
#[derive(Clone)]
pub struct Sandbox {
    pub origin: String,
    pub client_id: String,
    pub client_secret: String,
    state: Arc<Mutex<State>>,
}

impl Sandbox {
    /// # Errors
    /// A port that is in use or forbidden.
    pub fn start(options: Options) -> Result<Sandbox, Error> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = options.listen.unwrap_or(any_port);
        let (listeners, port) = http::bind(&[address.ip()], address.port())
            .map_err(|error| Error::local(error.what(), error.why()))?;
        let log = options.log;
        let state = State::new(options, SocketAddr::new(address.ip(), port));
        let sandbox = Sandbox {
            origin: state.origin.clone(),
            client_id: state.client_id.clone(),
            client_secret: state.client_secret.clone(),
            state: Arc::new(Mutex::new(state)),
        };
        let server_options = http::Options {
            max_body: MAX_BODY,
            ..http::Options::default()
        };
        let served = sandbox.clone();
        Server::start(listeners, server_options, move |request| {
            let response = respond(request, &mut served.state());
            if log {
                log::log(request, &response);
            }
            response
        })
        .map_err(|error| Error::local("starting the sandbox", error))?;
        Ok(sandbox)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = Instant::now();
        state
    }
}

/// The methods of an endpoint; nothing where there is none.
fn allowed(path: &str) -> &'static str {
    match path {
        "/authorize" | "/device" | "/info" => "GET, POST",
        "/verification_code" => "GET",
        "/token" | "/revoke_token" | "/device/code" => "POST",
        _ => "",
    }
}

fn respond(request: &Request, state: &mut State) -> Response {
    let allowed = allowed(&request.path);
    if allowed.is_empty() {
        let title = ("Page not found", "Страница не найдена");
        return pages::page(request, 404, title, "");
    }
    if !allowed.split(", ").any(|method| method == request.method) {
        let title = ("Method not allowed", "Метод не поддерживается");
        return pages::page(request, 405, title, "").with("Allow", allowed);
    }
    let is_authorization = request.path == "/authorize" && request.method == "GET";
    match fault::next(&mut state.options.faults, request) {
        Err(why) => error(("sandbox_fault", &why)),
        Ok(Some(Kind::Error(error))) if is_authorization => {
            authorize::ask(request, state, Some(error))
        }
        Ok(Some(Kind::Error(error))) => fault::refused(request, error),
        Ok(Some(Kind::Status(status))) => fault::unavailable(status),
        Ok(Some(Kind::Delivery(delivery))) => Response {
            delivery,
            ..answer(request, state)
        },
        Ok(None) => answer(request, state),
    }
}

fn answer(request: &Request, state: &mut State) -> Response {
    let answer = match (&*request.path, &*request.method) {
        ("/authorize", "GET") => Ok(authorize::ask(request, state, None)),
        ("/authorize", _) => Ok(authorize::decide(request, state)),
        ("/verification_code", _) => Ok(pages::code(request)),
        ("/token", _) => token::grant(request, state),
        ("/revoke_token", _) => token::revoke(request, state),
        ("/info", _) => Ok(info::info(request, state)),
        ("/device/code", _) => device::issue(request, state),
        ("/device", "GET") => Ok(pages::device(request, None)),
        _ => Ok(device::enter(request, state)),
    };
    answer.unwrap_or_else(error)
}

/// The code and the description of an OAuth error.
type Refusal = (&'static str, &'static str);

/// An OAuth error (RFC 6749, 5.2). The two that Yandex has for a wrong
/// `Authorization` header are phrases, with a status of their own and no
/// description.
fn error((error, description): (&str, &str)) -> Response {
    match error {
        "Basic auth required" | "Malformed Authorization header" => {
            Response::json(401, &json!({ "error": error }))
        }
        _ => {
            let body = json!({ "error": error, "error_description": description });
            Response::json(400, &body)
        }
    }
}
