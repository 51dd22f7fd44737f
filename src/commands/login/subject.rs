//! A service application's login for a user of its organisation (RFC 8693, in
//! Yandex's dialect): nobody is asked.

use super::Session;
use crate::error::Error;

pub fn run(session: Session, user: &str) -> Result<(), Error> {
    let scope = session.request.scope.as_deref();
    let answer = session.client.exchange_subject(user, scope)?;
    session.finish(answer)?.report();
    Ok(())
}
