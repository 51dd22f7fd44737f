//! Why a TLS handshake failed, in words for people: a library's message is for
//! its authors.

use rustls::{AlertDescription, CertificateError, Error as Tls};

use crate::error::{Error, Kind};
use crate::output::short;

/// TLS's part in a failure, where it has one.
pub fn cause(error: &ureq::Error) -> Option<&Tls> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The error of a request that was never sent.
pub fn failed(what: &str, error: &Tls) -> Error {
    let (why, hint) = explain(error);
    let failed = Error::new(Kind::Unreachable, what, why);
    match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

const CLOCK: &str = "If this machine's clock is right, only the server's owner can fix that.";
const AUTHORITIES: &str = "The server's certificate is checked against this system's certificate \
     authorities (package ca-certificates); SSL_CERT_FILE names others.";
const VERSIONS: &str =
    "the server speaks no version of TLS that is safe to use: 1.2 or 1.3 is needed";

fn explain(error: &Tls) -> (String, Option<String>) {
    let (why, hint) = match error {
        Tls::InvalidCertificate(why) => return certificate(why),
        Tls::NoCertificatesPresented => ("the server showed no certificate", None),
        // What the platform's verifier says where it has nothing to go by.
        Tls::General(why) if why.contains("No CA certificates") => return no_authorities(),
        Tls::InvalidMessage(_) => (
            "what answers there does not speak TLS",
            Some("Is it plain http, or does a proxy or a sign-in page answer in its place?"),
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
            "Is the OAuth URL right, and is nothing in between that answers in its place?",
        ),
        Bad::UnknownIssuer => ("was issued by nobody who is trusted here", AUTHORITIES),
        Bad::Revoked => ("was revoked", CLOCK),
        // webpki has no name for it that rustls passes on.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "is a certificate authority's own, which no server may use",
            "The server needs a certificate that this authority has signed.",
        ),
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
            Some("Install the package ca-certificates, or name a file in SSL_CERT_FILE.".into()),
        ),
    }
}
