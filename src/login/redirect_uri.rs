//! A Redirect URI (RFC 6749, 3.1.2; RFC 8252, 7.3): sent as it was
//! written, since it must match exactly.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Position, Url};

use crate::http::is_loopback_name;

#[derive(Debug, Clone)]
pub struct RedirectUri {
    /// As the user wrote it.
    text: String,
    url: Url,
}

impl RedirectUri {
    pub const DEFAULT: &str = "http://127.0.0.1:8000/";

    /// # Errors
    /// What is wrong with it, as the second half of a sentence.
    pub fn parse(text: &str) -> Result<RedirectUri, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL ({error})"))?;
        let lower = text.to_ascii_lowercase();
        let mut schemes = ["http://", "https://"].iter();
        let rest = schemes.find_map(|scheme| lower.strip_prefix(scheme));
        // A URL parser takes more slashes, and others, for the two.
        if rest.is_none_or(|rest| rest.starts_with('/')) || text.contains('\\') {
            return Err(format!("write a URL like {}", RedirectUri::DEFAULT));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("no blanks in a Redirect URI".into());
        }
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err("no user and no fragment in a Redirect URI".into());
        }
        let ours = ["code", "state", "error", "error_description", "start"];
        if let Some((name, _)) = url.query_pairs().find(|(name, _)| ours.contains(&&**name)) {
            return Err(format!("its query can't have a {name} of its own"));
        }
        let uri = RedirectUri {
            text: text.to_owned(),
            url,
        };
        match uri.url.scheme() {
            "http" if !uri.is_loopback() => Err(
                "http is for loopback addresses only, such as http://127.0.0.1:8000/; \
                 for another host write https:// and add --listen"
                    .into(),
            ),
            _ => Ok(uri),
        }
    }

    /// `http` on a loopback address: the listener itself can be there.
    pub fn is_loopback(&self) -> bool {
        self.url.scheme() == "http" && is_loopback_name(self.host())
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same address as a header can hold it.
    pub fn location(&self) -> &str {
        match self.text.is_ascii() {
            true => &self.text,
            false => self.url.as_str(),
        }
    }

    /// The same address with one more parameter.
    pub fn with_parameter(&self, name: &str, value: &str) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair(name, value);
        url
    }

    /// In lower case; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// As a URL is written in full, up to its path.
    pub fn without_query(&self) -> &str {
        &self.url[..Position::AfterPath]
    }

    /// The path that a request back to it has.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The addresses where the listener stands in for it.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            _ => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }

    /// The same URI with the port that port 0 became.
    pub fn with_port(&self, port: u16) -> RedirectUri {
        if self.url.port() != Some(0) {
            return self.clone();
        }
        let mut url = self.url.clone();
        // Only URLs that can't have a port refuse one, and this one has 0.
        let _ = url.set_port(Some(port));
        let host = self.text.find("://").map_or(0, |at| at + 3);
        let path = self.text[host..].find(['/', '?']);
        let (before, path) = self
            .text
            .split_at(path.map_or(self.text.len(), |at| host + at));
        let text = format!("{}{port}{path}", before.trim_end_matches('0'));
        RedirectUri { text, url }
    }
}

#[cfg(test)]
mod tests {
    use super::RedirectUri;
    use crate::properties;
    use proptest::prelude::*;

    #[test]
    fn plain_http_is_for_loopback_and_what_we_could_not_tell_apart_is_refused() {
        for good in [
            "http://127.0.0.1:8000/",
            "http://localhost:8899",
            "http://LOCALHOST/cb?x=1",
            "http://[::1]:0/",
            "http://127.8.9.1:1/",
            "https://site.ru/get_token",
            "https://пример.рф/",
        ] {
            assert_eq!(
                RedirectUri::parse(good).map(|uri| uri.text),
                Ok(good.into())
            );
        }
        for bad in [
            "",
            "127.0.0.1:8000",
            "http://site.ru/",
            "http://localhost.evil.example/",
            "http://u@127.0.0.1/",
            "http://127.0.0.1/#x",
            "http://127.0.0.1/?state=1",
            "http://127.0.0.1/ x",
            "myapp://x",
            "http:/127.0.0.1:0/",
            "http:///127.0.0.1:0/",
            "http://[::1]:0\\x",
        ] {
            assert!(RedirectUri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn port_0_is_replaced_and_the_rest_stays_as_written() {
        for (written, bound) in [
            ("http://localhost:0", "http://localhost:7"),
            ("http://[::1]:0/cb:0?x=:0", "http://[::1]:7/cb:0?x=:0"),
            ("http://127.0.0.1:0?a", "http://127.0.0.1:7?a"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ] {
            let uri = RedirectUri::parse(written).expect("valid").with_port(7);
            assert_eq!(uri.as_str(), bound);
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_sent_to_the_letter_and_plain_http_stays_on_this_machine(
            uri in "https?:/?/?[!-~\u{e9}]{0,3}(localhost|127[.]0[.]0[.]1|\\[::1\\]|[a-z0-9.-]{1,9})\
                (:[0-9]{0,5})?[!-~\u{e9}]{0,9}"
        ) {
            properties::urls(&uri);
        }
    }
}
