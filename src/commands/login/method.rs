//! What the options of a login ask for, and which of them contradict each
//! other.

use crate::cli;
use crate::commands::variable;
use crate::error::Error;
use crate::login::redirect_uri::RedirectUri;

/// Whether the token is kept instead of printed.
pub fn saves(options: &cli::Login) -> bool {
    let place = &options.location;
    options.save
        || place.profile.is_some()
        || place.token_file.is_some()
        || options.keychain.is_some()
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
        Ok(Method::Loopback(uris))
    }
}
