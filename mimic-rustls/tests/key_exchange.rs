//! The group of the key exchange, as both ends tell it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::Arc;

use common::{Authority, BOTH, NAME, handshake};
use futures_lite::future::block_on;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::{FlowExt, Shared};
use mimic_rustls::rustls::crypto::{CryptoProvider, ring};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{ClientConfig, NamedGroup, ServerConfig, SupportedProtocolVersion};
use mimic_rustls::{KeyExchangeGroup, Resumed};

/// Configurations with a provider for each end.
fn configs(
    client: CryptoProvider,
    server: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> (Arc<ClientConfig>, ServerConfig) {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&[NAME], |_| {});
    let client = ClientConfig::builder_with_provider(client.into()).with_protocol_versions(versions).unwrap();
    let server = ServerConfig::builder_with_provider(server.into()).with_protocol_versions(versions).unwrap();
    (
        Arc::new(client.with_root_certificates(authority.roots()).with_no_client_auth()),
        server.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap(),
    )
}

/// Runs a handshake and reads one byte, with which tickets come. Returns the group and whether the
/// session was resumed, as both ends tell it.
fn group_of((client, server): &(Arc<ClientConfig>, ServerConfig)) -> (Option<NamedGroup>, bool) {
    let (mut near, mut far) = handshake(memory_pair::<Shared>(1 << 16), client, server);
    let (group, resumed) = (near.attribute(KeyExchangeGroup), near.attribute(Resumed));
    assert_eq!((far.attribute(KeyExchangeGroup), far.attribute(Resumed)), (group, resumed));
    block_on(async {
        far.write_all(b"!").await.unwrap();
        far.flush().await.unwrap();
        assert_eq!(near.read(&mut [0; 9]).await.unwrap(), 1);
    });
    (group.map(NamedGroup::from), resumed.unwrap())
}

#[test]
fn ring_agrees_on_x25519() {
    let configs = configs(ring::default_provider(), ring::default_provider(), &BOTH);
    assert_eq!(group_of(&configs), (Some(NamedGroup::X25519), false));
    assert_eq!(group_of(&configs), (Some(NamedGroup::X25519), true), "TLS 1.3 exchanges keys again");
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn aws_lc_rs_is_the_default_and_agrees_on_a_post_quantum_group() {
    use mimic_rustls::rustls::crypto::aws_lc_rs;

    let chosen = || CryptoProvider::clone(&mimic_rustls::provider().unwrap());
    let both = configs(chosen(), chosen(), &BOTH);
    assert_eq!(group_of(&both), (Some(NamedGroup::X25519MLKEM768), false));
    assert_eq!(group_of(&both), (Some(NamedGroup::X25519MLKEM768), true));
    // The other end has no such group.
    let older = configs(aws_lc_rs::default_provider(), ring::default_provider(), &BOTH);
    assert_eq!(group_of(&older), (Some(NamedGroup::X25519), false));
    let older = configs(ring::default_provider(), aws_lc_rs::default_provider(), &[&TLS13]);
    assert_eq!(group_of(&older), (Some(NamedGroup::X25519), false));
    // TLS 1.2 has no such group.
    let older = configs(aws_lc_rs::default_provider(), aws_lc_rs::default_provider(), &[&TLS12]);
    assert_eq!(group_of(&older), (Some(NamedGroup::X25519), false));
}

/// A session of TLS 1.2 is resumed without a key exchange. The group of a TLS below is not the
/// flow's.
#[test]
fn a_resumed_session_of_tls_1_2_has_no_group() {
    let old = configs(ring::default_provider(), ring::default_provider(), &[&TLS12]);
    assert_eq!(group_of(&old), (Some(NamedGroup::X25519), false));
    assert_eq!(group_of(&old), (None, true));
    let new = configs(ring::default_provider(), ring::default_provider(), &[&TLS13]);
    let below = handshake(memory_pair::<Shared>(1 << 16), &new.0, &new.1);
    let (near, far) = handshake(below, &old.0, &old.1);
    assert_eq!(near.get_ref().attribute(KeyExchangeGroup), Some(u16::from(NamedGroup::X25519)));
    assert_eq!((near.attribute(KeyExchangeGroup), far.attribute(KeyExchangeGroup)), (None, None));
}
