//! How a login gets its token, and what of that the next login remembers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::cli;
use crate::commands::variable;
use crate::error::Error;
use crate::login::redirect_uri::RedirectUri;
use crate::output;
use crate::store::token::LoginOptions;

/// Whether the token is kept instead of printed.
pub fn saves(options: &cli::Login) -> bool {
    let place = &options.location;
    options.save
        || place.profile.is_some()
        || place.token_file.is_some()
        || options.keychain.is_some()
}

#[derive(Debug)]
pub enum Method {
    Loopback(Redirect),
    /// With the Redirect URI to send, where one is given.
    Paste(Option<RedirectUri>),
    Device,
    /// The user whose token it is to be.
    Subject(String),
}

/// Where the redirect goes, and who listens there.
#[derive(Debug)]
pub struct Redirect {
    /// The first whose port is free is used.
    pub uris: Vec<RedirectUri>,
    pub listen: Option<SocketAddr>,
    /// Certificate and key.
    pub tls: Option<(PathBuf, PathBuf)>,
}

const LOOPBACK: &str = "loopback";
const PASTE: &str = "paste";
const DEVICE: &str = "device";
const SUBJECT: &str = "subject";

impl Method {
    /// From the options, else as the last login of the profile was.
    pub fn of(options: &cli::Login, login: Option<&LoginOptions>) -> Result<Method, Error> {
        let name = name(options, login);
        let login = login.filter(|login| login.method.as_deref() == Some(name));
        match name {
            DEVICE => Ok(Method::Device),
            SUBJECT => {
                let subject = options.subject.clone();
                let subject = subject.or_else(|| login?.subject.clone());
                subject.map(Method::Subject).ok_or_else(|| {
                    Error::usage("--subject", "the saved login names no user to log in as")
                })
            }
            PASTE => {
                let mut uris = uris(options, login)?;
                Ok(Method::Paste(uris.pop()))
            }
            _ => loopback(options, login).map(Method::Loopback),
        }
    }

    /// What the next login is to remember of the method: what this one was
    /// given, and no default.
    pub fn options(
        &self,
        options: &cli::Login,
        login: Option<&LoginOptions>,
    ) -> Result<LoginOptions, Error> {
        let login =
            login.filter(|login| login.method.as_deref() == Some(name(options, Some(login))));
        let text = |path: &Path| std::path::absolute(path).map(|path| path.display().to_string());
        let mut kept = LoginOptions::default();
        match self {
            Method::Device => kept.method = Some(DEVICE.into()),
            Method::Subject(user) => {
                kept.method = Some(SUBJECT.into());
                kept.subject = Some(user.clone());
            }
            Method::Paste(uri) => {
                kept.method = Some(PASTE.into());
                kept.redirect_uris = uri.iter().map(|uri| uri.as_str().to_owned()).collect();
            }
            Method::Loopback(redirect) => {
                kept.method = Some(LOOPBACK.into());
                let given = uris(options, login)?;
                let given = match given.is_empty() {
                    true => variable("YANDEX_REDIRECT_URI")?.into_iter().collect(),
                    false => given.iter().map(|uri| uri.as_str().to_owned()).collect(),
                };
                kept.redirect_uris = given;
                kept.listen = redirect.listen.map(|address| address.to_string());
                if let Some((cert, key)) = &redirect.tls {
                    kept.tls_cert = text(cert).ok();
                    kept.tls_key = text(key).ok();
                }
            }
        }
        Ok(kept)
    }
}

/// The method that the options ask for, or else that of the last login.
fn name(options: &cli::Login, login: Option<&LoginOptions>) -> &'static str {
    let names = [
        (options.subject.is_some(), SUBJECT),
        (options.device, DEVICE),
        (options.paste, PASTE),
        (options.listen.is_some(), LOOPBACK),
    ];
    if let Some((_, name)) = names.into_iter().find(|(is_given, _)| *is_given) {
        return name;
    }
    let remembered = login.and_then(|login| login.method.as_deref());
    match remembered {
        // A Redirect URI goes with a pasted code as well.
        Some(PASTE) => PASTE,
        Some(_) if !options.redirect_uri.is_empty() => LOOPBACK,
        Some(DEVICE) => DEVICE,
        Some(SUBJECT) => SUBJECT,
        _ => LOOPBACK,
    }
}

fn uris(options: &cli::Login, login: Option<&LoginOptions>) -> Result<Vec<RedirectUri>, Error> {
    if !options.redirect_uri.is_empty() {
        return Ok(options.redirect_uri.clone());
    }
    let remembered = login.map_or(&[][..], |login| &login.redirect_uris);
    let parse = |text: &String| {
        RedirectUri::parse(text)
            .map_err(|why| Error::usage(format!("the saved login's {}", output::short(text)), why))
    };
    remembered.iter().map(parse).collect()
}

fn loopback(options: &cli::Login, login: Option<&LoginOptions>) -> Result<Redirect, Error> {
    let mut uris = uris(options, login)?;
    let has_remembered_uri = !uris.is_empty() && options.redirect_uri.is_empty();
    // They belong to the Redirect URI that they were given with.
    let login = login.filter(|_| options.redirect_uri.is_empty());
    let listen = match login.and_then(|login| login.listen.as_deref()) {
        Some(text) if options.listen.is_none() => Some(
            text.parse()
                .map_err(|_| Error::usage("the saved login's --listen", "not ADDR:PORT"))?,
        ),
        _ => options.listen,
    };
    let path = |remembered: fn(&LoginOptions) -> &Option<String>| {
        login
            .and_then(|login| remembered(login).clone())
            .map(PathBuf::from)
    };
    let cert = options
        .tls_cert
        .clone()
        .or_else(|| path(|login| &login.tls_cert));
    let key = options
        .tls_key
        .clone()
        .or_else(|| path(|login| &login.tls_key));
    if !options.sandbox && (uris.is_empty() || has_remembered_uri) {
        let given = variable("YANDEX_REDIRECT_URI")?;
        match given {
            Some(text) if uris.is_empty() => uris.push(
                RedirectUri::parse(&text)
                    .map_err(|why| Error::usage("YANDEX_REDIRECT_URI", why))?,
            ),
            Some(text) if !uris.iter().any(|uri| uri.as_str() == text) => output::warn(&format!(
                "YANDEX_REDIRECT_URI is not used: the saved login has {}",
                uris[0].as_str()
            )),
            _ => {}
        }
    }
    if uris.is_empty() {
        let text = if options.sandbox {
            "http://127.0.0.1:0/"
        } else {
            RedirectUri::DEFAULT
        };
        uris.push(RedirectUri::parse(text).map_err(|why| Error::usage("--redirect-uri", why))?);
    }
    let redirect = Redirect {
        uris,
        listen,
        tls: cert.zip(key),
    };
    redirect.check(options.sandbox)?;
    Ok(redirect)
}

impl Redirect {
    /// # Errors
    /// A public Redirect URI without what it needs.
    fn check(&self, is_sandbox: bool) -> Result<(), Error> {
        if let Some(public) = self.uris.iter().find(|uri| !uri.is_loopback()) {
            let what = format!("the Redirect URI {}", public.as_str());
            if self.listen.is_none() {
                return Err(Error::usage(
                    what,
                    "a public Redirect URI needs --listen, and a reverse proxy in front of it",
                )
                .hint("Without a proxy use --redirect-uri http://127.0.0.1:8000/"));
            }
            if is_sandbox {
                return Err(Error::usage(
                    what,
                    "the sandbox inside of login can't be reached there",
                )
                .hint("Run `yandex-token sandbox` beside it, and pass its URL with --oauth-url."));
            }
        }
        if self.tls.is_some() && self.uris.iter().any(RedirectUri::is_loopback) {
            return Err(Error::usage("--tls-cert", "it needs an https Redirect URI")
                .hint("Pass the public one exactly as registered: --redirect-uri https://..."));
        }
        Ok(())
    }
}
