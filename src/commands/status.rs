//! `status`: what is saved, how long it is good, and whose it is.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::option_or_variable;
use crate::cli::{self, StatusFormat};
use crate::error::{Error, Kind};
use crate::oauth::Server;
use crate::oauth::client::{User, user_info};
use crate::output;
use crate::store::token::{StoredToken, now};
use crate::store::{self, Location};

pub fn run(options: cli::Status) -> Result<ExitCode, Error> {
    let named = options.location.profile.is_some() || options.location.token_file.is_some();
    let rows: Vec<Row> = locations(options.location)?
        .into_iter()
        .filter_map(|location| Row::read(location, named, options.online).transpose())
        .collect::<Result<_, _>>()?;
    match options.format {
        StatusFormat::Json => {
            let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
            output::result(&output::json(&Value::Array(rows)))?;
        }
        StatusFormat::Table => output::result(&table(&rows))?,
    }
    let codes = rows.iter().map(|row| row.code(named));
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

/// One saved token, or why it can't be read.
struct Row {
    location: Location,
    token: Result<StoredToken, Error>,
    /// Only where it was asked for.
    user: Option<Result<User, Error>>,
}

impl Row {
    /// None where nothing is saved, and nobody insisted that there was.
    fn read(location: Location, named: bool, online: bool) -> Result<Option<Row>, Error> {
        let token = match location.load() {
            Ok(None) if named => {
                return Err(
                    Error::new(Kind::NoToken, "status", "no token is saved there")
                        .hint(format!("Get one: `{}`", location.login())),
                );
            }
            Ok(None) => return Ok(None),
            Ok(Some(token)) => Ok(token),
            Err(error) => Err(error),
        };
        let user = match &token {
            Ok(token) if online => Some(whose(token)),
            _ => None,
        };
        Ok(Some(Row {
            location,
            token,
            user,
        }))
    }

    fn code(&self, named: bool) -> u8 {
        let online = match &self.user {
            Some(Err(error)) => error.exit_code(),
            _ => 0,
        };
        match &self.token {
            Err(error) => error.exit_code(),
            Ok(token) if named && token.is_expired() && token.refresh_token.is_none() => {
                online.max(7)
            }
            Ok(_) => online,
        }
    }

    fn name(&self) -> String {
        match &self.location {
            Location::Profile(name) => name.clone(),
            Location::File(path) => path.display().to_string(),
        }
    }

    fn to_json(&self) -> Value {
        let mut row = match &self.location {
            Location::Profile(name) => json!({ "profile": name }),
            Location::File(path) => json!({ "token_file": path.display().to_string() }),
        };
        match &self.token {
            Err(error) => row["error"] = format!("{}: {}", error.what, error.why).into(),
            Ok(token) => {
                row["client_id"] = json!(token.client_id);
                row["oauth_url"] = json!(token.oauth_url);
                row["scope"] = json!(token.scope);
                row["device_id"] = json!(token.device_id);
                row["expires_at"] = json!(token.expires_at);
                row["expires_at_utc"] = json!(token.expires_at.and_then(utc));
                row["expired"] = token.is_expired().into();
                row["refreshable"] = token.refresh_token.is_some().into();
            }
        }
        match &self.user {
            Some(Ok(user)) => row["user"] = json!({ "id": user.id, "login": user.login }),
            Some(Err(error)) => row["error"] = format!("{}: {}", error.what, error.why).into(),
            None => {}
        }
        row
    }

    /// Profile, expiry, refresh, scopes or what is wrong, and the user.
    fn cells(&self) -> [String; 4] {
        let token = match &self.token {
            Err(error) => {
                return [
                    self.name(),
                    "unreadable".into(),
                    String::new(),
                    error.why.clone(),
                ];
            }
            Ok(token) => token,
        };
        let expires = match token.expires_at {
            None => "not known".to_owned(),
            Some(at) => relative(at, now()),
        };
        let refresh = match token.refresh_token {
            Some(_) => "yes",
            None => "no",
        };
        let last = match &self.user {
            Some(Ok(user)) => user.login.clone().unwrap_or_else(|| user.id.clone()),
            Some(Err(error)) => error.why.clone(),
            None => token
                .scope
                .clone()
                .unwrap_or_else(|| "all of the application's".into()),
        };
        [self.name(), expires, refresh.to_owned(), last]
    }
}

fn whose(token: &StoredToken) -> Result<User, Error> {
    let server = match &token.oauth_url {
        None => {
            let named = option_or_variable(None, "YANDEX_OAUTH_URL", Server::parse)?;
            named.unwrap_or_default()
        }
        Some(url) => Server::parse(url).map_err(|why| Error::usage("oauth_url", why))?,
    };
    user_info(&server, &token.access_token)
}

/// Columns as wide as they need to be; the last may run on.
fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let online = rows.iter().any(|row| row.user.is_some());
    let last = if online { "USER" } else { "SCOPES" };
    let head = ["TOKEN", "EXPIRES", "REFRESH", last].map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head)
        .chain(rows.iter().map(Row::cells))
        .map(|cells| cells.map(|cell| output::sanitize(&cell)))
        .collect();
    let width = |column: usize| {
        let widths = lines.iter().map(|cells| cells[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    lines
        .iter()
        .map(|[name, expires, refresh, last]| {
            let [a, b, c] = widths;
            let line = format!("{name:a$}  {expires:b$}  {refresh:c$}  {last}");
            format!("{}\n", line.trim_end())
        })
        .collect()
}

/// "in 11 months", "2 days ago": whole units, rounded down.
fn relative(at: u64, now: u64) -> String {
    let seconds = at.abs_diff(now);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        172_800..5_184_000 => (seconds / 86_400, "day"),
        5_184_000..63_072_000 => (seconds / 2_628_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    if count > 999 {
        return "never".into();
    }
    let plural = if count == 1 { "" } else { "s" };
    match at > now {
        true => format!("in {count} {unit}{plural}"),
        false => format!("{count} {unit}{plural} ago"),
    }
}

/// RFC 3339, in UTC, up to the year 9999.
fn utc(at: u64) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(at))?;
    (at < YEAR_10000).then(|| humantime::format_rfc3339_seconds(time).to_string())
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
            let file = json!({ "access_token": "s3cret", "scope": scope }).to_string();
            let row = |token, user| Row {
                location: Location::File(path.clone().into()),
                token,
                user,
            };
            let token = || StoredToken::parse(file.as_bytes()).map_err(|why| Error::local("", why));
            let failed = || Error::local(&path, &why);
            let rows = [
                row(token(), None),
                row(token(), Some(Ok(User { id, login }))),
                row(token(), Some(Err(failed()))),
                row(Err(failed()), None),
            ];
            let table = table(&rows);
            prop_assert_eq!(table.matches('\n').count(), 5);
            prop_assert!(!table.replace('\n', "").contains(is_raw), "{table:?}");
            prop_assert!(!table.contains("s3cret"), "{table:?}");
        }
    }

    #[test]
    fn an_expiry_is_read_at_a_glance() {
        for (at, text) in [
            (1_000_031_500_000, "in 11 months"),
            (1_000_000_000_000, "0 seconds ago"),
            (1_000_000_000_059, "in 59 seconds"),
            (1_000_000_003_600, "in 1 hour"),
            (1_000_000_090_000, "in 25 hours"),
            (999_999_740_800, "3 days ago"),
            (u64::MAX, "never"),
        ] {
            assert_eq!(relative(at, 1_000_000_000_000), text, "{at}");
        }
    }

    #[test]
    fn a_date_beyond_the_calendar_is_no_date() {
        assert_eq!(utc(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(
            utc(253_402_300_799).as_deref(),
            Some("9999-12-31T23:59:59Z")
        );
        assert_eq!(utc(253_402_300_800), None);
        assert_eq!(utc(u64::MAX), None);
    }
}
