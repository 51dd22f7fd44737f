//! A local stand-in for the Yandex OAuth server.
//!
//! A second reading of the protocol, for trying things out and for testing
//! scripts: it shares no code with `oauth`, so that the two can't share a
//! mistake. Its state is in memory and gone with the process.

mod authorize;
mod consent;
mod credentials;
mod device;
mod fault;
mod info;
mod log;
pub mod multipart;
mod parameters;
mod redirect;
mod registration;
mod response;
mod state;
mod token;
mod tokens;
mod user;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::error::Error;
use crate::http::{self, Delivery, Request, Response, Server};
use crate::random;
pub use fault::Fault;
use fault::{Faults, Kind};
use registration::Registration;
pub use registration::can_be_registered;
use state::State;
use tokens::Tokens;
pub use user::{User, follow};

/// Bytes of a form; what OAuth needs is far below.
const MAX_BODY: usize = 64 << 10;
const YEAR: Duration = Duration::from_secs(31_536_000);

/// What the user of the sandbox answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Consent {
    #[default]
    Ask,
    Allow,
    Deny,
}

/// What can be chosen about a sandbox. What isn't is drawn at random.
#[derive(Default)]
pub struct Options {
    pub listen: Option<SocketAddr>,
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
    pub faults: Vec<Fault>,
    /// Whether requests are logged under `--verbose`.
    pub log: bool,
}

/// A sandbox that is being served, until the process ends.
pub struct Sandbox {
    registration: Registration,
    state: Arc<Mutex<State>>,
    _server: Server,
}

impl Sandbox {
    /// # Errors
    /// A port that is in use or forbidden.
    pub fn start(options: Options) -> Result<Sandbox, Error> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = options.listen.unwrap_or(any_port);
        let (listeners, port) = http::bind(&[address.ip()], address.port()).map_err(failure)?;
        let registration = Registration {
            client_id: options.client_id.unwrap_or_else(random::hex),
            client_secret: options.client_secret.unwrap_or_else(random::hex),
            is_for_api: options.is_for_api,
            redirect_uris: options.redirect_uris,
            scopes: options.scopes,
            service_users: options.service_users,
            origin: format!("http://{}", SocketAddr::new(address.ip(), port)),
        };
        let tokens = Tokens::new(options.token_lifetime.unwrap_or(YEAR), !options.no_rotation);
        let state = Arc::new(Mutex::new(State::new(
            registration.clone(),
            options.consent,
            options.device_interval,
            Faults(options.faults),
            tokens,
        )));
        let server = {
            let state = Arc::clone(&state);
            let server_options = http::Options {
                max_body: MAX_BODY,
                ..http::Options::default()
            };
            Server::start(listeners, server_options, move |request| {
                let response = respond(request, &mut lock(&state));
                if options.log {
                    log::log(request, &response);
                }
                response
            })
        };
        Ok(Sandbox {
            registration,
            state,
            _server: server.map_err(|error| Error::local("starting the sandbox", error))?,
        })
    }

    pub fn origin(&self) -> &str {
        &self.registration.origin
    }

    pub fn client_id(&self) -> &str {
        &self.registration.client_id
    }

    pub fn client_secret(&self) -> &str {
        &self.registration.client_secret
    }

    /// Somebody who allows whatever is asked, for want of a browser.
    pub fn user(&self) -> User {
        User(Arc::clone(&self.state))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The methods of an endpoint; nothing where there is none.
fn allowed(path: &str) -> &'static str {
    match path {
        "/authorize" | "/device" => "GET, POST",
        "/info" => "GET, POST",
        "/verification_code" => "GET",
        "/token" | "/revoke_token" | "/device/code" => "POST",
        _ => "",
    }
}

fn failure(error: http::BindError) -> Error {
    let in_use = error.is_in_use();
    let error = Error::local(error.what(), error.why());
    match in_use {
        true => error.hint("Stop that program, or give another port with --listen."),
        false => error,
    }
}

fn respond(request: &Request, state: &mut State) -> Response {
    let allowed = allowed(&request.path);
    if allowed.is_empty() {
        let title = ("Page not found", "Страница не найдена");
        return response::page(request, 404, title, "");
    }
    if !allowed.split(", ").any(|method| method == request.method) {
        let title = ("Method not allowed", "Метод не поддерживается");
        return response::page(request, 405, title, "").with("Allow", allowed);
    }
    let is_authorization = request.path == "/authorize" && request.method == "GET";
    let (mut error, mut delivery, mut is_empty) = (None, Delivery::Whole, false);
    match state.faults.next(request) {
        Err(why) => return response::error(400, "sandbox_fault", Some(&why)),
        Ok(Some(Kind::Error(named))) if is_authorization => error = Some(named),
        Ok(Some(Kind::Error(named))) => return fault::refused(request, named),
        Ok(Some(Kind::Status(status))) => return fault::unavailable(status),
        Ok(Some(Kind::Delivery(how))) => delivery = how,
        Ok(Some(Kind::Empty)) => is_empty = true,
        Ok(None) => {}
    }
    let now = Instant::now();
    let response = match (&*request.path, &*request.method) {
        ("/authorize", "GET") => Ok(authorize::ask(request, state, error, now)),
        ("/authorize", _) => Ok(consent::decide(request, state, now)),
        ("/verification_code", _) => Ok(authorize::show_code(request)),
        ("/token", _) => token::grant(request, state, now),
        ("/revoke_token", _) => token::revoke(request, state),
        ("/info", _) => Ok(info::info(request, state, now)),
        ("/device/code", _) => device::issue(request, state, now),
        ("/device", "GET") => Ok(device::page(request, None)),
        _ => Ok(device::enter(request, state, now)),
    };
    let mut response = response.unwrap_or_else(|refusal| refusal);
    response.delivery = delivery;
    if is_empty {
        response.body.clear();
    }
    response
}
