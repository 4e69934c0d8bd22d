//! The default client configuration, for an application that gives none.

use alloc::sync::Arc;

use mimic_core::{Error, ErrorKind, Phase};
use rustls::ClientConfig;
#[cfg(feature = "std")]
use rustls::crypto::CryptoProvider;

#[cfg(feature = "std")]
use crate::error::Source;

/// Holds the default configuration of a context, made when it is first needed and then kept. The
/// trust store in it is read once per process; see [`store`](crate::store).
#[derive(Clone)]
pub(crate) struct DefaultConfig {
    #[cfg(feature = "platform")]
    made: Arc<std::sync::OnceLock<Arc<ClientConfig>>>,
}

impl DefaultConfig {
    #[cfg(feature = "platform")]
    pub(crate) fn new() -> Self {
        Self { made: Arc::default() }
    }

    #[cfg(not(feature = "platform"))]
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// Returns the configuration.
    ///
    /// # Errors
    /// If the platform's trust store cannot be read, or the features leave out a trust store or a
    /// provider. The error ends the resolve: TLS that cannot be set up is never left out. The next
    /// resolve tries again.
    #[cfg(feature = "platform")]
    pub(crate) async fn get(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.made.get() {
            return Ok(config.clone());
        }
        let provider = given_or_chosen(None)?;
        let config = crate::store::shared(provider).await?;
        Ok(self.made.get_or_init(|| Arc::new(config)).clone())
    }

    #[cfg(not(feature = "platform"))]
    pub(crate) async fn get(&self) -> Result<Arc<ClientConfig>, Error> {
        Err(lacking("there is no default without a platform's trust store"))
    }
}

pub(crate) fn lacking(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, reason)
        .in_phase(Phase::Plan)
        .advise("give a configuration, with(TlsConfig, …), or enable the features `platform` and `aws-lc-rs` or `ring`")
}

/// Returns the provider that is given, and otherwise the one that the features choose.
#[cfg(feature = "std")]
pub(crate) fn given_or_chosen(given: Option<&Arc<CryptoProvider>>) -> Result<Arc<CryptoProvider>, Error> {
    given.cloned().or_else(provider).ok_or_else(|| lacking("no crypto provider is compiled in"))
}

/// Returns the error for a provider that rustls cannot use.
#[cfg(feature = "std")]
pub(crate) fn unusable(error: rustls::Error) -> Error {
    Error::with_source(ErrorKind::InvalidInput, Source(error))
        .in_phase(Phase::Plan)
        .advise("use another crypto provider")
}

/// Returns the provider that the features choose: aws-lc-rs if it is compiled in, otherwise ring.
///
/// Pass it to rustls's `builder_with_provider`. With both in one build, rustls's plain `builder()`
/// panics.
#[cfg(feature = "std")]
#[must_use]
pub fn provider() -> Option<Arc<CryptoProvider>> {
    #[cfg(feature = "aws-lc-rs")]
    return Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    return None;
}
