//! The time of day, which certificates are judged by, as the firmware knows it.

use alloc::string::ToString;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use mimic_core::{Error, ErrorKind, Phase};
use mimic_rustls::rustls::crypto::CryptoProvider;
use mimic_rustls::rustls::pki_types::UnixTime;
use mimic_rustls::rustls::time_provider::TimeProvider;
use mimic_rustls::rustls::{ClientConfig, RootCertStore};

/// A client's configuration for [`TlsConfig`](mimic_rustls::TlsConfig): trusts `roots`, and judges
/// certificates by `clock`, the time since the start of 1970 (an RTC's, or SNTP's with the time
/// since). While that is not known it answers `None`, and every handshake fails before its first
/// byte.
///
/// # Errors
/// [`InvalidInput`](ErrorKind::InvalidInput) if `roots` is empty, or the provider has nothing for
/// TLS 1.3: no server could be trusted, nor reached.
pub fn client_config(
    provider: CryptoProvider,
    clock: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    roots: RootCertStore,
) -> Result<ClientConfig, Error> {
    if roots.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "there is no certificate to trust").in_phase(Phase::Plan));
    }
    let config = ClientConfig::builder_with_details(provider.into(), Arc::new(Clock(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()).in_phase(Phase::Plan))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

struct Clock<F>(F);

impl<F> fmt::Debug for Clock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl<F: Fn() -> Option<Duration> + Send + Sync> TimeProvider for Clock<F> {
    fn current_time(&self) -> Option<UnixTime> {
        self.0().map(UnixTime::since_unix_epoch)
    }
}
