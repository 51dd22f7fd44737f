//! `login`: gets a token, by one method each in a file of its own, then prints
//! or saves it.

mod announce;
mod device;
mod loopback;
mod method;
mod paste;
mod remembered;
mod report;

use std::mem;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::application;
use super::destination::Destination;
use super::location;
use crate::cli;
use crate::error::{Error, Kind};
use crate::login::browser::{self, Browser};
use crate::oauth::authorization::{AuthorizationRequest, RequestOptions, Response};
use crate::oauth::client::Client;
use crate::oauth::response::TokenResponse;
use crate::output;
use crate::platform;
use crate::random;
use crate::sandbox::Sandbox;
use crate::signals;
use crate::store::Location;
use crate::store::keychain::Entry;
use crate::store::token::{LoginOptions, StoredToken};
use method::Method;
use remembered::joined;

pub fn run(options: cli::Login) -> Result<(), Error> {
    let (session, method, redirect) = prepare(options)?;
    match method {
        Method::Loopback => loopback::run(session, redirect),
        Method::Paste => paste::run(session, redirect.redirect_uri.first()),
        Method::Device => device::run(session),
        Method::Subject => session.finish(session.exchange_subject()?),
    }
}

/// A login with everything checked that can be before a person is asked.
struct Session {
    client: Client,
    request: RequestOptions,
    /// The user whose token a service application asks for.
    subject: Option<String>,
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

fn prepare(mut options: cli::Login) -> Result<(Session, Method, cli::Redirect), Error> {
    let save = options.save || options.location.is_given() || options.keychain.is_some();
    let location = match options.sandbox {
        true => Location::default(),
        false => location(mem::take(&mut options.location))?,
    };
    let mut sandbox = None;
    let plan = if options.sandbox {
        let needs_secret = options.device || options.subject.is_some();
        let method = Method::complete(&mut options, None)?;
        let (client, started) = application::in_sandbox(&options.application, needs_secret)?;
        sandbox = Some(started);
        remembered::unsaved(method, client)
    } else if save {
        remembered::saved(&mut options, &location)?
    } else {
        remembered::printed(&mut options, &location)?
    };
    if plan.method == Method::Loopback {
        method::complete_redirect(&mut options.redirect, options.sandbox)?;
    }
    if plan.method == Method::Subject && plan.client.client_secret.is_none() {
        let why = "it needs the client secret of the service application";
        return Err(Error::usage("--subject", why)
            .hint("Set YANDEX_CLIENT_SECRET, or pass a file with --client-secret-file."));
    }
    warn_of_odd_scopes(&options.request);
    let destination = match save {
        true => Destination::save(&location)?,
        false => Destination::print(&options.result)?,
    };
    let keychain = plan.keychain.map(|helper| (helper, random::uuid()));
    if let (Some((helper, id)), Location::Profile(name)) = (&keychain, &location) {
        Entry::new(helper, name, Some(id))?.probe()?;
    }
    if sandbox.is_none() {
        signals::before_death(output::end_progress);
    }
    let asked = options.request;
    let session = Session {
        client: plan.client,
        request: RequestOptions {
            scope: joined(&asked.scope),
            optional_scope: joined(&asked.optional_scope),
            login_hint: asked.login_hint,
            force_confirm: asked.force_confirm,
            device_name: match (asked.device_name, &asked.device_id) {
                (None, Some(_)) if save => device_name(&location),
                (given, _) => given,
            },
            device_id: asked.device_id,
        },
        subject: options.subject,
        destination,
        saving: save.then_some(Saving {
            location,
            remember: plan.remember,
            keychain,
            previous_account: plan.previous_account,
        }),
        sandbox,
        no_browser: options.no_browser,
        timeout: options.timeout,
    };
    Ok((session, plan.method, options.redirect))
}

impl Session {
    fn request(&self, redirect_uri: Option<&str>) -> AuthorizationRequest {
        let (server, id) = (&self.client.server, &self.client.client_id);
        AuthorizationRequest::new(server, id, redirect_uri, &self.request)
    }

    /// What would open the URL, where one is wanted.
    fn browser(&self, url: &str) -> Browser {
        match self.no_browser {
            true => Browser::Unwanted,
            false => Browser::find(url),
        }
    }

    /// Opens the browser; where that can't be, the sandbox's user acts.
    fn open(&self, browser: Browser, act: impl FnOnce(&Sandbox) + Send + 'static) {
        match (browser, self.sandbox.clone()) {
            (Browser::Commands(commands), user) => {
                browser::open(commands, move |why| match user {
                    Some(user) => {
                        announce::sandbox_user(&why);
                        act(&user);
                    }
                    None => announce::no_browser(&why),
                });
            }
            (_, Some(user)) => act(&user),
            (Browser::Unwanted | Browser::Impossible(_), None) => {}
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
            Response::Error(refusal) => {
                let sent = [("code_verifier", request.verifier.secret().expose_secret())];
                return Err(denied(self.client.refused("logging in", &refusal, &sent)));
            }
        };
        output::debug("received the code");
        self.client
            .exchange_code(&code, &request.verifier, redirect_uri)
    }

    /// Exchanges the service application's credentials (RFC 8693): nobody is
    /// asked.
    fn exchange_subject(&self) -> Result<TokenResponse, Error> {
        let user = self.subject.as_deref().unwrap_or_default();
        self.client
            .exchange_subject(user, self.request.scope.as_deref())
    }

    /// Prints or saves the token.
    fn deliver(&self, answer: TokenResponse) -> Result<StoredToken, Error> {
        warn_of_missing_scopes(&self.request, answer.scope.as_deref());
        let device_id = self.request.device_id.clone();
        let mut token = StoredToken::new(answer, &self.client, device_id);
        token.scope = token.scope.or_else(|| {
            let asked = [&self.request.scope, &self.request.optional_scope];
            joined(&asked.into_iter().flatten().cloned().collect::<Vec<_>>())
        });
        if let Some(saving) = &self.saving {
            token.login = saving.remember.clone();
            (token.keychain, token.keychain_id) = saving.keychain.clone().unzip();
        }
        self.destination.put_or_rescue(&token)?;
        Ok(token)
    }

    /// Prints or saves the token, and says so.
    fn finish(&self, answer: TokenResponse) -> Result<(), Error> {
        self.report(&self.deliver(answer)?);
        Ok(())
    }
}

/// The host's name, and the profile's where it is not the default one.
fn device_name(location: &Location) -> Option<String> {
    let host = platform::host_name().filter(|name| !name.is_empty())?;
    let name = match location {
        Location::Profile(profile) if profile != "default" => format!("{host} ({profile})"),
        _ => host,
    };
    Some(name.chars().take(100).collect())
}

/// The error for a redirect that carries one.
fn denied(mut error: Error) -> Error {
    if error.refusal.as_deref() == Some("access_denied") {
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
fn warn_of_odd_scopes(request: &cli::Request) {
    let scopes = request.scope.iter().chain(&request.optional_scope);
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
    let asked = [&request.scope, &request.optional_scope]
        .into_iter()
        .flatten();
    let mut missing: Vec<_> = asked
        .flat_map(|scopes| scopes.split_ascii_whitespace())
        .collect();
    missing.retain(|scope| !granted.split_ascii_whitespace().any(|its| its == *scope));
    if !missing.is_empty() {
        let missing = missing.join(" ");
        output::warn(&format!("these scopes were not granted: {missing}"));
    }
}
