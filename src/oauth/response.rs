//! Reads what a token endpoint answered (RFC 6749, 5.1 and 5.2), and
//! distinguishes OAuth errors from other failures. Pure.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use crate::error::{Error, Kind};
use crate::json;
use crate::output::short;

const YEAR: u64 = 31_536_000;
/// Bytes of a field that is kept in a token file, which has a limit too.
const MAX_FIELD: usize = 16 << 10;

/// What came back, as far as it is needed.
#[derive(Debug, Default)]
pub struct HttpResponse {
    pub status: u16,
    pub body: Vec<u8>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Whether Yandex's header for a captcha is there.
    pub has_captcha_header: bool,
}

impl HttpResponse {
    /// Yandex asks for a captcha in place of an answer where it takes the
    /// client for a robot.
    fn is_captcha(&self) -> bool {
        let location = self.location.as_deref().unwrap_or_default();
        let body = String::from_utf8_lossy(&self.body);
        let holds = |text: &str| body.contains(text);
        self.has_captcha_header
            || location.contains("showcaptcha")
            || self.status != 200 && (holds("CAPTCHA required") || holds("showcaptcha"))
    }

    /// The host and path that a redirect leads to; its query may hold secrets.
    fn target(&self, asked: &Url) -> Option<String> {
        let target = asked.join(self.location.as_deref()?).ok()?;
        Some(format!("{}{}", target.host_str()?, target.path()))
    }
}

/// A successful answer of the token endpoint.
#[derive(Debug)]
pub struct TokenResponse {
    pub access_token: SecretString,
    pub token_type: Option<String>,
    pub refresh_token: Option<SecretString>,
    /// Space-separated; Yandex names it only where fewer were granted.
    pub scope: Option<String>,
    /// Seconds, counted from the answer.
    pub expires_in: Option<u64>,
}

/// A refusal in the words of the protocol. The texts are the server's.
#[derive(Debug, PartialEq)]
pub struct OAuthError {
    pub error: String,
    pub description: Option<String>,
}

/// What a response means.
#[derive(Debug)]
pub enum Classified {
    Success(Map<String, Value>),
    Error(OAuthError),
    /// Not an OAuth server's answer; why.
    Useless(String),
}

/// Sorts a response by its status and body. `asked` is where it is from.
pub fn classify(response: &HttpResponse, asked: &Url) -> Classified {
    let HttpResponse { status, body, .. } = response;
    let status = *status;
    if response.is_captcha() {
        return Classified::Useless(format!("asks for a captcha ({status})"));
    }
    match status {
        300..=399 => {
            let target = response.target(asked);
            let target = target.map_or("elsewhere".to_owned(), |target| format!("to {target}"));
            return Classified::Useless(format!("redirected {target} ({status})"));
        }
        429 | 500.. => return Classified::Useless(format!("answered with status {status}")),
        _ => {}
    }
    let Ok(fields) = json::object(body) else {
        let what = match body.is_empty() {
            true => "an empty body",
            false => "something that is not JSON",
        };
        return Classified::Useless(format!("answered with {what} (status {status})"));
    };
    match text(&fields, "error") {
        Some(error) => {
            // Whole: it is cut short once all secrets are known.
            let hide = |text: String| {
                let own = ["access_token", "refresh_token", "device_code"];
                let own = own.iter().filter_map(|name| self::text(&fields, name));
                own.fold(text, |text, secret| text.replace(&secret, "[…]"))
            };
            Classified::Error(OAuthError {
                description: self::text(&fields, "error_description").map(hide),
                error: hide(error),
            })
        }
        None if (200..300).contains(&status) => Classified::Success(fields),
        None => Classified::Useless(format!("answered with status {status} and no OAuth error")),
    }
}

/// Takes the token out of a successful answer.
///
/// # Errors
/// What makes it unusable, without showing it.
pub fn token(fields: Map<String, Value>) -> Result<TokenResponse, String> {
    let access_token = match fields.get("access_token").and_then(Value::as_str) {
        None => return Err("answered without an access token".into()),
        Some("") => return Err("answered with an empty access token".into()),
        Some(token) => token.to_owned(),
    };
    let token_type = text(&fields, "token_type");
    let refresh_token = text(&fields, "refresh_token");
    let scope = fields.get("scope").and_then(json::words);
    for (name, field) in [
        ("an access token", Some(&access_token)),
        ("a token type", token_type.as_ref()),
        ("a refresh token", refresh_token.as_ref()),
        ("a scope", scope.as_ref()),
    ] {
        if field.is_some_and(|field| field.len() > MAX_FIELD) {
            return Err(format!("answered with {name} over 16 KiB"));
        }
    }
    if !is_access_token(&access_token) {
        return Err("answered with an access token with invalid characters".into());
    }
    // A scope is shown; a short token may be a part of any.
    let is_long = |token: &&String| token.len() >= 8;
    let tokens = refresh_token.iter().chain([&access_token]).filter(is_long);
    let scope = scope.map(|scope| tokens.fold(scope, |scope, token| scope.replace(token, "[…]")));
    Ok(TokenResponse {
        access_token: access_token.into(),
        token_type,
        refresh_token: refresh_token.map(SecretString::from),
        scope,
        expires_in: fields.get("expires_in").and_then(json::seconds),
    })
}

/// An answer of the device authorization endpoint (RFC 8628, 3.2).
pub struct DeviceCode {
    pub device_code: SecretString,
    pub user_code: String,
    pub verification_url: Url,
    pub interval: Duration,
    pub expires_in: Duration,
}

/// Takes the device code out of a successful answer (RFC 8628, 3.2). Yandex
/// says `verification_url`, the RFC `verification_uri`.
///
/// # Errors
/// What makes it unusable, without showing it.
pub fn device_code(fields: Map<String, Value>) -> Result<DeviceCode, &'static str> {
    const MAX_PAGE: usize = 2048;
    const MAX_USER_CODE: usize = 100;
    let page = text(&fields, "verification_url").or_else(|| text(&fields, "verification_uri"));
    let page = page.and_then(|page| Url::parse(&page).ok());
    let page = page.ok_or("answered without a page to enter the code at")?;
    if !["https", "http"].contains(&page.scheme()) || page.as_str().len() > MAX_PAGE {
        return Err("answered with something else than a page to enter the code at");
    }
    let at_least = |name, least, default| {
        let seconds = fields.get(name).and_then(json::seconds).unwrap_or(default);
        Duration::from_secs(seconds.clamp(least, YEAR))
    };
    let device_code = text(&fields, "device_code").filter(|code| !code.is_empty());
    let device_code: SecretString = device_code.ok_or("answered without a device code")?.into();
    let user_code = text(&fields, "user_code").filter(|code| code.len() <= MAX_USER_CODE);
    let user_code = user_code.ok_or("answered without a code to enter")?;
    // Both are shown, and a browser is started with one. What is shorter than
    // that is no secret, and may well stand in a URL.
    let is_told = |shown: &str| shown.contains(device_code.expose_secret());
    let is_secret = device_code.expose_secret().len() >= 8;
    if is_secret && (is_told(page.as_str()) || is_told(&user_code)) {
        return Err("answered with a device code that everybody would see");
    }
    Ok(DeviceCode {
        device_code,
        user_code,
        verification_url: page,
        interval: at_least("interval", 1, 5),
        expires_in: at_least("expires_in", 0, 300),
    })
}

/// The characters of RFC 6750's `b64token`: nothing that could end a line or
/// a header, or mean something to a shell.
pub fn is_access_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._~+/=-".contains(&b))
}

pub(super) fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(json::text)
}

/// The user-facing error for an OAuth error.
pub fn refused(what: &str, refusal: &OAuthError) -> Error {
    let why = match &refusal.description {
        Some(description) => format!("{}: {}", short(&refusal.error), short(description)),
        None => short(&refusal.error),
    };
    Error {
        refusal: Some(refusal.error.clone()),
        ..Error::new(Kind::Refused, what, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Server;
    use crate::properties;
    use proptest::prelude::*;

    fn sorted(status: u16, body: &[u8]) -> Classified {
        let body = body.to_owned();
        let response = HttpResponse {
            status,
            body,
            ..HttpResponse::default()
        };
        classify(&response, &Server::default().endpoint("/token"))
    }

    fn answered(body: &str) -> Result<TokenResponse, String> {
        match sorted(200, body.as_bytes()) {
            Classified::Success(fields) => token(fields),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lifetime_is_read_however_it_is_written() {
        for (written, seconds) in [
            ("31536000", Some(31_536_000)),
            ("\"3600\"", Some(3600)),
            ("\" 7200 \"", Some(7200)),
            ("3600.5", Some(3600)),
            ("0", Some(0)),
            ("-5", Some(0)),
            ("-0.0", Some(0)),
            ("-18446744073709551616", Some(0)),
            ("1e-300", Some(0)),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("1e300", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("\"1e999\"", Some(u64::MAX)),
            ("\"inf\"", Some(u64::MAX)),
            ("null", None),
            ("true", None),
            ("\"\"", None),
            ("\"soon\"", None),
            ("\"0x10\"", None),
            ("\"NaN\"", None),
            ("[1]", None),
            ("{}", None),
        ] {
            let body = format!(r#"{{"access_token": "t", "expires_in": {written}}}"#);
            assert_eq!(
                answered(&body).expect("usable").expires_in,
                seconds,
                "{written}"
            );
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let token = answered(r#"{"access_token": "s3cret", "refresh_token": "s3cret2"}"#);
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd_to_sort(
            status in prop_oneof![Just(200), Just(400), 100u16..600],
            body in prop_oneof![
                any::<Vec<u8>>(),
                "\\{\"(access_token|error|device_code)\": \"[ -~]{0,9}\"(, \"(refresh_token|scope|\
                  expires_in|interval|error_description|user_code|verification_url)\": \
                  (\"[!#-\\[\\]-~]{0,9}\"|-?[0-9]{1,30}|null|\"https://[a-z]{1,3}/\")){0,4}\\}"
                    .prop_map(String::into_bytes),
            ],
        ) {
            properties::token_answer(status, &body);
        }
    }
}
