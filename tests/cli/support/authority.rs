//! A certificate authority as a company has one, made anew for each test.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::TLS13;
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::Home;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = named(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let common = rcgen::DnType::CommonName;
        params.distinguished_name.push(common, name);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its certificate, in a file that `SSL_CERT_FILE` can name.
    pub fn file(&self, home: &Home) -> PathBuf {
        let path = home.path().join("ca.pem");
        fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// A server that has this certificate from here.
    pub fn server(&self, params: CertificateParams) -> ServerConfig {
        self.server_of(&TLS13, params)
    }

    /// The same with one version of TLS.
    pub fn server_of(
        &self,
        version: &'static SupportedProtocolVersion,
        params: CertificateParams,
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        config(version, &certificate, &key)
    }
}

/// A certificate for these names, good for a long time.
pub fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>(),
    )
    .unwrap()
}

/// A server for which nobody vouches.
pub fn self_signed(names: &[&str]) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    config(&TLS13, &named(names).self_signed(&key).unwrap(), &key)
}

fn config(
    version: &'static SupportedProtocolVersion,
    certificate: &Certificate,
    key: &KeyPair,
) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}
