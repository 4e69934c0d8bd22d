//! rustls's errors as mimic's: which phase, why, whose certificate, and what to do.

use alloc::format;

use mimic_core::{Error, ErrorKind, Phase};
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

/// Says what is known of a failure.
pub(crate) fn explain(error: rustls::Error, phase: Phase) -> Error {
    let (kind, advice) = meaning(&error);
    let error = named(Error::with_source(kind, Source(error)).in_phase(phase), phase);
    match advice {
        Some(advice) => error.advise(advice),
        None => error,
    }
}

type Meaning = (ErrorKind, Option<&'static str>);

fn meaning(error: &rustls::Error) -> Meaning {
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
        Tls::AlertReceived(alert) => alert_meaning(*alert),
        Tls::NoApplicationProtocol => (ErrorKind::Unsupported, Some("offer a protocol (ALPN) that both sides know")),
        Tls::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            (ErrorKind::Unsupported, Some("give a client certificate with a key that the server can check"))
        }
        Tls::PeerIncompatible(_) => (ErrorKind::Unsupported, Some(NOTHING_IN_COMMON)),
        Tls::FailedToGetCurrentTime => (
            ErrorKind::Unsupported,
            Some("certificates and sessions end at a time, so give the configuration a clock (its `time_provider`)"),
        ),
        Tls::General(reason) if reason == NO_MEMORY => (ErrorKind::OutOfMemory, None),
        Tls::EncryptError => (ErrorKind::Other, Some("the keys of this connection are used up; connect again")),
        _ => (ErrorKind::InvalidData, None),
    }
}

const NOTHING_IN_COMMON: &str = "the two sides have no version, suite or group in common";

fn certificate_advice(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => {
            "trust the authority that issued it (the peer's certificate, or an intermediate that it did not send)"
        }
        CertificateError::BadSignature => {
            "the authority that it names did not sign it: an impostor, or an old authority"
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
        _ => "the peer needs another certificate",
    }
}

fn alert_meaning(alert: AlertDescription) -> Meaning {
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
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            (ErrorKind::Unsupported, Some(NOTHING_IN_COMMON))
        }
        _ => (ErrorKind::ConnectionAborted, None),
    }
}

/// Without `std`, rustls's error is not an `Error`. It is what [`tls_error`] looks for.
pub(crate) struct Source(pub(crate) rustls::Error);

impl core::fmt::Display for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

impl core::fmt::Debug for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.0, f)
    }
}

impl core::error::Error for Source {}

/// The rustls error behind one of mimic's, however deep, to match on.
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

/// A dial says by itself whose handshake failed; what comes later has only the layer to go by.
fn named(error: Error, phase: Phase) -> Error {
    if phase == Phase::Handshake { error } else { error.at_layer("tls") }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::BrokenPipe, "the writing side was shut down").in_phase(Phase::Write)
}

pub(crate) fn again(kind: ErrorKind) -> Error {
    Error::new(kind, "it failed before and stays so").in_phase(Phase::Write)
}

/// A handshake message that does not end within the room for it.
pub(crate) fn endless(room: usize) -> Error {
    let reason = format!("a handshake message is longer than {room} bytes, or in too many records");
    Error::new(ErrorKind::InvalidData, reason)
        .in_phase(Phase::Read)
        .advise("if the peer is to be trusted with more memory, give it more (HandshakeRoom)")
}

const NO_MEMORY: &str = "no memory for a buffer";

/// As an error of rustls, which has no kind for it: what was lost for want of memory ends the connection.
pub(crate) fn no_memory() -> rustls::Error {
    rustls::Error::General(NO_MEMORY.into())
}
