//! `sandbox`: serves the stand-in server, alone or for one program.

use std::env;
use std::io::{IsTerminal, stdout};
use std::path::Path;
use std::process::ExitCode;

use secrecy::ExposeSecret;
use url::Url;

use super::application::read_secret;
use super::exit_code;
use crate::cli;
use crate::error::Error;
use crate::output;
use crate::platform;
use crate::private_dir::{PrivateDir, runtime_dirs};
use crate::sandbox::{self, Consent, Options, Sandbox};
use crate::signals;

/// The variables that could lead a program to a real account or token.
const OURS: [&str; 10] = [
    "YANDEX_OAUTH_URL",
    "YANDEX_CLIENT_ID",
    "YANDEX_CLIENT_SECRET",
    "YANDEX_CLIENT_SECRET_FILE",
    "YANDEX_REDIRECT_URI",
    "YANDEX_REFRESH_TOKEN",
    "YANDEX_TOKEN",
    "YANDEX_TOKEN_FILE",
    "YANDEX_TOKEN_NO_RENEW",
    "YANDEX_TOKEN_PROFILE",
];

/// Set for the program that a sandbox runs: no keychain is for its tokens.
pub const IN_SANDBOX: &str = "YANDEX_TOKEN_IN_SANDBOX";

pub fn run(options: cli::Sandbox) -> Result<ExitCode, Error> {
    let alone = options.program.is_empty();
    let unless_given = if alone { Consent::Ask } else { Consent::Allow };
    let consent = options.consent.unwrap_or(unless_given);
    let (application, tokens) = (options.application, options.tokens);
    let words = |scopes: &String| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let scopes: Vec<_> = application.scope.iter().flat_map(words).collect();
    sandbox::can_be_registered(&scopes, application.api_access)
        .map_err(|why| Error::usage("--scope", why))?;
    let secret = application.client_secret_file.as_deref().map(read_secret);
    let secret = secret.transpose()?;
    // Before any thread starts: see `signals::BlockedSignals`.
    let held = (!alone).then(signals::BlockedSignals::hold);
    let sandbox = Sandbox::start(Options {
        listen: options.listen,
        client_id: application.client_id,
        client_secret: secret.map(|given| given.secret.expose_secret().to_owned()),
        redirect_uris: application.redirect_uri,
        is_for_api: application.api_access,
        scopes,
        service_users: application.service_users,
        consent,
        device_interval: None,
        token_lifetime: tokens.token_lifetime,
        no_rotation: tokens.no_rotation,
        faults: tokens.fault,
        log: true,
    })?;
    let variables = [
        ("YANDEX_OAUTH_URL", sandbox.origin),
        ("YANDEX_CLIENT_ID", sandbox.client_id),
        ("YANDEX_CLIENT_SECRET", sandbox.client_secret),
    ];
    let Some(held) = held else {
        let is_terminal = stdout().is_terminal();
        let export = if is_terminal { platform::EXPORT } else { "" };
        let lines = variables.map(|(name, value)| format!("{export}{name}={value}\n"));
        output::result(&lines.concat())?;
        if is_terminal {
            output::info("Paste these lines into the terminal where you run your program.");
        }
        output::info("The sandbox is running. Press Ctrl-C to stop it.");
        loop {
            std::thread::park();
        }
    };

    let dir = runtime_dirs()
        .iter()
        .find_map(|parent| PrivateDir::below(parent).ok())
        .ok_or_else(|| Error::local("starting the program", "no directory for its token file"))?;
    let mut command = signals::inheriting(&options.program);
    for name in OURS {
        command.env_remove(name);
    }
    command.envs(variables);
    command.env("YANDEX_TOKEN_FILE", dir.path().join("token.json"));
    // An option that names a profile must not lead to a real one either.
    command.env("XDG_DATA_HOME", dir.path());
    command.env(IN_SANDBOX, "1");
    // The sandbox allows any port, and the usual one may be in use.
    command.env("YANDEX_REDIRECT_URI", "http://127.0.0.1:0/");
    let has_browser = env::var_os("BROWSER").is_some_and(|browser| !browser.is_empty());
    if let (false, true, Ok(program)) = (has_browser, consent != Consent::Ask, env::current_exe()) {
        command.env("BROWSER", program);
    }
    let name = Path::new(&options.program[0]).file_stem();
    if name.is_some_and(|name| name == "bash") {
        // PS1 itself is set anew by ~/.bashrc.
        command.env("PROMPT_COMMAND", "PS1=\"(sandbox) ${PS1#(sandbox) }\"");
    }
    let ended = held.run(&mut command);
    drop(dir);
    Ok(exit_code(&command, ended))
}

/// The URL that a program in the sandbox opens in its browser, which is this
/// program with the URL as its only argument.
pub fn url_to_browse() -> Option<Url> {
    let mut arguments = env::args_os().skip(1);
    let (Ok(url), None) = (arguments.next()?.into_string(), arguments.next()) else {
        return None;
    };
    let server = env::var("YANDEX_OAUTH_URL").ok()?;
    let is_its = server.starts_with("http://") && url.strip_prefix(&server)?.starts_with('/');
    is_its.then(|| Url::parse(&url).ok()).flatten()
}

/// Follows the redirects from the authorization page to the end of the login.
pub fn browse(url: &Url) -> Result<ExitCode, Error> {
    let followed = sandbox::follow(url).map(|_| ExitCode::SUCCESS);
    followed.map_err(|why| Error::local("opening a page of the sandbox", why))
}
