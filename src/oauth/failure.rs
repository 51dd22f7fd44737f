//! Explains why a request failed, since a library's message is for
//! programmers.

use std::env;
use std::io::ErrorKind;

use rustls::{AlertDescription, CertificateError as Bad, Error as Tls};
use ureq::Timeout;

use crate::output::short;
use crate::platform;

/// What a request failed for, and what the user can do about it.
type Explained = (String, Option<&'static str>);

const CLOCK: &str =
    "Check this machine's clock. If it is right, only the server's owner can fix this.";
const AUTHORITIES: &str = "Install the package ca-certificates. If it is there, and you trust the \
     certificate's authority, add it to the system's trust store, or set SSL_CERT_FILE to its \
     PEM file.";
const NO_TLS: &str = "Check the OAuth URL, and that no proxy or sign-in page answers in its place.";
const OLD_TLS: &str = "the server supports neither TLS 1.2 nor 1.3";
const OTHER_HOST: &str = "Check the OAuth URL, and that no proxy answers in its place.";

/// Why a request failed.
pub fn explain(error: &ureq::Error) -> Explained {
    if let Some(error) = tls_cause(error) {
        return tls(error);
    }
    let why = match error {
        ureq::Error::HostNotFound => "the host was not found",
        ureq::Error::Io(error) if platform::is_lookup(error) => "the host was not found",
        ureq::Error::ConnectionFailed => "no connection",
        ureq::Error::Timeout(Timeout::Connect) => "no connection within 10 s",
        ureq::Error::Timeout(_) => "no answer within 30 s",
        ureq::Error::BodyExceedsLimit(_) => "answered with more than 1 MiB",
        ureq::Error::LargeResponseHeader(..) => "answered with headers over 64 KiB",
        ureq::Error::BodyStalled => "broke off its answer",
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the server closed the connection without an answer"
        }
        ureq::Error::Protocol(why) => {
            let why = why.to_string();
            let why = plain(why.strip_prefix("http parse fail: ").unwrap_or(&why));
            let why = format!("answered with invalid HTTP ({why})");
            return (why, None);
        }
        ureq::Error::ConnectProxyFailed(why) => {
            // Only the status is shown, nothing else that the proxy sent.
            let mut words = why.split(|c: char| !c.is_ascii_digit());
            match words.find(|word| word.len() == 3) {
                Some(status) => {
                    let why = format!("the proxy refused the connection ({status})");
                    return (why, None);
                }
                None => "the proxy closed the connection without an answer",
            }
        }
        other => return (plain(&other.to_string()), None),
    };
    (why.to_owned(), None)
}

/// A library's message without what only programmers can use.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("io: ").unwrap_or(message);
    short(message.split(" (os error").next().unwrap_or(message))
}

/// TLS's part in a failure, where it has one.
fn tls_cause(error: &ureq::Error) -> Option<&Tls> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn tls(error: &Tls) -> Explained {
    match error {
        Tls::InvalidCertificate(why) => {
            let (why, hint) = match why {
                Bad::Expired | Bad::ExpiredContext { .. } => ("has expired", CLOCK),
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => ("is not valid yet", CLOCK),
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                    ("is for another host", OTHER_HOST)
                }
                Bad::UnknownIssuer => {
                    ("is from an authority that is not trusted here", AUTHORITIES)
                }
                other => {
                    let why = short(&other.to_string());
                    let why = format!("the server's certificate is not valid: {why}");
                    return (why, Some(AUTHORITIES));
                }
            };
            (format!("the server's certificate {why}"), Some(hint))
        }
        // The message of the platform's verifier where there are no authorities.
        Tls::General(why) if why.contains("No CA certificates") => no_authorities(),
        Tls::InvalidMessage(_) => ("the server does not speak TLS".into(), Some(NO_TLS)),
        Tls::AlertReceived(AlertDescription::ProtocolVersion) | Tls::PeerIncompatible(_) => {
            (OLD_TLS.into(), None)
        }
        Tls::AlertReceived(alert) => (
            format!("the server refused the TLS handshake ({alert:?})"),
            None,
        ),
        other => (format!("TLS failed: {}", short(&other.to_string())), None),
    }
}

fn no_authorities() -> Explained {
    let mut names = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    match names.find_map(|name| Some((name, env::var_os(name)?))) {
        Some((name, path)) => (
            format!(
                "no certificate can be read from {name} ({})",
                path.display()
            ),
            Some("Set it to the PEM file of the certificate authorities to trust, or unset it."),
        ),
        None => (
            "no certificate authority is known here".into(),
            Some("Install the package ca-certificates, or set SSL_CERT_FILE to a file."),
        ),
    }
}
