//! The loopback redirect (RFC 8252, 7.3): a listener that takes one
//! authorization response and is gone.
//!
//! The redirect's request is held until the command knows how the login ended.
//! Then it is answered with 303 to the redirect URI, and that address shows
//! the page, so the code does not stay in the address bar. Only a response
//! with our `state` gets that far; all else is refused and ends nothing.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Header, Method, Request, Response};

use super::page::{Outcome, refuse};
use super::redirect_uri::RedirectUri;
use crate::error::{Error, Kind};
use crate::gate::{Gate, Policy};
use crate::oauth::authorization::{self, parse_response};
use crate::oauth::pkce::State;

/// How long a browser may take to fetch the page once the token is out.
const FAREWELL: Duration = Duration::from_secs(2);
/// Ports tried for a port 0 that must be free on both address families.
const FREE_PORT_TRIES: usize = 20;

/// A bound listener. Nothing is answered before [`Listener::serve`].
pub struct Listener {
    sockets: Vec<TcpListener>,
    redirect_uri: RedirectUri,
    listen_host: Option<String>,
}

impl Listener {
    /// Binds the first redirect URI whose port is free, or `listen` in its
    /// stead.
    ///
    /// # Errors
    /// A port that is in use or forbidden, by name.
    pub fn bind(uris: &[RedirectUri], listen: Option<SocketAddr>) -> Result<Listener, Error> {
        if let (Some(address), Some(uri)) = (listen, uris.first()) {
            let socket =
                TcpListener::bind(address).map_err(|error| cannot_listen(address, &error))?;
            let port = socket
                .local_addr()
                .map_or(address.port(), |bound| bound.port());
            return Ok(Listener {
                sockets: vec![socket],
                redirect_uri: uri.with_port(port),
                listen_host: Some(match address.ip() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("[{ip}]"),
                }),
            });
        }
        let mut failures = Vec::new();
        for uri in uris {
            match bind_all(&uri.addresses(), uri.port()) {
                Ok((sockets, port)) => {
                    return Ok(Listener {
                        sockets,
                        redirect_uri: uri.with_port(port),
                        listen_host: None,
                    });
                }
                Err(error) => failures.push(error),
            }
        }
        let why: Vec<_> = failures.iter().map(|failure| failure.why.clone()).collect();
        Err(match failures.pop() {
            Some(last) => Error {
                why: why.join("; "),
                ..last
            },
            None => Error::usage("--redirect-uri", "none is given"),
        })
    }

    /// The Redirect URI to send, with the port that was bound.
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Starts to answer.
    pub fn serve(self, state: State) -> Result<Login, Error> {
        let uri = &self.redirect_uri;
        let hosts = [Some(uri.host().to_owned()), self.listen_host];
        let policy = Policy {
            hosts: hosts.into_iter().flatten().collect(),
            max_body: 0,
        };
        let gate = Gate::open(self.sockets, policy)
            .map_err(|error| Error::local("starting the listener", error))?;
        let (sender, events) = channel();
        let shared = Arc::new(Shared {
            path: uri.path().to_owned(),
            location: uri.location().to_owned(),
            state,
            stage: Mutex::new(Stage::Waiting),
            page_shown: Condvar::new(),
            events: sender.clone(),
        });
        let answering = Arc::clone(&shared);
        let server = gate.server();
        thread::spawn(move || {
            for request in server.incoming_requests() {
                answering.answer(request);
            }
        });
        Ok(Login {
            gate,
            shared,
            events,
            sender,
        })
    }
}

/// Binds the port on each of the addresses that this machine has. With port 0
/// the system chooses, and all addresses get the same.
fn bind_all(addresses: &[IpAddr], port: u16) -> Result<(Vec<TcpListener>, u16), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut sockets: Vec<TcpListener> = Vec::new();
        let mut bound = port;
        let mut failure = None;
        for &ip in addresses {
            let address = SocketAddr::new(ip, bound);
            match TcpListener::bind(address) {
                Ok(socket) => {
                    bound = socket.local_addr().map_or(bound, |address| address.port());
                    sockets.push(socket);
                }
                // `localhost` without IPv6, or without IPv4.
                Err(error) if addresses.len() > 1 && is_no_address(&error) => {
                    failure = failure.or(Some((address, error)));
                }
                // Somebody else on one family could be sent our code.
                Err(error) => {
                    sockets.clear();
                    failure = Some((address, error));
                    break;
                }
            }
        }
        match failure {
            _ if !sockets.is_empty() => return Ok((sockets, bound)),
            Some((_, error))
                if port == 0 && tries < FREE_PORT_TRIES && error.kind() == ErrorKind::AddrInUse => {
            }
            Some((address, error)) => return Err(cannot_listen(address, &error)),
            None => return Err(Error::local("listening", "no address to listen on")),
        }
    }
}

fn is_no_address(error: &io::Error) -> bool {
    #[cfg(unix)]
    const NO_FAMILY: i32 = nix::libc::EAFNOSUPPORT;
    #[cfg(not(unix))]
    const NO_FAMILY: i32 = 10047; // WSAEAFNOSUPPORT
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Error {
    let port = address.port();
    let what = format!("listening on {address}");
    match error.kind() {
        ErrorKind::AddrInUse => {
            Error::local(what, format!("port {port} is in use by another program")).hint(
                "Stop that program, or register a Redirect URI with another port too and \
                 give both: --redirect-uri is repeatable.",
            )
        }
        ErrorKind::PermissionDenied => {
            Error::local(what, format!("port {port} is forbidden to this user")).hint(
                "Register a Redirect URI with a port from 1024 up, and give it with \
                 --redirect-uri.",
            )
        }
        _ => Error::local(what, format!("port {port}: {error}")),
    }
}

/// What ends the wait or changes it.
enum Event {
    Response(authorization::Response),
    NoBrowser(String),
}

/// A login that is waiting for its authorization response.
pub struct Login {
    gate: Gate,
    shared: Arc<Shared>,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

impl Login {
    /// To be told, from any thread, that no browser could be opened.
    pub fn no_browser(&self) -> impl FnOnce(String) + Send + 'static {
        let sender = self.sender.clone();
        move |why| {
            let _ = sender.send(Event::NoBrowser(why));
        }
    }

    /// To be handed, from any thread, a response that came another way.
    pub fn answer(&self) -> impl Fn(authorization::Response) + Send + 'static {
        let sender = self.sender.clone();
        move |response| drop(sender.send(Event::Response(response)))
    }

    /// Waits for the response. `no_browser` runs when none could be opened.
    ///
    /// # Errors
    /// [`Kind::TimedOut`] at the deadline.
    pub fn wait(
        &self,
        deadline: Instant,
        mut no_browser: impl FnMut(&str),
    ) -> Result<authorization::Response, Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Response(response)) => return Ok(response),
                Ok(Event::NoBrowser(why)) => no_browser(&why),
                Err(_) => {
                    return Err(Error::new(
                        Kind::TimedOut,
                        "waiting for the login in the browser",
                        "no answer came in time",
                    ));
                }
            }
        }
    }

    /// Tells the browser how it ended, where the answer came from there, and
    /// sees the page delivered, for at most [`FAREWELL`].
    pub fn conclude(self, outcome: Outcome) {
        let deadline = Instant::now() + FAREWELL;
        let before = std::mem::replace(
            &mut *self.shared.stage(),
            Stage::Over {
                outcome,
                shown: false,
            },
        );
        let Stage::Held(requests) = before else {
            return;
        };
        for request in requests {
            self.shared.redirect(request);
        }
        let mut stage = self.shared.stage();
        while !matches!(*stage, Stage::Over { shown: true, .. }) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.page_shown.wait_timeout(stage, left);
            stage = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(stage);
        self.gate.settle(deadline);
    }
}

/// What the answering thread and the command share.
struct Shared {
    path: String,
    location: String,
    state: State,
    stage: Mutex<Stage>,
    page_shown: Condvar,
    events: Sender<Event>,
}

enum Stage {
    Waiting,
    /// The response is with the command; its request and its repetitions wait.
    Held(Vec<Request>),
    Over {
        outcome: Outcome,
        shown: bool,
    },
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: Request) {
        let target = request.url().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if path != self.path {
            return refuse(request, 404, "Nothing is here", "Здесь ничего нет");
        }
        if *request.method() != Method::Get {
            return refuse(
                request,
                405,
                "Only GET is answered here",
                "Здесь принимается только GET",
            );
        }
        let response = parse_response(query, &self.state);
        let mut stage = self.stage();
        match (&mut *stage, response) {
            (Stage::Waiting, Ok(response)) => {
                *stage = Stage::Held(vec![request]);
                drop(stage);
                let _ = self.events.send(Event::Response(response));
            }
            (Stage::Held(requests), Ok(_)) => requests.push(request),
            (Stage::Over { .. }, Ok(_)) => {
                drop(stage);
                self.redirect(request);
            }
            (Stage::Over { outcome, .. }, Err(_)) if !is_response(query) => {
                let outcome = outcome.clone();
                drop(stage);
                outcome.show(request);
                if let Stage::Over { shown, .. } = &mut *self.stage() {
                    *shown = true;
                }
                self.page_shown.notify_all();
            }
            (_, Err(why)) => {
                drop(stage);
                crate::output::step(&format!("a request that is not the answer: {why}"));
                refuse(
                    request,
                    400,
                    "This is not the answer that the login waits for",
                    "Это не тот ответ, которого ждёт вход",
                );
            }
        }
    }

    /// 303 to the address without the code.
    fn redirect(&self, request: Request) {
        let response = Response::empty(303);
        let response = match Header::from_bytes("Location", self.location.as_bytes()) {
            Ok(location) => response.with_header(location),
            Err(()) => response,
        };
        let response = match Header::from_bytes("Content-Security-Policy", "default-src 'none'") {
            Ok(policy) => response.with_header(policy),
            Err(()) => response,
        };
        let _ = request.respond(response);
    }
}

/// Whether a query tries to be an authorization response at all.
fn is_response(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| matches!(&*name, "code" | "error" | "state"))
}
