//! A client's configuration from PEM text and pins.
//!
//! ```text
//!   trust       authorities given ──┐
//!                                   ├─► verifier of the chain ─► pins ─► ClientConfig
//!   (default)   platform's store ───┘                                      ▲
//!   identity    certificate and key, for a server that asks ───────────────┘
//! ```

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mimic_core::Error;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;

use crate::identity::Identity;
use crate::pem::Authorities;
use crate::pins::{Pin, Pinned};
use crate::platform::{given_or_chosen, unusable};

/// What a client trusts, pins and presents. [`config`](Self::config) makes the value of
/// [`TlsConfig`](crate::TlsConfig) from it.
///
/// ```
/// # use mimic_core::{Context, Error};
/// # fn example(ctx: Context, (authority, current, next): (&str, &str, &str)) -> Result<Context, Error> {
/// use mimic_rustls::{TlsConfig, trust};
///
/// let options = trust(authority)?.pin(current)?.pin(next)?;
/// let ctx = ctx.with(TlsConfig, options.config()?);
/// # Ok(ctx)
/// # }
/// # let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
/// # let pin = "r/mIkG3eEpVdm+u/ko/cwxzOMo1bk4TyHIlByibiA5E=";
/// # example(Context::new(), (&made.cert.pem(), pin, pin)).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientOptions {
    authorities: Authorities,
    platform_too: bool,
    pins: Vec<Pin>,
    identity: Option<Identity>,
    provider: Option<Arc<CryptoProvider>>,
}

/// Returns the options of a client that trusts the authorities in the PEM text, and no other.
///
/// ```
/// # use mimic_core::{Context, Error};
/// # fn example(ctx: Context, pem: &str) -> Result<Context, Error> {
/// use mimic_rustls::{TlsConfig, trust};
///
/// let ctx = ctx.with(TlsConfig, trust(pem)?.config()?);
/// # Ok(ctx)
/// # }
/// # let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
/// # example(Context::new(), &made.cert.pem()).unwrap();
/// ```
///
/// # Errors
/// As [`ClientOptions::trust`].
pub fn trust(pem: impl AsRef<[u8]>) -> Result<ClientOptions, Error> {
    ClientOptions::new().trust(pem)
}

/// Returns the options of a client that accepts a server only if its certificate has this key, in
/// addition to all other checks. Trusts what the platform trusts.
///
/// ```
/// # use mimic_core::{Context, Error};
/// # fn example(ctx: Context) -> Result<Context, Error> {
/// use mimic_rustls::{TlsConfig, pin};
///
/// let options = pin("sha256/r/mIkG3eEpVdm+u/ko/cwxzOMo1bk4TyHIlByibiA5E=")?;
/// let ctx = ctx.with(TlsConfig, options.config()?);
/// # Ok(ctx)
/// # }
/// # let has_store = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists();
/// # if cfg!(all(feature = "platform", target_os = "linux")) && has_store {
/// #     example(Context::new()).unwrap();
/// # }
/// ```
///
/// # Errors
/// As [`ClientOptions::pin`].
pub fn pin(spki: &str) -> Result<ClientOptions, Error> {
    ClientOptions::new().pin(spki)
}

impl ClientOptions {
    /// Returns options that trust the platform's store, without pins and without an identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in the PEM text instead of the platform's store. Another call adds to
    /// them.
    ///
    /// # Errors
    /// [`InvalidData`](mimic_core::ErrorKind::InvalidData) if the text is malformed, has no
    /// certificate, or has one that is broken. The error names the line or the certificate.
    pub fn trust(mut self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        self.authorities.add(pem.as_ref())?;
        Ok(self)
    }

    /// Trusts the platform's store, too, in addition to the authorities of [`trust`](Self::trust).
    /// On Android [`config`](Self::config) then is an error, because its store takes no others.
    pub fn and_platform(self) -> Self {
        Self { platform_too: true, ..self }
    }

    /// Accepts a server only if its certificate has a key with this pin, or another pin of these
    /// options. Give the pin of the next key, too, before the server changes its key.
    ///
    /// A pin is checked after the chain, the name and the time, and replaces none of these checks.
    /// It is the SHA-256 hash of the SubjectPublicKeyInfo in base64 (RFC 7469, section 2.4), bare
    /// or as `sha256/…`, `sha256//…` or `pin-sha256="…"`.
    ///
    /// Unlike in RFC 7469, only the server's own key counts, and not that of an authority. A server
    /// may send certificates that take no part in the verification, so a pin of an authority could
    /// match one that an attacker added. [`trust`](Self::trust) that authority alone instead.
    ///
    /// # Errors
    /// [`InvalidInput`](mimic_core::ErrorKind::InvalidInput) if it is not a pin.
    pub fn pin(mut self, spki: &str) -> Result<Self, Error> {
        self.pins.push(Pin::parse(spki)?);
        Ok(self)
    }

    /// Presents this identity to a server that asks for a client certificate.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Uses this crypto provider instead of [`provider`](crate::provider()).
    pub fn provider(self, provider: Arc<CryptoProvider>) -> Self {
        Self { provider: Some(provider), ..self }
    }

    /// Returns a configuration with sessions of its own: a value of
    /// [`TlsConfig`](crate::TlsConfig), or an argument of [`connect`](crate::connect()). Call it
    /// once and keep the value, to resume sessions.
    ///
    /// On Linux and the like the platform's store is files. Reading them takes milliseconds.
    ///
    /// # Errors
    /// If the platform's store cannot be read, the identity's key is not that of its certificate,
    /// or no provider is compiled in.
    pub fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = given_or_chosen(self.provider.as_ref())?;
        let mut verifier = self.chain_verifier(&provider)?;
        if !self.pins.is_empty() {
            verifier = Arc::new(Pinned::new(verifier, self.pins.clone(), &provider)?);
        }
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        // rustls calls every verifier dangerous that is not its own.
        let builder = builder.map_err(unusable)?.dangerous().with_custom_certificate_verifier(verifier);
        Ok(Arc::new(match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(identity.certified(&provider)?),
            None => builder.with_no_client_auth(),
        }))
    }

    fn chain_verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let Authorities { certificates, store } = &self.authorities;
        if self.platform_too || certificates.is_empty() {
            #[cfg(feature = "platform")]
            return crate::store::verifier(provider.clone(), certificates);
            #[cfg(not(feature = "platform"))]
            return Err(crate::platform::lacking("no platform's trust store is compiled in"));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store.clone()), provider.clone());
        Ok(verifier.build().map_err(|error| unusable(rustls::Error::General(error.to_string())))?)
    }
}
