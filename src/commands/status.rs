//! `status`: what is saved, for which account, and until when; never a token.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::option_or_variable;
use super::saved::none_saved;
use crate::cli::{self, StatusFormat};
use crate::error::{Error, Kind};
use crate::oauth::Server;
use crate::oauth::client::REQUEST_TIME;
use crate::oauth::user_info::{User, user_info};
use crate::output;
use crate::store::token::{StoredToken, now};
use crate::store::{self, Location};

/// Characters of an application ID that a terminal has room for.
const MAX_ID: usize = 12;

pub fn run(options: cli::Status) -> Result<ExitCode, Error> {
    let is_asked_for = options.location.is_given();
    let mut rows = Vec::new();
    for location in locations(options.location)? {
        let token = match options.online {
            true => location.load(),
            false => location.load_file(),
        };
        let token = match token.transpose() {
            Some(token) => token,
            None if is_asked_for => return Err(none_saved(&location)),
            None => continue,
        };
        let user = token.as_ref().ok().filter(|_| options.online).map(whose);
        rows.push(Row {
            location,
            token,
            user,
        });
    }
    let now = now();
    output::result(&match options.format {
        Some(StatusFormat::Json) => {
            output::json(&rows.iter().map(|row| row.to_json(now)).collect())
        }
        _ => table(&rows, now, io::stdout().is_terminal()),
    })?;
    if rows.is_empty() && io::stderr().is_terminal() {
        output::info("No token is saved. Get one: yandex-token login --client-id ID --save");
    }
    let codes = rows.iter().map(|row| match &row.token {
        Ok(token) if is_asked_for && token.is_expired() && !token.is_renewable(now) => {
            Kind::NoToken.exit_code()
        }
        _ => row.error().map_or(0, |error| error.kind.exit_code()),
    });
    Ok(ExitCode::from(codes.max().unwrap_or(0)))
}

/// The place that an option or a variable names, or every profile.
fn locations(options: cli::Location) -> Result<Vec<Location>, Error> {
    if let Some(location) = super::named_location(options)? {
        return Ok(vec![location]);
    }
    let names = store::profiles()?;
    Ok(names.into_iter().map(Location::Profile).collect())
}

fn whose(token: &StoredToken) -> Result<User, Error> {
    let server = match &token.oauth_url {
        None => {
            let named = option_or_variable(None, "YANDEX_OAUTH_URL", Server::parse)?;
            named.unwrap_or_default()
        }
        Some(url) => Server::parse(url).map_err(|why| Error::usage("oauth_url", why))?,
    };
    let others: Vec<_> = token.secrets.refresh_token.iter().collect();
    user_info(&server, &token.secrets.access_token, &others, REQUEST_TIME)
}

/// One saved token, or why it can't be read.
struct Row {
    location: Location,
    token: Result<StoredToken, Error>,
    /// Whose it is, where the server was asked.
    user: Option<Result<User, Error>>,
}

impl Row {
    fn error(&self) -> Option<&Error> {
        match (&self.token, &self.user) {
            (Err(error), _) | (_, Some(Err(error))) => Some(error),
            _ => None,
        }
    }

    fn to_json(&self, now: u64) -> Value {
        let mut row = match &self.token {
            Err(_) => json!({ "expired": null }),
            Ok(token) => {
                let is_renewable = token.is_renewable(now);
                json!({
                    "account": token.account,
                    "client_id": token.client_id,
                    "oauth_url": token.oauth_url,
                    "scope": token.scope.as_ref().or(token.login.scope_asked.as_ref()),
                    "device_id": token.device_id,
                    "subject": token.login.subject,
                    "keychain": token.keychain,
                    "issued_at": token.issued_at,
                    "expires_at": token.expires_at,
                    "expires_at_utc": token.expires_at.and_then(output::utc),
                    "expired": token.is_expired(),
                    "renewable": is_renewable,
                    "next_renewal_at": token.next_renewal_at(now).filter(|_| is_renewable),
                    "renew_failed_at": token.renew_failed_at,
                    "renew_error": token.renew_error,
                })
            }
        };
        match &self.location {
            Location::Profile(name) => row["profile"] = json!(name),
            Location::File(path) => row["token_file"] = json!(path.to_string_lossy()),
        }
        if let Some(Ok(user)) = &self.user {
            row["user"] = json!({ "id": user.id, "login": user.login });
        }
        if let Some(error) = self.error() {
            row["error"] = json!(error.to_string());
        }
        row
    }

    fn cells(&self, now: u64, is_at_terminal: bool) -> [String; 6] {
        let name = match &self.location {
            Location::Profile(name) => name.clone(),
            Location::File(path) => path.display().to_string(),
        };
        let why = self.error().map(|error| error.why.clone());
        let Ok(token) = &self.token else {
            let [none, unreadable] = ["", "unreadable"].map(str::to_owned);
            return [
                name,
                none.clone(),
                none.clone(),
                unreadable,
                none,
                why.unwrap_or_default(),
            ];
        };
        let user = self.user.as_ref().and_then(|user| user.as_ref().ok());
        let account = user.map(|user| user.login.as_ref().unwrap_or(&user.id));
        let account = account
            .or(token.account.as_ref())
            .or(token.login.subject.as_ref());
        let mut client_id = token.client_id.clone().unwrap_or_default();
        if is_at_terminal && client_id.chars().count() > MAX_ID {
            client_id = client_id.chars().take(MAX_ID - 1).collect::<String>() + "…";
        }
        let scope = why
            .or(token.scope.clone())
            .or(token.login.scope_asked.clone());
        [
            name,
            account.cloned().unwrap_or_default(),
            client_id,
            match token.expires_at {
                Some(at) if token.is_expired() => format!("{}, expired", output::date(at)),
                Some(at) => output::date(at),
                None => "unknown".to_owned(),
            },
            match token
                .next_renewal_at(now)
                .filter(|_| token.is_renewable(now))
            {
                Some(at) if at <= now => "next use".to_owned(),
                Some(at) => output::date(at),
                None => "none".to_owned(),
            },
            scope.unwrap_or_else(|| "all".to_owned()),
        ]
    }
}

/// Columns as wide as they need to be; the last may run on.
fn table(rows: &[Row], now: u64, is_at_terminal: bool) -> String {
    const HEAD: &str = "PROFILE ACCOUNT APPLICATION EXPIRES RENEWAL SCOPES";
    if rows.is_empty() {
        return String::new();
    }
    let cells = rows.iter().flat_map(|row| row.cells(now, is_at_terminal));
    let cells = HEAD.split(' ').map(str::to_owned).chain(cells);
    let cells: Vec<_> = cells
        .map(|cell| output::sanitize(&output::short(&cell)))
        .collect();
    let lines: Vec<_> = cells.chunks(6).collect();
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let mut table = String::new();
    for line in &lines {
        let columns = line.iter().zip(widths);
        let columns = columns.map(|(cell, width)| format!("{cell:width$}  "));
        table += columns.collect::<String>().trim_end();
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{is_raw, text};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_a_file_or_a_server_says_stays_in_its_row(
            (scope, path, why) in (text(), text(), text()),
            (id, login) in (text(), prop::option::of(text())),
        ) {
            let file = json!({
                "access_token": "s3cret", "scope": scope, "account": why, "client_id": path,
            });
            let token = StoredToken::parse(file.to_string().as_bytes()).expect("a token file");
            let failed = Error::local(&path, &why);
            let row = |token, user| Row { location: Location::File(path.clone().into()), token, user };
            let rows = [
                row(Ok(token.clone()), None),
                row(Ok(token.clone()), Some(Ok(User { id, login }))),
                row(Ok(token), Some(Err(failed.clone()))),
                row(Err(failed), None),
            ];
            let table = table(&rows, 0, false);
            prop_assert_eq!(table.matches('\n').count(), 5);
            prop_assert!(!table.replace('\n', "").contains(is_raw), "{table:?}");
            prop_assert!(!table.contains("s3cret"), "{table:?}");
        }
    }
}
