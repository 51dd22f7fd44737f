//! A login by a code that is copied by hand, without a listener.

use std::sync::mpsc::channel;
use std::time::Instant;

use super::{Session, announce, is_of_code};
use crate::error::Error;
use crate::login::paste::{self, Expected, can_ask};
use crate::login::redirect_uri::RedirectUri;
use crate::output;

pub fn run(session: Session, redirect_uri: Option<&RedirectUri>) -> Result<(), Error> {
    let sent = redirect_uri.map(RedirectUri::as_str);
    let request = session.request(sent);
    let deadline = Instant::now() + session.timeout;
    let (lines, pasted) = channel();
    let browser = session.browser(request.url.as_str());
    announce::paste(&request.url, &browser, session.sandbox.is_some());
    let (url, user_lines) = (request.url.clone(), lines.clone());
    session.open(browser, move |user| {
        let _ = user_lines.send(user.allow(url).into());
    });
    paste::forward(lines);
    let expected = Expected {
        state: request.state.clone(),
        server: session.client.server.clone(),
        redirect_uri: redirect_uri.cloned(),
    };
    let answer = loop {
        let response = paste::read(&expected, deadline, &pasted)?;
        match session.exchange(response, &request, sent) {
            Err(error) if is_of_code(&error) && can_ask() => {
                let why = &error.why;
                output::prompt(&format!("The server did not accept that code ({why})."));
            }
            answer => break answer?,
        }
    };
    session.finish(answer)
}
