//! Shared by the tests: certificates and configurations made on the fly, handshakes, tasks, flows.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "each test file uses a part"
)]

pub mod flows;
pub mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use mimic_core::Flow;
use mimic_rustls::rustls::crypto::{CryptoProvider, ring};
use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use mimic_rustls::{Client, Server, TlsFlow, accept, connect};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};

pub const NAME: &str = "example.org";

pub const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// Returns the provider that the features choose, and ring where they choose none.
pub fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "std")]
    if let Some(provider) = mimic_rustls::provider() {
        return provider;
    }
    Arc::new(ring::default_provider())
}

/// An authority that issues certificates.
pub struct Authority {
    certificate: CertificateDer<'static>,
    /// The certificate in PEM format.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority with a name of its own.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("authority {}", COUNT.fetch_add(1, SeqCst)))
    }

    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// Issues a leaf for the names, changed by `change`, with its key.
    pub fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        self.sign(&params, &key)
    }

    pub fn sign(&self, params: &CertificateParams, key: &KeyPair) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let certificate = params.signed_by(key, &self.issuer).unwrap().der().clone();
        (certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    /// Returns the SubjectPublicKeyInfo of its key.
    pub fn spki(&self) -> Vec<u8> {
        self.issuer.key().subject_public_key_info()
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        Arc::new(roots)
    }

    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    pub fn server(&self, names: &[&str], versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let (certificate, key) = self.issue(names, |_| {});
        server(vec![certificate], key, versions)
    }
}

pub fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// Runs a handshake with the server [`NAME`]. Returns both ends.
pub fn handshake<N: Flow, F: Flow>(
    ends: (N, F),
    client: &Arc<ClientConfig>,
    server: &ServerConfig,
) -> (TlsFlow<N, Client>, TlsFlow<F, Server>) {
    handshake_with(NAME, ends, client, server)
}

/// Runs a handshake with the server `name`. Returns both ends.
pub fn handshake_with<N: Flow, F: Flow>(
    name: &str,
    (near, far): (N, F),
    client: &Arc<ClientConfig>,
    server: &ServerConfig,
) -> (TlsFlow<N, Client>, TlsFlow<F, Server>) {
    let connecting = connect(near, client.clone(), Vec::new(), name);
    let (near, far) = tasks::both(&"handshake", connecting, accept(far, server));
    (near.unwrap(), far.unwrap())
}

/// Runs a handshake with configurations of its own. Returns both ends.
pub fn pair<N: Flow, F: Flow>(ends: (N, F)) -> (TlsFlow<N, Client>, TlsFlow<F, Server>) {
    let authority = Authority::new();
    handshake(ends, &Arc::new(authority.client(&BOTH)), &authority.server(&[NAME], &BOTH))
}
