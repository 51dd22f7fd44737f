//! Who asks: the client of a form, by its body or by HTTP Basic (RFC 6749, 2.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::authorize;
use super::parameters::Parameters;
use super::registration::Registration;
use super::response;

use crate::http::{Request, Response};

/// A form whose client is known.
pub struct Form {
    pub fields: Parameters,
    has_secret: bool,
}

/// Reads the form and checks the client's credentials.
pub fn form(request: &Request, registration: &Registration) -> Result<Form, Response> {
    let basic = basic(request)?;
    if !Parameters::of_query(request).is_ok_and(|query| query.is_empty()) {
        let why = "Parameters belong into the body, not into the URL";
        return Err(response::refusal("invalid_request", why));
    }
    let fields = match Parameters::of_form(request) {
        Some(Ok(fields)) => fields,
        Some(Err(_)) => {
            return Err(response::refusal(
                "invalid_request",
                "A parameter is given twice",
            ));
        }
        None => {
            return Err(response::refusal(
                "invalid_request",
                "The body is not a form",
            ));
        }
    };
    let (client_id, client_secret) = match &basic {
        // An empty secret is none, as it is in the body.
        Some((id, secret)) => (
            Some(id.as_str()),
            Some(secret.as_str()).filter(|s| !s.is_empty()),
        ),
        None => (fields.get("client_id"), fields.get("client_secret")),
    };
    match client_id {
        None => return Err(response::refusal("invalid_request", "client_id is missing")),
        Some(id) if id != registration.client_id => {
            return Err(response::refusal("invalid_client", "Client not found"));
        }
        Some(_) => {}
    }
    if client_secret.is_some_and(|secret| secret != registration.client_secret) {
        return Err(response::refusal("invalid_client", "Wrong client secret"));
    }
    let has_secret = client_secret.is_some();
    Ok(Form { fields, has_secret })
}

impl Form {
    pub fn required(&self, name: &str, missing: &'static str) -> Result<&str, Response> {
        self.fields
            .get(name)
            .ok_or_else(|| response::refusal("invalid_request", missing))
    }

    pub fn require_secret(&self) -> Result<(), Response> {
        match self.has_secret {
            true => Ok(()),
            false => Err(response::refusal(
                "invalid_client",
                "Client secret is missing",
            )),
        }
    }

    /// Checks the device's ID and name, where they are given.
    pub fn device(&self) -> Result<(), Response> {
        authorize::device(&self.fields).map_err(|why| response::refusal("invalid_request", why))
    }

    pub fn device_id(&self) -> Option<String> {
        self.fields.get("device_id").map(str::to_owned)
    }
}

/// The credentials of an `Authorization` header, where there is one.
fn basic(request: &Request) -> Result<Option<(String, String)>, Response> {
    let Some(value) = request.header("Authorization") else {
        return Ok(None);
    };
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(response::error(401, "Basic auth required", None));
    }
    let decoded = STANDARD.decode(rest.trim()).ok();
    let pair = decoded.and_then(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((id.to_owned(), secret.to_owned()))
    });
    match pair {
        Some(pair) => Ok(Some(pair)),
        None => Err(response::error(401, "Malformed Authorization header", None)),
    }
}
