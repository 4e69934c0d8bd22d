//! Tests of a thread that has no memory for buffers.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use alloc::sync::Arc;
use core::cell::Cell;
use core::task::{Context, Poll, Waker};
use std::thread_local;

use mimic_core::io::{Memory, memory_pair};
use mimic_core::{ErrorKind, Flow, Phase, Shared};
use rustls::client::UnbufferedClientConnection;
use rustls::{ClientConfig, RootCertStore};

use crate::flow::TlsFlow;
use crate::machine::ROOM;
use crate::side::Client;

thread_local! {
    static EXHAUSTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread has no memory for buffers.
pub(crate) fn is_exhausted() -> bool {
    EXHAUSTED.get()
}

fn flow() -> (TlsFlow<Memory<Shared>, Client>, Memory<Shared>) {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let connection = UnbufferedClientConnection::new(Arc::new(config), "example.org".try_into().unwrap()).unwrap();
    let (near, far) = memory_pair::<Shared>(1 << 16);
    (TlsFlow::new(near, connection, None, ROOM), far)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Otherwise the peer would read an end of stream that TLS did not announce, and the writer would
/// not know.
#[test]
fn a_shutdown_that_seals_nothing_is_an_error() {
    let (mut near, mut far) = flow();
    EXHAUSTED.set(true);
    let Poll::Ready(Err(error)) = near.poll_shutdown(&mut cx()) else { panic!("no error") };
    assert_eq!((error.kind(), error.phase()), (ErrorKind::OutOfMemory, Some(Phase::Shutdown)), "{error}");
    EXHAUSTED.set(false);
    let Poll::Ready(Err(error)) = near.poll_shutdown(&mut cx()) else { panic!("no error") };
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    assert!(far.poll_read(&mut cx(), &mut [0]).is_pending(), "the flow below was shut down");
}

/// A read without memory fails the connection, as every operation without memory does.
#[test]
fn a_read_without_memory_is_final() {
    let (mut near, _far) = flow();
    // The hello is sent.
    assert!(near.poll_handshake(&mut cx()).is_pending());
    EXHAUSTED.set(true);
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = near.poll_read(&mut cx(), &mut [0]) else { panic!("no error") };
        assert_eq!((error.kind(), error.phase()), (ErrorKind::OutOfMemory, Some(Phase::Read)), "{error}");
        EXHAUSTED.set(false);
    }
}
