//! A line for each request, under `--verbose`: what was asked and what came of
//! it. Of a secret, only the first characters are logged.

use serde_json::Value;

use super::parameters::Parameters;
use crate::http::{Request, Response};
use crate::output;

/// Parameters that are logged whole; any other's value is a secret.
const PLAIN: &str = "client_id code_challenge_method decision device_id device_name error \
    force_confirm format grant_type login_hint optional_scope redirect_uri response_type scope \
    subject_token_type";
/// Characters of a secret.
const SECRET: usize = 4;
const VALUE: usize = 60;

pub fn log(request: &Request, response: &Response) {
    let mut line = format!("{} {}", request.method, request.path);
    if let Some(value) = request.header("Authorization") {
        let scheme = value.split(' ').next().unwrap_or_default();
        line.push_str(&format!(" Authorization={}", shortened(scheme, 6)));
    }
    let query = Parameters::of_query(request).ok();
    let form = Parameters::of_form(request).ok();
    let parameters = query.iter().chain(&form).flat_map(Parameters::iter);
    for (name, value) in parameters {
        let is_plain = PLAIN.split(' ').any(|plain| plain == name);
        let most = if is_plain { VALUE } else { SECRET };
        line.push_str(&format!(" {name}={}", shortened(value, most)));
    }
    let error: Option<Value> = serde_json::from_slice(&response.body).ok();
    let error = error.as_ref().and_then(|body| body["error"].as_str());
    let end = format!(" -> {} {}", response.status, error.unwrap_or_default());
    output::debug(&format!("{}{}", shortened(&line, 2000), end.trim_end()));
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
