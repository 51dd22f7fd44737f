//! What holds for any text from outside, however odd: one function for each
//! target in `fuzz/`, which also the unit tests call. Where it can, it reads
//! the text a second time in its own way.
//!
//! Never part of the program.

use std::net::IpAddr;
use std::path::{Component, Path};
use std::sync::LazyLock;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::cli::values;
use crate::error::Kind;
use crate::http::is_loopback_name;
use crate::http::request::Request;
use crate::login::paste;
use crate::login::redirect_uri::RedirectUri;
use crate::oauth::Server;
use crate::oauth::authorization::{Response, parse_response};
use crate::oauth::client::Client;
use crate::oauth::pkce::State;
use crate::oauth::proxy;
use crate::oauth::response::{self, Classified, HttpResponse, OAuthError};
use crate::output::sanitize;
use crate::sandbox::multipart;
use crate::store::token::StoredToken;

/// The state that we sent. In a text it is written `STATE`.
static OURS: LazyLock<State> = LazyLock::new(State::new);

static CLIENT: LazyLock<Client> =
    LazyLock::new(|| Client::new(Server::default(), "app".to_owned(), None).expect("a client"));

/// A request's bytes: where the head passes, method and target are ASCII, and
/// a host that is taken for a loopback one is one.
pub fn request_head(bytes: &[u8]) {
    let Ok(Some((request, length))) = Request::parse(bytes) else {
        return;
    };
    assert!(Request::parse(&bytes[..length - 1]).is_ok_and(|head| head.is_none()));
    let target = format!("{}?{}", request.path, request.query);
    for part in [&request.method, &target] {
        assert!(!part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic()));
    }
    assert!(request.path.starts_with('/') || request.path == "*");
    assert!(!request.path.contains('?') && request.body.is_empty());
    is_loopback_only(&request.host());
    redirect_query(&request.query);
}

/// A redirect's query: an answer has our state and one code or one error, and
/// the code has only the characters of one.
pub fn redirect_query(query: &str) {
    let query = query.replace("STATE", OURS.as_str());
    let parameters = parameters(&query);
    let all = |name: &str| -> Vec<&[u8]> {
        let its =
            |(key, value): &'_ (Vec<u8>, Vec<u8>)| key == name.as_bytes() && !value.is_empty();
        let its = parameters.iter().filter(|pair| its(pair));
        its.map(|(_, value)| value.as_slice()).collect()
    };
    let response = parse_response(&query, &OURS);
    if let Ok(Response::Code(code)) = &response {
        let code = code.expose_secret();
        is_a_code(code);
        assert_eq!((all("code"), all("error")), (vec![code.as_bytes()], vec![]));
        let shown = format!("Ok({:?})", Response::Code("x".into()));
        assert_eq!(format!("{response:?}"), shown, "whatever the code");
    }
    if let Ok(Response::Error(OAuthError { error, .. })) = &response {
        assert!(!error.is_empty() && all("code").is_empty());
        assert_eq!(all("error").len(), 1);
    }
    if response.is_ok() {
        assert_eq!(all("state"), [OURS.as_str().as_bytes()]);
        assert!(parse_response(&query, &State::new()).is_err());
    }
}

/// A pasted line: a code is one; a foreign state is never an answer; what is in
/// the address of the verification-code page is read as it was.
pub fn pasted(line: &str) {
    let expected = paste::Expected {
        state: OURS.clone(),
        server: Server::default(),
        redirect_uri: None,
    };
    let line = line.replace("STATE", OURS.as_str());
    match expected.parse(&line) {
        Ok(Response::Code(code)) => is_a_code(code.expose_secret()),
        Ok(Response::Error(refusal)) => assert!(!refusal.error.is_empty()),
        Err(why) => assert!(!why.is_empty()),
    }
    let read = |line: &str| match expected.parse(line) {
        Ok(Response::Code(code)) => Some(code.expose_secret().to_owned()),
        _ => None,
    };
    let text = line.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return;
    }
    let mut url = Url::parse("https://oauth.yandex.ru/verification_code").expect("a URL");
    url.query_pairs_mut().append_pair("code", text);
    assert_eq!(read(url.as_str()).as_deref(), Some(text));
    url.query_pairs_mut().append_pair("state", OURS.as_str());
    assert_eq!(read(url.as_str()).as_deref(), Some(text));
    url.query_pairs_mut().clear();
    url.query_pairs_mut()
        .append_pair("code", text)
        .append_pair("state", "another");
    assert_eq!(read(url.as_str()), None);
}

/// A token file: what is read is written as one line that reads as the same,
/// with every key that is not ours as it was.
pub fn token_file(content: &[u8]) {
    let Ok(token) = StoredToken::parse(content) else {
        return;
    };
    is_an_access_token(token.secrets.access_token.expose_secret());
    let json = token.to_json();
    let json = json.expose_secret();
    assert_eq!(json.find(|c| c < ' '), Some(json.len() - 1));
    let again = StoredToken::parse(json.as_bytes()).expect("what was written is read");
    assert!(again.is_same_as(&token));
    assert_eq!(again.to_json().expose_secret(), json);
    let fields = |content: &[u8]| -> Map<String, Value> {
        serde_json::from_slice(content).expect("an object")
    };
    let ours = [
        "access_token",
        "token_type",
        "refresh_token",
        "scope",
        "issued_at",
        "expires_at",
        "expires_in",
        "expiry",
        "client_id",
        "oauth_url",
        "account",
        "device_id",
        "keychain",
        "keychain_id",
        "method",
        "redirect_uris",
        "listen",
        "tls_cert",
        "tls_key",
        "client_secret_file",
        "scope_asked",
        "optional_scope_asked",
        "subject",
        "renew_failed_at",
        "renew_error",
        "renew_without_secret",
    ];
    let mut written = fields(json.as_bytes());
    for (name, value) in fields(content) {
        if !ours.contains(&&*name) {
            assert_eq!(written.remove(&name), Some(value), "{name}");
        }
    }
    assert!(written.keys().all(|name| ours.contains(&&**name)));
}

/// A token endpoint's answer: a success is a 2xx; its token has only the
/// characters of one, is not shown, and can be kept; an error is one short
/// line.
pub fn token_answer(status: u16, body: &[u8]) {
    let answer = HttpResponse {
        status,
        body: body.to_owned(),
        ..HttpResponse::default()
    };
    let asked = Url::parse("https://oauth.yandex.com/token").expect("a valid URL");
    match response::classify(&answer, &asked) {
        Classified::Success(fields) => {
            assert!((200..300).contains(&status));
            if let Ok(code) = response::device_code(fields.clone()) {
                assert!(["https", "http"].contains(&code.verification_url.scheme()));
                assert!((1..=31_536_000).contains(&code.interval.as_secs()));
                assert!(code.expires_in.as_secs() <= 31_536_000);
                assert!(!code.user_code.is_empty());
            }
            let Ok(token) = response::token(fields) else {
                return;
            };
            let secret = token.access_token.expose_secret().to_owned();
            is_an_access_token(&secret);
            let refresh_token = token.refresh_token.clone();
            let kept = StoredToken::new(token, &CLIENT, None).to_json();
            let kept = StoredToken::parse(kept.expose_secret().as_bytes()).expect("a token file");
            assert_eq!(kept.secrets.access_token.expose_secret(), secret);
            assert_eq!(
                kept.secrets
                    .refresh_token
                    .map(|token| token.expose_secret().to_owned()),
                refresh_token.map(|token| token.expose_secret().to_owned())
            );
        }
        Classified::Error(refusal) => {
            assert!(!refusal.error.is_empty() && !(300..400).contains(&status));
            assert!(status != 429 && status < 500);
            let error = response::refused("refreshing the token", &refusal);
            assert_eq!((error.kind, error.kind.exit_code()), (Kind::Refused, 5));
            assert!(error.why.chars().count() <= 604, "two short texts");
            assert!(!sanitize(&error.why).contains(char::is_control));
        }
        Classified::Useless(why) => assert!(!why.is_empty()),
    }
}

/// A `NO_PROXY` list, and the value of a proxy variable.
pub fn proxies(list: &str, host: &str, proxy: &str) {
    let covered = proxy::covers(list, host);
    assert!(proxy::covers(&format!("{list},*"), host));
    assert_eq!(proxy::covers(&list.to_ascii_uppercase(), host), covered);
    assert_eq!(proxy::covers(list, &host.to_ascii_uppercase()), covered);
    assert!(!covered || proxy::covers(&format!("{list} x.example"), host));
    let alone = list
        .split([',', ' ', '\t'])
        .any(|entry| proxy::covers(entry, host));
    assert_eq!(alone, covered, "each entry stands for itself");
    let url = Url::parse(&format!("https://{host}/"));
    if let Ok(Some(Host::Domain(name))) = url.as_ref().map(Url::host)
        && proxy::covers(list, name)
        && !list.contains('*')
    {
        let labels: Vec<_> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
        let is_end = |entry: &str| {
            let entry = entry.to_ascii_lowercase();
            let entry = entry.trim().trim_matches(['.', '[', ']']);
            !entry.is_empty() && labels.ends_with(&entry.split('.').collect::<Vec<_>>())
        };
        let is_name = labels.iter().all(|label| !label.is_empty());
        let is_one = list.split([',', ' ', '\t']).any(is_end);
        assert!(is_one || !is_name, "whole labels");
    }
    if let Some(chosen) = proxy::parse(proxy) {
        let whole = match proxy.contains("://") {
            true => proxy.to_owned(),
            false => format!("http://{proxy}"),
        };
        let url = Url::parse(&whole).expect("a URL");
        assert!(matches!(url.scheme(), "http" | "https"));
        let host = Url::parse(&format!("http://{}", chosen.host())).expect("a host");
        assert_eq!(host.host(), url.host(), "the host that was written");
        assert_eq!(Some(chosen.port()), url.port_or_known_default());
    }
}

/// The URLs of options: what is sent is what was written, and plain `http`
/// stays on this machine.
pub fn urls(text: &str) {
    if let Ok(uri) = RedirectUri::parse(text) {
        assert_eq!(uri.as_str(), text);
        assert!(uri.location().bytes().all(|b| b.is_ascii_graphic()));
        assert!(uri.path().starts_with('/') && !uri.host().is_empty());
        let ours = uri.with_parameter("start", "s");
        assert_eq!(
            ours.query_pairs()
                .filter(|(name, _)| name == "start")
                .count(),
            1
        );
        match uri.is_loopback() {
            true => {
                is_loopback_only(uri.host());
                assert!(uri.addresses().iter().all(IpAddr::is_loopback));
            }
            false => assert!(text.to_ascii_lowercase().starts_with("https://")),
        }
        let bound = uri.with_port(4711);
        let again = RedirectUri::parse(bound.as_str()).expect("still a Redirect URI");
        let port = if uri.port() == 0 { 4711 } else { uri.port() };
        assert_eq!((again.port(), bound.port()), (port, port));
        assert_eq!((again.host(), again.path()), (uri.host(), uri.path()));
    }
    if let Ok(server) = Server::parse(text) {
        let origin = server.origin();
        assert_eq!(
            Server::parse(&origin).map(|same| same.origin()),
            Ok(origin.clone())
        );
        if let Some(rest) = origin.strip_prefix("http://") {
            let url = Url::parse(&origin).expect("a URL");
            is_loopback_only(url.host_str().expect("a host"));
            assert!(!rest.contains('@'));
        } else {
            assert!(origin.starts_with("https://"));
        }
        let yandex = ["com", "ru", "com.tr"].map(|end| format!("https://oauth.yandex.{end}"));
        assert_eq!(server.is_yandex(), yandex.contains(&origin));
    }
}

/// The other options with a form of their own.
pub fn values(text: &str) {
    if let Ok(duration) = values::duration(text) {
        let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];
        let unit = units.into_iter().find(|unit| text.ends_with(unit.0));
        let (unit, factor) = unit.unwrap_or(("", 1));
        let number = &text[..text.len() - unit.len()];
        let seconds = number.parse::<u128>().expect("a number") * factor;
        assert_eq!(u128::from(duration.as_secs()), seconds);
        assert!(number.bytes().all(|b| b.is_ascii_digit()) && seconds <= 36_500 * 86400);
    }
    if let Ok(scope) = values::scope(text) {
        assert_eq!(values::scope(&scope), Ok(scope.clone()));
        let words = |text: &str| {
            text.split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&scope), words(text));
        assert!(scope.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
    }
    if let Ok(name) = values::profile(text) {
        let file = format!("{name}.json");
        let parts: Vec<_> = Path::new(&file).components().collect();
        assert_eq!(
            parts,
            [Component::Normal(file.as_ref())],
            "a name, never a path"
        );
        assert_eq!(sanitize(&name), name);
    }
    for (value, most) in [
        (values::client_id(text), 200),
        (values::device_id(text), 50),
    ] {
        let fits = |text: &String| text.len() <= most && !text.contains(char::is_control);
        assert!(value.is_err() || value.is_ok_and(|text| fits(&text) && text.is_ascii()));
    }
    if let Ok(name) = values::variable_name(text) {
        assert!(!name.is_empty() && !name.contains(['=', '\0']) && name.is_ascii());
    }
}

fn is_a_code(code: &str) {
    assert!(!code.is_empty() && code.chars().all(|c| ('!'..='~').contains(&c)));
}

fn is_an_access_token(token: &str) {
    let allowed = |c| matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '~' | '+' | '/' | '=' | '-');
    assert!(!token.is_empty() && token.chars().all(allowed));
}

/// What passes for a name of this machine is no other's.
fn is_loopback_only(host: &str) {
    if is_loopback_name(host) {
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').unwrap_or_default(),
            None => &name,
        };
        let address = address.parse::<IpAddr>();
        assert!(name == "localhost" || address.is_ok_and(|address| address.is_loopback()));
    }
}

/// The parameters of a query (`application/x-www-form-urlencoded`).
fn parameters(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decoded = |text: &str| {
        let (mut bytes, mut out) = (text.bytes().peekable(), Vec::new());
        while let Some(byte) = bytes.next() {
            let mut ahead = bytes.clone();
            let mut digit = || char::from(ahead.next()?).to_digit(16);
            match (byte, digit(), digit()) {
                (b'%', Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    bytes.nth(1);
                }
                (b'+', ..) => out.push(b' '),
                _ => out.push(byte),
            }
        }
        out
    };
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// A multipart body: what is read of it stood in it, and no value goes past a
/// delimiter.
pub fn multipart_body(body: &[u8]) {
    let Some(fields) = multipart::fields("multipart/form-data; boundary=b", body) else {
        return;
    };
    let text = String::from_utf8_lossy(body);
    for (_, value) in fields {
        assert!(text.contains(&value) || value.contains('\u{fffd}'));
        assert!(!value.contains("\r\n--b"));
    }
}
