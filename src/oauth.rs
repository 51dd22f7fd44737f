//! OAuth 2.0 (RFC 6749, PKCE by RFC 7636) as a client of Yandex speaks it.
//!
//! Where Yandex departs from the RFCs:
//! * the redirect carries an undocumented `cid`; unknown parameters are ignored;
//! * `error` may be a phrase with spaces (`Malformed Authorization header`,
//!   with status 401), and `error_description` may be missing;
//! * an answer names `scope` only where fewer were granted than asked for;
//! * a wrong `redirect_uri` or client is an HTML page, never a redirect, so a
//!   wait for the redirect needs a deadline.

pub mod authorization;
pub mod client;
mod connect;
mod failure;
pub mod pkce;
pub mod proxy;
mod redact;
pub mod response;
mod transport;
pub mod user_info;

use url::Url;

use crate::http::is_loopback_name;

/// An authorization server: an origin, `https` or `http` on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(Url);

impl Default for Server {
    /// The server of Yandex's own example.
    fn default() -> Server {
        Server(Url::parse("https://oauth.yandex.com").expect("a valid URL"))
    }
}

impl Server {
    /// # Errors
    /// What is wrong with the URL, as the second half of a sentence.
    pub fn parse(text: &str) -> Result<Server, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL ({error})"))?;
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_name(host) => {}
            "http" => return Err("http is for loopback addresses only; write https://".into()),
            _ => return Err("an https:// URL is needed".into()),
        }
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare {
            return Err(format!(
                "no user, path, query or fragment; write {}",
                url.origin().ascii_serialization()
            ));
        }
        Ok(Server(url))
    }

    /// The origin, without a slash at its end.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether secrets may go there because a token file says so.
    pub fn is_yandex(&self) -> bool {
        let hosts = ["oauth.yandex.com", "oauth.yandex.ru", "oauth.yandex.com.tr"];
        self.0.scheme() == "https" && self.0.port().is_none() && hosts.contains(&self.host())
    }

    fn endpoint(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn a_server_is_an_origin_and_plain_http_stays_on_this_machine() {
        for good in [
            "https://oauth.yandex.ru",
            "https://oauth.yandex.ru/",
            "http://127.0.0.1:8123",
            "http://localhost",
            "http://[::1]:1",
        ] {
            let origin = Server::parse(good).map(|server| server.origin());
            assert_eq!(origin, Ok(good.trim_end_matches('/').to_owned()));
        }
        for bad in [
            "oauth.yandex.ru",
            "http://oauth.yandex.ru",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "https://a@b.example",
            "https://b.example/token",
            "https://b.example?x",
            "https://b.example#x",
            "ftp://127.0.0.1",
            "",
        ] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }
}
