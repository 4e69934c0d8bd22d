//! rustls's errors as mimic's: which phase, why, whose certificate, and what to do.

use alloc::borrow::Cow;
use alloc::format;

use mimic_core::{Error, ErrorKind, Phase};
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

/// Says what is known of a failure.
pub(crate) fn explain(error: rustls::Error, phase: Phase) -> Error {
    use rustls::Error as Tls;
    let (kind, advice): (ErrorKind, Option<Cow<'static, str>>) = match &error {
        Tls::InvalidCertificate(certificate) => (ErrorKind::PermissionDenied, certificate_advice(certificate)),
        Tls::NoCertificatesPresented => {
            (ErrorKind::PermissionDenied, Some("the peer must present a certificate".into()))
        }
        Tls::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => (ErrorKind::InvalidData, Some("the peer does not seem to speak TLS; check scheme and port".into())),
        Tls::AlertReceived(alert) => alert_advice(*alert),
        Tls::NoApplicationProtocol => {
            (ErrorKind::InvalidInput, Some("offer a protocol (ALPN) that both sides know".into()))
        }
        Tls::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            (ErrorKind::Unsupported, None)
        }
        Tls::PeerIncompatible(_) => {
            (ErrorKind::Unsupported, Some("the two sides have no version, suite or group in common".into()))
        }
        Tls::FailedToGetCurrentTime => (
            ErrorKind::Unsupported,
            Some("certificates cannot be checked without a clock: give the configuration one".into()),
        ),
        Tls::UnsupportedNameType => (ErrorKind::InvalidInput, Some("connect to a host name or an address".into())),
        Tls::EncryptError => (ErrorKind::Other, Some("the keys of this connection are used up; connect again".into())),
        _ => (ErrorKind::InvalidData, None),
    };
    // An overlap that is missing is a fault of the configuration at run time, not of the endpoint.
    let kind = if kind == ErrorKind::InvalidInput { ErrorKind::Unsupported } else { kind };
    let error = Error::with_source(kind, Source(error)).in_phase(phase);
    match advice {
        Some(advice) => error.advise(advice),
        None => error,
    }
}

fn certificate_advice(error: &CertificateError) -> Option<Cow<'static, str>> {
    Some(match error {
        CertificateError::UnknownIssuer => {
            "trust the authority that issued it (the peer's certificate, or an intermediate that it did not send)"
                .into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the peer must renew it; or check the clock of this machine".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "check the clock of this machine".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect to a name that the certificate has, or give the server one for this name".into()
        }
        _ => return None,
    })
}

fn alert_advice(alert: AlertDescription) -> (ErrorKind, Option<Cow<'static, str>>) {
    match alert {
        AlertDescription::CertificateRequired => {
            (ErrorKind::PermissionDenied, Some("the peer asks for a client certificate: give one".into()))
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => (
            ErrorKind::PermissionDenied,
            Some("the peer does not accept the certificate that this side presented".into()),
        ),
        AlertDescription::NoApplicationProtocol => {
            (ErrorKind::Unsupported, Some("offer a protocol (ALPN) that the peer knows".into()))
        }
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            (ErrorKind::Unsupported, Some("the two sides have no version, suite or group in common".into()))
        }
        _ => (ErrorKind::ConnectionAborted, None),
    }
}

/// Without `std`, rustls's error is not an `Error`.
struct Source(rustls::Error);

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

/// The rustls error behind one of mimic's, to match on.
#[must_use]
pub fn tls_error(error: &Error) -> Option<&rustls::Error> {
    core::error::Error::source(error)?.downcast_ref::<Source>().map(|source| &source.0)
}

pub(crate) fn truncated(phase: Phase) -> Error {
    let reason = match phase {
        Phase::Handshake => "the peer closed the connection in the handshake",
        _ => "the peer closed the connection without close_notify: what it sent may be cut short",
    };
    Error::new(ErrorKind::ConnectionAborted, reason).in_phase(phase)
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::BrokenPipe, "the writing side was shut down").in_phase(Phase::Write)
}

pub(crate) fn endless() -> Error {
    let reason = format!("a handshake message is longer than {} KiB", crate::machine::INPUT / 1024);
    Error::new(ErrorKind::InvalidData, reason)
}
