//! A server's configuration from PEM text.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mimic_core::Error;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;

use crate::identity::Identity;
use crate::pem::Authorities;
use crate::platform::{given_or_chosen, unusable};

/// What a server presents, and which clients it serves. [`config`](Self::config) makes the value of
/// [`TlsServerConfig`](crate::TlsServerConfig) from it.
///
/// ```
/// # use mimic_core::{Context, Error};
/// # fn example(ctx: Context, chain: &str, key: &str) -> Result<Context, Error> {
/// use mimic_rustls::{ServerOptions, TlsServerConfig, identity};
///
/// let options = ServerOptions::new(identity(chain, key)?);
/// let ctx = ctx.with(TlsServerConfig, options.config()?);
/// # Ok(ctx)
/// # }
/// # let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
/// # example(Context::new(), &made.cert.pem(), &made.signing_key.serialize_pem()).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerOptions {
    identity: Identity,
    clients: Option<Authorities>,
    alpn: Vec<Vec<u8>>,
    provider: Option<Arc<CryptoProvider>>,
}

impl ServerOptions {
    /// Returns options that present this identity and serve every client.
    pub fn new(identity: Identity) -> Self {
        Self { identity, clients: None, alpn: Vec::new(), provider: None }
    }

    /// Serves only clients that present a certificate of an authority in the PEM text. Another call
    /// adds to the authorities.
    ///
    /// # Errors
    /// [`InvalidData`](mimic_core::ErrorKind::InvalidData) if the text is malformed, has no
    /// certificate, or has one that is broken. The error names the line or the certificate.
    pub fn require_clients_of(mut self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.clients.get_or_insert_default().add(pem.as_ref())?;
        Ok(self)
    }

    /// Offers these application protocols, the preferred one first, each as on the wire. A client
    /// that offers none of them, but others, is refused.
    pub fn alpn(self, alpn: Vec<Vec<u8>>) -> Self {
        Self { alpn, ..self }
    }

    /// Uses this crypto provider instead of [`provider`](crate::provider()).
    pub fn provider(self, provider: Arc<CryptoProvider>) -> Self {
        Self { provider: Some(provider), ..self }
    }

    /// Returns the configuration: a value of [`TlsServerConfig`](crate::TlsServerConfig), or an
    /// argument of [`accept`](crate::accept()).
    ///
    /// # Errors
    /// If the identity's key is not that of its certificate, or no provider is compiled in.
    pub fn config(&self) -> Result<Arc<ServerConfig>, Error> {
        let provider = given_or_chosen(self.provider.as_ref())?;
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(unusable)?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots = Arc::new(authorities.store.clone());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| unusable(rustls::Error::General(error.to_string())))?,
                )
            }
        };
        let mut config = builder.with_cert_resolver(self.identity.certified(&provider)?);
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(Arc::new(config))
    }
}
