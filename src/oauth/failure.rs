//! Why a request failed, in words for people: a library's message is for its
//! authors.

use std::io::ErrorKind;

use rustls::{AlertDescription, CertificateError, Error as Tls};
use ureq::Timeout;

use crate::error::{Error, Kind};
use crate::output::short;

/// Why a request failed for another reason than TLS.
pub fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Timeout(Timeout::Connect) => "no connection within 10 s".to_owned(),
        ureq::Error::Timeout(_) => "no answer within 30 s".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => "answered with more than 1 MiB".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "answered with endless headers".to_owned(),
        ureq::Error::BodyStalled => "broke off its answer".to_owned(),
        ureq::Error::Protocol(why) => {
            let why = why.to_string();
            let why = why.strip_prefix("http parse fail: ").unwrap_or(&why);
            format!("answered with what is not proper HTTP ({})", plain(why))
        }
        ureq::Error::ConnectProxyFailed(why) => proxy_said(why),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the server hung up before it had answered".to_owned()
        }
        ureq::Error::Io(error) => plain(&error.to_string()),
        other => plain(&other.to_string()),
    }
}

/// The proxy's word is its status; no more of what it says is shown.
fn proxy_said(why: &str) -> String {
    match why
        .split(|c: char| !c.is_ascii_digit())
        .find(|word| word.len() == 3)
    {
        Some(status) => format!("the proxy refused the connection ({status})"),
        None => "the proxy hung up before it had answered".to_owned(),
    }
}

/// A library's message without what only its authors can use.
fn plain(message: &str) -> String {
    let message = message.split(" (os error").next().unwrap_or(message);
    short(message)
}

/// TLS's part in a failure, where it has one.
pub fn tls_cause(error: &ureq::Error) -> Option<&Tls> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The error of a request that was never sent.
pub fn tls_failed(what: &str, error: &Tls) -> Error {
    let (why, hint) = explain(error);
    let failed = Error::new(Kind::Unreachable, what, why);
    match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

const CLOCK: &str =
    "Check this machine's clock. If it is right, the server's owner has to fix this.";
const AUTHORITIES: &str = "The server's certificate is checked against this system's certificate \
     authorities (package ca-certificates); SSL_CERT_FILE specifies others.";
const VERSIONS: &str =
    "the server speaks no version of TLS that is safe to use: 1.2 or 1.3 is needed";

fn explain(error: &Tls) -> (String, Option<String>) {
    let (why, hint) = match error {
        Tls::InvalidCertificate(why) => return certificate(why),
        // What the platform's verifier says where it has nothing to go by.
        Tls::General(why) if why.contains("No CA certificates") => return no_authorities(),
        Tls::InvalidMessage(_) => (
            "what answers there does not speak TLS",
            Some("It may be plain http, or a proxy or a sign-in page may answer in its place."),
        ),
        Tls::AlertReceived(AlertDescription::ProtocolVersion) | Tls::PeerIncompatible(_) => {
            (VERSIONS, None)
        }
        Tls::AlertReceived(alert) => {
            return (
                format!("the server broke off the TLS handshake ({alert:?})"),
                None,
            );
        }
        other => return (format!("TLS failed: {}", short(&other.to_string())), None),
    };
    (why.to_owned(), hint.map(str::to_owned))
}

fn certificate(why: &CertificateError) -> (String, Option<String>) {
    use CertificateError as Bad;
    let (why, hint) = match why {
        Bad::Expired | Bad::ExpiredContext { .. } => ("has expired", CLOCK),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => ("is not valid yet", CLOCK),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
            "is for another host",
            "Check that the OAuth URL is right and that no proxy answers in its place.",
        ),
        Bad::UnknownIssuer => ("was issued by nobody who is trusted here", AUTHORITIES),
        other => {
            let why = short(&other.to_string());
            return (
                format!("the server's certificate is not valid: {why}"),
                Some(AUTHORITIES.into()),
            );
        }
    };
    (
        format!("the server's certificate {why}"),
        Some(hint.to_owned()),
    )
}

fn no_authorities() -> (String, Option<String>) {
    let set = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .find_map(|name| Some((name, std::env::var_os(name)?)));
    match set {
        Some((name, path)) => (
            format!(
                "no certificate can be read from {name} ({})",
                path.display()
            ),
            Some("It must lead to the certificate authorities to trust, in PEM.".into()),
        ),
        None => (
            "no certificate authority is known here".into(),
            Some("Install the package ca-certificates, or set SSL_CERT_FILE to a file.".into()),
        ),
    }
}
