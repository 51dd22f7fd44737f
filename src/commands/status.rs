//! `status`: what is saved, whose it is, how long it is good; never a token.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

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
    let is_option = options.location.profile.is_some() || options.location.token_file.is_some();
    let mut codes = vec![0];
    let mut rows = Vec::new();
    for location in locations(options.location)? {
        let token = match options.online {
            true => location.load(),
            false => location.load_file(),
        };
        let token = match token {
            Ok(None) if is_option => {
                return Err(none_saved(&location));
            }
            Ok(None) => continue,
            Ok(Some(token)) => Ok(token),
            Err(error) => Err(error),
        };
        let user = match &token {
            Ok(token) if options.online => Some(whose(token)),
            _ => None,
        };
        for error in [
            token.as_ref().err(),
            user.as_ref().and_then(|user| user.as_ref().err()),
        ] {
            codes.extend(error.map(Error::exit_code));
        }
        let row = Row::new(&location, token.as_ref(), user.as_ref(), now());
        if is_option && row.expired == Some(true) && row.renewable == Some(false) {
            codes.push(Error::new(Kind::NoToken, "", "").exit_code());
        }
        rows.push(row);
    }
    match options.format {
        StatusFormat::Json => output::result(&output::json(&json!(rows)))?,
        StatusFormat::Table => output::result(&table(&rows, io::stdout().is_terminal()))?,
    }
    if rows.is_empty() && io::stderr().is_terminal() {
        output::info("No token is saved. Get one: yandex-token login --client-id ID --save");
    }
    Ok(ExitCode::from(codes.into_iter().max().unwrap_or(0)))
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
    user_info(&server, &token.access_token, REQUEST_TIME)
}

/// One saved token, or why it can't be read.
#[derive(Default, Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<String>,
    account: Option<String>,
    client_id: Option<String>,
    oauth_url: Option<String>,
    scope: Option<String>,
    device_id: Option<String>,
    subject: Option<String>,
    keychain: Option<String>,
    issued_at: Option<u64>,
    expires_at: Option<u64>,
    expires_at_utc: Option<String>,
    expired: Option<bool>,
    renewable: Option<bool>,
    next_renewal_at: Option<u64>,
    renew_failed_at: Option<u64>,
    renew_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The error as far as the table has room for it.
    #[serde(skip)]
    why: Option<String>,
}

#[derive(Serialize)]
struct Account {
    id: String,
    login: Option<String>,
}

impl Row {
    fn new(
        location: &Location,
        token: Result<&StoredToken, &Error>,
        user: Option<&Result<User, Error>>,
        now: u64,
    ) -> Row {
        let mut row = match token {
            Ok(token) => Row::of(token, now),
            Err(_) => Row::default(),
        };
        match location {
            Location::Profile(name) => row.profile = Some(name.clone()),
            Location::File(path) => row.token_file = Some(path.display().to_string()),
        }
        match (token, user) {
            (Err(error), _) | (_, Some(Err(error))) => {
                row.error = Some(format!("{}: {}", error.what, error.why));
                row.why = Some(error.why.clone());
            }
            (_, Some(Ok(user))) => {
                row.user = Some(Account {
                    id: user.id.clone(),
                    login: user.login.clone(),
                });
            }
            (Ok(_), None) => {}
        }
        row
    }

    fn of(token: &StoredToken, now: u64) -> Row {
        let is_renewable = token.is_renewable(now);
        let login = &token.login;
        Row {
            account: token.account.clone(),
            client_id: token.client_id.clone(),
            oauth_url: token.oauth_url.clone(),
            scope: token.scope.clone().or_else(|| login.scope_asked.clone()),
            device_id: token.device_id.clone(),
            subject: login.subject.clone(),
            keychain: token.keychain.clone(),
            issued_at: token.issued_at,
            expires_at: token.expires_at,
            expires_at_utc: token.expires_at.and_then(output::utc),
            expired: Some(token.is_expired()),
            renewable: Some(is_renewable),
            next_renewal_at: token.next_renewal_at(now).filter(|_| is_renewable),
            renew_failed_at: token.renew_failed_at,
            renew_error: token.renew_error.clone(),
            ..Row::default()
        }
    }

    fn cells(&self, now: u64, is_at_terminal: bool) -> [String; 6] {
        let name = self.profile.as_ref().or(self.token_file.as_ref()).cloned();
        let user = self.user.as_ref();
        let account = user.map(|user| user.login.as_ref().unwrap_or(&user.id));
        let account = account.or(self.account.as_ref()).or(self.subject.as_ref());
        let scopes = self.why.clone().or_else(|| self.scope.clone());
        let scopes = scopes.unwrap_or_else(|| "all of the application's".to_owned());
        let mut client_id = self.client_id.clone().unwrap_or_default();
        if is_at_terminal && client_id.chars().count() > MAX_ID {
            client_id = client_id.chars().take(MAX_ID - 1).collect::<String>() + "…";
        }
        let (expires, renewal) = match (self.expired, self.expires_at) {
            (None, _) => ("unreadable".to_owned(), String::new()),
            (Some(true), Some(at)) => (format!("{}, expired", output::date(at)), self.renewal(now)),
            (_, Some(at)) => (output::date(at), self.renewal(now)),
            (_, None) => ("not known".to_owned(), self.renewal(now)),
        };
        [
            name.unwrap_or_default(),
            account.cloned().unwrap_or_default(),
            client_id,
            expires,
            renewal,
            scopes,
        ]
    }

    fn renewal(&self, now: u64) -> String {
        match (self.renewable, self.next_renewal_at) {
            (Some(true), Some(at)) if at <= now => "next use".to_owned(),
            (Some(true), Some(at)) => output::date(at),
            _ => "none".to_owned(),
        }
    }
}

/// Columns as wide as they need to be; the last may run on.
fn table(rows: &[Row], is_at_terminal: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = [
        "PROFILE",
        "ACCOUNT",
        "APPLICATION",
        "EXPIRES",
        "RENEWAL",
        "SCOPES",
    ];
    let now = now();
    let lines: Vec<_> = std::iter::once(head.map(str::to_owned))
        .chain(rows.iter().map(|row| row.cells(now, is_at_terminal)))
        .map(|cells| cells.map(|cell| output::sanitize(&output::short(&cell))))
        .collect();
    let width = |column: usize| {
        let widths = lines.iter().map(|cells| cells[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    lines
        .iter()
        .map(|cells| {
            let padded = cells
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}  "));
            let line = padded.collect::<String>() + &cells[5];
            format!("{}\n", line.trim_end())
        })
        .collect()
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
            let location = Location::File(path.clone().into());
            let failed = Error::local(&path, &why);
            let row = |token, user| Row::new(&location, token, user, 0);
            let rows = [
                row(Ok(&token), None),
                row(Ok(&token), Some(&Ok(User { id, login }))),
                row(Ok(&token), Some(&Err(failed.clone()))),
                row(Err(&failed), None),
            ];
            let table = table(&rows, false);
            prop_assert_eq!(table.matches('\n').count(), 5);
            prop_assert!(!table.replace('\n', "").contains(is_raw), "{table:?}");
            prop_assert!(!table.contains("s3cret"), "{table:?}");
        }
    }
}
