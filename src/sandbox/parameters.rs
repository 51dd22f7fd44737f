//! The parameters of a request: of its query or of a form, each at most once
//! (RFC 6749, 3.1).

use std::collections::HashSet;

use url::form_urlencoded;

use super::{fault, multipart};
use crate::http::Request;

pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The parameters of the query.
    ///
    /// # Errors
    /// The name of a parameter that is there twice.
    pub fn of_query(request: &Request) -> Result<Parameters, String> {
        let pairs = form_urlencoded::parse(request.query.as_bytes()).into_owned();
        Parameters::unique(pairs.filter(|(name, _)| name != fault::PARAMETER).collect())
    }

    /// The parameters of the body; None where it is no form.
    ///
    /// # Errors
    /// As of the query.
    pub fn of_form(request: &Request) -> Option<Result<Parameters, String>> {
        let content_type = request.header("Content-Type")?;
        let kind = content_type.split(';').next()?.trim();
        let pairs = match &*kind.to_ascii_lowercase() {
            "application/x-www-form-urlencoded" => {
                form_urlencoded::parse(&request.body).into_owned().collect()
            }
            "multipart/form-data" => multipart::fields(content_type, &request.body)?,
            _ => return None,
        };
        Some(Parameters::unique(pairs))
    }

    fn unique(found: Vec<(String, String)>) -> Result<Parameters, String> {
        // Not each with each: thousands fit, and everybody else would wait.
        let mut names = HashSet::new();
        match found.iter().find(|(name, _)| !names.insert(name)) {
            Some((name, _)) => Err(name.clone()),
            None => Ok(Parameters(found)),
        }
    }

    /// The value, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn parameters(query: &str) -> Parameters {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Parameters::unique(pairs.into_owned().collect()).expect("each is there once")
    }
}
