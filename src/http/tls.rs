//! HTTPS of the listener's own: the certificate and key that it shows, checked
//! before anybody waits.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError as Bad, RootCertStore, ServerConfig};

use crate::error::Error;
use crate::output;

/// Reads both PEM files; TLS 1.2 and 1.3 only.
///
/// # Errors
/// A file that can't be read or holds no such thing, a key that doesn't fit,
/// a certificate that is not valid now.
pub fn load(cert: &Path, key: &Path, host: &str) -> Result<Arc<ServerConfig>, Error> {
    let failed =
        |path: &Path, why: String| Error::local(format!("reading {}", path.display()), why);
    let read = |path: &Path| {
        let text = std::fs::read(path).map_err(|error| failed(path, error.to_string()))?;
        let bom = b"\xef\xbb\xbf";
        Ok::<_, Error>(text.strip_prefix(bom).map(<[u8]>::to_vec).unwrap_or(text))
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(cert)?).collect();
    let chain = chain.map_err(|error| failed(cert, plain(&error)))?;
    if chain.is_empty() {
        return Err(failed(cert, "there is no PEM certificate in it".into()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?);
    let private = private.map_err(|error| failed(key, plain(&error)))?;
    check(&chain, host).map_err(|why| failed(cert, why))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, private))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let cert = cert.display();
                failed(
                    key,
                    format!("the key does not belong to the certificate in {cert}"),
                )
            }
            other => failed(cert, other.to_string()),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Looks at the certificate as a browser will, except for who issued it.
fn check(chain: &[CertificateDer<'_>], host: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain.iter().cloned());
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from(host)) else {
        return Ok(());
    };
    let checked = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now());
    let Err(rustls::Error::InvalidCertificate(why)) = checked else {
        return Ok(());
    };
    match why {
        Bad::Expired | Bad::ExpiredContext { .. } => Err("the certificate has expired".into()),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            Err("the certificate is not valid yet".into())
        }
        Bad::BadEncoding => Err("the certificate can't be read".into()),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            let why = format!("the certificate is not for {host}: browsers will object");
            output::warn(&why);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn plain(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error::{Io, NoItemsFound};
    match error {
        Io(error) => error.to_string(),
        NoItemsFound => "there is no PEM key or certificate in it".into(),
        _ => "it is not valid PEM".into(),
    }
}
