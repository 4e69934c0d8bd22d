//! STARTTLS: from clear text to TLS in place, on both sides.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::Arc;

use common::tasks::both;
use common::{Authority, BOTH, NAME};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{BufReader, memory_pair};
use mimic_core::keys::TlsVersion;
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Local, Mode, Phase, Shared};
use mimic_rustls::{upgrade, upgrade_server};

async fn line<F: Flow + Read<Error = Error>>(reader: &mut BufReader<F>) -> Vec<u8> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line, 100).await.unwrap();
    line
}

/// Upgrades with bytes that follow in the packet of the request, and of the answer.
fn starttls<M: Mode>(after_request: &[u8], after_answer: &[u8]) -> (Result<Vec<u8>, Error>, Result<Vec<u8>, Error>) {
    let authority = Authority::new();
    let (near, far) = memory_pair::<M>(4096);
    let server = authority.server(&[NAME], &BOTH);
    both(
        &"STARTTLS",
        async {
            let mut reader = BufReader::with_capacity(256, near);
            reader.get_mut().write_all(&[b"STARTTLS\n", after_request].concat()).await.unwrap();
            assert_eq!(line(&mut reader).await, b"OK\n");
            let mut flow = upgrade(reader, Arc::new(authority.client(&BOTH)), Vec::new(), NAME).await?;
            assert!(flow.attribute(TlsVersion).is_some());
            flow.write_all(b"now secret").await?;
            flow.flush().await?;
            let mut answer = [0; 6];
            let n = flow.read(&mut answer).await?;
            Ok(answer[..n].to_vec())
        },
        async {
            let mut reader = BufReader::with_capacity(256, far);
            assert_eq!(line(&mut reader).await, b"STARTTLS\n");
            reader.get_mut().write_all(&[b"OK\n", after_answer].concat()).await.unwrap();
            let mut flow = upgrade_server(reader, &server).await?;
            let mut question = [0; 10];
            let n = flow.read(&mut question).await?;
            flow.write_all(b"indeed").await?;
            flow.flush().await?;
            Ok(question[..n].to_vec())
        },
    )
}

#[test]
fn both_sides_go_on_in_tls() {
    for (client, server) in [starttls::<Shared>(b"", b""), starttls::<Local>(b"", b"")] {
        assert_eq!(client.unwrap(), b"indeed");
        assert_eq!(server.unwrap(), b"now secret");
    }
}

#[track_caller]
fn assert_injection(error: &Error, bytes: usize) {
    let text = error.to_string();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Handshake)), "{text}");
    assert!(text.contains(&format!("{bytes} bytes of plaintext came before the handshake")), "{text}");
    assert!(text.contains("close the connection"), "{text}");
}

#[test]
fn buffered_plaintext_is_refused_by_the_server() {
    let (client, server) = starttls::<Shared>(b"MAIL FROM:<mallory>\n", b"");
    assert_injection(&server.unwrap_err(), 20);
    assert_eq!(client.unwrap_err().phase(), Some(Phase::Handshake));
}

#[test]
fn buffered_plaintext_is_refused_by_the_client() {
    let (client, server) = starttls::<Shared>(b"", b"250 injected\n");
    assert_injection(&client.unwrap_err(), 13);
    assert_eq!(server.unwrap_err().phase(), Some(Phase::Handshake));
}
