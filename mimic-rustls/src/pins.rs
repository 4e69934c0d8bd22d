//! Pins of a server's public key, checked after its certificate chain.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};
use mimic_core::{Error, ErrorKind, Escaped, Phase};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::{Hash, HashAlgorithm};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};

/// The SHA-256 hash of a SubjectPublicKeyInfo (RFC 7469, section 2.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin([u8; 32]);

impl Pin {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let attribute = text.strip_prefix("pin-sha256=\"").and_then(|pin| pin.strip_suffix('"'));
        let prefixed = || ["sha256//", "sha256/"].iter().find_map(|prefix| text.strip_prefix(prefix));
        let base64 = attribute.or_else(prefixed).unwrap_or(text);
        let why = match Base64::decode_vec(base64) {
            Err(_) => "it is not base64".into(),
            Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
                Ok(hash) => return Ok(Self(hash)),
                Err(bytes) => format!("it has {} bytes, and a SHA-256 hash has 32", bytes.len()),
            },
        };
        Err(Error::new(ErrorKind::InvalidInput, format!("\"{}\" is not a pin: {why}", Escaped(text))).advise(
            "give the SHA-256 hash of the server's public key in base64: openssl x509 -in PEM -pubkey -noout | openssl \
             pkey -pubin -outform DER | openssl dgst -sha256 -binary | openssl base64",
        ))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", Base64::encode_string(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The server's key has none of the pins that the client expects. Its certificate verified
/// otherwise.
///
/// It is the source of [`CertificateError::Other`] in the error of the handshake; see
/// [`tls_error`](crate::tls_error).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinMismatch {
    /// The pins that the client expects, as `sha256/…`.
    pub expected: Vec<String>,
    /// The pin of the server's key, as `sha256/…`.
    pub presented: String,
    /// A certificate behind the server's own has one of the pins.
    pub(crate) is_of_authority: bool,
}

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's key has the pin {}, and expected was {}", self.presented, self.expected.join(" or "))
    }
}

// rustls prints it by `Debug`.
impl fmt::Debug for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for PinMismatch {}

/// Verifies as `chain` does, and then compares the pins.
pub(crate) struct Pinned {
    chain: Arc<dyn ServerCertVerifier>,
    pins: Vec<Pin>,
    sha256: &'static dyn Hash,
}

impl Pinned {
    /// # Errors
    /// If the provider has no SHA-256.
    pub(crate) fn new(
        chain: Arc<dyn ServerCertVerifier>,
        pins: Vec<Pin>,
        provider: &CryptoProvider,
    ) -> Result<Self, Error> {
        let suites = provider.cipher_suites.iter().filter_map(rustls::SupportedCipherSuite::tls13);
        let mut hashes = suites.map(|suite| suite.common.hash_provider);
        match hashes.find(|hash| hash.algorithm() == HashAlgorithm::SHA256) {
            Some(sha256) => Ok(Self { chain, pins, sha256 }),
            None => Err(Error::new(ErrorKind::Unsupported, "the crypto provider has no SHA-256, which pins need")
                .in_phase(Phase::Plan)
                .advise("use a provider with a cipher suite of TLS 1.3 and SHA-256")),
        }
    }

    fn pin_of(&self, certificate: &CertificateDer<'_>) -> Result<Pin, rustls::Error> {
        let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let hash = self.sha256.hash(&spki);
        Ok(Pin(hash.as_ref().try_into().map_err(|_| rustls::Error::General("a hash of another length".into()))?))
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        let presented = self.pin_of(end_entity)?;
        if self.pins.contains(&presented) {
            return Ok(verified);
        }
        let mismatch = PinMismatch {
            expected: self.pins.iter().map(ToString::to_string).collect(),
            presented: presented.to_string(),
            is_of_authority: intermediates
                .iter()
                .any(|certificate| self.pin_of(certificate).is_ok_and(|pin| self.pins.contains(&pin))),
        };
        Err(CertificateError::Other(OtherError(Arc::new(mismatch))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }

    // With raw public keys there is no certificate, and then no pin could be computed.
    fn requires_raw_public_keys(&self) -> bool {
        self.chain.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.chain.root_hint_subjects()
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("chain", &self.chain).field("pins", &self.pins).finish_non_exhaustive()
    }
}
