//! A client and a server of ours over a flow in memory.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::Arc;

use common::wire::{Log, Tap};
use common::{Authority, BOTH};
use futures_lite::future::{block_on, yield_now, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{ErrorKind, Flow, FlowExt, Phase, Shared, Text, TlsVersion, memory_pair};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::{AlpnProtocol, CipherSuite, PeerCertificates, ServerName, accept, connect};

const NAME: &str = "example.org";

#[test]
fn both_versions_carry_bytes_and_close_in_order() {
    let authority = Authority::new();
    for (versions, number) in [([&TLS13], 0x0304), ([&TLS12], 0x0303)] {
        // From one byte to plenty in the pipe below.
        for capacity in [1, 7, 100, 1 << 20] {
            let client = Arc::new(authority.client(&versions));
            let server = authority.server(&[NAME], &versions);
            let (near, far) = memory_pair::<Shared>(capacity);
            block_on(zip(
                async {
                    let mut flow = connect(near, client, Vec::new(), NAME).await.unwrap();
                    assert_eq!(flow.attribute(TlsVersion), Some(number));
                    flow.write_all(b"question").await.unwrap();
                    flow.shutdown().await.unwrap();
                    assert_eq!(flow.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
                    let mut answer = [0; 100_000];
                    flow.read_exact(&mut answer).await.unwrap();
                    assert!(answer.iter().enumerate().all(|(at, byte)| *byte == at.to_le_bytes()[0]));
                    assert_eq!(flow.read(&mut answer).await.unwrap(), 0);
                    assert_eq!(flow.read(&mut answer).await.unwrap(), 0);
                },
                async {
                    let mut flow = accept(far, &server).await.unwrap();
                    let mut question = [0; 8];
                    flow.read_exact(&mut question).await.unwrap();
                    assert_eq!(&question, b"question");
                    assert_eq!(flow.read(&mut question).await.unwrap(), 0);
                    let answer: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
                    flow.write_all(&answer).await.unwrap();
                    flow.close().await.unwrap();
                },
            ));
        }
    }
}

#[test]
fn attributes_tell_of_the_connection() {
    let authority = Authority::new();
    let mut client = authority.client(&BOTH);
    client.alpn_protocols = vec![b"h2".to_vec(), b"line".to_vec()];
    let mut server = authority.server(&[NAME], &BOTH);
    server.alpn_protocols = vec![b"line".to_vec()];
    let (near, far) = memory_pair::<Shared>(4096);
    block_on(zip(
        async {
            let flow = connect(near, Arc::new(client), Vec::new(), NAME).await.unwrap();
            assert_eq!(flow.attribute(TlsVersion), Some(0x0304));
            assert_eq!(flow.attribute(AlpnProtocol).as_deref(), Some(&b"line"[..]));
            assert_eq!(flow.attribute(PeerCertificates).unwrap().len(), 1);
            assert_eq!(flow.attribute(ServerName), Some(Text::from(NAME)));
            assert!(flow.attribute(CipherSuite).is_some());
        },
        async {
            let flow = accept(far, &server).await.unwrap();
            assert_eq!(flow.attribute(ServerName), Some(Text::from(NAME)));
            assert_eq!(flow.attribute(AlpnProtocol).as_deref(), Some(&b"line"[..]));
            assert_eq!(flow.attribute(PeerCertificates), None);
        },
    ));
}

#[test]
fn an_end_without_close_notify_is_not_a_clean_end() {
    let authority = Authority::new();
    let (near, far) = memory_pair::<Shared>(4096);
    let client = Arc::new(authority.client(&BOTH));
    let server = authority.server(&[NAME], &BOTH);
    block_on(zip(
        async {
            let mut flow = connect(near, client, Vec::new(), NAME).await.unwrap();
            let mut buf = [0; 16];
            assert_eq!(flow.read(&mut buf).await.unwrap(), 4);
            for _ in 0..2 {
                let error = flow.read(&mut buf).await.unwrap_err();
                assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionAborted, Some(Phase::Read)));
                assert!(error.to_string().contains("without close_notify"), "{error}");
            }
        },
        async {
            let mut flow = accept(far, &server).await.unwrap();
            flow.write_all(b"half").await.unwrap();
            flow.flush().await.unwrap();
            drop(flow);
        },
    ));
}

#[test]
fn a_session_is_resumed_and_tells_the_same() {
    let authority = Authority::new();
    for versions in [[&TLS13], [&TLS12]] {
        let (client, server) = (Arc::new(authority.client(&versions)), authority.server(&[NAME], &versions));
        let said = [(); 2].map(|()| {
            let (near, far) = memory_pair::<Shared>(1 << 16);
            let log = Log::default();
            let far = Tap { below: far, log: log.clone() };
            block_on(zip(
                async {
                    let mut flow = connect(near, client.clone(), Vec::new(), NAME).await.unwrap();
                    assert_eq!(flow.attribute(PeerCertificates).unwrap().len(), 1);
                    // Tickets come before it.
                    assert_eq!(flow.read(&mut [0; 9]).await.unwrap(), 1);
                    flow.close().await.unwrap();
                },
                async {
                    let mut flow = accept(far, &server).await.unwrap();
                    assert_eq!(flow.attribute(ServerName), Some(Text::from(NAME)));
                    flow.write_all(b"!").await.unwrap();
                    flow.close().await.unwrap();
                },
            ));
            log.lock().unwrap().len()
        });
        // The certificate is not sent again.
        assert!(said[1] + 200 < said[0], "{said:?}");
    }
}

#[test]
fn an_end_or_a_reset_in_mid_record_is_an_error() {
    let authority = Authority::new();
    for versions in [[&TLS13], [&TLS12]] {
        for (reset, kind) in [(false, ErrorKind::ConnectionAborted), (true, ErrorKind::ConnectionReset)] {
            let (near, far) = memory_pair::<Shared>(4096);
            let (client, server) = (Arc::new(authority.client(&versions)), authority.server(&[NAME], &versions));
            block_on(zip(
                async {
                    let mut flow = connect(near, client, Vec::new(), NAME).await.unwrap();
                    for _ in 0..2 {
                        let error = flow.read(&mut [0; 16]).await.unwrap_err();
                        assert_eq!((error.kind(), error.phase()), (kind, Some(Phase::Read)), "{error}");
                    }
                },
                async {
                    let mut below = accept(far, &server).await.unwrap().into_inner();
                    below.write_all(&[0x17, 3, 3, 0, 40, 1, 2, 3]).await.unwrap();
                    // The reader takes what there is and waits for the rest.
                    yield_now().await;
                    if reset {
                        below.abort();
                    }
                },
            ));
        }
    }
}

#[test]
fn attributes_of_a_tls_below_are_not_those_of_the_flow() {
    let authority = Authority::new();
    let mut proxied = authority.client(&BOTH);
    proxied.alpn_protocols = vec![b"h2".to_vec()];
    let mut proxy = authority.server(&["proxy"], &BOTH);
    proxy.alpn_protocols = vec![b"h2".to_vec()];
    let (client, server) = (Arc::new(authority.client(&BOTH)), authority.server(&[NAME], &BOTH));
    let (near, far) = memory_pair::<Shared>(1 << 16);
    block_on(zip(
        async {
            let below = connect(near, Arc::new(proxied), Vec::new(), "proxy").await.unwrap();
            assert_eq!(below.attribute(AlpnProtocol).as_deref(), Some(&b"h2"[..]));
            let flow = connect(below, client, Vec::new(), NAME).await.unwrap();
            assert_eq!(flow.attribute(AlpnProtocol), None);
            assert_eq!(flow.attribute(ServerName), Some(Text::from(NAME)));
        },
        async {
            let below = accept(far, &proxy).await.unwrap();
            let flow = accept(below, &server).await.unwrap();
            assert_eq!(flow.attribute(AlpnProtocol), None);
        },
    ));
}
