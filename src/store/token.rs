//! What a token file holds. This is the one place that writes tokens out, so
//! `expose_secret` here is the format of the file and nothing else. What we
//! read may have been written by a server, by another tool or by hand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::json::{self, Fields};
use crate::oauth::client::Client;
use crate::oauth::response::{TokenResponse, is_access_token};
use crate::output;

/// A token, and how it was got.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredToken {
    #[serde(flatten, skip_serializing)]
    pub secrets: Secrets,
    pub token_type: Option<String>,
    /// As the server named it, else as it was asked for.
    pub scope: Option<String>,
    /// Seconds since the epoch; None in a file that is not ours.
    pub issued_at: Option<u64>,
    /// None where the server named no lifetime.
    pub expires_at: Option<u64>,
    pub client_id: Option<String>,
    pub oauth_url: Option<String>,
    /// Whose token it is.
    pub account: Option<String>,
    pub device_id: Option<String>,
    /// The credential helper that keeps the two tokens, and its entry.
    pub keychain: Option<String>,
    pub keychain_id: Option<String>,
    #[serde(flatten)]
    pub login: LoginOptions,
    /// The last renewal that failed: when, and the OAuth error or
    /// [`UNREACHABLE`].
    pub renew_failed_at: Option<u64>,
    pub renew_error: Option<String>,
    /// Whether it was refused for want of a client secret.
    pub renew_without_secret: Option<bool>,
    /// Keys that are not ours, kept as they are.
    #[serde(flatten, skip_serializing)]
    other: Fields,
}

/// What a keychain keeps of a token.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Secrets {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
}

/// What a saved login was given, for the next one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginOptions {
    pub method: Option<String>,
    pub redirect_uris: Vec<String>,
    pub listen: Option<String>,
    pub tls_cert: Option<String>,
    pub tls_key: Option<String>,
    /// Absolute.
    pub client_secret_file: Option<String>,
    pub scope_asked: Option<String>,
    pub optional_scope_asked: Option<String>,
    pub subject: Option<String>,
}

type Reading = fn(Value) -> Option<Value>;

/// How our keys are read where others have written them: what is of no use
/// counts as absent.
const LENIENT: [(&str, Reading); 5] = [
    ("issued_at expires_at renew_failed_at", |value| {
        Some(json::seconds(&value)?.into())
    }),
    ("renew_without_secret", |value| {
        value.is_boolean().then_some(value)
    }),
    ("scope", |value| Some(json::words(&value)?.into())),
    ("redirect_uris", |value| {
        let uris = value.as_array()?.iter().filter_map(json::text);
        Some(uris.collect())
    }),
    (
        "access_token token_type refresh_token client_id oauth_url account device_id keychain \
         keychain_id method listen tls_cert tls_key client_secret_file scope_asked \
         optional_scope_asked subject renew_error",
        |value| (value.is_string() && value != "").then_some(value),
    ),
];

/// The `renew_error` of a server that was not reached.
pub const UNREACHABLE: &str = "unreachable";

impl Secrets {
    /// # Errors
    /// What makes them none, without showing it.
    pub fn parse(text: &str) -> Result<Secrets, &'static str> {
        StoredToken::parse(text.as_bytes()).map(|token| token.secrets)
    }

    /// One line of JSON.
    pub fn to_json(&self) -> SecretString {
        self.exposed().to_string().into()
    }

    fn exposed(&self) -> Value {
        let refresh_token = self.refresh_token.as_ref();
        json!({
            "access_token": self.access_token.expose_secret(),
            "refresh_token": refresh_token.map(|token| token.expose_secret()),
        })
    }
}

impl StoredToken {
    /// A token that has just been answered.
    pub fn new(answer: TokenResponse, client: &Client, device_id: Option<String>) -> StoredToken {
        let now = now();
        StoredToken {
            secrets: Secrets {
                access_token: answer.access_token,
                refresh_token: answer.refresh_token,
            },
            issued_at: Some(now),
            expires_at: answer.expires_in.map(|left| now.saturating_add(left)),
            token_type: answer.token_type,
            scope: answer.scope,
            client_id: Some(client.client_id.clone()),
            oauth_url: Some(client.server.origin()),
            device_id,
            ..StoredToken::default()
        }
    }

    /// The same token after a refresh (RFC 6749, section 6): what the answer
    /// leaves out stays, except for the lifetime.
    pub fn refreshed(self, answer: TokenResponse, client: &Client) -> StoredToken {
        let mut new = StoredToken::new(answer, client, self.device_id);
        let refresh_token = new.secrets.refresh_token.take();
        new.secrets.refresh_token = refresh_token.or(self.secrets.refresh_token);
        StoredToken {
            token_type: new.token_type.or(self.token_type),
            scope: new.scope.or(self.scope),
            account: self.account,
            keychain: self.keychain,
            keychain_id: self.keychain_id,
            login: self.login,
            other: self.other,
            ..new
        }
    }

    /// # Errors
    /// What makes it no token file, without showing it.
    pub fn parse(content: &[u8]) -> Result<StoredToken, &'static str> {
        let mut fields = json::object(content)?;
        // In a server's raw answer: seconds since a time that is not known now.
        fields.remove("expires_in");
        // rclone's.
        let expiry = fields.remove("expiry");
        match fields.get("expires_at") {
            None | Some(Value::Null) => {
                fields.insert(
                    "expires_at".into(),
                    json!(expiry.as_ref().and_then(rfc3339)),
                );
            }
            Some(value) if json::seconds(value).is_none() => {
                return Err("its expires_at is not a number");
            }
            Some(_) => {}
        }
        for (names, read) in LENIENT {
            for name in names.split(' ') {
                let Some(value) = fields.get_mut(name) else {
                    continue;
                };
                match read(value.take()) {
                    Some(useful) => *value = useful,
                    None => drop(fields.remove(name)),
                }
            }
        }
        let token = serde_json::from_value(Value::Object(fields));
        // serde's own error quotes the value.
        let mut token: StoredToken = token.map_err(|_| "a value in it is of a wrong type")?;
        if token.keychain.is_some() {
            token.secrets = Secrets::default();
        } else if token.is_without_secrets() {
            return Err("it has no access_token");
        } else if !is_access_token(token.secrets.access_token.expose_secret()) {
            return Err("its access_token is not one");
        }
        Ok(token)
    }

    /// The token file: one line of JSON.
    pub fn to_json(&self) -> SecretString {
        let mut fields = self.other.clone();
        let is_set = |value: &Value| !value.is_null() && *value != "" && *value != json!([]);
        for ours in [json!(self), self.secrets.exposed()] {
            if let Value::Object(ours) = ours {
                fields.extend(ours.into_iter().filter(|(_, value)| is_set(value)));
            }
        }
        output::json(&Value::Object(fields)).into()
    }

    /// What its file holds: all, or all but the secrets where a keychain keeps
    /// them.
    pub fn to_file(&self) -> SecretString {
        let mut token = self.clone();
        if token.keychain.is_some() {
            token.secrets = Secrets::default();
        }
        token.to_json()
    }

    /// A token file of its own, without the keychain.
    pub fn to_standalone(&self) -> SecretString {
        let mut token = self.clone();
        (token.keychain, token.keychain_id) = (None, None);
        token.to_json()
    }

    /// Whether a keychain has not been asked for its secrets.
    pub fn is_without_secrets(&self) -> bool {
        self.secrets.access_token.expose_secret().is_empty()
    }

    /// How long it is still good. None where nobody said: then it counts as
    /// good.
    pub fn time_left(&self) -> Option<Duration> {
        let at = self.expires_at?;
        Some(Duration::from_secs(at.saturating_sub(now())))
    }

    pub fn is_expired(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Whether both are the outcome of the same answer.
    pub fn is_same_as(&self, other: &StoredToken) -> bool {
        let [ours, its] = [self, other].map(|token| {
            let refresh_token = token.secrets.refresh_token.as_ref();
            let refresh_token = refresh_token.map(|token| token.expose_secret());
            (token.secrets.access_token.expose_secret(), refresh_token)
        });
        ours == its && self.has_times_of(other)
    }

    pub fn has_times_of(&self, other: &StoredToken) -> bool {
        (self.issued_at, self.expires_at) == (other.issued_at, other.expires_at)
    }
}

/// Seconds since the epoch of a date with its offset, as Go writes it; a date
/// before it is Go's way to say that there is none.
fn rfc3339(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    let (time, offset) = match text.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let (hours, minutes) = offset.strip_prefix(['+', '-'])?.split_once(':')?;
            let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            let is_west = offset.starts_with('-');
            (time, if is_west { -seconds } else { seconds })
        }
    };
    let time = humantime::parse_rfc3339(&format!("{time}Z")).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    seconds.checked_add_signed(-offset)
}

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Server;
    use crate::properties;
    use proptest::prelude::*;

    fn answer(text: &str) -> TokenResponse {
        let fields = serde_json::from_str(text).expect("JSON");
        crate::oauth::response::token(fields).expect("usable")
    }

    fn client() -> Client {
        let server = Server::parse("https://o").expect("a server");
        Client::new(server, "c".into(), None).expect("a client")
    }

    #[test]
    fn a_lifetime_beyond_all_time_does_not_wrap() {
        let answer = answer(r#"{"access_token": "t", "expires_in": 18446744073709551615}"#);
        let token = StoredToken::new(answer, &client(), None);
        assert_eq!(token.expires_at, Some(u64::MAX));
        assert!(!token.is_expired());
    }

    #[test]
    fn a_refresh_keeps_what_the_answer_leaves_out_but_not_the_lifetime() {
        let before = r#"{"access_token":"a","refresh_token":"r","scope":"s","expires_at":1,
            "client_id":"c","oauth_url":"https://o","device_id":"device","note":{"x":[1]}}"#;
        let before = StoredToken::parse(before.as_bytes()).expect("a token file");
        let after = before.refreshed(answer(r#"{"access_token": "b"}"#), &client());
        let mut after: Value = serde_json::from_str(after.to_json().expose_secret()).expect("JSON");
        assert!(after["issued_at"].take().is_u64());
        assert_eq!(
            after,
            json!({"access_token": "b", "issued_at": null, "refresh_token": "r", "scope": "s", "client_id": "c",
                "oauth_url": "https://o", "device_id": "device", "note": {"x": [1]}})
        );
    }

    #[test]
    fn a_servers_raw_answer_is_a_token_without_a_known_end() {
        let token = StoredToken::parse(br#"{"access_token": "t", "expires_in": 1}"#);
        assert_eq!(token.map(|token| token.expires_at), Ok(None));
    }

    #[test]
    fn fields_are_read_however_others_write_them_and_nonsense_is_left_out() {
        let parse = |fields: &str| {
            let file = format!(r#"{{"access_token": "t", {fields}}}"#);
            StoredToken::parse(file.as_bytes()).expect("a token file")
        };
        for (expiry, at) in [
            (r#""expires_at": "1700000000""#, Some(1_700_000_000)),
            (r#""expires_at": 1700000000.5"#, Some(1_700_000_000)),
            (
                r#""expires_at": null, "expiry": "1970-01-01T00:00:07Z""#,
                Some(7),
            ),
            (
                r#""expires_at": 7, "expiry": "2023-01-01T00:00:00Z""#,
                Some(7),
            ),
            (
                r#""expiry": "2023-11-15T01:13:20.123456789+03:00""#,
                Some(1_700_000_000),
            ),
            (
                r#""expiry": "2023-11-14T18:13:20-04:00""#,
                Some(1_700_000_000),
            ),
            (r#""expiry": "0001-01-01T00:00:00Z""#, None),
            (r#""expiry": "12:00""#, None),
            (r#""expiry": "2023-11-14T18:13:20é0:00""#, None),
            (r#""expiry": [1]"#, None),
        ] {
            assert_eq!(parse(expiry).expires_at, at, "{expiry}");
        }
        let token = parse(
            r#""scope": ["a:b", "c:d", 7], "issued_at": "17", "redirect_uris": [1, "u"],
            "renew_failed_at": {}, "renew_error": 5, "subject": "", "account": ["x"]"#,
        );
        assert_eq!(token.scope.as_deref(), Some("a:b c:d"));
        assert_eq!((token.issued_at, token.renew_failed_at), (Some(17), None));
        assert_eq!(token.login.redirect_uris, ["u"]);
        assert_eq!(
            (token.renew_error, token.login.subject, token.account),
            (None, None, None)
        );
        assert!(StoredToken::parse(b"\xef\xbb\xbf{\"access_token\": \"t\"}").is_ok());
    }

    #[test]
    fn a_number_that_is_not_ours_does_not_drift_from_refresh_to_refresh() {
        let file = r#"{"access_token":"t","note":1.565132495624011e+69}"#;
        let token = StoredToken::parse(file.as_bytes()).expect("a token file");
        assert_eq!(token.to_json().expose_secret().trim_end(), file);
    }

    proptest! {
        #[test]
        fn what_is_no_token_file_is_refused(content in any::<Vec<u8>>()) {
            properties::token_file(&content);
        }

        #[test]
        fn what_is_one_is_written_as_it_was_read(
            token in "[A-Za-z0-9._~+/=-]{1,20}",
            lifetime in prop_oneof!["null", "-?[0-9]{1,21}([.][0-9]{1,20})?(e[0-9]{1,2})?"],
            others in prop::collection::vec(
                (
                    "[a-z_\u{80}-\u{fff}]{0,3}|expires_in|scope|refresh_token|issued_at|expiry|redirect_uris",
                    prop_oneof![
                        any::<String>().prop_map(|text| json!(text).to_string()),
                        any::<f64>().prop_map(|number| json!([number, {"x": number}]).to_string()),
                        "-?[1-9][0-9]{0,30}([.][0-9]{1,30})?(e-?[0-9]{1,2})?",
                    ],
                ),
                0..4,
            ),
        ) {
            let mut file = format!(r#"{{"access_token": "{token}", "expires_at": {lifetime}"#);
            for (name, value) in others {
                file.push_str(&format!(", {}: {value}", json!(name)));
            }
            properties::token_file((file + "}").as_bytes());
        }
    }
}
