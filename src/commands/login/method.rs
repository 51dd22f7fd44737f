//! What the options of a login ask for, and which of them contradict each
//! other.

use crate::cli;
use crate::commands::variable;
use crate::error::Error;
use crate::login::redirect_uri::RedirectUri;

/// Whether the token is kept instead of printed.
///
/// # Errors
/// Options that want both.
pub fn saves(options: &cli::Login) -> Result<bool, Error> {
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
pub enum Method {
    Loopback(Vec<RedirectUri>),
    /// With the Redirect URI to name, where one is given.
    Paste(Option<RedirectUri>),
    Device,
}

impl Method {
    pub fn of(options: &cli::Login) -> Result<Method, Error> {
        if options.device {
            return Ok(Method::Device);
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
            return Ok(Method::Paste(uris.pop()));
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
        Ok(Method::Loopback(uris))
    }
}
