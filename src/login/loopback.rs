//! The loopback redirect (RFC 8252, 7.3): a listener that takes one
//! authorization response and is gone.
//!
//! The redirect's handler waits until the command knows how the login ended.
//! Then the request is answered with 303 to the redirect URI, and that address shows
//! the page, so the code does not stay in the address bar. Only a response
//! with our `state` gets that far; all else is refused and ends nothing.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::listener::Listener;
use super::page::{self, refusal};
use super::start_link::StartLink;
use crate::error::Error;
use crate::http::page::Text;
use crate::http::{Options, Request, Response, Server};
use crate::oauth::authorization::{self, parse_response};
use crate::oauth::pkce::State;

/// How long a browser may take to fetch the page once the token is out.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many callbacks are held until it is known how the login ended. Most
/// likely the browser has given up older ones: it was reloaded.
const MAX_HELD: u64 = 2;

/// What ends the wait.
pub enum Event {
    /// An authorization response from the browser.
    Redirected(authorization::Response),
    /// One that came another way.
    Pasted(authorization::Response),
}

/// A login that is waiting for its authorization response.
pub struct Login {
    server: Arc<Server>,
    shared: Arc<Shared>,
}

impl Login {
    /// Starts to answer. With a start link, to those who opened it.
    pub fn start(
        listener: Listener,
        state: State,
        start_link: Option<StartLink>,
        events: Sender<Event>,
    ) -> Result<Login, Error> {
        let uri = &listener.redirect_uri;
        let hosts = [Some(uri.host().to_owned()), listener.listen_host];
        let options = Options {
            hosts: hosts.into_iter().flatten().collect(),
            max_body: 0,
            tls: listener.tls,
        };
        let shared = Arc::new(Shared {
            path: uri.path().to_owned(),
            start_link,
            location: uri.location().to_owned(),
            state,
            stage: Mutex::new(Stage::Waiting),
            changed: Condvar::new(),
            events,
        });
        let handler = Arc::clone(&shared);
        let server = Server::start(listener.sockets, options, move |request| {
            handler.respond(request)
        });
        Ok(Login {
            server: server.map_err(|error| Error::local("starting the listener", error))?,
            shared,
        })
    }

    /// Shows the outcome in the browser, if the answer came from there, and waits
    /// until the page is delivered, for at most [`PAGE_TIMEOUT`].
    pub fn conclude(self, failure: Option<Error>) {
        let deadline = Instant::now() + PAGE_TIMEOUT;
        let mut stage = self.shared.stage();
        let is_browser = matches!(*stage, Stage::Exchanging { .. });
        let is_shown = false;
        *stage = Stage::Over { failure, is_shown };
        self.shared.changed.notify_all();
        if is_browser {
            let is_unseen =
                |stage: &mut Stage| matches!(stage, Stage::Over { is_shown, .. } if !*is_shown);
            let changed = &self.shared.changed;
            drop(changed.wait_timeout_while(stage, PAGE_TIMEOUT, is_unseen));
            self.server.settle(deadline);
        }
    }
}

/// The title of a page for a request that is no part of this login.
const FOREIGN: Text = (
    "This link doesn't belong to the login in progress",
    "Эта ссылка не относится к начатому входу",
);

/// What the handler and the command share.
struct Shared {
    path: String,
    start_link: Option<StartLink>,
    location: String,
    state: State,
    stage: Mutex<Stage>,
    changed: Condvar,
    events: Sender<Event>,
}

enum Stage {
    Waiting,
    /// The response is with the command; so many callbacks have come.
    Exchanging {
        callbacks: u64,
    },
    Over {
        failure: Option<Error>,
        is_shown: bool,
    },
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, request: &Request) -> Response {
        // A proxy may take the path off.
        let is_at_root = request.path == "/" && self.start_link.is_some();
        if request.path != self.path && !is_at_root {
            return refusal(request, 404, FOREIGN);
        }
        if request.method != "GET" {
            let title = ("Only GET is allowed here", "Здесь разрешён только GET");
            return refusal(request, 405, title).with("Allow", "GET");
        }
        if let Some(link) = &self.start_link {
            if link.is_opened_by(&request.query) && !self.is_over() {
                return link.open();
            }
            if !link.knows(request) {
                let title = (
                    "Open the start link in this browser first",
                    "Сначала откройте в этом браузере стартовую ссылку",
                );
                return refusal(request, 400, title);
            }
        }
        match parse_response(&request.query, &self.state) {
            Ok(response) => {
                self.hold(response);
                // To the address without the code.
                Response::redirect(303, &self.location)
            }
            Err(why) => {
                if !is_response(&request.query)
                    && let Some(page) = self.page(request)
                {
                    return page;
                }
                crate::output::debug(&format!("ignored a request: {why}"));
                refusal(request, 400, FOREIGN)
            }
        }
    }

    /// Hands over the first response, and waits until it is known how the
    /// login ended.
    fn hold(&self, response: authorization::Response) {
        let mut stage = self.stage();
        let ours = match &mut *stage {
            Stage::Waiting => {
                *stage = Stage::Exchanging { callbacks: 1 };
                let _ = self.events.send(Event::Redirected(response));
                1
            }
            Stage::Exchanging { callbacks } => {
                *callbacks += 1;
                *callbacks
            }
            Stage::Over { .. } => return,
        };
        self.changed.notify_all();
        let is_held = |stage: &mut Stage| match stage {
            Stage::Exchanging { callbacks } => *callbacks < ours + MAX_HELD,
            _ => false,
        };
        let waited = self.changed.wait_while(stage, is_held);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn is_over(&self) -> bool {
        matches!(*self.stage(), Stage::Over { .. })
    }

    /// The page that says how the login ended, once it has.
    fn page(&self, request: &Request) -> Option<Response> {
        let mut stage = self.stage();
        let Stage::Over { failure, is_shown } = &mut *stage else {
            return None;
        };
        // Any page may load it, which nobody sees (Fetch Metadata).
        *is_shown |= request.header("Sec-Fetch-Dest").unwrap_or("document") == "document";
        self.changed.notify_all();
        Some(page::outcome(request, failure.as_ref()))
    }
}

/// Whether a query tries to be an authorization response at all.
fn is_response(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| matches!(&*name, "code" | "error" | "state"))
}
