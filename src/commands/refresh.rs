//! `refresh`: exchanges a refresh token now, a saved one or, for CI, the one in
//! `YANDEX_REFRESH_TOKEN`.

use std::process::ExitCode;

use secrecy::{ExposeSecret, SecretString};

use super::application::{Application, no_client_id};
use super::destination::Destination;
use super::renewal::login_again;
use super::saved::Saved;
use super::{location, variable};
use crate::cli::{self, Format};
use crate::error::Error;
use crate::oauth::client::Client;
use crate::output;
use crate::signals;
use crate::store::token::StoredToken;

pub fn run(options: cli::Refresh) -> Result<ExitCode, Error> {
    let place = &options.location;
    let named = place.profile.is_some() || place.token_file.is_some();
    if !named && let Some(token) = variable("YANDEX_REFRESH_TOKEN")? {
        let token = token.trim();
        if token.is_empty() || token.contains(char::is_control) {
            return Err(Error::usage(
                "YANDEX_REFRESH_TOKEN",
                "not one line with a token",
            ));
        }
        return from_variable(options, token.into());
    }
    let location = location(options.location)?;
    let saved = Saved {
        location: &location,
        application: &options.application,
    };
    let token = saved.refresh_now()?;
    Destination::print(options.result.output.as_deref(), options.result.format)?.put(&token)?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing is read from or written to a saved token.
fn from_variable(options: cli::Refresh, refresh_token: SecretString) -> Result<ExitCode, Error> {
    let application = Application::resolve(&options.application, || Err(no_client_id()))?;
    let (client_id, server) = (application.client_id, application.server);
    let client = Client::new(server.clone(), client_id.clone(), application.client_secret)?;
    let destination = Destination::print(options.result.output.as_deref(), options.result.format)?;
    let held = signals::BlockedSignals::hold();
    let answer = client.refresh(&refresh_token).map_err(|error| {
        let hint = "YANDEX_REFRESH_TOKEN is used up or has expired: log in again.";
        login_again(error, hint.to_owned())
    })?;
    let rotated = answer.refresh_token.as_ref();
    let rotated = rotated.is_some_and(|new| new.expose_secret() != refresh_token.expose_secret());
    if rotated && options.result.format != Some(Format::Json) {
        output::warn(
            "the server gave a new refresh token, and this format drops it: \
             --format json prints both",
        );
    }
    let mut token = StoredToken::new(answer, client_id, server.origin(), None);
    token.refresh_token.get_or_insert(refresh_token);
    // The old one is spent.
    let printed = destination.put_or_rescue(&token);
    drop(held);
    printed?;
    Ok(ExitCode::SUCCESS)
}
