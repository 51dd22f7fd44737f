//! What a login is to do: what the options say, else what the profile
//! remembers of its last login, else what the variables say.

use std::path::PathBuf;

use super::method::Method;
use crate::cli::{self, values};
use crate::commands::application::{self, Application};
use crate::commands::sandbox::IN_SANDBOX;
use crate::commands::saved::{Saved, sharing_device};
use crate::commands::{option_or_variable, path_variable, variable};
use crate::error::Error;
use crate::oauth::Server;
use crate::output;
use crate::random;
use crate::store::Location;
use crate::store::token::{LoginOptions, StoredToken, now};

/// A login as options, memory and variables describe it.
pub struct Plan {
    pub application: Application,
    pub method: Method,
    pub scope: Option<String>,
    pub optional_scope: Option<String>,
    /// None for a login that only prints, unless it is given.
    pub device_id: Option<String>,
    /// What the next login of the profile is to remember.
    pub remember: LoginOptions,
    /// The helper of the keychain that is to keep the token's secrets.
    pub keychain: Option<String>,
    /// The token that a saved login replaces, without secrets of a keychain.
    pub previous: Option<StoredToken>,
}

/// A login that is saved reuses all that the profile remembers, unless an
/// option changes the application.
pub fn saved(options: &cli::Login, location: &Location) -> Result<Plan, Error> {
    let previous = location.load_file().ok().flatten();
    let server_given = application::server(&options.application)?;
    let memory = match &previous {
        Some(token) if is_reused(token, options, server_given.as_ref()) => Some(token),
        _ => None,
    };
    let login = memory.map(|token| &token.login);
    let its_server = memory.map(|token| server_of(token).unwrap_or_default());
    let its_id = memory.and_then(|token| token.client_id.clone());
    if let Some(server) = &its_server {
        warn_of_variable("YANDEX_OAUTH_URL", &server.origin())?;
    }
    if let (Some(id), None) = (&its_id, &options.application.client_id) {
        warn_of_variable("YANDEX_CLIENT_ID", id)?;
    }
    let client_id = match options.application.client_id.clone().or(its_id) {
        Some(id) => Some(id),
        None => option_or_variable(None, "YANDEX_CLIENT_ID", values::client_id)?,
    };
    let client_id =
        client_id.ok_or_else(|| no_application(options, previous.as_ref(), location))?;
    let client_secret = match memory {
        Some(token) => Saved {
            location,
            application: &options.application,
        }
        .client_secret(token)?,
        None => application::client_secret(&options.application)?,
    };
    let method = Method::of(options, login)?;
    let device_id = match &method {
        Method::Subject(_) => None,
        _ => Some(device_id(options, memory, location)),
    };
    let scope = joined(&options.scope).or_else(|| login?.scope_asked.clone());
    let optional_scope =
        joined(&options.optional_scope).or_else(|| login?.optional_scope_asked.clone());
    let remember = LoginOptions {
        client_secret_file: secret_file(options)?
            .or_else(|| login?.client_secret_file.clone())
            .filter(|_| client_secret.is_some()),
        scope_asked: scope.clone(),
        optional_scope_asked: optional_scope.clone(),
        ..method.options(options, login)?
    };
    Ok(Plan {
        application: Application {
            server: its_server.or(server_given).unwrap_or_default(),
            client_id,
            client_secret,
        },
        method,
        scope,
        optional_scope,
        device_id,
        remember,
        keychain: keychain(options, location, previous.as_ref())?,
        previous,
    })
}

/// A login that is only printed reuses the client ID alone.
pub fn printed(options: &cli::Login, location: &Location) -> Result<Plan, Error> {
    let saved_id = || {
        let saved = location.load_file().ok().flatten();
        saved
            .and_then(|token| token.client_id)
            .ok_or_else(|| not_registered(options))
    };
    Ok(Plan {
        application: Application::resolve(&options.application, saved_id)?,
        ..unsaved(options, Application::default())?
    })
}

/// A login with this application, of which nothing is remembered.
pub fn unsaved(options: &cli::Login, application: Application) -> Result<Plan, Error> {
    Ok(Plan {
        application,
        method: Method::of(options, None)?,
        scope: joined(&options.scope),
        optional_scope: joined(&options.optional_scope),
        device_id: options.device_id.clone(),
        remember: LoginOptions::default(),
        keychain: None,
        previous: None,
    })
}

/// Once in a keychain, a profile's token goes to a file only where the user
/// says so.
fn keychain(
    options: &cli::Login,
    location: &Location,
    previous: Option<&StoredToken>,
) -> Result<Option<String>, Error> {
    let helper = match (&options.keychain, location) {
        (Some(helper), _) if helper == "none" => return Ok(None),
        (None, Location::File(_)) => return Ok(None),
        (None, Location::Profile(_)) => return Ok(previous.and_then(|old| old.keychain.clone())),
        (Some(helper), _) => helper,
    };
    let why = match location {
        _ if variable(IN_SANDBOX)?.is_some() => "a sandbox's token is not for a keychain",
        Location::File(_) => "it needs a profile, and YANDEX_TOKEN_FILE names a file",
        Location::Profile(_) => return Ok(Some(helper.clone())),
    };
    Err(Error::usage("--keychain", why))
}

/// Whether the options leave the saved token's application as it is, and its
/// server is one that may be asked.
fn is_reused(token: &StoredToken, options: &cli::Login, given: Option<&Server>) -> bool {
    let option = options.application.client_id.as_ref();
    let is_same_id = option.is_none_or(|id| token.client_id.as_ref() == Some(id));
    let server = server_of(token).unwrap_or_default();
    let is_same_server = match &options.application.oauth_url {
        Some(option) => server == *option,
        None => server.is_yandex() || given == Some(&server),
    };
    is_same_id && is_same_server
}

fn server_of(token: &StoredToken) -> Option<Server> {
    Server::parse(token.oauth_url.as_deref()?).ok()
}

/// What the profile remembers beats a variable that says otherwise.
fn warn_of_variable(name: &str, remembered: &str) -> Result<(), Error> {
    if variable(name)?.is_some_and(|value| value.trim_end_matches('/') != remembered) {
        output::warn(&format!(
            "{name} is not used: the saved login has {}",
            output::short(remembered)
        ));
    }
    Ok(())
}

/// One for each saved token: Yandex keeps one token for an application, a user
/// and a device. It would also give a token near its end once more.
fn device_id(options: &cli::Login, memory: Option<&StoredToken>, location: &Location) -> String {
    if let Some(id) = &options.device_id {
        return id.clone();
    }
    let kept = memory.and_then(|token| {
        let id = token.device_id.clone()?;
        let is_old = token.is_expired() || token.is_in_warning_time(now());
        let is_usable = values::device_id(&id).is_ok() && !is_old;
        (is_usable && sharing_device(token, location).is_empty()).then_some(id)
    });
    kept.unwrap_or_else(random::uuid)
}

/// The file that the client secret comes from, as the next login can find it.
fn secret_file(options: &cli::Login) -> Result<Option<String>, Error> {
    let given = match &options.application.client_secret_file {
        Some(path) => Some(path.clone()),
        None => path_variable("YANDEX_CLIENT_SECRET_FILE")?,
    };
    let regular = given.filter(|path| path.is_file());
    let absolute = regular.and_then(|path| std::path::absolute(path).ok());
    Ok(absolute.and_then(|path| PathBuf::into_os_string(path).into_string().ok()))
}

fn joined(scopes: &[String]) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

fn no_application(
    options: &cli::Login,
    previous: Option<&StoredToken>,
    location: &Location,
) -> Error {
    let server = previous.and_then(server_of);
    if let Some(server) = server.filter(|server| !server.is_yandex()) {
        return Error::usage(
            format!("the saved login is from {}", server.origin()),
            "that is not Yandex, so it is not used again unasked",
        )
        .hint(format!(
            "If it is right: {} --oauth-url {}",
            location.login(),
            server.origin()
        ));
    }
    not_registered(options)
}

/// No client ID was given: there may be no application yet.
fn not_registered(options: &cli::Login) -> Error {
    let (with, option) = match &options.subject {
        _ if options.device => ("", " --device"),
        _ if options.paste => ("", " --paste"),
        Some(_) => ("", " --subject USER"),
        None => (" with the Redirect URI http://127.0.0.1:8000/", ""),
    };
    let save = if options.save { " --save" } else { "" };
    application::no_client_id().hint(format!(
        "Register an application at https://oauth.yandex.com/client/new{with}, then run \
         `yandex-token login{option}{save} --client-id ID`. Without one: `yandex-token login --sandbox`."
    ))
}
