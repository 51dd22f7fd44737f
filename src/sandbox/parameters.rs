//! The parameters of a request, each at most once (RFC 6749, 3.1).

use std::collections::BTreeMap;

use url::form_urlencoded;

use super::{Refusal, multipart};
use crate::http::Request;

/// The parameter with which a client asks for a fault.
pub const FAULT: &str = "sandbox_fault";

pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// The parameters of the query.
    ///
    /// # Errors
    /// One that is there twice.
    pub fn of_query(request: &Request) -> Result<Parameters, &'static str> {
        let pairs = form_urlencoded::parse(request.query.as_bytes()).into_owned();
        Parameters::unique(pairs.filter(|(name, _)| name != FAULT))
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
        let name = self.get("device_name").unwrap_or_default();
        let why = if !(6..=50).contains(&id.len()) || !id.bytes().all(|b| (32..=126).contains(&b)) {
            "device_id is not 6 to 50 ASCII characters"
        } else if name.chars().count() > 100 {
            "device_name is longer than 100 characters"
        } else {
            return Ok(());
        };
        Err(("invalid_request", why))
    }
}
