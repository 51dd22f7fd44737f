//! The loopback redirect (RFC 8252, 7.3): a listener that takes one
//! authorization response and is gone.
//!
//! The redirect's request is held until the command knows how the login ended.
//! Then it is answered with 303 to the redirect URI, and that address shows
//! the page, so the code does not stay in the address bar. Only a response
//! with our `state` gets that far; all else is refused and ends nothing.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Method, Request, Response};

use super::listener::Listener;
use super::page::{Outcome, refuse};
use super::start_link::StartLink;
use crate::error::{Error, Kind};
use crate::http::page::{header, headers};
use crate::http::{Gate, Policy};
use crate::oauth::authorization::{self, parse_response};
use crate::oauth::pkce::State;

/// How long a browser may take to fetch the page once the token is out.
const FAREWELL: Duration = Duration::from_secs(2);

/// How many callbacks are held until it is known how the login ended: fewer
/// than the gate can pass on at a time. A browser that reloads sends more.
const MOST_HELD: usize = 2;

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
    /// Starts to answer. With a start link, to those who opened it.
    pub fn start(
        listener: Listener,
        state: State,
        start_link: Option<StartLink>,
    ) -> Result<Login, Error> {
        let uri = &listener.redirect_uri;
        let hosts = [Some(uri.host().to_owned()), listener.listen_host];
        let policy = Policy {
            hosts: hosts.into_iter().flatten().collect(),
            max_body: 0,
            tls: listener.tls,
        };
        let gate = Gate::open(listener.sockets, policy)
            .map_err(|error| Error::local("starting the listener", error))?;
        let (sender, events) = channel();
        let shared = Arc::new(Shared {
            path: uri.path().to_owned(),
            start_link,
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
        let Stage::BlockedSignals(requests) = before else {
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
    start_link: Option<StartLink>,
    location: String,
    state: State,
    stage: Mutex<Stage>,
    page_shown: Condvar,
    events: Sender<Event>,
}

enum Stage {
    Waiting,
    /// The response is with the command; its request and its repetitions wait.
    BlockedSignals(VecDeque<Request>),
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
        // A proxy may take the path off.
        let is_ours = path == self.path || (path == "/" && self.start_link.is_some());
        if !is_ours {
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
        if let Some(link) = &self.start_link {
            if link.is_opened_by(query) && !matches!(*self.stage(), Stage::Over { .. }) {
                return link.send_off(request);
            }
            if !link.knows(&request) {
                return refuse(
                    request,
                    400,
                    "Open the start link in this browser first",
                    "Сначала откройте в этом браузере стартовую ссылку",
                );
            }
        }
        let response = parse_response(query, &self.state);
        let mut stage = self.stage();
        match (&mut *stage, response) {
            (Stage::Waiting, Ok(response)) => {
                *stage = Stage::BlockedSignals(VecDeque::from([request]));
                drop(stage);
                let _ = self.events.send(Event::Response(response));
            }
            (Stage::BlockedSignals(requests), Ok(_)) => {
                requests.push_back(request);
                // Most likely its browser has given it up.
                if requests.len() > MOST_HELD
                    && let Some(oldest) = requests.pop_front()
                {
                    drop(stage);
                    self.redirect(oldest);
                }
            }
            (Stage::Over { .. }, Ok(_)) => {
                drop(stage);
                self.redirect(request);
            }
            (Stage::Over { outcome, .. }, Err(_)) if !is_response(query) => {
                let outcome = outcome.clone();
                drop(stage);
                // Any page may load it, which nobody sees (Fetch Metadata).
                let kind = header(&request, "Sec-Fetch-Dest").unwrap_or("document");
                let is_seen = kind == "document";
                outcome.show(request);
                if is_seen && let Stage::Over { shown, .. } = &mut *self.stage() {
                    *shown = true;
                }
                self.page_shown.notify_all();
            }
            (_, Err(why)) => {
                drop(stage);
                crate::output::debug(&format!("a request that is not the answer: {why}"));
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
        let response = headers(
            Response::empty(303),
            &[
                ("Location", &self.location),
                ("Content-Security-Policy", "default-src 'none'"),
            ],
        );
        let _ = request.respond(response);
    }
}

/// Whether a query tries to be an authorization response at all.
fn is_response(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| matches!(&*name, "code" | "error" | "state"))
}
