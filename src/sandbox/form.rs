//! A form whose client has authenticated itself (RFC 6749, 2.3.1), with Yandex's
//! two odd errors of a Basic header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Refusal;
use super::parameters::Parameters;
use super::state::State;
use crate::http::Request;

/// A form whose client is known.
pub struct Form {
    pub fields: Parameters,
    has_secret: bool,
}

impl Form {
    /// Reads the form and checks the client's credentials.
    pub fn of(request: &Request, state: &State) -> Result<Form, Refusal> {
        let basic = request.header("Authorization").map(basic).transpose()?;
        if !Parameters::of_query(request).is_ok_and(|query| query.iter().next().is_none()) {
            let why = "Parameters belong into the body, not into the URL";
            return Err(("invalid_request", why));
        }
        let fields = Parameters::of_form(request).map_err(|why| ("invalid_request", why))?;
        let (client_id, secret) = match &basic {
            Some((id, secret)) => (Some(&**id), Some(&**secret)),
            None => (fields.get("client_id"), fields.get("client_secret")),
        };
        if client_id.ok_or(("invalid_request", "client_id is missing"))? != state.client_id {
            return Err(("invalid_client", "Client not found"));
        }
        let secret = secret.filter(|secret| !secret.is_empty());
        if secret.is_some_and(|secret| secret != state.client_secret) {
            return Err(("invalid_client", "Wrong client secret"));
        }
        let has_secret = secret.is_some();
        Ok(Form { fields, has_secret })
    }

    pub fn required(&self, name: &str, missing: &'static str) -> Result<&str, Refusal> {
        self.fields.get(name).ok_or(("invalid_request", missing))
    }

    pub fn require_secret(&self) -> Result<(), Refusal> {
        match self.has_secret {
            true => Ok(()),
            false => Err(("invalid_client", "Client secret is missing")),
        }
    }
}

/// The ID and the secret of an `Authorization` header.
fn basic(header: &str) -> Result<(String, String), Refusal> {
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(("Basic auth required", ""));
    }
    let decoded = STANDARD.decode(rest.trim()).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = text.as_ref().and_then(|text| text.split_once(':'));
    let (id, secret) = pair.ok_or(("Malformed Authorization header", ""))?;
    Ok((id.to_owned(), secret.to_owned()))
}
