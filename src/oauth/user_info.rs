//! Asks whose a token is.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Server;
use super::client::useless;
use super::redact::redact;
use super::response::{self, Classified};
use super::transport::{self, agent};
use crate::error::{Error, Kind};
use crate::output;

/// Whose a token is, as far as the server says.
pub struct User {
    pub id: String,
    pub login: Option<String>,
}

/// Asks whose token it is, within `limit`, and shows none of the other secrets
/// either: Yandex at a host of its own, any
/// other server at the OAuth URL itself.
///
/// # Errors
/// [`Kind::NoToken`] where the server does not know the token (any more).
pub fn user_info(
    server: &Server,
    access_token: &SecretString,
    others: &[&SecretString],
    limit: Duration,
) -> Result<User, Error> {
    let url = match server.is_yandex() {
        true => Url::parse("https://login.yandex.ru/info").expect("a valid URL"),
        false => server.endpoint("/info"),
    };
    let what = format!("asking {url}");
    let authorization = format!("OAuth {}", access_token.expose_secret()).into();
    let mut asked = url.clone();
    asked.set_query(Some("format=json"));
    let response = transport::get(&agent(&url)?, &what, &asked, &authorization, limit)?;
    let status = response.status;
    output::debug(&format!("GET {url}: {status}"));
    if status == 401 {
        return Err(Error::new(
            Kind::NoToken,
            what,
            "the server does not accept the token",
        ));
    }
    let Classified::Success(fields) = response::classify(&response, &url) else {
        return Err(useless(&what, &format!("answered with status {status}")));
    };
    // A shorter one is no secret, and may well be part of a name.
    let others = others.iter().map(|secret| secret.expose_secret());
    let others = others.filter(|secret| secret.len() >= 8);
    let secrets: Vec<_> = others.chain([access_token.expose_secret()]).collect();
    let text = |name| Some(redact(&response::text(&fields, name)?, &secrets));
    match text("id") {
        Some(id) => Ok(User {
            id,
            login: text("login"),
        }),
        None => Err(useless(&what, "answered without a user")),
    }
}
