//! The client configuration that nobody gave.

use alloc::sync::Arc;

use mimic_core::{Error, ErrorKind, Phase};
use rustls::ClientConfig;

/// The default configuration, made when it is first needed and then kept.
///
/// Where the trust store is files (Linux and the like), reading them takes 2.5 ms of the processor, ten times that in a
/// build without optimisation or when they are not in memory yet. So a thread does it, and the resolve waits. Elsewhere
/// the platform is asked at each handshake.
#[derive(Clone)]
pub(crate) struct Default {
    #[cfg(feature = "platform")]
    made: Arc<crate::aside::Aside<Arc<ClientConfig>>>,
}

impl Default {
    #[cfg(feature = "platform")]
    pub(crate) fn new() -> Self {
        Self { made: Arc::default() }
    }

    #[cfg(not(feature = "platform"))]
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// # Errors
    /// If the platform's trust store cannot be read, or the features leave out a trust store or a provider. It ends
    /// the resolve: TLS is never left out because it could not be set up. The next resolve tries again.
    #[cfg(feature = "platform")]
    pub(crate) async fn get(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = provider().ok_or_else(|| lacking("no crypto provider is compiled in"))?;
        self.made.get(move || platform(provider).map(Arc::new)).await.map_err(unreadable)
    }

    #[cfg(not(feature = "platform"))]
    pub(crate) async fn get(&self) -> Result<Arc<ClientConfig>, Error> {
        Err(lacking("there is no default without a platform's trust store"))
    }
}

fn lacking(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, reason)
        .in_phase(Phase::Plan)
        .advise("give a configuration, with(TlsConfig, …), or enable the features `platform` and `ring` or `aws-lc-rs`")
}

/// The provider that features chose: aws-lc-rs if it is there, then ring.
///
/// Always named explicitly: with both of them in one build, rustls's plain `builder()` panics.
#[cfg(feature = "std")]
#[must_use]
pub fn provider() -> Option<Arc<rustls::crypto::CryptoProvider>> {
    #[cfg(feature = "aws-lc-rs")]
    return Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    return None;
}

/// A client configuration that trusts what the platform trusts, with `provider`.
///
/// On Linux and the like it reads files, which takes milliseconds: call it where a task may take that long.
///
/// # Errors
/// If the platform's trust store cannot be read.
#[cfg(feature = "platform")]
pub fn platform_config(provider: Arc<rustls::crypto::CryptoProvider>) -> Result<ClientConfig, Error> {
    platform(provider).map_err(unreadable)
}

#[cfg(feature = "platform")]
fn platform(provider: Arc<rustls::crypto::CryptoProvider>) -> Result<ClientConfig, rustls::Error> {
    use rustls_platform_verifier::BuilderVerifierExt;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth())
}

#[cfg(feature = "platform")]
fn unreadable(error: rustls::Error) -> Error {
    Error::with_source(ErrorKind::NotFound, crate::error::Source(error))
        .in_phase(Phase::Plan)
        .advise("check the trust store of this machine, or give a configuration, with(TlsConfig, …)")
}
