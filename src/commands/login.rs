//! `login`: gets a token from a person, through one of the flows, then prints
//! or keeps it.

mod announce;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::application::{Application, start_sandbox};
use super::destination::Destination;
use super::{location, variable};
use crate::cli;
use crate::error::{Error, Kind};
use crate::flows::listener::Listener;
use crate::flows::loopback::Login;
use crate::flows::page::Outcome;
use crate::flows::redirect_uri::RedirectUri;
use crate::flows::start_link::StartLink;
use crate::flows::{browser, device, paste};
use crate::oauth::authorization::{AuthorizationRequest, Response, Wishes};
use crate::oauth::client::Client;
use crate::oauth::response::{OAuthError, TokenResponse, refused};
use crate::output;
use crate::sandbox::Sandbox;
use crate::store;
use crate::store::token::StoredToken;
use crate::tls;

pub fn run(options: cli::Login) -> Result<ExitCode, Error> {
    let way = Way::of(&options)?;
    let save = saves(&options)?;
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
        (None, Some(sandbox)) => Application::of(sandbox, &options.application, options.device)?,
        (None, None) => return Err(Error::usage("--sandbox", "it did not start")),
    };
    let confidential = application.client_secret.is_some();
    let job = Job {
        client: Client::new(
            application.server.clone(),
            application.client_id.clone(),
            application.client_secret.clone(),
        )?,
        application,
        wishes,
        destination,
        sandbox,
        no_browser: options.no_browser,
        timeout: options.timeout,
    };
    match way {
        Way::Loopback(uris) => {
            let mut listener = Listener::bind(&uris, options.listen)?;
            if let (Some(cert), Some(key)) = (&options.tls_cert, &options.tls_key) {
                listener.tls = Some(tls::load(cert, key, listener.redirect_uri.host())?);
            }
            job.by_loopback(listener)?;
        }
        Way::Paste(uri) => job.by_paste(uri.as_ref())?,
        Way::Device => job.by_device(confidential)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the token is kept instead of printed.
///
/// # Errors
/// Options that want both.
fn saves(options: &cli::Login) -> Result<bool, Error> {
    let (place, result) = (&options.location, &options.result);
    let first = |options: &[(bool, &'static str)]| {
        let given = options.iter().find(|(given, _)| *given);
        given.map(|(_, name)| *name)
    };
    let saving = first(&[
        (options.save, "--save"),
        (place.profile.is_some(), "--profile"),
        (place.token_file.is_some(), "--token-file"),
    ]);
    let printing = first(&[
        (result.output.is_some(), "--output"),
        (result.format.is_some(), "--format"),
    ]);
    match (saving, printing) {
        (Some(saving), Some(printing)) => Err(Error::usage(
            printing,
            format!("it cannot be used with {saving}: a token that is saved is not printed"),
        )
        .hint("Leave one of them out; `yandex-token token` prints a saved token.")),
        (saving, _) => Ok(saving.is_some()),
    }
}

/// How the person's answer comes to us.
enum Way {
    Loopback(Vec<RedirectUri>),
    /// With the Redirect URI to name, where one is given.
    Paste(Option<RedirectUri>),
    Device,
}

impl Way {
    fn of(options: &cli::Login) -> Result<Way, Error> {
        if options.device {
            return Ok(Way::Device);
        }
        let mut uris = options.redirect_uri.clone();
        if options.paste {
            let stdin = |path: &std::path::PathBuf| path.as_os_str() == "-";
            let secret_file = options.application.client_secret_file.clone();
            let secret_file =
                secret_file.or_else(|| Some(std::env::var_os("YANDEX_CLIENT_SECRET_FILE")?.into()));
            if secret_file.as_ref().is_some_and(stdin) {
                return Err(Error::usage("--paste", "standard input is for the code")
                    .hint("Give the application password in a file or in YANDEX_CLIENT_SECRET."));
            }
            if uris.len() > 1 {
                return Err(Error::usage(
                    "--paste",
                    "it goes with one --redirect-uri at most",
                ));
            }
            return Ok(Way::Paste(uris.pop()));
        }
        let parse =
            |text: &str, name| RedirectUri::parse(text).map_err(|why| Error::usage(name, why));
        if uris.is_empty() && !options.sandbox {
            let text = variable("YANDEX_REDIRECT_URI")?;
            let text = text.as_deref().unwrap_or(RedirectUri::DEFAULT);
            uris.push(parse(text, "YANDEX_REDIRECT_URI")?);
        }
        if uris.is_empty() {
            uris.push(parse("http://127.0.0.1:0/", "--redirect-uri")?);
        }
        if let Some(public) = uris.iter().find(|uri| !uri.is_loopback()) {
            let what = format!("the Redirect URI {}", public.as_str());
            if options.listen.is_none() {
                return Err(Error::usage(
                    what,
                    "a public Redirect URI needs --listen, and a reverse proxy in front of it",
                )
                .hint(
                    "Without a proxy give a loopback one: --redirect-uri http://127.0.0.1:8000/",
                ));
            }
            if options.sandbox {
                return Err(
                    Error::usage(what, "a sandbox inside of login can't be reached there").hint(
                        "Run `yandex-token sandbox` beside it, and name it with --oauth-url.",
                    ),
                );
            }
        }
        if options.tls_cert.is_some() && uris.iter().any(RedirectUri::is_loopback) {
            return Err(
                Error::usage("--tls-cert", "it goes with an https Redirect URI")
                    .hint("Give the public one, to the letter: --redirect-uri https://..."),
            );
        }
        if options.listen.is_some() && uris.len() > 1 {
            return Err(Error::usage(
                "--listen",
                "it goes with one --redirect-uri, not with several",
            ));
        }
        Ok(Way::Loopback(uris))
    }
}

/// A login with everything made sure of that can be, before a person is asked.
struct Job {
    application: Application,
    client: Client,
    wishes: Wishes,
    destination: Destination,
    sandbox: Option<Sandbox>,
    no_browser: bool,
    timeout: Duration,
}

impl Job {
    fn request(&self, redirect_uri: Option<&str>) -> AuthorizationRequest {
        let (server, id) = (&self.application.server, &self.application.client_id);
        AuthorizationRequest::new(server, id, redirect_uri, &self.wishes)
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
        announce::loopback(&to_open, &redirect_uri);
        match (&self.sandbox, self.no_browser) {
            (Some(sandbox), true) => sandbox.user().follow(to_open),
            (_, true) => {}
            (_, false) => browser::open(to_open.as_str(), login.no_browser()),
        }
        if self.sandbox.is_none() {
            paste::listen(request.state.clone(), login.answer());
        }
        output::say(match self.no_browser {
            true => "Waiting for the redirect.",
            false => "Waiting for your answer in the browser.",
        });
        let response = login
            .wait(deadline, |why| match &self.sandbox {
                Some(sandbox) => {
                    output::say(&format!("No browser ({why}): the sandbox plays the user."));
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
        let response = match &self.sandbox {
            Some(sandbox) if self.no_browser || !browser::is_possible() => {
                output::say("The sandbox plays the user.");
                let last = sandbox.user().answer(request.url.clone());
                paste::parse(last.as_str(), &request.state)
                    .map_err(|why| Error::new(Kind::Other, "pasting for the user", why))?
            }
            _ => {
                if !self.no_browser {
                    browser::open(request.url.as_str(), announce::open_yourself);
                }
                paste::read(&request.state, deadline)?
            }
        };
        self.finish(response, &request, redirect_uri)
    }

    fn by_device(self, confidential: bool) -> Result<(), Error> {
        if !confidential {
            output::warn(
                "no application password is given, and Yandex may want it once the code is \
                 entered: YANDEX_CLIENT_SECRET or --client-secret-file",
            );
        }
        let code = self.client.request_device_code(&self.wishes)?;
        device::announce(&code, self.timeout.min(code.expires_in));
        let page = code.verification_url.as_str();
        let user = self.sandbox.as_ref().map(Sandbox::user);
        let user_code = code.user_code.clone();
        let no_browser = move |why: String| match user {
            Some(user) => user.enter(&user_code),
            None => output::step(&format!("no browser was opened: {why}")),
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
        output::step("the code has come");
        let answer = self
            .client
            .exchange_code(&code, &request.verifier, redirect_uri)?;
        self.keep(answer)
    }

    fn keep(self, answer: TokenResponse) -> Result<(), Error> {
        warn_of_missing_scopes(&self.wishes, answer.scope.as_deref());
        self.destination.put(&StoredToken::new(
            answer,
            self.application.client_id,
            self.application.server.origin(),
            self.wishes.device_id,
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
    let name = nix::unistd::gethostname().ok()?.into_string().ok();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.filter(|name| !name.is_empty())
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
