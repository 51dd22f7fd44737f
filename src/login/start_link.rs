//! Restricts who can start and complete a login at a public address.
//!
//! The terminal shows a start link on that address. A browser that opens it
//! gets a cookie and is redirected to the authorization server; only a browser
//! with that cookie can complete the login. The link works until the login is
//! over, so that a preview of it in a messenger does no harm.

use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use super::redirect_uri::RedirectUri;
use crate::http::{Request, Response};
use crate::random;

/// With this prefix a browser takes the cookie over HTTPS alone, and from no
/// other host of the same site.
const COOKIE: &str = "__Host-yandex-token";

pub struct StartLink {
    secret: String,
    cookie: String,
    authorize_url: String,
}

impl StartLink {
    pub fn new(authorize_url: &Url) -> StartLink {
        StartLink {
            secret: random::base64url(),
            cookie: random::base64url(),
            authorize_url: authorize_url.to_string(),
        }
    }

    /// The link to open: the Redirect URI and `start`.
    pub fn url(&self, redirect_uri: &RedirectUri) -> Url {
        redirect_uri.with_parameter("start", &self.secret)
    }

    /// Whether this query opens the link.
    pub fn is_opened_by(&self, query: &str) -> bool {
        let mut given =
            form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "start");
        let first = given.next();
        first.is_some_and(|(_, secret)| same(&secret, &self.secret)) && given.next().is_none()
    }

    /// Gives the browser the cookie, and redirects it to log in.
    pub fn open(&self) -> Response {
        let cookie = format!(
            "{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax",
            self.cookie
        );
        Response::redirect(303, &self.authorize_url).with("Set-Cookie", &cookie)
    }

    /// Whether the request comes from a browser that opened the link.
    pub fn knows(&self, request: &Request) -> bool {
        let cookies = request.header("Cookie").unwrap_or_default();
        cookies.split(';').any(|cookie| {
            let pair = cookie.trim().split_once('=');
            pair.is_some_and(|(name, value)| name == COOKIE && same(value, &self.cookie))
        })
    }
}

fn same(given: &str, ours: &str) -> bool {
    given.as_bytes().ct_eq(ours.as_bytes()).into()
}
