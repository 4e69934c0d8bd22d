//! The certificate and the private key that one end presents.

use alloc::sync::Arc;
use alloc::vec::Vec;

use mimic_core::{Error, ErrorKind};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

use crate::error::Source;
use crate::pem;

/// A certificate chain and its private key, of a client or of a server. [`identity`] makes one.
///
/// The key is wiped when the last clone is dropped, and `Debug` does not print it. The text that it
/// was read from, and the copies that the crypto provider makes for a configuration, are not wiped.
#[derive(Clone, Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<Zeroizing<PrivateKeyDer<'static>>>,
}

/// Returns an identity from PEM text: the certificate chain, the own certificate first, and the
/// private key (PKCS #8, PKCS #1 or SEC 1, not encrypted).
///
/// [`ClientOptions::identity`](crate::ClientOptions::identity) takes it, to present it to a server
/// that asks, and [`ServerOptions::new`](crate::ServerOptions::new), to serve with it.
///
/// ```
/// # use mimic_core::{Context, Error};
/// # fn example(ctx: Context, (authority, chain, key): (&str, &str, &str)) -> Result<Context, Error> {
/// use mimic_rustls::{TlsConfig, identity, trust};
///
/// let options = trust(authority)?.identity(identity(chain, key)?);
/// let ctx = ctx.with(TlsConfig, options.config()?);
/// # Ok(ctx)
/// # }
/// # let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
/// # let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// # example(Context::new(), (&pem, &pem, &key)).unwrap();
/// ```
///
/// # Errors
/// [`InvalidData`](ErrorKind::InvalidData) if a text is malformed, or has no certificate or key.
/// The error names the line and holds no part of the key. `config` of the options checks that the
/// key is the certificate's.
pub fn identity(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Identity, Error> {
    let chain = pem::certificates(chain.as_ref())?;
    Ok(Identity { chain, key: Arc::new(Zeroizing::new(pem::private_key(key.as_ref())?)) })
}

impl Identity {
    /// Returns the identity as rustls has it.
    ///
    /// # Errors
    /// If the provider cannot use the key, or the key is not that of the first certificate.
    pub(crate) fn certified(&self, provider: &CryptoProvider) -> Result<Arc<SingleCertAndKey>, Error> {
        let certified = CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), provider);
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Error::new(ErrorKind::InvalidData, "the private key is not that of the first certificate")
                    .advise("give the key that belongs to it, and the own certificate before those of its authorities")
            }
            rustls::Error::InvalidCertificate(_) => pem::no_certificate(1, &error),
            error => Error::with_source(ErrorKind::InvalidData, Source(error))
                .advise("give an RSA key of at least 2,048 bits, an ECDSA key over P-256 or P-384, or an Ed25519 key"),
        })?;
        Ok(Arc::new(certified.into()))
    }
}
