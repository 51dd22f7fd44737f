//! How a login gets its token: by the options, else as the last login of the
//! profile did, else by the variables.

use std::path::{Path, PathBuf};

use crate::cli;
use crate::commands::application::secret_file;
use crate::commands::variable;
use crate::error::Error;
use crate::login::redirect_uri::RedirectUri;
use crate::output;
use crate::store::token::LoginOptions;

#[derive(Clone, Copy, PartialEq)]
pub enum Method {
    Loopback,
    Paste,
    Device,
    Subject,
}

impl Method {
    /// As it stands in a token file.
    fn name(self) -> &'static str {
        match self {
            Method::Loopback => "loopback",
            Method::Paste => "paste",
            Method::Device => "device",
            Method::Subject => "subject",
        }
    }

    /// The method that the options ask for, or else that of the last login.
    fn of(options: &cli::Login, last: Option<&LoginOptions>) -> Method {
        let has_redirect_uri = !options.redirect.redirect_uri.is_empty();
        if options.subject.is_some() {
            return Method::Subject;
        } else if options.device {
            return Method::Device;
        } else if options.paste {
            return Method::Paste;
        } else if options.redirect.listen.is_some() {
            return Method::Loopback;
        }
        match last.and_then(|last| last.method.as_deref()) {
            // A Redirect URI goes with a pasted code as well.
            Some("paste") => Method::Paste,
            Some("device") if !has_redirect_uri => Method::Device,
            Some("subject") if !has_redirect_uri => Method::Subject,
            _ => Method::Loopback,
        }
    }

    /// The method, with what it needs filled into the options: from the last
    /// login by the same method, then from the variable.
    pub fn complete(
        options: &mut cli::Login,
        last: Option<&LoginOptions>,
    ) -> Result<Method, Error> {
        let method = Method::of(options, last);
        check_options(options, method)?;
        let has_redirect_uri = !options.redirect.redirect_uri.is_empty();
        if let Some(last) = last.filter(|last| last.method.as_deref() == Some(method.name())) {
            options.subject = options.subject.take().or_else(|| last.subject.clone());
            if !has_redirect_uri {
                remembered_uris(&mut options.redirect.redirect_uri, last)?;
            }
            // A loopback one listens at itself, and speaks no HTTPS.
            let is_loopback = options
                .redirect
                .redirect_uri
                .iter()
                .all(RedirectUri::is_loopback);
            if !has_redirect_uri || !is_loopback {
                remembered_listener(&mut options.redirect, last)?;
            }
        }
        match method {
            Method::Loopback if !options.sandbox => {
                redirect_variable(&mut options.redirect.redirect_uri, has_redirect_uri)?;
            }
            Method::Subject if options.subject.is_none() => {
                let why = "the saved login has no user";
                return Err(Error::usage("--subject", why));
            }
            _ => {}
        }
        Ok(method)
    }

    /// What the next login is to remember of it: what this one was given, and
    /// no default.
    pub fn options(self, options: &cli::Login) -> LoginOptions {
        let redirect = &options.redirect;
        let uris = redirect.redirect_uri.iter();
        LoginOptions {
            method: Some(self.name().to_owned()),
            redirect_uris: uris.map(|uri| uri.as_str().to_owned()).collect(),
            listen: redirect.listen.map(|address| address.to_string()),
            tls_cert: redirect.tls_cert.as_deref().and_then(absolute),
            tls_key: redirect.tls_key.as_deref().and_then(absolute),
            subject: options.subject.clone(),
            ..LoginOptions::default()
        }
    }
}

pub fn absolute(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    path.into_os_string().into_string().ok()
}

fn what(remembered: &str) -> String {
    format!("the saved login's {}", output::short(remembered))
}

fn remembered_uris(uris: &mut Vec<RedirectUri>, last: &LoginOptions) -> Result<(), Error> {
    for text in &last.redirect_uris {
        let uri = RedirectUri::parse(text).map_err(|why| Error::usage(what(text), why))?;
        uris.push(uri);
    }
    Ok(())
}

fn remembered_listener(redirect: &mut cli::Redirect, last: &LoginOptions) -> Result<(), Error> {
    if let (None, Some(text)) = (redirect.listen, &last.listen) {
        let listen = text.parse();
        redirect.listen =
            Some(listen.map_err(|_| Error::usage(what("--listen"), "not ADDR:PORT"))?);
    }
    for (path, last) in [
        (&mut redirect.tls_cert, &last.tls_cert),
        (&mut redirect.tls_key, &last.tls_key),
    ] {
        *path = path.take().or_else(|| last.as_ref().map(PathBuf::from));
    }
    Ok(())
}

fn redirect_variable(uris: &mut Vec<RedirectUri>, is_option: bool) -> Result<(), Error> {
    const NAME: &str = "YANDEX_REDIRECT_URI";
    let Some(text) = variable(NAME)?.filter(|_| !is_option) else {
        return Ok(());
    };
    match uris.first() {
        None => uris.push(RedirectUri::parse(&text).map_err(|why| Error::usage(NAME, why))?),
        Some(_) if uris.iter().any(|uri| uri.as_str() == text) => {}
        Some(first) => output::warn(&format!(
            "{NAME} is not used: the saved login has {}",
            first.as_str()
        )),
    }
    Ok(())
}

/// What clap can't find: a contradiction by number or value.
///
/// # Errors
/// Two that both read standard input, and several Redirect URIs for what takes
/// one.
fn check_options(options: &cli::Login, method: Method) -> Result<(), Error> {
    let has_several = options.redirect.redirect_uri.len() > 1;
    let several = "cannot be used with more than one '--redirect-uri'";
    // The sandbox has a secret of its own.
    let is_read = !options.sandbox || options.application.client_secret_file.is_some();
    let secret_file = match is_read {
        true => secret_file(&options.application)?,
        false => None,
    };
    let is_stdin = secret_file.is_some_and(|path| path.as_os_str() == "-");
    if method == Method::Paste && is_stdin {
        let why = "cannot be used with '--client-secret-file -': both read standard input";
        let error = Error::usage("--paste", why);
        return Err(error.hint("Pass the client secret in a file or in YANDEX_CLIENT_SECRET."));
    }
    match (options.paste, options.redirect.listen) {
        (true, _) if has_several => Err(Error::usage("--paste", several)),
        (_, Some(_)) if has_several => Err(Error::usage("--listen", several)),
        _ => Ok(()),
    }
}

/// The default Redirect URI, where there is none.
///
/// # Errors
/// A public Redirect URI without what it needs.
pub fn complete_redirect(redirect: &mut cli::Redirect, is_sandbox: bool) -> Result<(), Error> {
    let uris = &mut redirect.redirect_uri;
    if uris.is_empty() {
        let any_port = "http://127.0.0.1:0/";
        let text = if is_sandbox {
            any_port
        } else {
            RedirectUri::DEFAULT
        };
        uris.push(RedirectUri::parse(text).map_err(|why| Error::usage("--redirect-uri", why))?);
    }
    let public = uris.iter().find(|uri| !uri.is_loopback());
    let what = public.map(|uri| format!("the Redirect URI {}", uri.as_str()));
    let error = match what {
        Some(what) if redirect.listen.is_none() => Error::usage(
            what,
            "a public Redirect URI needs --listen, and a reverse proxy in front of it",
        )
        .hint("Without a proxy use --redirect-uri http://127.0.0.1:8000/"),
        Some(what) if is_sandbox => {
            Error::usage(what, "--sandbox supports loopback Redirect URIs only").hint(
                "Run `yandex-token sandbox --redirect-uri URI`, and pass its URL with --oauth-url.",
            )
        }
        _ if redirect.tls_cert.is_some() && uris.iter().any(RedirectUri::is_loopback) => {
            Error::usage("--tls-cert", "it needs an https Redirect URI")
                .hint("Pass the application's public Redirect URI: --redirect-uri https://...")
        }
        _ => return Ok(()),
    };
    Err(error)
}
