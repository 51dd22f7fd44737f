//! `refresh`: exchanges a refresh token now, a saved one or, for CI, the one in
//! `YANDEX_REFRESH_TOKEN`.

use secrecy::{ExposeSecret, SecretString};

use super::application::{no_client_id, resolve};
use super::destination::Destination;
use super::renewal::login_again;
use super::saved::Saved;
use super::variable;
use crate::cli::{self, Format};
use crate::error::Error;
use crate::output;
use crate::signals;
use crate::store::token::StoredToken;

const VARIABLE: &str = "YANDEX_REFRESH_TOKEN";

pub fn run(options: cli::Refresh) -> Result<(), Error> {
    if !options.saved.location.is_given()
        && let Some(token) = variable(VARIABLE)?
    {
        if token.contains(char::is_control) {
            return Err(Error::usage(VARIABLE, "it is not a token on one line"));
        }
        return from_variable(&options, token.into());
    }
    let destination = Destination::print(&options.result)?;
    destination.put(&Saved::new(options.saved)?.refresh_now()?)
}

/// Nothing is read from or written to a saved token.
fn from_variable(options: &cli::Refresh, refresh_token: SecretString) -> Result<(), Error> {
    let no_id = || Err(no_client_id("no application ID is given"));
    let client = resolve(&options.saved.application, no_id)?;
    let destination = Destination::print(&options.result)?;
    let _held = signals::BlockedSignals::hold();
    let answer = client.refresh(&refresh_token).map_err(|error| {
        let hint = format!("{VARIABLE} was already used, or has expired: log in again.");
        login_again(error, hint)
    })?;
    let rotated = answer.refresh_token.as_ref();
    let rotated = rotated.is_some_and(|new| new.expose_secret() != refresh_token.expose_secret());
    if rotated && options.result.format != Some(Format::Json) {
        output::warn("the server issued a new refresh token, which only --format json prints");
    }
    let mut token = StoredToken::new(answer, &client, None);
    token.secrets.refresh_token.get_or_insert(refresh_token);
    // The old one is spent.
    destination.put_or_rescue(&token)
}
