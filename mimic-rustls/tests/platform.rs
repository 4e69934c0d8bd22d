//! The configuration that nobody gave: the platform's trust store.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]
#![cfg(feature = "platform")]

mod common;

use std::sync::Mutex;

use common::{Authority, BOTH};
use futures_lite::future::{block_on, poll_once, zip};
use mimic_core::{Ctx, ErrorKind, Memory, Mode, Phase, Shared, Transport, memory_pair};
use mimic_rustls::rustls::{self, CertificateError};
use mimic_rustls::{Tls, accept, platform_config, tls_error};

const NAME: &str = "example.org";

/// A context whose every connection is this one.
fn context(near: Memory<Shared>) -> Ctx<Shared> {
    let near = Mutex::new(Some(near));
    Ctx::<Shared>::new()
        .install(Tls)
        .register(Transport, "memory", 0, (), move |_, ()| {
            let near = near.lock().unwrap().take().unwrap();
            async move { Ok(Box::new(near) as <Shared as Mode>::Flow) }
        })
        .with_url(&format!("tls://{NAME}:1"))
        .unwrap()
}

/// It is read while the resolve waits, also once a resolve that wanted it is gone, and does not trust our authority.
#[test]
fn the_store_is_read_aside() {
    let server = Authority::new().server(&[NAME], &BOTH);
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let ctx = context(near);
    assert!(block_on(poll_once(ctx.connect())).is_none(), "the task does not read it");
    let (client, server) = block_on(zip(ctx.connect(), accept(far, &server)));
    let error = client.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(tls_error(&error), Some(&unknown), "{error}");
    assert!(server.is_err());
}

#[test]
fn what_keeps_the_store_from_use_can_be_matched_on() {
    let nothing = rustls::crypto::CryptoProvider { cipher_suites: Vec::new(), ..common::provider().as_ref().clone() };
    let error = platform_config(nothing.into()).map(drop).unwrap_err();
    assert!(matches!(tls_error(&error), Some(rustls::Error::General(_))), "{error}");
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Plan)));
    assert!(error.to_string().contains("no usable cipher suites"), "{error}");
}
