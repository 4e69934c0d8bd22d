//! Explains rustls's errors: the phase, the reason, the party at fault, and the advice.

use alloc::format;

use mimic_core::{Error, ErrorKind, Phase};
use rustls::{
    AlertDescription, CertificateError, CommonState, InvalidMessage, PeerIncompatible, PeerMisbehaved, ProtocolVersion,
};

#[cfg(feature = "std")]
use crate::pins::PinMismatch;
use crate::side::Side;

/// Stages of a connection. The stage narrows the possible reasons of a refusal that gives none.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// The peer has only this side's hello: version, suite, group, or signature scheme.
    Hello,
    /// The client's certificate, or the lack of one. It comes next in TLS 1.2, and after the client
    /// is done in TLS 1.3.
    Certificate,
    /// Another handshake after the first, in TLS 1.2.
    Again,
    /// Any time at a server's end: its client asks for nothing, so it refuses the server's choice.
    Chosen,
}

/// Explains a failure of a connection.
pub(crate) fn explain<S: Side>(error: rustls::Error, phase: Phase, state: &CommonState) -> Error {
    let suite = state.negotiated_cipher_suite().map(|suite| suite.version().version);
    let stage = match (phase, suite) {
        _ if S::IS_SERVER => Stage::Chosen,
        (_, None) | (Phase::Handshake, Some(ProtocolVersion::TLSv1_3)) => Stage::Hello,
        (Phase::Handshake, Some(_)) | (_, Some(ProtocolVersion::TLSv1_3)) => Stage::Certificate,
        _ => Stage::Again,
    };
    explained(error, phase, stage)
}

/// Explains an error that comes before the first byte of a handshake.
pub(crate) fn unable(error: rustls::Error) -> Error {
    explained(error, Phase::Handshake, Stage::Hello)
}

fn explained(error: rustls::Error, phase: Phase, stage: Stage) -> Error {
    let (kind, advice) = meaning(&error, stage);
    let error = named(Error::with_source(kind, Source(error)).in_phase(phase), phase);
    match advice {
        Some(advice) => error.advise(advice),
        None => error,
    }
}

type Meaning = (ErrorKind, Option<&'static str>);

fn meaning(error: &rustls::Error, stage: Stage) -> Meaning {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(certificate) => (ErrorKind::PermissionDenied, Some(certificate_advice(certificate))),
        Tls::NoCertificatesPresented => (ErrorKind::PermissionDenied, Some("the peer must present a certificate")),
        Tls::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => (ErrorKind::InvalidData, Some("the peer does not seem to speak TLS; check scheme and port")),
        Tls::DecryptError => (ErrorKind::InvalidData, Some("a record was changed on the way; connect again")),
        Tls::AlertReceived(alert) => alert_meaning(*alert, stage),
        Tls::NoApplicationProtocol => (ErrorKind::Unsupported, Some("offer a protocol (ALPN) that both sides know")),
        Tls::PeerIncompatible(reason) => (ErrorKind::Unsupported, Some(incompatibility(reason))),
        Tls::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests) => {
            (ErrorKind::Unsupported, Some(renegotiation(stage)))
        }
        Tls::FailedToGetCurrentTime => (
            ErrorKind::Unsupported,
            Some("certificates and sessions end at a time, so give the configuration a clock (its `time_provider`)"),
        ),
        Tls::General(reason) if reason == NO_MEMORY => (ErrorKind::OutOfMemory, None),
        Tls::General(reason) if reason.starts_with(ENDLESS) => (
            ErrorKind::InvalidData,
            Some("if the peer is to be trusted with more memory, give it more (HandshakeRoom)"),
        ),
        Tls::EncryptError => (ErrorKind::Other, Some("the keys of this connection are used up; connect again")),
        _ => (ErrorKind::InvalidData, None),
    }
}

/// The advice for a refusal before the two sides agree on anything.
const NOTHING_IN_COMMON: &str = "the two sides have no version, cipher suite, group, or signature scheme (the kind of \
                                 the server's key, RSA or ECDSA) in common";

const NO_VERSION: &str = "the two sides have no version in common; TLS 1.2 and 1.3 are supported, as the features and \
                          the configuration allow";

const RENEGOTIATION: &str = "a new handshake in mid-connection (renegotiation, often for a client certificate) is not \
                             supported; let the peer ask in the first handshake, or speak TLS 1.3";

fn renegotiation(stage: Stage) -> &'static str {
    match stage {
        Stage::Chosen => {
            "a new handshake in mid-connection (renegotiation) is not supported; let the client do without, or speak \
             TLS 1.3"
        }
        _ => RENEGOTIATION,
    }
}

fn incompatibility(reason: &PeerIncompatible) -> &'static str {
    match reason {
        PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => {
            "give a client certificate with a key that the server can check"
        }
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "the client cannot verify the kind of the server's key (RSA, ECDSA or Ed25519); give the server a \
             certificate with another key, or the client a provider that verifies it"
        }
        PeerIncompatible::NoCipherSuitesInCommon => "the two sides have no cipher suite in common",
        PeerIncompatible::NoKxGroupsInCommon => "the two sides have no key exchange group in common",
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => NO_VERSION,
        _ => "the peer's TLS lacks something that this side requires; it may be too old",
    }
}

fn certificate_advice(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => {
            "trust the authority that issued it (the peer's certificate, or an intermediate that it did not send)"
        }
        // rustls has one error for a short key and for a signature by another key.
        CertificateError::BadSignature => {
            "a signature does not verify: an RSA key has less than 2,048 bits, which is refused, or an authority of \
             the same name as a trusted one, but with another key, issued it"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that this side does not accept (SHA-1, for one); the peer needs one that \
             is signed with a current algorithm"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the peer must renew it; or check the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "check the clock of this machine"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect to a name that the certificate has, or give the server one for this name"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage does not allow this: a server needs serverAuth, a client clientAuth"
        }
        CertificateError::BadEncoding => "the peer sent something that is no certificate; it needs another one",
        CertificateError::Revoked => "its authority revoked it: the peer needs a new one",
        CertificateError::Other(other) => certificate_problem(other).unwrap_or("the peer needs another certificate"),
        _ => "the peer needs another certificate",
    }
}

/// Returns the advice for an error of webpki that has no name in rustls.
#[cfg(feature = "std")]
fn certificate_problem(error: &rustls::OtherError) -> Option<&'static str> {
    use webpki::Error as Cert;
    if let Some(mismatch) = error.0.downcast_ref::<PinMismatch>() {
        return Some(match mismatch.is_of_authority {
            false => {
                "if the server has a new key on purpose, pin that, too; otherwise another machine may be posing as it"
            }
            true => "a pin is of an authority of the server: pin the server's own key, or trust that authority alone",
        });
    }
    Some(match error.0.downcast_ref()? {
        Cert::CaUsedAsEndEntity => {
            "the peer presents the certificate of an authority (CA:TRUE) as its own; issue one for the peer from it, \
             or make a self-signed one with basicConstraints=CA:FALSE"
        }
        Cert::EndEntityUsedAsCa => {
            "it was issued by a certificate that is not an authority's (CA:TRUE is missing); the peer needs another \
             certificate"
        }
        Cert::UnsupportedCertVersion => {
            "it is of X.509 version 1, which cannot say what it is for; the peer needs one of version 3, with a \
             subjectAltName"
        }
        Cert::NameConstraintViolation => "its authority may not issue certificates for that name",
        Cert::PathLenConstraintViolated | Cert::MaximumPathDepthExceeded => {
            "there are more authorities between it and the trusted one than is allowed"
        }
        Cert::UnsupportedCriticalExtension => {
            "it has a critical extension that is not known here; the peer needs one without"
        }
        _ => return None,
    })
}

#[cfg(not(feature = "std"))]
fn certificate_problem(_: &rustls::OtherError) -> Option<&'static str> {
    None
}

fn alert_meaning(alert: AlertDescription, stage: Stage) -> Meaning {
    match alert {
        AlertDescription::CertificateRequired => {
            (ErrorKind::PermissionDenied, Some("the peer asks for a client certificate: give one"))
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            (ErrorKind::PermissionDenied, Some("the peer does not accept the certificate that this side presented"))
        }
        AlertDescription::NoApplicationProtocol => {
            (ErrorKind::Unsupported, Some("offer a protocol (ALPN) that the peer knows"))
        }
        AlertDescription::ProtocolVersion => (ErrorKind::Unsupported, Some(NO_VERSION)),
        AlertDescription::UnrecognisedName => {
            (ErrorKind::NotFound, Some("the server has no such name; check the host"))
        }
        AlertDescription::InsufficientSecurity => {
            (ErrorKind::Unsupported, Some("the peer demands a stronger cipher suite or key than this side offers"))
        }
        AlertDescription::HandshakeFailure => match stage {
            Stage::Hello => (ErrorKind::Unsupported, Some(NOTHING_IN_COMMON)),
            Stage::Certificate => (
                ErrorKind::PermissionDenied,
                Some(
                    "the peer most likely asks for a client certificate, as all else was agreed on: give one that it accepts",
                ),
            ),
            Stage::Again => (ErrorKind::Unsupported, Some(RENEGOTIATION)),
            Stage::Chosen => (
                ErrorKind::Unsupported,
                Some("the client refused what the two sides would use (version, cipher suite, extensions)"),
            ),
        },
        AlertDescription::NoRenegotiation => (ErrorKind::Unsupported, Some(renegotiation(stage))),
        _ => (ErrorKind::ConnectionAborted, None),
    }
}

/// The source in an error of this crate. [`tls_error`] looks for it. Without `std`, rustls's own
/// error is not an `Error`.
pub(crate) struct Source(pub(crate) rustls::Error);

impl core::fmt::Display for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        #[cfg(feature = "std")]
        if let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = &self.0
            && let Some(mismatch) = other.0.downcast_ref::<PinMismatch>()
        {
            return core::fmt::Display::fmt(mismatch, f);
        }
        core::fmt::Display::fmt(&self.0, f)
    }
}

impl core::fmt::Debug for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.0, f)
    }
}

impl core::error::Error for Source {}

/// Returns the error of rustls among the sources of `error`, to match on.
#[must_use]
pub fn tls_error(error: &Error) -> Option<&rustls::Error> {
    let mut source = core::error::Error::source(error);
    while let Some(error) = source {
        if let Some(Source(error)) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

pub(crate) fn truncated(phase: Phase) -> Error {
    let reason = match phase {
        Phase::Handshake => "the peer closed the connection in the handshake",
        _ => "the peer closed the connection without close_notify: what it sent may be cut short",
    };
    named(Error::new(ErrorKind::ConnectionAborted, reason).in_phase(phase), phase)
}

/// Names the layer, except in a handshake: there the dial names the candidate.
fn named(error: Error, phase: Phase) -> Error {
    if phase == Phase::Handshake { error } else { error.located_at("tls") }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::BrokenPipe, "the writing side was shut down").in_phase(Phase::Write)
}

pub(crate) fn failed_before(kind: ErrorKind) -> Error {
    Error::new(kind, "it failed before and stays so").in_phase(Phase::Write)
}

const ENDLESS: &str = "a handshake message is longer than ";

/// Returns the error for a handshake message that does not end within its room. It is one of
/// rustls, because it ends the connection.
pub(crate) fn endless(room: usize) -> rustls::Error {
    rustls::Error::General(format!("{ENDLESS}{room} bytes, or in too many records"))
}

const NO_MEMORY: &str = "no memory for a buffer";

/// Returns the error for a buffer without memory. It is one of rustls, because it ends the
/// connection: bytes were lost.
pub(crate) fn no_memory() -> rustls::Error {
    rustls::Error::General(NO_MEMORY.into())
}
