//! A login by the loopback redirect, or by a public one with a start link.

use std::sync::mpsc::channel;
use std::time::Instant;

use super::{Session, announce, is_of_code};
use crate::cli;
use crate::error::{Error, Kind};
use crate::http::tls;
use crate::login::listener::Listener;
use crate::login::loopback::{Event, Login};
use crate::login::paste::{self, Expected};
use crate::login::start_link::StartLink;
use crate::output;

pub fn run(session: Session, redirect: cli::Redirect) -> Result<(), Error> {
    let mut listener = Listener::bind(&redirect.redirect_uri, redirect.listen)?;
    if let (Some(cert), Some(key)) = (&redirect.tls_cert, &redirect.tls_key) {
        listener.tls = Some(tls::load(cert, key, listener.redirect_uri.host())?);
    }
    let redirect_uri = listener.redirect_uri.clone();
    let request = session.request(Some(redirect_uri.as_str()));
    let deadline = Instant::now() + session.timeout;
    let start = (!redirect_uri.is_loopback()).then(|| StartLink::new(&request.url));
    let url = match &start {
        Some(link) => link.url(&redirect_uri),
        None => request.url.clone(),
    };
    let (events, received) = channel();
    let login = Login::start(listener, request.state.clone(), start, events.clone())?;

    let browser = session.browser(url.as_str());
    let is_sandbox = session.sandbox.is_some();
    announce::loopback(&url, &redirect_uri, &browser, is_sandbox);
    session.open(browser, move |user| user.follow(url));
    if !is_sandbox {
        let expected = Expected {
            state: request.state.clone(),
            server: session.client.server.clone(),
            redirect_uri: Some(redirect_uri.clone()),
        };
        paste::listen(expected, move |response| {
            drop(events.send(Event::Pasted(response)))
        });
    }

    let exchanged = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = received.recv_timeout(left).map_err(|_| {
            let what = "waiting for the login in the browser";
            Error::new(Kind::TimedOut, what, "timed out").hint(format!(
                "If Yandex showed an error about redirect_uri, register exactly this Redirect URI: {}",
                redirect_uri.as_str()
            ))
        })?;
        let exchange = |response| session.exchange(response, &request, Some(redirect_uri.as_str()));
        match event {
            Event::Redirected(response) => break exchange(response),
            Event::Pasted(response) => match exchange(response) {
                Err(error) if is_of_code(&error) => output::prompt(&format!(
                    "The server did not accept that code ({}). Still waiting for the redirect, \
                     or for another code.",
                    error.why
                )),
                exchanged => break exchanged,
            },
        }
    };
    let delivered = exchanged.and_then(|answer| session.deliver(answer));
    login.conclude(delivered.as_ref().err().cloned());
    session.report(&delivered?);
    Ok(())
}
