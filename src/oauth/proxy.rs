//! Chooses the proxy as curl does. Only `https` ever goes through one, since
//! plain `http` is for loopback and loopback never does.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use url::{Position, Url};

use crate::error::Error;

/// The value of `https_proxy`, `HTTPS_PROXY`, `all_proxy` or `ALL_PROXY` that
/// is for this host, unless `no_proxy` or `NO_PROXY` keeps it away.
///
/// # Errors
/// A value that can't be used is a usage error. It is not shown: it may hold
/// a password.
pub fn choose(host: &str) -> Result<Option<ureq::Proxy>, Error> {
    let set = |name: &'static str| {
        let value = env::var_os(name)?.to_string_lossy().trim().to_owned();
        (!value.is_empty()).then_some((name, value))
    };
    let excluded = ["no_proxy", "NO_PROXY"].into_iter().find_map(set);
    if excluded.is_some_and(|(_, list)| covers(&list, host)) {
        return Ok(None);
    }
    let mut names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].into_iter();
    let Some((name, value)) = names.find_map(set) else {
        return Ok(None);
    };
    match parse(&value) {
        Some(proxy) => Ok(Some(proxy)),
        None => Err(Error::usage(name, "not a usable proxy URL").hint(
            "Write http://USER:PASSWORD@HOST:PORT or https://…, with the special characters \
             of user and password percent-encoded: # is %23, / %2F, ? %3F, @ %40, \\ %5C, : \
             %3A, % %25. Or unset it.",
        )),
    }
}

/// ureq would take port 80 where the port is none, and half a password for the
/// host where there is a `#`, `?` or `/` in it.
pub fn parse(value: &str) -> Option<ureq::Proxy> {
    let whole = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    let url = Url::parse(&whole).ok()?;
    let usable = matches!(url.scheme(), "http" | "https")
        && url.fragment().is_none()
        && !url[Position::AfterPort..].contains('@');
    ureq::Proxy::new(value).ok().filter(|_| usable)
}

/// The authentication schemes that a plain proxy offers for this URL's host:
/// ureq keeps only the status. Asked for without a password.
pub fn offered_schemes(proxy: &ureq::Proxy, url: &Url) -> Option<String> {
    const LIMIT: Duration = Duration::from_secs(2);
    const MAX_HEAD: u64 = 16 << 10;
    let address = (proxy.host(), proxy.port())
        .to_socket_addrs()
        .ok()?
        .next()?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let head = BufReader::new(stream.take(MAX_HEAD)).lines();
    let head = head
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty());
    let schemes: Vec<_> = head.flat_map(|line| schemes_of(&line)).collect();
    (!schemes.is_empty()).then(|| schemes.join(", "))
}

/// The schemes of a `Proxy-Authenticate` header (RFC 9110, 11.7.1), without
/// their parameters.
fn schemes_of(line: &str) -> Vec<String> {
    let offered = match line.split_once(':') {
        Some((name, offered)) if name.eq_ignore_ascii_case("Proxy-Authenticate") => offered,
        _ => return Vec::new(),
    };
    let scheme = |challenge: &str| {
        let scheme = challenge.split_whitespace().next()?;
        let is_scheme = scheme.len() <= 20 && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_rest_of_text = challenge.contains('"') && !challenge.contains('=');
        (is_scheme && !is_rest_of_text).then(|| scheme.to_owned())
    };
    offered.split(',').filter_map(scheme).collect()
}

/// Whether a `NO_PROXY` list names this host: `*`, a domain with all that is
/// below it, an address or a block of addresses.
pub fn covers(list: &str, host: &str) -> bool {
    let host = bare(host);
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ', '\t']).any(|entry| {
        let entry = bare(entry.trim());
        match address {
            _ if entry == "*" => true,
            _ if entry.is_empty() => false,
            Some(address) => in_block(&entry, address),
            None => host == entry || host.ends_with(&format!(".{entry}")),
        }
    })
}

/// In lower case, without brackets, a leading or a final dot.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host);
    host.strip_prefix('.').unwrap_or(host).to_ascii_lowercase()
}

fn in_block(block: &str, address: IpAddr) -> bool {
    let (network, bits) = match block.split_once('/') {
        Some((network, bits)) => (network, bits.parse().ok()),
        None => (block, Some(128)),
    };
    let shared = match (network.parse(), address) {
        (Ok(IpAddr::V4(a)), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (Ok(IpAddr::V6(a)), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    let width = if address.is_ipv4() { 32 } else { 128 };
    bits.is_some_and(|bits: u32| shared >= bits.min(width))
}

#[cfg(test)]
mod tests {
    use super::{covers, parse};
    use crate::properties;
    use proptest::prelude::*;

    #[test]
    fn a_password_is_never_taken_for_the_host() {
        for value in [
            "http://user:12/34@proxy.example:3128",
            "http://user:12?34@proxy.example:3128",
            "http://user:12#34@proxy.example:3128",
            "http://user:12\\34@proxy.example:3128",
            "user:12/34@proxy.example:3128",
            "http://user@12:34@proxy.example:3128",
            "http://user:12@34@proxy.example:3128",
            "http://user:12%2f34%40@proxy.example:3128",
            "http://us%3aer:%00@proxy.example:3128/path",
            "http://user:12:34@proxy.example:3128",
            "user:12@proxy.example:3128",
        ] {
            if let Some(proxy) = parse(value) {
                assert_eq!(
                    (proxy.host(), proxy.port()),
                    ("proxy.example", 3128),
                    "{value}"
                );
            }
        }
        assert!(parse("http://user:pass%2f@proxy.example:3128/").is_some());
    }

    #[test]
    fn no_proxy_covers_what_curl_says_it_does() {
        for (list, host, covered) in [
            ("*", "oauth.yandex.com", true),
            ("", "oauth.yandex.com", false),
            ("yandex.com", "oauth.yandex.com", true),
            (".yandex.com", "oauth.yandex.com", true),
            ("a.example, YANDEX.COM.", "oauth.yandex.com", true),
            ("a.example yandex.com", "oauth.yandex.com", true),
            ("yandex.com", "notyandex.com", false),
            ("oauth.yandex.com", "yandex.com", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.0.0/16", "10.1.2.3", true),
            ("10.1.0.0/16", "10.2.2.3", false),
            ("10.1.0.0/x", "10.1.2.3", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("fd00::/8", "[fd12::1]", true),
            ("10.1.2.3", "fd12::1", false),
            ("1.2.3", "10.1.2.3", false),
        ] {
            assert_eq!(covers(list, host), covered, "{list} {host}");
        }
    }

    proptest! {
        #[test]
        fn a_list_covers_by_one_of_its_entries_and_a_proxy_is_the_one_that_was_written(
            list in "([*.]?[a-c.]{0,5}|10[.]1[.]0[.]0/[0-9]{1,2}|::/[0-9]{1,3}|[!-~]{0,9}|[, \t]){0,5}",
            host in "[a-c]{1,2}([.][a-c]{1,2}){0,2}|10[.]1[.][0-9][.]9|\\[fd::1\\]",
            proxy in "(https?://|socks5://)?([a-z0-9:#%]{0,3}@)?([a-z0-9.-]{1,9}|\\[::1\\]|[!-~]{1,9})(:[0-9]{0,5})?/?",
        ) {
            properties::proxies(&list, &host, &proxy);
        }
    }
}
