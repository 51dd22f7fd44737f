//! `login`: gets a token from a person, through one of the flows, then prints
//! or keeps it.

mod announce;
mod method;

use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::application::{Application, start_sandbox};
use super::destination::Destination;
use super::location;
use crate::cli;
use crate::error::{Error, Kind};
use crate::http::tls;
use crate::login::listener::Listener;
use crate::login::loopback::Login;
use crate::login::page::Outcome;
use crate::login::redirect_uri::RedirectUri;
use crate::login::start_link::StartLink;
use crate::login::{browser, device, paste};
use crate::oauth::authorization::{AuthorizationRequest, RequestOptions, Response};
use crate::oauth::client::Client;
use crate::oauth::response::{OAuthError, TokenResponse, refused};
use crate::output;
use crate::platform;
use crate::sandbox::Sandbox;
use crate::store::token::StoredToken;
use crate::store::{self, Location};
use method::Method;

pub fn run(options: cli::Login) -> Result<ExitCode, Error> {
    let way = Method::of(&options)?;
    let save = method::saves(&options);
    let location = match options.sandbox {
        true => Location::Profile("default".to_owned()),
        false => location(options.location)?,
    };
    let given = match options.sandbox {
        true => None,
        false => Some(Application::resolve(&options.application, || {
            location.load().ok()??.client_id
        })?),
    };
    let mut request = RequestOptions {
        scope: joined(options.scope),
        optional_scope: joined(options.optional_scope),
        login_hint: options.login_hint,
        force_confirm: options.force_confirm,
        device_id: options.device_id,
        device_name: options.device_name,
    };
    if save {
        name_device(&mut request, &location)?;
    }
    let destination = if save {
        Destination::save(&location)?
    } else {
        Destination::print(options.result.output.as_deref(), options.result.format)?
    };
    destination.guard();
    let (application, sandbox) = match given {
        Some(application) => (application, None),
        None => {
            let sandbox = start_sandbox(&options.application)?;
            let application = Application::of(&sandbox, &options.application, options.device)?;
            (application, Some(sandbox))
        }
    };
    let job = Job {
        client: Client::new(
            application.server.clone(),
            application.client_id.clone(),
            application.client_secret.clone(),
        )?,
        application,
        request,
        destination,
        sandbox,
        no_browser: options.no_browser,
        timeout: options.timeout,
    };
    match way {
        Method::Loopback(uris) => {
            let mut listener = Listener::bind(&uris, options.listen)?;
            if let (Some(cert), Some(key)) = (&options.tls_cert, &options.tls_key) {
                listener.tls = Some(tls::load(cert, key, listener.redirect_uri.host())?);
            }
            job.by_loopback(listener)?;
        }
        Method::Paste(uri) => job.by_paste(uri.as_ref())?,
        Method::Device => job.by_device()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A login with everything made sure of that can be, before a person is asked.
struct Job {
    application: Application,
    client: Client,
    request: RequestOptions,
    destination: Destination,
    sandbox: Option<Sandbox>,
    no_browser: bool,
    timeout: Duration,
}

impl Job {
    fn request(&self, redirect_uri: Option<&str>) -> AuthorizationRequest {
        let (server, id) = (&self.application.server, &self.application.client_id);
        AuthorizationRequest::new(server, id, redirect_uri, &self.request)
    }

    fn by_loopback(self, listener: Listener) -> Result<(), Error> {
        let redirect_uri = listener.redirect_uri.clone();
        let request = self.request(Some(redirect_uri.as_str()));
        let deadline = Instant::now() + self.timeout;
        let start = (!redirect_uri.is_loopback()).then(|| StartLink::new(&request.url));
        let to_open = match &start {
            Some(link) => link.url(&redirect_uri),
            None => request.url.clone(),
        };
        let login = Login::start(listener, request.state.clone(), start)?;
        announce::loopback(&to_open, &redirect_uri, self.sandbox.is_some());
        match (&self.sandbox, self.no_browser) {
            (Some(sandbox), true) => sandbox.user().follow(to_open),
            (_, true) => {}
            (_, false) => browser::open(to_open.as_str(), login.no_browser()),
        }
        if self.sandbox.is_none() {
            paste::listen(request.state.clone(), login.answer());
        }
        output::info(match self.no_browser {
            true => "Waiting for the redirect.",
            false => "Waiting for your answer in the browser.",
        });
        let response = login
            .wait(deadline, |why| match &self.sandbox {
                Some(sandbox) => {
                    output::info(&format!("No browser ({why}): the sandbox plays the user."));
                    sandbox.user().follow(request.url.clone());
                }
                None => announce::no_browser(why, &redirect_uri),
            })
            .map_err(|error| {
                error.hint(format!(
                    "If the browser showed an error instead, register this Redirect URI, to the \
                     letter: {}",
                    redirect_uri.as_str()
                ))
            })?;
        let result = self.finish(response, &request, Some(redirect_uri.as_str()));
        conclude(login, &result);
        result
    }

    fn by_paste(self, redirect_uri: Option<&RedirectUri>) -> Result<(), Error> {
        let redirect_uri = redirect_uri.map(RedirectUri::as_str);
        let request = self.request(redirect_uri);
        let deadline = Instant::now() + self.timeout;
        announce::paste(&request.url);
        let (lines, pasted) = channel();
        let user = self.sandbox.as_ref().map(Sandbox::user);
        let (url, line) = (request.url.clone(), lines.clone());
        let no_browser = move |why: String| match user {
            Some(user) => {
                output::info(&format!("No browser ({why}): the sandbox plays the user."));
                let _ = line.send(user.answer(url).into());
            }
            None => announce::open_yourself(&why),
        };
        match (&self.sandbox, self.no_browser) {
            (Some(_), true) => no_browser("not wanted".into()),
            // Whoever holds the lines keeps the wait for them going.
            (None, true) => drop(no_browser),
            (_, false) => browser::open(request.url.as_str(), no_browser),
        }
        paste::forward(lines);
        let response = paste::read(&request.state, deadline, &pasted)?;
        self.finish(response, &request, redirect_uri)
    }

    fn by_device(self) -> Result<(), Error> {
        if self.application.client_secret.is_none() {
            output::warn(
                "no application password is given, and Yandex may want it once the code is \
                 entered: YANDEX_CLIENT_SECRET or --client-secret-file",
            );
        }
        let code = self.client.request_device_code(&self.request)?;
        device::announce(&code, self.timeout.min(code.expires_in));
        let page = code.verification_url.as_str();
        let user = self.sandbox.as_ref().map(Sandbox::user);
        let user_code = code.user_code.clone();
        let no_browser = move |why: String| match user {
            Some(user) => user.enter(&user_code),
            None => output::debug(&format!("no browser was opened: {why}")),
        };
        match self.no_browser {
            true => no_browser("not wanted".into()),
            false => browser::open(page, no_browser),
        }
        let poll = |limit| self.client.poll(&code, limit);
        let answer = device::wait(&code, self.timeout, &device::Countdown, poll)?;
        self.keep(answer)
    }

    /// Exchanges the code of a response, and prints or keeps the token.
    fn finish(
        self,
        response: Response,
        request: &AuthorizationRequest,
        redirect_uri: Option<&str>,
    ) -> Result<(), Error> {
        let code = match response {
            Response::Code(code) => code,
            Response::Error { error, description } => {
                return Err(denied(&OAuthError { error, description }));
            }
        };
        output::debug("the code has come");
        let answer = self
            .client
            .exchange_code(&code, &request.verifier, redirect_uri)?;
        self.keep(answer)
    }

    fn keep(self, answer: TokenResponse) -> Result<(), Error> {
        warn_of_missing_scopes(&self.request, answer.scope.as_deref());
        self.destination.put(&StoredToken::new(
            answer,
            self.application.client_id,
            self.application.server.origin(),
            self.request.device_id,
        ))
    }
}

/// Tells the browser what the terminal is about to say.
fn conclude(login: Login, result: &Result<(), Error>) {
    login.conclude(match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(error.clone()),
    });
}

/// A saved token can be revoked only if a device was named when it was issued.
fn name_device(request: &mut RequestOptions, location: &Location) -> Result<(), Error> {
    if request.device_id.is_none() {
        match (store::device_id(), location) {
            (Ok(id), _) => request.device_id = Some(id),
            // In a container there may be no home to keep one in.
            (Err(error), Location::File(_)) => output::warn(&format!(
                "this token can't be revoked later, since no device is named ({}: {}): \
                 --device-id names one",
                error.what, error.why
            )),
            (Err(error), Location::Profile(_)) => return Err(error),
        }
    }
    if request.device_name.is_none() {
        request.device_name = platform::host_name()
            .filter(|name| !name.is_empty())
            .map(|name| name.chars().take(100).collect());
    }
    Ok(())
}

fn joined(scopes: Vec<String>) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.join(" "))
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
