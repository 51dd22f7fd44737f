//! A login by the device grant (RFC 8628, in Yandex's dialect).

use std::time::Instant;

use super::{Session, announce};
use crate::error::Error;
use crate::login::browser::Browser;
use crate::login::device;
use crate::output;

pub fn run(session: Session) -> Result<(), Error> {
    if session.client.client_secret.is_none() {
        output::warn(
            "no client secret is set, and Yandex may require it for this login: set \
             YANDEX_CLIENT_SECRET, or pass --client-secret-file",
        );
    }
    let code = session.client.request_device_code(&session.request)?;
    announce::device(&code, session.timeout);
    let page = &code.verification_url;
    // A server says which page it is: only one that could be its own is opened.
    let is_openable = page.scheme() == "https"
        || page.origin().ascii_serialization() == session.client.server.origin();
    let browser = match is_openable {
        true => session.browser(page.as_str()),
        false => Browser::Unwanted,
    };
    let user_code = code.user_code.clone();
    session.open(browser, move |user| user.enter(&user_code));
    let poll = |limit| session.client.poll(&code, limit);
    let (now, sleep) = (Instant::now, device::countdown);
    let answer = device::wait(&code, session.timeout, now, sleep, poll)?;
    session.finish(answer)
}
