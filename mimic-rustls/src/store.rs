//! Reads the trust store of the platform.
//!
//! ```text
//!   process    the verifier: what the platform trusts, read once     TRUST
//!   context    a configuration around it, with sessions of its own   shared
//! ```
//!
//! On Linux and the like the store is files. Reading them takes 2.5 ms of processor time, and ten
//! times that in a build without optimisation or if they are not in memory yet. So one thread reads
//! them once per process, while resolves wait. There may be many contexts: each one-line connect
//! makes one. A failure is not kept. A store that changes is read again by the next process, and by
//! [`platform_config`]. Elsewhere the platform is asked at each handshake.
//!
//! The shared verifier holds certificates, and nothing of an application. Sessions stay with their
//! context, so that no server can tell by them that two contexts are of one process.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{env, fs};

use mimic_core::{Error, ErrorKind, Phase};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

use crate::error::Source;
use crate::once_on_thread::OnceOnThread;

/// The verifier, with the provider that features chose: the same in all of a process.
static TRUST: LazyLock<Arc<OnceOnThread<Arc<Verifier>>>> = LazyLock::new(Arc::default);

/// Returns a configuration around the verifier of the process. `provider` is the one that features
/// chose.
pub(crate) async fn shared(provider: Arc<CryptoProvider>) -> Result<ClientConfig, Error> {
    let with = provider.clone();
    let trust = TRUST.get(move || Verifier::new(with).map(Arc::new)).await.map_err(unreadable)?;
    configured(provider, trust)
}

/// Returns a client configuration with the platform's trust of now, and with `provider`.
///
/// On Linux and the like it reads files, which takes milliseconds. Call it where a task may take
/// that long.
///
/// # Errors
/// If the platform's trust store cannot be read. Where `SSL_CERT_FILE` or `SSL_CERT_DIR` is the
/// reason, the error names the variable, the path and what is wrong with it.
pub fn platform_config(provider: Arc<CryptoProvider>) -> Result<ClientConfig, Error> {
    let trust = Verifier::new(provider.clone()).map_err(unreadable)?;
    configured(provider, Arc::new(trust))
}

/// Returns a verifier with the platform's trust of now, and with `more` authorities.
pub(crate) fn verifier(
    provider: Arc<CryptoProvider>,
    more: &[CertificateDer<'static>],
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    #[cfg(not(target_os = "android"))]
    let made = Verifier::new_with_extra_roots(more.iter().cloned(), provider);
    #[cfg(target_os = "android")]
    let made = match more.is_empty() {
        true => Verifier::new(provider),
        false => Err(rustls::Error::General("Android's trust store takes no further authorities".into())),
    };
    Ok(Arc::new(made.map_err(unreadable)?))
}

fn configured(provider: Arc<CryptoProvider>, trust: Arc<Verifier>) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // rustls calls every verifier dangerous that is not its own.
    let verified = builder.map_err(unusable)?.dangerous().with_custom_certificate_verifier(trust);
    Ok(verified.with_no_client_auth())
}

/// Explains an error of the verifier. It says itself only that there is no certificate.
fn unreadable(error: rustls::Error) -> Error {
    match misled() {
        Some(problem) => Error::new(ErrorKind::NotFound, problem)
            .in_phase(Phase::Plan)
            .advise("unset the variable, let it name certificates in PEM format, or give a configuration"),
        None => unusable(error),
    }
}

fn unusable(error: rustls::Error) -> Error {
    Error::with_source(ErrorKind::NotFound, Source(error)).in_phase(Phase::Plan).advise(
        "check the trust store of this machine (on Linux the package ca-certificates), or give a configuration, \
         with(TlsConfig, …)",
    )
}

/// Returns the fault in the variables that name the trust store, on systems that use them. Call it
/// if the store has no certificate.
fn misled() -> Option<String> {
    if !cfg!(unix) || cfg!(any(target_vendor = "apple", target_os = "android")) {
        return None;
    }
    let file = |path: &Path| match fs::metadata(path) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(found) if found.is_dir() => "is a directory, which SSL_CERT_DIR is for".into(),
        Ok(found) if found.len() == 0 => "is empty".into(),
        Ok(_) => {
            let mut first = [0];
            match fs::File::open(path).and_then(|mut file| file.read(&mut first)) {
                Err(error) => format!("cannot be read: {error}"),
                // The tag of a SEQUENCE, which begins every certificate.
                Ok(1) if first == [0x30] => "is in DER format, not in PEM".into(),
                Ok(_) => "has no certificate in PEM format that can be used".into(),
            }
        }
    };
    let directory = |path: &Path| match fs::read_dir(path) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(_) => "has no file with a certificate in PEM format that can be used".into(),
    };
    let mut problems: Vec<String> = Vec::new();
    if let Some(path) = env::var_os("SSL_CERT_FILE").map(PathBuf::from) {
        problems.push(format!("SSL_CERT_FILE: {path:?} {}", file(&path)));
    }
    for path in env::split_paths(&env::var_os("SSL_CERT_DIR").unwrap_or_default()).filter(|path| path != Path::new(""))
    {
        problems.push(format!("SSL_CERT_DIR: {path:?} {}", directory(&path)));
    }
    (!problems.is_empty()).then(|| problems.join("; "))
}
