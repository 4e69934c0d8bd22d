//! A client and a server of ours over a flow in memory.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use common::flows::{Log, Tap};
use common::{Authority, BOTH, NAME};
use futures_lite::future::{block_on, poll_once, yield_now, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_core::keys::TlsVersion;
use mimic_core::roles::{HostPort, Secure, Transport};
use mimic_core::{Context, ErrorKind, Flow, FlowExt, Phase, Shared, Text};
use mimic_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use mimic_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use mimic_rustls::rustls::pki_types::{self, CertificateDer};
use mimic_rustls::rustls::server::AlwaysResolvesServerRawPublicKeys;
use mimic_rustls::rustls::sign::CertifiedKey;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{
    self, AlertDescription, ClientConfig, DigitallySignedStruct, ServerConfig, ServerConnection, SignatureScheme,
};
use mimic_rustls::{
    AlpnProtocol, CipherSuite, Client, PeerCertificates, RequestedName, Resumed, ServerName, Tls, TlsConfig, TlsFlow,
    accept, connect,
};

#[test]
fn both_versions_carry_bytes_and_close_in_order() {
    let authority = Authority::new();
    for (versions, number) in [([&TLS13], 0x0304), ([&TLS12], 0x0303)] {
        // The pipe below holds from one byte to plenty.
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
            assert_eq!(flow.attribute(RequestedName), Some(Text::from(NAME)));
            assert_eq!(flow.attribute(AlpnProtocol).as_deref(), Some(&b"line"[..]));
            assert_eq!(flow.attribute(PeerCertificates), None);
        },
    ));
}

#[test]
fn protocols_that_are_asked_for_replace_those_of_the_configuration() {
    let authority = Authority::new();
    let mut client = authority.client(&BOTH);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut server = authority.server(&[NAME], &BOTH);
    server.alpn_protocols = vec![b"h2".to_vec(), b"line".to_vec()];
    let (near, far) = memory_pair::<Shared>(4096);
    let (flow, peer) =
        block_on(zip(connect(near, Arc::new(client), vec![b"line".to_vec()], NAME), accept(far, &server)));
    assert_eq!(flow.unwrap().attribute(AlpnProtocol).as_deref(), Some(&b"line"[..]));
    assert_eq!(peer.unwrap().attribute(AlpnProtocol).as_deref(), Some(&b"line"[..]));
}

/// The keys are those of core, so a client of any protocol needs no TLS crate for them. An empty
/// list is as none.
#[test]
fn keys_of_core_offer_protocols_and_tell_the_negotiated_one() {
    let authority = Authority::new();
    let mut client = authority.client(&BOTH);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut server = authority.server(&[NAME], &BOTH);
    server.alpn_protocols = vec![b"h2".to_vec(), b"line".to_vec()];
    let client = Arc::new(client);
    for (offered, negotiated) in [(vec![b"line".to_vec()], "line"), (Vec::new(), "h2")] {
        let (near, far) = memory_pair::<Shared>(4096);
        let near = Mutex::new(Some(near));
        let ctx = Context::new()
            .install(Tls)
            .with(TlsConfig, client.clone())
            .with(mimic_core::keys::Alpn, offered)
            .register(Transport, "memory", 0, (), move |_, ()| {
                let near = near.lock().unwrap().take().unwrap();
                async move { Ok(Box::new(near) as _) }
            });
        let (flow, peer) = block_on(zip(ctx.resolve(Secure, HostPort::new(NAME, 443)), accept(far, &server)));
        assert_eq!(flow.unwrap().attribute(mimic_core::keys::AlpnProtocol).as_deref(), Some(negotiated.as_bytes()));
        assert_eq!(peer.unwrap().attribute(mimic_core::keys::AlpnProtocol).as_deref(), Some(negotiated.as_bytes()));
    }
}

/// Returns a client that has read 5 bytes, which came in front of session tickets, and a part of a
/// ticket; the flow below its peer; the peer; and the rest of the tickets.
fn a_part_of_a_ticket() -> (TlsFlow<Memory<Shared>, Client>, Memory<Shared>, ServerConnection, Vec<u8>) {
    let authority = Authority::new();
    let mut server = authority.server(&[NAME], &[&TLS13]);
    (server.send_half_rtt_data, server.max_fragment_size) = (true, Some(64));
    let mut peer = ServerConnection::new(Arc::new(server)).unwrap();
    peer.writer().write_all(b"early").unwrap();
    let (near, mut far) = memory_pair::<Shared>(1 << 16);
    let (flow, mut tickets) =
        block_on(zip(connect(near, Arc::new(authority.client(&BOTH)), Vec::new(), NAME), async {
            let mut buf = [0; 2000];
            while peer.is_handshaking() {
                far.write_all(&sent(&mut peer)).await.unwrap();
                let n = far.read(&mut buf).await.unwrap();
                peer.read_tls(&mut &buf[..n]).unwrap();
                peer.process_new_packets().unwrap();
            }
            sent(&mut peer)
        }));
    let mut flow = flow.unwrap();
    block_on(async {
        let mut buf = [0; 100];
        assert_eq!(flow.read(&mut buf).await.unwrap(), 5);
        // One record, which is a part of the message.
        let rest = tickets.split_off(5 + usize::from(tickets[4]));
        assert!(rest.len() > 64);
        far.write_all(&tickets).await.unwrap();
        assert!(poll_once(flow.read(&mut buf)).await.is_none());
        (flow, far, peer, rest)
    })
}

fn sent(peer: &mut ServerConnection) -> Vec<u8> {
    let mut sent = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut sent).unwrap();
    }
    sent
}

#[test]
fn a_write_while_a_ticket_has_come_in_part() {
    let (mut flow, mut far, mut peer, rest) = a_part_of_a_ticket();
    block_on(async {
        flow.write_all(b"question").await.unwrap();
        flow.flush().await.unwrap();
        let mut buf = [0; 100];
        let n = far.read(&mut buf).await.unwrap();
        peer.read_tls(&mut &buf[..n]).unwrap();
        assert_eq!(peer.process_new_packets().unwrap().plaintext_bytes_to_read(), 8);
        peer.writer().write_all(b"answer").unwrap();
        far.write_all(&rest).await.unwrap();
        far.write_all(&sent(&mut peer)).await.unwrap();
        let mut answer = [0; 6];
        flow.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
    });
}

#[test]
fn an_error_while_a_ticket_has_come_in_part() {
    let (mut flow, mut far, mut peer, mut rest) = a_part_of_a_ticket();
    rest[9] ^= 1;
    block_on(async {
        far.write_all(&rest).await.unwrap();
        let mut buf = [0; 100];
        for _ in 0..2 {
            assert_eq!(flow.read(&mut buf).await.unwrap_err().kind(), ErrorKind::InvalidData);
        }
        flow.shutdown().await.unwrap();
        let n = far.read(&mut buf).await.unwrap();
        peer.read_tls(&mut &buf[..n]).unwrap();
        let alert = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
        assert_eq!(peer.process_new_packets().unwrap_err(), alert);
    });
}

/// The server has a key that the client knows, and no certificate (RFC 7250).
#[test]
fn raw_public_keys() {
    #[derive(Debug)]
    struct Known(CertificateDer<'static>, WebPkiSupportedAlgorithms);

    impl ServerCertVerifier for Known {
        fn verify_server_cert(
            &self,
            key: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &pki_types::ServerName<'_>,
            _: &[u8],
            _: pki_types::UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            assert_eq!(*key, self.0);
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            panic!("not of TLS 1.2")
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls13_signature_with_raw_key(message, &key.as_ref().into(), signed, &self.1)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.1.supported_schemes()
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    }

    let provider = common::provider();
    let (_, key) = Authority::new().issue(&[NAME], |_| {});
    let key = provider.key_provider.load_private_key(key).unwrap();
    let public = CertificateDer::from(key.public_key().unwrap().to_vec());
    let known = Known(public.clone(), provider.signature_verification_algorithms);
    let client = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13]).unwrap();
    let client = client.dangerous().with_custom_certificate_verifier(Arc::new(known)).with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let certified = Arc::new(CertifiedKey::new(vec![public.clone()], key));
    let resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified));
    let server = server.with_no_client_auth().with_cert_resolver(resolver);
    let (near, far) = memory_pair::<Shared>(4096);
    let (flow, peer) = block_on(zip(connect(near, Arc::new(client), Vec::new(), NAME), accept(far, &server)));
    assert_eq!(flow.unwrap().attribute(PeerCertificates).as_deref(), Some(&[public][..]));
    peer.unwrap();
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
        let said = [false, true].map(|resumed| {
            let (near, far) = memory_pair::<Shared>(1 << 16);
            let log = Log::default();
            let far = Tap { below: far, log: log.clone() };
            block_on(zip(
                async {
                    let mut flow = connect(near, client.clone(), Vec::new(), NAME).await.unwrap();
                    assert_eq!(flow.attribute(PeerCertificates).unwrap().len(), 1);
                    assert_eq!(flow.attribute(Resumed), Some(resumed));
                    // Tickets come before it.
                    assert_eq!(flow.read(&mut [0; 9]).await.unwrap(), 1);
                    flow.close().await.unwrap();
                },
                async {
                    let mut flow = accept(far, &server).await.unwrap();
                    assert_eq!(flow.attribute(RequestedName), Some(Text::from(NAME)));
                    assert_eq!(flow.attribute(Resumed), Some(resumed));
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
                    // The reader takes the part and waits for the rest.
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
