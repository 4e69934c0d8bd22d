//! Shared by the tests of configurations from PEM text and of pins.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{Error, ErrorKind, Phase, Shared};
use mimic_rustls::rustls::crypto::ring;
use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use mimic_rustls::rustls::{self, CertificateError, ClientConfig, ServerConfig};
use mimic_rustls::{ClientOptions, PinMismatch, accept, connect, tls_error};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};

use crate::common::tasks::both;
use crate::common::{Authority, NAME};

/// Runs a handshake and one byte from the server, which comes after all checks of both ends.
pub(crate) fn talk(client: Arc<ClientConfig>, server: &ServerConfig) -> (Result<(), Error>, Result<(), Error>) {
    let (near, far) = memory_pair::<Shared>(1 << 16);
    both(
        &"a conversation",
        async {
            let mut flow = connect(near, client, Vec::new(), NAME).await?;
            flow.read(&mut [0; 9]).await.map(|n| assert_eq!(n, 1))
        },
        async {
            let mut flow = accept(far, server).await?;
            flow.write_all(b"!").await?;
            flow.flush().await
        },
    )
}

#[track_caller]
pub(crate) fn assert_accepted(options: &ClientOptions, server: &ServerConfig) {
    let (client, server) = talk(options.config().unwrap(), server);
    client.unwrap();
    server.unwrap();
}

/// Returns the client's error.
#[track_caller]
pub(crate) fn refused(options: &ClientOptions, server: &ServerConfig) -> Error {
    let (client, server) = talk(options.config().unwrap(), server);
    assert!(server.is_err());
    let error = client.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::PermissionDenied, Some(Phase::Handshake)), "{error}");
    error
}

pub(crate) fn pem_of(certificate: &CertificateDer<'_>, key: &PrivateKeyDer<'_>) -> (String, String) {
    let section = |label: &str, der: &[u8]| {
        let base64 = Base64::encode_string(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    (section("CERTIFICATE", certificate), section("PRIVATE KEY", key.secret_der()))
}

/// A server with a key of its own, and the pin of the key, bare.
pub(crate) fn pinned(authority: &Authority) -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_string()]).unwrap();
    let (certificate, secret) = authority.sign(&params, &key);
    (certificate, secret, hash(&key.subject_public_key_info()))
}

pub(crate) fn hash(spki: &[u8]) -> String {
    let rustls::SupportedCipherSuite::Tls13(suite) = ring::cipher_suite::TLS13_AES_128_GCM_SHA256 else { panic!() };
    Base64::encode_string(suite.common.hash_provider.hash(spki).as_ref())
}

pub(crate) fn mismatch(error: &Error) -> &PinMismatch {
    let Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) = tls_error(error) else {
        panic!("{error}")
    };
    other.0.downcast_ref().unwrap()
}

#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, says: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let text = format!("{error:#}");
    for word in says {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}
