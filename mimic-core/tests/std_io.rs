//! Errors convert to and from `std`'s.

#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::io;

use mimic_core::{Error, ErrorKind, Phase};

#[test]
fn errors_go_through_std_and_come_back() {
    let error = Error::new(ErrorKind::TimedOut, "too late").in_phase(Phase::Handshake).located_at("tls").advise("wait");
    let text = error.to_string();
    let through = io::Error::from(error);
    assert_eq!(through.kind(), io::ErrorKind::TimedOut);
    let back = Error::from(through);
    assert_eq!(back.to_string(), text);
    assert_eq!((back.at(), back.advice()), (Some("tls"), Some("wait")));
    let of_std = Error::from(io::Error::other("something else"));
    assert_eq!((of_std.kind(), of_std.phase()), (ErrorKind::Other, None));
    assert!(of_std.reason().contains("something else"), "{of_std}");
}
