//! Connections that end or break in the middle of a handshake, or of a conversation: the error says
//! where, and an alert that has come is told.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "common/duel.rs"]
mod duel;

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use common::flows::{Plan, Tap, Trouble};
use common::tasks::both;
use common::{Authority, BOTH, NAME, provider};
use duel::{MARKER, VERSIONS, assert_alert, assert_error, assert_no_clear_text, talk};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{Error, ErrorKind, Flow, Local, Mode, Phase, Shared};
use mimic_rustls::rustls::server::WebPkiClientVerifier;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{AlertDescription, ServerConfig, SupportedProtocolVersion};
use mimic_rustls::{accept, connect};

/// The flow below fails, but the alert of the peer is there to be read.
#[test]
fn a_peer_that_has_gone_before_it_was_greeted_said_why() {
    let (near, mut far) = memory_pair::<Shared>(1 << 16);
    let client = Arc::new(Authority::new().client(&BOTH));
    let alert = [0x15, 3, 3, 0, 2, 2, u8::from(AlertDescription::HandshakeFailure)];
    both(&"alert", async { far.write_all(&alert).await.unwrap() }, async {});
    drop(far);
    let (result, ()) = both(&"client", connect(near, client, Vec::new(), NAME), async {});
    assert_alert(&result.map(drop), AlertDescription::HandshakeFailure);
}

/// Here the flows keep written bytes until they are flushed.
#[test]
fn the_alert_is_flushed() {
    let (trusted, other) = (Authority::new(), Authority::new());
    for versions in VERSIONS {
        let (near, far) = memory_pair::<Shared>(1 << 16);
        let buffered = |below| Trouble::new(below, Plan { buffered: true, ..Plan::default() }, 1);
        let server = other.server(&[NAME], &versions);
        let client = connect(buffered(near), Arc::new(trusted.client(&versions)), Vec::new(), NAME);
        let (client, server) = both(&"buffered", client, accept(buffered(far), &server));
        drop(client.unwrap_err());
        assert_alert(&server.map(drop), AlertDescription::UnknownCA);
    }
}

#[test]
fn a_flow_below_that_takes_nothing() {
    #[derive(Debug)]
    struct Full;
    impl Flow for Full {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
            Poll::Pending
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Error>> {
            Poll::Ready(Ok(0))
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
    }

    let client = Arc::new(Authority::new().client(&BOTH));
    let connecting = connect(Full, client, Vec::new(), NAME);
    let connecting = futures_lite::future::block_on(futures_lite::future::poll_once(connecting));
    let result = connecting.expect("no hang").map(drop);
    assert_error(&result, ErrorKind::WriteZero, Phase::Handshake, &["the flow below took no byte"]);
}

/// In TLS 1.3 the server looks at the client's certificate when the client has begun to write.
#[test]
fn a_write_to_a_peer_that_has_gone_says_why_it_went() {
    let authority = Authority::new();
    let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider()).build().unwrap();
    let (leaf, key) = authority.issue(&[NAME], |_| {});
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&BOTH)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf], key)
        .unwrap();
    let (near, far) = memory_pair::<Shared>(1 << 16);
    let client = connect(near, Arc::new(authority.client(&BOTH)), Vec::new(), NAME);
    let (client, server) = both(&"client certificate", client, accept(far, &server));
    drop(server.unwrap_err());
    let mut client = client.unwrap();
    let (result, ()) = both(
        &"write",
        async {
            client.write_all(MARKER).await?;
            client.flush().await
        },
        async {},
    );
    let says = ["CertificateRequired", "asks for a client certificate"];
    assert_error(&result, ErrorKind::PermissionDenied, Phase::Write, &says);
    let (result, _) = both(&"read", client.read(&mut [0]), async {});
    assert_error(&result.map(drop), ErrorKind::PermissionDenied, Phase::Read, &says);
}

/// Counts the bytes that each side writes until both are done. Then cuts the input of the client,
/// or of the server, at each of them. The other side must end as well.
fn cut_at_every_byte<M: Mode>(versions: [&'static SupportedProtocolVersion; 1], cut_client: bool) {
    let authority = Authority::new();
    let client = Arc::new(authority.client(&versions));
    let server = authority.server(&[NAME], &versions);
    let mut at = 0;
    loop {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (near, far) = memory_pair::<M>(1 << 16);
        let plan = |cut: bool| Plan { cut: cut.then_some(at), ..Plan::default() };
        let near = Tap { below: Trouble::new(near, plan(cut_client), 1), log: log.clone() };
        let far = Tap { below: Trouble::new(far, plan(!cut_client), 1), log: log.clone() };
        let (client, server) = both(
            &format_args!("cut at {at}"),
            async { talk(connect(near, client.clone(), Vec::new(), NAME).await).await },
            async { talk(accept(far, &server).await).await },
        );
        assert_no_clear_text(&log);
        let (cut, other) = if cut_client { (client, server) } else { (server, client) };
        let Err(error) = cut else {
            assert!(at > 200, "all was said in {at} bytes?");
            return;
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "cut at {at}: {error}");
        match error.phase() {
            Some(Phase::Handshake) => assert!(error.to_string().contains("closed the connection in the handshake")),
            Some(Phase::Read) => assert!(error.to_string().contains("without close_notify")),
            _ => panic!("cut at {at}: {error}"),
        }
        if let Err(error) = other {
            let kinds = [ErrorKind::ConnectionAborted, ErrorKind::BrokenPipe];
            assert!(kinds.contains(&error.kind()), "cut at {at}, the other side: {error}");
        }
        at += 1;
    }
}

#[test]
fn the_client_is_cut_at_every_byte_of_tls_13() {
    cut_at_every_byte::<Shared>([&TLS13], true);
}

#[test]
fn the_server_is_cut_at_every_byte_of_tls_13() {
    cut_at_every_byte::<Local>([&TLS13], false);
}

#[test]
fn the_client_is_cut_at_every_byte_of_tls_12() {
    cut_at_every_byte::<Local>([&TLS12], true);
}

#[test]
fn the_server_is_cut_at_every_byte_of_tls_12() {
    cut_at_every_byte::<Shared>([&TLS12], false);
}

#[test]
fn a_reset_says_where_it_struck() {
    let authority = Authority::new();
    for versions in VERSIONS {
        for at in [0, 3, 100, 500] {
            let (near, far) = memory_pair::<Shared>(1 << 16);
            let near = Trouble::new(near, Plan { reset: Some(at), ..Plan::default() }, 1);
            let client = Arc::new(authority.client(&versions));
            let server = authority.server(&[NAME], &versions);
            let (result, _) = both(&at, async { talk(connect(near, client, Vec::new(), NAME).await).await }, async {
                talk(accept(far, &server).await).await
            });
            assert_error(&result, ErrorKind::ConnectionReset, Phase::Handshake, &["reset by the test"]);
        }
    }
}
