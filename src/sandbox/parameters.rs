//! The parameters of a request, each at most once (RFC 6749, 3.1), and the
//! client of a form, by its body or by HTTP Basic (RFC 6749, 2.3).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::state::State;
use super::{Refusal, fault, multipart};
use crate::http::Request;

pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// The parameters of the query.
    ///
    /// # Errors
    /// One that is there twice.
    pub fn of_query(request: &Request) -> Result<Parameters, &'static str> {
        let pairs = form_urlencoded::parse(request.query.as_bytes()).into_owned();
        Parameters::unique(pairs.filter(|(name, _)| name != fault::PARAMETER))
    }

    /// The parameters of the body.
    ///
    /// # Errors
    /// One that is there twice, or a body that is no form.
    pub fn of_form(request: &Request) -> Result<Parameters, &'static str> {
        const NO_FORM: &str = "The body is not a form";
        let content_type = request.header("Content-Type").ok_or(NO_FORM)?;
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match &*kind.to_ascii_lowercase() {
            "application/x-www-form-urlencoded" => {
                Parameters::unique(form_urlencoded::parse(&request.body).into_owned())
            }
            "multipart/form-data" => {
                let fields = multipart::fields(content_type, &request.body);
                Parameters::unique(fields.ok_or(NO_FORM)?.into_iter())
            }
            _ => Err(NO_FORM),
        }
    }

    fn unique(
        mut pairs: impl Iterator<Item = (String, String)>,
    ) -> Result<Parameters, &'static str> {
        let mut found = BTreeMap::new();
        match pairs.any(|(name, value)| found.insert(name, value).is_some()) {
            true => Err("A parameter is there twice"),
            false => Ok(Parameters(found)),
        }
    }

    /// The value, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// Checks the device's ID and name, where they are given.
    pub fn check_device(&self) -> Result<(), Refusal> {
        let id = self.get("device_id").unwrap_or("device");
        if !(6..=50).contains(&id.len()) || !id.bytes().all(|b| (32..=126).contains(&b)) {
            return Err((
                "invalid_request",
                "device_id is not 6 to 50 ASCII characters",
            ));
        }
        if self.get("device_name").unwrap_or_default().chars().count() > 100 {
            return Err((
                "invalid_request",
                "device_name is longer than 100 characters",
            ));
        }
        Ok(())
    }
}

/// A form whose client is known.
pub struct Form {
    pub fields: Parameters,
    has_secret: bool,
}

impl Form {
    /// Reads the form and checks the client's credentials.
    pub fn of(request: &Request, state: &State) -> Result<Form, Refusal> {
        let basic = request.header("Authorization").map(basic).transpose()?;
        if !Parameters::of_query(request).is_ok_and(|query| query.0.is_empty()) {
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
