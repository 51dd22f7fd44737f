//! A local stand-in for the Yandex OAuth server.
//!
//! A second reading of the protocol, for trying things out and for testing
//! scripts: it shares no code with `oauth`, so that the two can't share a
//! mistake. Its state is in memory and gone with the process.

mod authorize;
mod device;
mod http;
mod state;
mod token;
mod tokens;
mod user;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tiny_http::Request;

use crate::error::Error;
use crate::gate::{Gate, Policy};
use crate::random;
use state::State;
use user::User;

/// Bytes of a form; what OAuth needs is far below.
const MAX_BODY: usize = 64 << 10;

/// What the user of the sandbox answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Registered beside every `http` URI on a loopback address.
    pub redirect_uris: Vec<String>,
    pub consent: Consent,
}

/// A sandbox that is being served, until the process ends.
pub struct Sandbox {
    address: SocketAddr,
    client_id: String,
    client_secret: String,
    state: Arc<Mutex<State>>,
    _gate: Gate,
}

impl Sandbox {
    /// # Errors
    /// A port that is in use or forbidden.
    pub fn start(options: Options) -> Result<Sandbox, Error> {
        let address = options
            .listen
            .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let failed = |error: std::io::Error| {
            Error::local(format!("serving the sandbox on {address}"), error)
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let policy = Policy {
            hosts: Vec::new(),
            max_body: MAX_BODY,
            tls: None,
        };
        let gate = Gate::open(vec![listener], policy).map_err(failed)?;
        let client_id = options.client_id.unwrap_or_else(random::hex);
        let client_secret = options.client_secret.unwrap_or_else(random::hex);
        let state = Arc::new(Mutex::new(State::new(
            client_id.clone(),
            client_secret.clone(),
            options.redirect_uris,
            options.consent,
            format!("http://{address}"),
        )));
        let server = gate.server();
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                answer(request, &mut lock(&serving));
            }
        });
        Ok(Sandbox {
            address,
            client_id,
            client_secret,
            state,
            _gate: gate,
        })
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// Somebody who allows whatever is asked, for want of a browser.
    pub fn user(&self) -> User {
        User(Arc::clone(&self.state))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(request: Request, state: &mut State) {
    let target = request.url().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match (path, request.method().as_str()) {
        ("/authorize", "GET") => authorize::ask(request, query, state),
        ("/authorize", "POST") => authorize::decide(request, state),
        ("/verification_code", "GET") => authorize::show_code(request, query),
        ("/token", "POST") => token::answer(request, state),
        ("/revoke_token", "POST") => token::revoke(request, state),
        ("/info", "GET") => token::info(request, state),
        ("/device/code", "POST") => device::issue(request, state),
        ("/device", "GET") => device::page(request),
        ("/device", "POST") => device::enter(request, state),
        (
            "/authorize" | "/verification_code" | "/token" | "/revoke_token" | "/info" | "/device"
            | "/device/code",
            _,
        ) => {
            http::page(
                request,
                405,
                "Method not allowed",
                "Метод не поддерживается",
                "",
            );
        }
        _ => http::page(request, 404, "Page not found", "Страница не найдена", ""),
    }
}
