//! Lenient readings of JSON that others wrote: a token file, a server's answer.
//! None stands for what is absent, empty or of no use. Nothing here quotes a
//! value: it may be a secret.

use serde_json::{Map, Value};

pub type Fields = Map<String, Value>;

/// The content of a JSON object, behind a byte order mark or without one.
///
/// # Errors
/// What it is instead, as the second half of a sentence.
pub fn object(content: &[u8]) -> Result<Fields, &'static str> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    match serde_json::from_slice(content) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("it is not a JSON object"),
        Err(_) => Err("it is not JSON"),
    }
}

pub fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Words in one text with spaces, or in an array.
pub fn words(value: &Value) -> Option<String> {
    let Value::Array(words) = value else {
        return text(value);
    };
    let words: Vec<_> = words.iter().filter_map(text).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Seconds: whole, or as servers also write them, in quotes or with a
/// fraction; none are negative.
pub fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let number = || text.parse().ok().filter(|number: &f64| !number.is_nan());
            text.parse().ok().or_else(|| Some(number()? as u64))
        }
        _ => value.as_u64().or_else(|| Some(value.as_f64()? as u64)),
    }
}
