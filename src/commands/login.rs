//! `login`: gets a token, by one method each in a file of its own, then prints
//! or saves it.

mod announce;
mod device;
mod loopback;
mod method;
mod paste;
mod remembered;
mod report;
mod subject;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::application::{self, Application, start_sandbox};
use super::destination::Destination;
use super::location;
use crate::cli;
use crate::error::{Error, Kind};
use crate::login::browser::Browser;
use crate::oauth::authorization::{AuthorizationRequest, RequestOptions, Response};
use crate::oauth::client::Client;
use crate::oauth::response::{OAuthError, TokenResponse, refused};
use crate::output;
use crate::platform;
use crate::random;
use crate::sandbox::Sandbox;
use crate::signals;
use crate::store::Location;
use crate::store::keychain::Entry;
use crate::store::token::{LoginOptions, StoredToken};
use method::Method;
use remembered::Plan;
use report::Finished;

pub fn run(options: cli::Login) -> Result<ExitCode, Error> {
    let (session, method) = prepare(options)?;
    match method {
        Method::Loopback(redirect) => loopback::run(session, redirect)?,
        Method::Paste(redirect_uri) => paste::run(session, redirect_uri)?,
        Method::Device => device::run(session)?,
        Method::Subject(user) => subject::run(session, &user)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A login with everything checked that can be before a person is asked.
struct Session {
    application: Application,
    client: Client,
    request: RequestOptions,
    destination: Destination,
    /// None where the token is only printed.
    saving: Option<Saving>,
    sandbox: Option<Sandbox>,
    no_browser: bool,
    timeout: Duration,
}

/// Where the token is saved, and with what.
struct Saving {
    location: Location,
    remember: LoginOptions,
    /// The helper of a keychain, and the entry that it will have.
    keychain: Option<(String, String)>,
    /// Whose token was there before.
    previous_account: Option<String>,
}

fn prepare(mut options: cli::Login) -> Result<(Session, Method), Error> {
    let save = method::saves(&options);
    let location = match options.sandbox {
        true => Location::Profile("default".to_owned()),
        false => location(std::mem::take(&mut options.location))?,
    };
    if options.paste && application::is_secret_on_stdin()? {
        return Err(Error::usage(
            "--paste",
            "the code and the client secret: both read standard input",
        )
        .hint("Pass the client secret in a file or in YANDEX_CLIENT_SECRET."));
    }
    let mut plan = match (options.sandbox, save) {
        (true, _) => remembered::unsaved(&options, Application::default())?,
        (false, true) => remembered::saved(&options, &location)?,
        (false, false) => remembered::printed(&options, &location)?,
    };
    if let (Method::Subject(_), None) = (&plan.method, &plan.application.client_secret)
        && !options.sandbox
    {
        return Err(Error::usage(
            "--subject",
            "it needs the client secret of the service application",
        )
        .hint("Set YANDEX_CLIENT_SECRET, or pass a file with --client-secret-file."));
    }
    warn_of_odd_scopes(&plan);
    let destination = match save {
        true => Destination::save(&location)?,
        false => Destination::print(options.result.output.as_deref(), options.result.format)?,
    };
    let keychain = plan.keychain.map(|helper| (helper, random::uuid()));
    if let (Some((helper, id)), Location::Profile(name)) = (&keychain, &location) {
        Entry::new(helper, name, Some(id))?.probe()?;
    }
    signals::before_death(output::end_progress);
    let sandbox = match options.sandbox {
        true => {
            let sandbox = start_sandbox(&options.application)?;
            let needs_secret = matches!(plan.method, Method::Device | Method::Subject(_));
            plan.application = Application::of(&sandbox, &options.application, needs_secret)?;
            Some(sandbox)
        }
        false => None,
    };
    let device_name = options.device_name.or_else(|| {
        let host = plan
            .device_id
            .as_ref()
            .filter(|_| save)
            .and_then(|_| platform::host_name());
        host.filter(|name| !name.is_empty())
            .map(|host| device_name(&host, &location))
    });
    let client = Client::new(
        plan.application.server.clone(),
        plan.application.client_id.clone(),
        plan.application.client_secret.clone(),
    )?;
    let session = Session {
        client,
        request: RequestOptions {
            scope: plan.scope,
            optional_scope: plan.optional_scope,
            login_hint: options.login_hint,
            force_confirm: options.force_confirm,
            device_id: plan.device_id,
            device_name,
        },
        application: plan.application,
        destination,
        saving: save.then(|| Saving {
            location,
            remember: plan.remember,
            keychain,
            previous_account: plan.previous.and_then(|token| token.account),
        }),
        sandbox,
        no_browser: options.no_browser,
        timeout: options.timeout,
    };
    Ok((session, plan.method))
}

impl Session {
    fn request(&self, redirect_uri: Option<&str>) -> AuthorizationRequest {
        let (server, id) = (&self.application.server, &self.application.client_id);
        AuthorizationRequest::new(server, id, redirect_uri, &self.request)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// What would open the URL, where one is wanted.
    fn browser(&self, url: &str) -> Browser {
        match self.no_browser {
            true => Browser::Unwanted,
            false => Browser::find(url),
        }
    }

    /// Exchanges the code of a response.
    fn exchange(
        &self,
        response: Response,
        request: &AuthorizationRequest,
        redirect_uri: Option<&str>,
    ) -> Result<TokenResponse, Error> {
        let code = match response {
            Response::Code(code) => code,
            Response::Error { error, description } => {
                return Err(denied(&OAuthError { error, description }));
            }
        };
        output::debug("the code has come");
        self.client
            .exchange_code(&code, &request.verifier, redirect_uri)
    }

    /// Prints or saves the token.
    fn finish(self, answer: TokenResponse) -> Result<Finished, Error> {
        warn_of_missing_scopes(&self.request, answer.scope.as_deref());
        let mut token = StoredToken::new(
            answer,
            self.application.client_id.clone(),
            self.application.server.origin(),
            self.request.device_id.clone(),
        );
        token.scope = token.scope.or_else(|| {
            let asked = [&self.request.scope, &self.request.optional_scope];
            let asked: Vec<_> = asked.into_iter().flatten().map(String::as_str).collect();
            (!asked.is_empty()).then(|| asked.join(" "))
        });
        if let Some(saving) = &self.saving {
            token.login = saving.remember.clone();
            (token.keychain, token.keychain_id) = saving.keychain.clone().unzip();
        }
        let is_at_terminal = self.destination.is_terminal();
        self.destination.put_or_rescue(&token)?;
        Ok(Finished {
            token,
            application: self.application,
            saving: self.saving,
            is_at_terminal: is_at_terminal && self.sandbox.is_none(),
        })
    }
}

/// The host's name, and the profile's where it is not the default one.
fn device_name(host: &str, location: &Location) -> String {
    let name = match location {
        Location::Profile(profile) if profile != "default" => format!("{host} ({profile})"),
        _ => host.to_owned(),
    };
    name.chars().take(100).collect()
}

/// The error for a redirect that carries one.
fn denied(refusal: &OAuthError) -> Error {
    let mut error = refused("logging in", refusal);
    if refusal.error == "access_denied" {
        error.kind = Kind::Denied;
        error.why = format!("access was denied ({})", error.why);
    }
    error
}

/// Whether another code may fare better than the one that was refused.
fn is_of_code(error: &Error) -> bool {
    matches!(
        error.refusal.as_deref(),
        Some("invalid_grant" | "bad_verification_code")
    )
}

/// Yandex refuses these on its page, and the redirect never comes.
fn warn_of_odd_scopes(plan: &Plan) {
    let scopes = [&plan.scope, &plan.optional_scope].into_iter().flatten();
    for scope in scopes.flat_map(|scopes| scopes.split_ascii_whitespace()) {
        if scope.contains(',') {
            output::warn(&format!(
                "the scope {scope} has a comma in it, which Yandex refuses: separate scopes by spaces"
            ));
        } else if !scope.contains(':') {
            output::warn(&format!(
                "the scope {scope} has no colon, and Yandex has no such scope: write GROUP:NAME"
            ));
        }
    }
}

/// Yandex names the scopes only where fewer were granted than asked for.
fn warn_of_missing_scopes(request: &RequestOptions, granted: Option<&str>) {
    let Some(granted) = granted else { return };
    let granted: Vec<_> = granted.split_ascii_whitespace().collect();
    let asked = [&request.scope, &request.optional_scope];
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
