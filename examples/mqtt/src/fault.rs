//! The errors of MQTT, as mimic's.

use alloc::format;

use mimic_core::{Error, ErrorKind, Phase};
use rust_mqtt::client::MqttError;
use rust_mqtt::types::ReasonCode;

/// Says what went wrong between the client and the broker.
pub(crate) fn fault(error: MqttError<'_, 0>) -> Error {
    match error {
        MqttError::Disconnect { reason, .. } => refusal("the client", reason),
        MqttError::Network(ErrorKind::NotConnected) => {
            Error::new(ErrorKind::ConnectionAborted, "the broker closed the connection").in_phase(Phase::Read)
        }
        MqttError::Network(kind) => Error::new(kind, "the flow failed"),
        MqttError::Server => Error::new(ErrorKind::InvalidData, "the broker sent what is not MQTT 5"),
        MqttError::ServerMaximumPacketSizeExceeded | MqttError::PacketMaximumLengthExceeded => {
            invalid("the message is larger than the broker takes")
        }
        MqttError::UnsupportedByServer => {
            Error::new(ErrorKind::Unsupported, "the broker offers no delivery at least once, or no such filter")
        }
        // Its `Debug` is 8 KB of flash, and the rest is of features that are not used.
        _ => Error::new(ErrorKind::Other, "the client refused the call"),
    }
}

/// Says what the broker refused, and its reason.
pub(crate) fn refusal(what: &str, reason: ReasonCode) -> Error {
    let code = reason.value();
    let (kind, advice) = match reason {
        ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized => {
            (ErrorKind::PermissionDenied, "give a user and a password that the broker knows, and allows to do this")
        }
        ReasonCode::UnsupportedProtocolVersion => (ErrorKind::Unsupported, "use a broker of MQTT 5"),
        _ => (ErrorKind::Other, ""),
    };
    Error::new(kind, format!("the broker refused {what}: {reason:?} ({code:#04x})")).advise(advice)
}

pub(crate) fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, reason)
}
