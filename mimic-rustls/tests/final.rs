//! The error of a server whose client refuses its choice, and that a message beyond the room ends
//! both directions.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;

use std::sync::Arc;
use std::task::Poll;

use common::tasks::both;
use common::{Authority, NAME, handshake};
use flow_kit::{Task, fails, ok};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{ErrorKind, Flow, Phase, Shared};
use mimic_rustls::rustls::pki_types::ServerName;
use mimic_rustls::rustls::server::ProducesTickets;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{AlertDescription, ClientConnection, Error as TlsError};
use mimic_rustls::{accept, tls_error};

/// A fatal alert in clear text, as a client sends it after it has read the server's hello.
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// Only clients give a client certificate, so a server gets no advice to give one.
#[test]
fn a_client_that_refuses_the_servers_choice() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(authority.client(&[version]));
        let mut hello = Vec::new();
        let name = ServerName::try_from(NAME).unwrap();
        ClientConnection::new(client, name).unwrap().write_tls(&mut hello).unwrap();
        let (near, mut far) = memory_pair::<Shared>(1 << 16);
        let server = authority.server(&[NAME], &[version]);
        let (refused, ()) = both(&"alert", accept(near, &server), async {
            far.write_all(&hello).await.unwrap();
            // The server's hello.
            assert!(far.read(&mut [0; 5000]).await.unwrap() > 0);
            far.write_all(&HANDSHAKE_FAILURE).await.unwrap();
        });
        let error = refused.map(drop).unwrap_err();
        assert_eq!(tls_error(&error), Some(&TlsError::AlertReceived(AlertDescription::HandshakeFailure)), "{error}");
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Unsupported, Some(Phase::Handshake)), "{error}");
        let text = format!("{error:#}");
        assert!(text.contains("the client refused what the two sides would use"), "{text}");
        assert!(!text.contains("certificate"), "{text}");
    }
}

/// Makes tickets that take more room than a client has by default, in small records.
#[derive(Debug)]
struct Long;

impl ProducesTickets for Long {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        9
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(vec![7; 60_000])
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn a_message_beyond_the_room_ends_both_directions() {
    let authority = Authority::new();
    let client = Arc::new(authority.client(&[&TLS13]));
    let mut server = authority.server(&[NAME], &[&TLS13]);
    server.ticketer = Arc::new(Long);
    server.send_tls13_tickets = 1;
    server.max_fragment_size = Some(32);
    let (mut near, mut far) = handshake(memory_pair::<Shared>(1 << 20), &client, &server);
    let (reader, writer, peer) = (Task::new(), Task::new(), Task::new());
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = near.poll_read(&mut reader.cx(), &mut [0; 9]) else { panic!("refused") };
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Read)), "{error}");
        let text = format!("{error:#}");
        assert!(text.contains("longer than 65536 bytes") && text.contains("HandshakeRoom"), "{text}");
        assert!(tls_error(&error).is_some());
    }
    assert_eq!(writer.write(&mut near, b"question"), fails(ErrorKind::InvalidData));
    assert_eq!(reader.read(&mut near), fails(ErrorKind::InvalidData));
    // There is no alert for it, so the peer reads an end without close_notify.
    assert_eq!(writer.shutdown(&mut near), ok(()));
    assert_eq!(peer.read(&mut far), fails(ErrorKind::ConnectionAborted));
}
