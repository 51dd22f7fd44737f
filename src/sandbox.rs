//! A local stand-in for the Yandex OAuth server.
//!
//! A second reading of the protocol, for trying things out and for testing
//! scripts: it shares no code with `oauth`, so that the two can't share a
//! mistake. Its state is in memory and gone with the process.

mod application;
mod authorize;
mod consent;
mod credentials;
mod device;
mod fault;
mod http;
mod info;
mod log;
mod reply;
mod state;
mod token;
mod tokens;
mod user;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::http::{Gate, Policy};
use crate::random;
use application::Application;
pub use application::can_be_registered;
pub use fault::Fault;
use fault::{Faults, Kind};
use http::{Answer, Call, Spoilt};
use state::State;
use tokens::Tokens;
use user::User;

/// Bytes of a form; what OAuth needs is far below.
const MAX_BODY: usize = 64 << 10;
const YEAR: Duration = Duration::from_secs(31_536_000);

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
    /// The application is "for API access", not "for user login".
    pub is_for_api: bool,
    /// Registered beside every `http` URI on a loopback address.
    pub redirect_uris: Vec<String>,
    /// The application's scopes; empty for any.
    pub scopes: Vec<String>,
    pub consent: Consent,
    /// How long a token lives; a year unless given.
    pub token_lifetime: Option<Duration>,
    /// A refresh token stays good instead of being replaced at each use.
    pub no_rotation: bool,
    pub faults: Vec<Fault>,
    /// Whether each request is told under `--verbose`.
    pub log: bool,
}

/// A sandbox that is being served, until the process ends.
pub struct Sandbox {
    application: Application,
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
        let application = Application {
            client_id: options.client_id.unwrap_or_else(random::hex),
            client_secret: options.client_secret.unwrap_or_else(random::hex),
            is_for_api: options.is_for_api,
            redirect_uris: options.redirect_uris,
            scopes: options.scopes,
            origin: format!("http://{address}"),
        };
        let tokens = Tokens::new(options.token_lifetime.unwrap_or(YEAR), !options.no_rotation);
        let state = Arc::new(Mutex::new(State::new(
            application.clone(),
            options.consent,
            Faults(options.faults),
            tokens,
        )));
        let server = gate.server();
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let call = Call::read(&mut request);
                let mut state = lock(&serving);
                let asked = (options.log).then(|| log::asked(&call, &state.application.client_id));
                let (answer, spoilt) = answer(&call, &mut state);
                drop(state);
                if let Some(asked) = asked {
                    log::answered(&asked, &answer);
                }
                answer.send(request, allowed(&call.path), spoilt);
            }
        });
        Ok(Sandbox {
            application,
            state,
            _gate: gate,
        })
    }

    pub fn origin(&self) -> &str {
        &self.application.origin
    }

    pub fn client_id(&self) -> &str {
        &self.application.client_id
    }

    pub fn client_secret(&self) -> &str {
        &self.application.client_secret
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
        "/verification_code" | "/info" => "GET",
        "/token" | "/revoke_token" | "/device/code" => "POST",
        _ => "",
    }
}

fn answer(call: &Call, state: &mut State) -> (Answer, Spoilt) {
    let allowed = allowed(&call.path);
    if allowed.is_empty() {
        let title = ("Page not found", "Страница не найдена");
        return (Answer::page(call, 404, title, ""), Spoilt::default());
    }
    if !allowed.split(", ").any(|method| method == call.method) {
        let title = ("Method not allowed", "Метод не поддерживается");
        return (Answer::page(call, 405, title, ""), Spoilt::default());
    }
    let fault = match state.faults.next(call) {
        Ok(fault) => fault,
        Err(why) => {
            let answer = Answer::refusal(400, "sandbox_fault", Some(&why));
            return (answer, Spoilt::default());
        }
    };
    let (mut error, mut spoilt) = (None, Spoilt::default());
    match fault {
        Some(Kind::Error(named)) if call.path == "/authorize" && call.method == "GET" => {
            error = Some(named);
        }
        Some(Kind::Error(named)) => return (fault::refused(call, named), spoilt),
        Some(Kind::Status(status)) => return (fault::unavailable(status), spoilt),
        Some(Kind::Spoilt(how)) => spoilt = how,
        None => {}
    }
    let now = Instant::now();
    let answered = match (&*call.path, &*call.method) {
        ("/authorize", "GET") => Ok(authorize::ask(call, state, error, now)),
        ("/authorize", _) => Ok(consent::decide(call, state, now)),
        ("/verification_code", _) => Ok(authorize::show_code(call)),
        ("/token", _) => token::grant(call, state, now),
        ("/revoke_token", _) => token::revoke(call, state),
        ("/info", _) => Ok(info::info(call, state, now)),
        ("/device/code", _) => device::issue(call, state, now),
        ("/device", "GET") => Ok(device::page(call)),
        _ => Ok(device::enter(call, state, now)),
    };
    (answered.unwrap_or_else(Answer::from), spoilt)
}
