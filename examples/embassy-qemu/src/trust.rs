//! Whom TLS trusts, and the time of day by which certificates expire.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::fmt;
use core::time::Duration;

use mimic_core::{Error, ErrorKind, LocalContext, Phase};
use mimic_rustls::TlsConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

use crate::Options;
use crate::provider::provider;
use crate::semihosting::{File, Refused, seconds_since_epoch};

/// Why there is no configuration.
#[derive(Debug)]
pub enum Untrusted {
    /// The machine did not give the file.
    File(Refused),
    /// It is not a file of certificates in PEM format.
    Pem(pem::Error),
    /// There is no certificate in it.
    Empty,
    /// One of them is not an authority's, or the provider does not suffice.
    Tls(rustls::Error),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(refused) => write!(f, "it cannot be read: {refused}"),
            Self::Pem(error) => error.fmt(f),
            Self::Empty => f.write_str("there is no certificate in PEM format in it"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Untrusted {}

impl From<Refused> for Untrusted {
    fn from(refused: Refused) -> Self {
        Self::File(refused)
    }
}

impl From<rustls::Error> for Untrusted {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

/// The machine's clock, or one that stands still. A board has a clock of its own, or asks for the
/// time.
#[derive(Debug)]
struct Clock {
    stands: Option<u32>,
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        match self.stands.unwrap_or_else(seconds_since_epoch) {
            // No certificate may count as valid by a clock that does not go.
            0 | u32::MAX => None,
            seconds => Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds.into()))),
        }
    }
}

/// A context that trusts what the options say. The file is read once, when a connection turns out
/// to need it.
#[must_use]
pub fn apply(ctx: LocalContext, options: Options<'static>) -> LocalContext {
    let made: Rc<OnceCell<Arc<ClientConfig>>> = Rc::default();
    ctx.derive(TlsConfig, (), move |()| {
        let made = made.clone();
        async move {
            if let Some(config) = made.get() {
                return Ok(Some(config.clone()));
            }
            let file = options.ca.ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "there is nobody to trust: a board has no trust store")
                    .in_phase(Phase::Plan)
                    .advise("give the authorities: --ca PEM")
            })?;
            let config = config(file, options.time).map_err(|untrusted| {
                Error::with_source(ErrorKind::InvalidData, untrusted).in_phase(Phase::Plan).to_target(file)
            })?;
            Ok(Some(made.get_or_init(|| Arc::new(config)).clone()))
        }
    })
}

/// A configuration that trusts the authorities in a file of the machine, in PEM format, by the
/// machine's clock if not at this time.
///
/// # Errors
/// If the file cannot be read, or there is no authority in it.
pub fn config(file: &str, time: Option<u32>) -> Result<ClientConfig, Untrusted> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&contents(file)?) {
        roots.add(certificate.map_err(Untrusted::Pem)?)?;
    }
    if roots.is_empty() {
        return Err(Untrusted::Empty);
    }
    Ok(ClientConfig::builder_with_details(Arc::new(provider()), Arc::new(Clock { stands: time }))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn contents(file: &str) -> Result<Vec<u8>, Refused> {
    let mut file = File::open(file)?;
    let mut contents = Vec::new();
    loop {
        let mut piece = [0; 512];
        match file.read(&mut piece)? {
            0 => return Ok(contents),
            read => contents.extend_from_slice(&piece[..read]),
        }
    }
}
