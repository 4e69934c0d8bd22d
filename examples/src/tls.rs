//! The options of TLS: files to trust and to present. They are read when a connection turns out to
//! need them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocking::unblock;
use clap::Args;
use mimic_core::{Context, Error, ErrorKind, Phase};
use mimic_rustls::rustls::crypto::CryptoProvider;
use mimic_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use mimic_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore, ServerConfig};
use mimic_rustls::{Alpn, TlsConfig, TlsServerConfig};

use crate::pem;

/// How to serve `tls` and `https`. Unused for other URLs.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerTls {
    /// The server's certificate for TLS, and those that lead from it to its authority
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
}

/// How to connect to `tls` and `https`. Unused for other URLs.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientTls {
    /// The authorities to trust for TLS, instead of those that the platform trusts
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// A protocol to offer by ALPN; repeat it for more, the best first
    #[arg(long, value_name = "NAME", value_parser = protocol)]
    alpn: Vec<String>,
    /// A client certificate for TLS, and those that lead from it to its authority
    #[arg(long, value_name = "PEM", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<PathBuf>,
}

impl ServerTls {
    /// A context that can serve TLS, or says why not when it is asked to.
    pub(crate) fn apply(self, ctx: Context) -> Context {
        ctx.derive(TlsServerConfig, (), move |()| {
            let options = self.clone();
            unblock(move || options.config().map(|config| Some(Arc::new(config))))
        })
    }

    fn config(&self) -> Result<ServerConfig, Error> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Err(Error::new(ErrorKind::InvalidInput, "serving TLS takes a certificate and its key")
                .in_phase(Phase::Plan)
                .advise("give them: --cert PEM --key PEM"));
        };
        let provider = provider()?;
        let identity = identity(cert, key, &provider)?;
        Ok(ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(identity))
    }
}

impl ClientTls {
    /// A context that trusts, offers and presents what the options say.
    pub(crate) fn apply(self, ctx: Context) -> Context {
        let ctx = match self.alpn.is_empty() {
            true => ctx,
            false => ctx.with(Alpn, self.alpn.iter().map(|name| name.clone().into_bytes()).collect()),
        };
        if self.ca.is_none() && self.cert.is_none() {
            return ctx;
        }
        ctx.derive(TlsConfig, (), move |()| {
            let options = self.clone();
            unblock(move || options.config().map(|config| Some(Arc::new(config))))
        })
    }

    fn config(&self) -> Result<ClientConfig, Error> {
        let provider = provider()?;
        let mut config = match &self.ca {
            None => mimic_rustls::platform_config(provider.clone())?,
            Some(ca) => ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(unusable)?
                .with_root_certificates(authorities(ca)?)
                .with_no_client_auth(),
        };
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            config.client_auth_cert_resolver = identity(cert, key, &provider)?;
        }
        Ok(config)
    }
}

pub(crate) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    mimic_rustls::provider().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no crypto provider is compiled in"))
}

fn authorities(file: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for (n, certificate) in pem::certificates(file)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| no_certificate(n, &error, file))?;
    }
    Ok(roots)
}

fn identity(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<Arc<SingleCertAndKey>, Error> {
    let chain = pem::certificates(cert)?;
    let secret = pem::private_key(key)?;
    let certified = CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            Error::new(ErrorKind::InvalidData, format!("it is not the key of the certificate in {}", cert.display()))
                .to_target(key.display())
        }
        rustls::Error::InvalidCertificate(_) => no_certificate(0, &error, cert),
        error => unusable(error)
            .to_target(key.display())
            .advise("give an RSA key of at least 2,048 bits, an ECDSA key over P-256 or P-384, or an Ed25519 key"),
    })?;
    Ok(Arc::new(certified.into()))
}

/// The certificate with that number, from 0, is in PEM format, but what is in it is none.
fn no_certificate(n: usize, error: &rustls::Error, file: &Path) -> Error {
    let why = match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => "its encoding (DER) is broken".into(),
        rustls::Error::InvalidCertificate(why) => why.to_string(),
        error => error.to_string(),
    };
    Error::new(ErrorKind::InvalidData, format!("certificate {} in it cannot be used: {why}", n + 1))
        .to_target(file.display())
}

fn unusable(error: rustls::Error) -> Error {
    Error::with_source(ErrorKind::InvalidData, error)
}

/// A name as ALPN has it: 1 to 255 bytes (RFC 7301, section 3.1).
fn protocol(name: &str) -> Result<String, &'static str> {
    match name.len() {
        1..=255 => Ok(name.into()),
        _ => Err("a protocol has a name of 1 to 255 bytes"),
    }
}
