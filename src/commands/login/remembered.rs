//! What a login is to do: what the options say, else what the profile
//! remembers of its last login, else what the variables say.

use std::path::PathBuf;

use super::method::{Method, absolute};
use crate::cli::{self, values};
use crate::commands::application::{self, no_client_id};
use crate::commands::sandbox::IN_SANDBOX;
use crate::commands::saved::{client_secret, sharing_device};
use crate::commands::{option_or_variable, path_variable, variable};
use crate::error::Error;
use crate::login::redirect_uri::RedirectUri;
use crate::oauth::Server;
use crate::oauth::client::Client;
use crate::output;
use crate::random;
use crate::store::Location;
use crate::store::token::{LoginOptions, StoredToken, now};

/// What a login asks, and what is kept of it.
pub struct Plan {
    pub client: Client,
    pub method: Method,
    /// What the next login of the profile is to remember.
    pub remember: LoginOptions,
    /// The helper of the keychain that is to keep the token's secrets.
    pub keychain: Option<String>,
    /// Whose token a saved login replaces.
    pub previous_account: Option<String>,
}

/// A login that is saved reuses all that the profile remembers, unless an
/// option changes the application.
pub fn saved(options: &mut cli::Login, location: &Location) -> Result<Plan, Error> {
    let previous = location.load_file().ok().flatten();
    let named = application::server(&options.application)?;
    let is_reused = |token: &&StoredToken| is_reused(token, options, named.as_ref());
    let memory = previous.as_ref().filter(is_reused);
    let last = memory.map(|token| &token.login);
    let its_server = memory.and_then(server_of);
    if let Some(server) = &its_server {
        warn_of_variable("YANDEX_OAUTH_URL", &server.origin())?;
    }
    let mut client_id = options.application.client_id.clone();
    if let (None, Some(id)) = (
        &client_id,
        memory.and_then(|token| token.client_id.as_ref()),
    ) {
        warn_of_variable("YANDEX_CLIENT_ID", id)?;
        client_id = Some(id.clone());
    }
    let client_id = option_or_variable(client_id, "YANDEX_CLIENT_ID", values::client_id)?;
    let client_id =
        client_id.ok_or_else(|| no_application(options, previous.as_ref(), location))?;
    // First: the client secret may be on standard input.
    let method = Method::complete(options, last)?;
    let client_secret = match memory {
        Some(token) => client_secret(location, &options.application, token)?,
        None => application::client_secret(&options.application)?,
    };
    let request = &mut options.request;
    match method {
        Method::Subject => request.device_id = None,
        _ if request.device_id.is_some() => {}
        _ => request.device_id = Some(device_id(memory, location)),
    }
    if let Some(last) = last {
        for (asked, last) in [
            (&mut request.scope, &last.scope_asked),
            (&mut request.optional_scope, &last.optional_scope_asked),
        ] {
            if asked.is_empty() {
                asked.extend(last.clone());
            }
        }
    }
    let secret_file = secret_file(options, last)?;
    let remember = LoginOptions {
        client_secret_file: secret_file.filter(|_| client_secret.is_some()),
        scope_asked: joined(&options.request.scope),
        optional_scope_asked: joined(&options.request.optional_scope),
        ..method.options(options)
    };
    Ok(Plan {
        client: Client::new(
            its_server.or(named).unwrap_or_default(),
            client_id,
            client_secret,
        )?,
        method,
        remember,
        keychain: keychain(options, location, previous.as_ref())?,
        previous_account: previous.and_then(|token| token.account),
    })
}

/// A login that is only printed reuses the client ID alone.
pub fn printed(options: &mut cli::Login, location: &Location) -> Result<Plan, Error> {
    // First: the client secret may be on standard input.
    let method = Method::complete(options, None)?;
    let saved_id = || {
        let saved = location.load_file().ok().flatten();
        let id = saved.and_then(|token| token.client_id);
        id.ok_or_else(|| not_registered(options, None))
    };
    let client = application::resolve(&options.application, saved_id)?;
    Ok(unsaved(method, client))
}

/// A login of which nothing is remembered.
pub fn unsaved(method: Method, client: Client) -> Plan {
    Plan {
        client,
        method,
        remember: LoginOptions::default(),
        keychain: None,
        previous_account: None,
    }
}

/// Once in a keychain, a profile's token goes to a file only where the user
/// says so.
fn keychain(
    options: &cli::Login,
    location: &Location,
    previous: Option<&StoredToken>,
) -> Result<Option<String>, Error> {
    let why = match (options.keychain.as_deref(), location) {
        (Some("none"), _) | (None, Location::File(_)) => return Ok(None),
        (None, Location::Profile(_)) => return Ok(previous.and_then(|old| old.keychain.clone())),
        _ if variable(IN_SANDBOX)?.is_some() => "a sandbox's token is not for a keychain",
        (_, Location::File(_)) => "it needs a profile, and YANDEX_TOKEN_FILE names a file",
        (helper, Location::Profile(_)) => return Ok(helper.map(str::to_owned)),
    };
    Err(Error::usage("--keychain", why))
}

/// Whether the options leave the saved token's application as it is, and its
/// server is one that may be asked.
fn is_reused(token: &StoredToken, options: &cli::Login, given: Option<&Server>) -> bool {
    let option = options.application.client_id.as_ref();
    let is_same_id = option.is_none_or(|id| token.client_id.as_ref() == Some(id));
    let is_same_server = |server: &Server| match &options.application.oauth_url {
        Some(option) => server == option,
        None => server.is_yandex() || given == Some(server),
    };
    is_same_id && server_of(token).as_ref().is_none_or(is_same_server)
}

fn server_of(token: &StoredToken) -> Option<Server> {
    Server::parse(token.oauth_url.as_deref()?).ok()
}

/// What the profile remembers beats a variable that says otherwise.
fn warn_of_variable(name: &str, remembered: &str) -> Result<(), Error> {
    if variable(name)?.is_some_and(|value| value.trim_end_matches('/') != remembered) {
        warn_not_used(name, remembered);
    }
    Ok(())
}

pub fn warn_not_used(name: &str, remembered: &str) {
    let remembered = output::short(remembered);
    output::warn(&format!(
        "{name} is not used: the saved login has {remembered}"
    ));
}

/// One for each saved token: Yandex keeps one token for an application, a user
/// and a device. It would also give a token near its end once more.
fn device_id(memory: Option<&StoredToken>, location: &Location) -> String {
    let kept = memory.and_then(|token| {
        let id = token.device_id.clone()?;
        let is_old = token.is_expired() || token.is_in_warning_time(now());
        let is_usable = values::device_id(&id).is_ok() && !is_old;
        (is_usable && sharing_device(token, location).is_empty()).then_some(id)
    });
    kept.unwrap_or_else(random::uuid)
}

/// The file that the client secret comes from, as the next login can find it.
fn secret_file(options: &cli::Login, last: Option<&LoginOptions>) -> Result<Option<String>, Error> {
    const NAME: &str = "YANDEX_CLIENT_SECRET_FILE";
    let found = |path: &PathBuf| absolute(path).filter(|_| path.is_file());
    if let Some(path) = &options.application.client_secret_file {
        return Ok(found(path));
    }
    let named = path_variable(NAME)?.as_ref().and_then(found);
    match last.and_then(|last| last.client_secret_file.clone()) {
        Some(remembered) => {
            if named.is_some_and(|named| named != remembered) {
                warn_not_used(NAME, &remembered);
            }
            Ok(Some(remembered))
        }
        None => Ok(named),
    }
}

pub fn joined(scopes: &[String]) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

fn no_application(
    options: &cli::Login,
    previous: Option<&StoredToken>,
    location: &Location,
) -> Error {
    match previous.and_then(server_of) {
        Some(server) if !server.is_yandex() => {
            let (origin, login) = (server.origin(), location.login());
            let what = format!("the saved login is from {origin}");
            Error::usage(
                what,
                "it is not Yandex's, so it is used again only with --oauth-url",
            )
            .hint(format!("If you trust it: {login} --oauth-url {origin}"))
        }
        _ => not_registered(options, Some(location)),
    }
}

/// No client ID was given: there may be no application yet.
fn not_registered(options: &cli::Login, location: Option<&Location>) -> Error {
    let variable = variable("YANDEX_REDIRECT_URI").ok().flatten();
    let given = options.redirect.redirect_uri.first();
    let uri = given.map(|uri| uri.as_str().to_owned()).or(variable);
    let uri = uri.unwrap_or_else(|| RedirectUri::DEFAULT.to_owned());
    let mut with = String::new();
    let mut option = match &options.subject {
        _ if options.device => " --device".to_owned(),
        _ if options.paste => " --paste".to_owned(),
        Some(user) => format!(" --subject {user}"),
        None => {
            with = format!(" with the Redirect URI {uri}");
            given.map_or_else(String::new, |_| format!(" --redirect-uri {uri}"))
        }
    };
    match location {
        Some(Location::Profile(name)) if name == "default" => option += " --save",
        Some(Location::Profile(name)) => option += &format!(" --profile {name}"),
        Some(Location::File(path)) => option += &format!(" --token-file {}", path.display()),
        None => {}
    }
    no_client_id("no application ID is given").hint(format!(
        "Register an application at https://oauth.yandex.com/client/new{with}, then run \
         `yandex-token login{option} --client-id ID`. To try it without one: `yandex-token login --sandbox`."
    ))
}
