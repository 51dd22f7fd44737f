//! What a token file holds. This is the one place that writes tokens out, so
//! `expose_secret` here is the format of the file and nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::oauth::response::{TokenResponse, is_access_token};
use crate::output;

/// A token, and how it was got.
#[derive(Clone)]
pub struct StoredToken {
    pub access_token: SecretString,
    pub token_type: Option<String>,
    pub refresh_token: Option<SecretString>,
    pub scope: Option<String>,
    /// Seconds since the epoch; None where the server named no lifetime.
    pub expires_at: Option<u64>,
    /// None in a file that holds only a server's answer.
    pub client_id: Option<String>,
    pub oauth_url: Option<String>,
    pub device_id: Option<String>,
    /// Keys that are not ours, kept as they are.
    other: Map<String, Value>,
}

impl StoredToken {
    /// A token that has just been answered.
    pub fn new(
        answer: TokenResponse,
        client_id: String,
        oauth_url: String,
        device_id: Option<String>,
    ) -> StoredToken {
        StoredToken {
            expires_at: expires_at(answer.expires_in),
            access_token: answer.access_token,
            token_type: answer.token_type,
            refresh_token: answer.refresh_token,
            scope: answer.scope,
            client_id: Some(client_id),
            oauth_url: Some(oauth_url),
            device_id,
            other: Map::new(),
        }
    }

    /// The same token after a refresh (RFC 6749, section 6): what the answer
    /// leaves out stays, except for the lifetime.
    pub fn refreshed(
        self,
        answer: TokenResponse,
        client_id: String,
        oauth_url: String,
    ) -> StoredToken {
        StoredToken {
            expires_at: expires_at(answer.expires_in),
            access_token: answer.access_token,
            token_type: answer.token_type.or(self.token_type),
            refresh_token: answer.refresh_token.or(self.refresh_token),
            scope: answer.scope.or(self.scope),
            client_id: Some(client_id),
            oauth_url: Some(oauth_url),
            device_id: self.device_id,
            other: self.other,
        }
    }

    /// # Errors
    /// What makes it no token file, without showing it.
    pub fn parse(content: &[u8]) -> Result<StoredToken, &'static str> {
        let mut fields: Map<String, Value> = match serde_json::from_slice(content) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err("it is not a JSON object"),
            Err(_) => return Err("it is not JSON"),
        };
        let Some(Value::String(access_token)) = fields.remove("access_token") else {
            return Err("it holds no access_token");
        };
        if !is_access_token(&access_token) {
            return Err("its access_token is not one");
        }
        let expires_at = match fields.remove("expires_at") {
            None | Some(Value::Null) => None,
            Some(value) => Some(seconds(&value).ok_or("its expires_at is not a number")?),
        };
        // A server's raw answer counts from a moment that nobody knows now.
        fields.remove("expires_in");
        let mut text = |name: &'static str| match fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err("one of its fields is not text"),
        };
        Ok(StoredToken {
            access_token: access_token.into(),
            token_type: text("token_type")?,
            refresh_token: text("refresh_token")?.map(SecretString::from),
            scope: text("scope")?,
            expires_at,
            client_id: text("client_id")?,
            oauth_url: text("oauth_url")?,
            device_id: text("device_id")?,
            other: fields,
        })
    }

    /// The token file: one line of JSON.
    pub fn to_json(&self) -> SecretString {
        let mut fields = self.other.clone();
        let secret = |secret: &SecretString| json!(secret.expose_secret());
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        for (name, value) in [
            ("access_token", Some(secret(&self.access_token))),
            ("token_type", text(&self.token_type)),
            ("refresh_token", self.refresh_token.as_ref().map(secret)),
            ("scope", text(&self.scope)),
            ("expires_at", self.expires_at.map(|seconds| json!(seconds))),
            ("client_id", text(&self.client_id)),
            ("oauth_url", text(&self.oauth_url)),
            ("device_id", text(&self.device_id)),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
        output::json(&Value::Object(fields)).into()
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
        let refresh_token = |token: &StoredToken| {
            let token = token.refresh_token.as_ref();
            token.map(|token| token.expose_secret().to_owned())
        };
        self.access_token.expose_secret() == other.access_token.expose_secret()
            && self.expires_at == other.expires_at
            && refresh_token(self) == refresh_token(other)
    }
}

fn expires_at(expires_in: Option<u64>) -> Option<u64> {
    expires_in.map(|seconds| now().saturating_add(seconds))
}

/// Also as a fraction, as other tools write it; before the epoch is over.
fn seconds(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|seconds| seconds as u64))
}

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties;
    use proptest::prelude::*;

    fn answer(text: &str) -> TokenResponse {
        let fields = serde_json::from_str(text).expect("JSON");
        crate::oauth::response::token(fields).expect("usable")
    }

    #[test]
    fn a_lifetime_beyond_all_time_does_not_wrap() {
        let answer = answer(r#"{"access_token": "t", "expires_in": 18446744073709551615}"#);
        let token = StoredToken::new(answer, "id".into(), "https://a.example".into(), None);
        assert_eq!(token.expires_at, Some(u64::MAX));
        assert!(!token.is_expired());
    }

    #[test]
    fn a_refresh_keeps_what_the_answer_leaves_out_but_not_the_lifetime() {
        let before = r#"{"access_token":"a","refresh_token":"r","scope":"s","expires_at":1,
            "client_id":"c","oauth_url":"https://o","device_id":"device","note":{"x":[1]}}"#;
        let before = StoredToken::parse(before.as_bytes()).expect("a token file");
        let after = before.refreshed(
            answer(r#"{"access_token": "b"}"#),
            "c".into(),
            "https://o".into(),
        );
        let after: Value = serde_json::from_str(after.to_json().expose_secret()).expect("JSON");
        assert_eq!(
            after,
            json!({"access_token": "b", "refresh_token": "r", "scope": "s", "client_id": "c",
                "oauth_url": "https://o", "device_id": "device", "note": {"x": [1]}})
        );
    }

    #[test]
    fn a_servers_raw_answer_is_a_token_without_a_known_end() {
        let token = StoredToken::parse(br#"{"access_token": "t", "expires_in": 1}"#);
        assert_eq!(token.map(|token| token.expires_at), Ok(None));
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
                    "[a-z_\u{80}-\u{fff}]{0,3}|expires_in|scope|refresh_token",
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
