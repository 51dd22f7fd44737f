//! `login`: gets a token through the loopback redirect, then prints or keeps it.

use std::process::ExitCode;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use super::destination::Destination;
use super::{client_secret, location, option_or_variable, server, variable};
use crate::cli;
use crate::cli::values::client_id;
use crate::error::{Error, Kind};
use crate::flows::browser;
use crate::flows::loopback::{Listener, Login};
use crate::flows::page::Outcome;
use crate::flows::redirect_uri::RedirectUri;
use crate::oauth::Server;
use crate::oauth::authorization::{AuthorizationRequest, Response, Wishes};
use crate::oauth::client::Client;
use crate::oauth::response::{OAuthError, refused};
use crate::output;
use crate::sandbox::{Options, Sandbox};
use crate::store;
use crate::store::token::StoredToken;

pub fn run(options: cli::Login) -> Result<ExitCode, Error> {
    let redirect_uris = redirect_uris(&options)?;
    let place = &options.location;
    let save = options.save || place.profile.is_some() || place.token_file.is_some();
    if save && (options.result.output.is_some() || options.result.format.is_some()) {
        return Err(Error::usage(
            "--format and --output",
            "a login that saves the token prints nothing",
        )
        .hint("Leave them out, or leave out --save, --profile and --token-file."));
    }
    let location = location(options.location)?;
    let given = match options.sandbox {
        true => None,
        false => Some(Application::resolve(&options.application, || {
            location.load().ok()??.client_id
        })?),
    };
    let mut wishes = Wishes {
        scope: joined(options.scope),
        optional_scope: joined(options.optional_scope),
        login_hint: options.login_hint,
        force_confirm: options.force_confirm,
        device_id: options.device_id,
        device_name: options.device_name,
    };
    if save {
        name_device(&mut wishes)?;
    }
    let destination = if save {
        Destination::save(&location)?
    } else {
        Destination::print(options.result.output.as_deref(), options.result.format)?
    };
    destination.guard();
    let sandbox = match options.sandbox {
        true => Some(start_sandbox(&options.application)?),
        false => None,
    };
    let application = match (given, &sandbox) {
        (Some(application), _) => application,
        (None, Some(sandbox)) => Application::of(sandbox, &options.application)?,
        (None, None) => return Err(no_client_id()),
    };
    let listener = Listener::bind(&redirect_uris, options.listen)?;
    let redirect_uri = listener.redirect_uri().as_str().to_owned();
    let request = AuthorizationRequest::new(
        &application.server,
        &application.client_id,
        Some(&redirect_uri),
        &wishes,
    );
    let client = Client::new(
        application.server.clone(),
        application.client_id.clone(),
        application.client_secret,
    )?;

    let deadline = Instant::now() + options.timeout;
    let login = listener.serve(request.state.clone())?;
    announce(&request, &redirect_uri, save);
    if options.no_browser {
        match &sandbox {
            Some(sandbox) => sandbox.play_user(request.url.as_str()),
            None => output::say("Waiting for the redirect."),
        }
    } else {
        browser::open(request.url.as_str(), login.no_browser());
        output::say("Waiting for you to answer in the browser.");
    }
    let response = login
        .wait(deadline, |why| match &sandbox {
            Some(sandbox) => {
                output::say(&format!("No browser ({why}): the sandbox plays the user."));
                sandbox.play_user(request.url.as_str());
            }
            None => output::warn(&format!(
                "no browser could be opened ({why}): open the URL above yourself"
            )),
        })
        .map_err(|error| {
            error.hint(format!(
                "If the browser showed an error instead, register this Redirect URI, to the \
             letter: {redirect_uri}"
            ))
        })?;

    let code = match response {
        Response::Code(code) => code,
        Response::Error { error, description } => {
            return conclude(login, Err(denied(OAuthError { error, description })));
        }
    };
    output::step("the code has come");
    let token = client
        .exchange_code(&code, &request.verifier, &redirect_uri)
        .and_then(|answer| {
            warn_of_missing_scopes(&wishes, answer.scope.as_deref());
            let token = StoredToken::new(
                answer,
                application.client_id,
                application.server.origin(),
                wishes.device_id,
            );
            destination.put(&token)
        });
    conclude(login, token)
}

/// Tells the browser what the terminal is about to say.
fn conclude(login: Login, result: Result<(), Error>) -> Result<ExitCode, Error> {
    login.conclude(match &result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(error.clone()),
    });
    result.map(|()| ExitCode::SUCCESS)
}

/// Which application asks, at which server.
pub struct Application {
    pub server: Server,
    pub client_id: String,
    pub client_secret: Option<SecretString>,
}

impl Application {
    /// From options and variables alone.
    pub fn given(options: &cli::Application) -> Result<Application, Error> {
        Application::resolve(options, || None)
    }

    /// From options and variables, or else for the ID this.
    fn resolve(
        options: &cli::Application,
        saved_id: impl FnOnce() -> Option<String>,
    ) -> Result<Application, Error> {
        let server = server(options.oauth_url.clone())?;
        let id = option_or_variable(options.client_id.clone(), "YANDEX_CLIENT_ID", client_id)?
            .or_else(saved_id);
        Ok(Application {
            server: server.unwrap_or_default(),
            client_id: id.ok_or_else(no_client_id)?,
            client_secret: client_secret(options.client_secret_file.as_deref())?,
        })
    }

    /// The sandbox's own. It is a confidential client where a password is
    /// given, like the one that is tried out with it.
    fn of(sandbox: &Sandbox, options: &cli::Application) -> Result<Application, Error> {
        let server = Server::parse(&sandbox.origin());
        Ok(Application {
            server: server.map_err(|why| Error::local("starting the sandbox", why))?,
            client_id: sandbox.client_id().to_owned(),
            client_secret: options
                .client_secret_file
                .is_some()
                .then(|| sandbox.client_secret().to_owned().into()),
        })
    }
}

fn no_client_id() -> Error {
    Error::usage("--client-id", "no application ID is given").hint(
        "Write --client-id ID or set YANDEX_CLIENT_ID; the ID is on your application's page \
         at https://oauth.yandex.com/. To try without one: yandex-token login --sandbox",
    )
}

fn start_sandbox(options: &cli::Application) -> Result<Sandbox, Error> {
    let secret = options
        .client_secret_file
        .as_deref()
        .map(super::read_secret);
    Sandbox::start(Options {
        client_id: options.client_id.clone(),
        client_secret: secret
            .transpose()?
            .map(|secret| secret.expose_secret().to_owned()),
        ..Options::default()
    })
}

/// The Redirect URIs to try, and a check of `--listen` against them.
fn redirect_uris(options: &cli::Login) -> Result<Vec<RedirectUri>, Error> {
    let parse =
        |text: &str| RedirectUri::parse(text).map_err(|why| Error::usage("--redirect-uri", why));
    let mut uris = options.redirect_uri.clone();
    if uris.is_empty()
        && !options.sandbox
        && let Some(text) = variable("YANDEX_REDIRECT_URI")?
    {
        let uri = RedirectUri::parse(&text);
        uris.push(uri.map_err(|why| Error::usage("YANDEX_REDIRECT_URI", why))?);
    }
    if uris.is_empty() {
        uris.push(parse(if options.sandbox {
            "http://127.0.0.1:0/"
        } else {
            RedirectUri::DEFAULT
        })?);
    }
    if let Some(public) = uris.iter().find(|uri| !uri.is_loopback()) {
        let why = match options.listen {
            None => "a public Redirect URI needs --listen, and a reverse proxy in front of it",
            Some(_) => "a public Redirect URI behind a reverse proxy is not supported yet",
        };
        return Err(
            Error::usage(format!("--redirect-uri {}", public.as_str()), why)
                .hint("Register and give a loopback one, such as http://127.0.0.1:8000/"),
        );
    }
    if options.listen.is_some() && uris.len() > 1 {
        return Err(Error::usage(
            "--listen",
            "it goes with one --redirect-uri, not with several",
        ));
    }
    Ok(uris)
}

/// A saved token can be revoked only if a device was named when it was issued.
fn name_device(wishes: &mut Wishes) -> Result<(), Error> {
    if wishes.device_id.is_none() {
        wishes.device_id = Some(store::device_id()?);
    }
    if wishes.device_name.is_none() {
        wishes.device_name = host_name().map(|name| name.chars().take(100).collect());
    }
    Ok(())
}

fn host_name() -> Option<String> {
    #[cfg(unix)]
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.filter(|name| !name.is_empty())
}

fn joined(scopes: Vec<String>) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

fn announce(request: &AuthorizationRequest, redirect_uri: &str, save: bool) {
    output::say("The application must have this Redirect URI registered, to the letter:");
    output::say("");
    output::say(&format!("    {redirect_uri}"));
    output::say("");
    output::say(if save {
        "Log in here to have the token saved:"
    } else {
        "Log in here:"
    });
    output::say("");
    output::act(&format!("    {}", request.url));
    output::say("");
}

/// The error for a redirect that carries one.
fn denied(refusal: OAuthError) -> Error {
    let mut error = refused("logging in", &refusal);
    if refusal.error == "access_denied" {
        error.kind = Kind::Denied;
        error.why = format!("access was denied ({})", error.why);
    }
    error
}

/// Yandex names the scopes only where fewer were granted than asked for.
fn warn_of_missing_scopes(wishes: &Wishes, granted: Option<&str>) {
    let Some(granted) = granted else { return };
    let granted: Vec<_> = granted.split_ascii_whitespace().collect();
    let asked = [&wishes.scope, &wishes.optional_scope];
    let missing: Vec<_> = asked
        .into_iter()
        .flatten()
        .flat_map(|scopes| scopes.split_ascii_whitespace())
        .filter(|scope| !granted.contains(scope))
        .collect();
    if !missing.is_empty() {
        output::warn(&format!(
            "these scopes were not granted: {}",
            missing.join(" ")
        ));
    }
}
