//! Configurations from PEM text: the peers that they accept, and the error for each bad input.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]
#![cfg(feature = "std")]

mod common;
#[path = "common/options.rs"]
mod options;

use std::sync::Arc;

use common::{Authority, BOTH, NAME, handshake};
use mimic_core::io::memory_pair;
use mimic_core::keys::AlpnProtocol;
use mimic_core::{ErrorKind, FlowExt, Shared};
use mimic_rustls::rustls::crypto::ring;
use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, NamedGroup};
use mimic_rustls::{Identity, KeyExchangeGroup, PeerCertificates, ServerOptions, identity, tls_error, trust};
use options::{assert_accepted, assert_invalid, pem_of, refused, talk};
use rcgen::KeyPair;

/// A certificate for the names and its key, as PEM text.
fn issue(authority: &Authority, names: &[&str]) -> (String, String) {
    let (certificate, key) = authority.issue(names, |_| {});
    pem_of(&certificate, &key)
}

fn identity_of(authority: &Authority) -> Identity {
    let (chain, key) = issue(authority, &[NAME]);
    identity(chain, key).unwrap()
}

#[test]
fn a_client_trusts_the_given_authorities_and_no_other() {
    let [one, two, other] = [(); 3].map(|()| Authority::new());
    let servers = [&one, &two, &other].map(|authority| authority.server(&[NAME], &BOTH));
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    for options in [
        trust(format!("a comment\n{}\n{}", one.pem, two.pem)).unwrap(),
        trust(&one.pem).unwrap().trust(two.pem.as_bytes()).unwrap(),
    ] {
        assert_accepted(&options, &servers[0]);
        assert_accepted(&options, &servers[1]);
        assert_eq!(tls_error(&refused(&options, &servers[2])), Some(&unknown));
    }
}

#[test]
fn the_provider_can_be_chosen() {
    let authority = Authority::new();
    let ring = Arc::new(ring::default_provider());
    let client = trust(&authority.pem).unwrap().provider(ring.clone()).config().unwrap();
    let (near, far) = handshake(memory_pair::<Shared>(1 << 16), &client, &authority.server(&[NAME], &BOTH));
    assert_eq!(near.attribute(KeyExchangeGroup), Some(u16::from(NamedGroup::X25519)));
    drop(far);
    let server = ServerOptions::new(identity_of(&authority)).provider(ring).config().unwrap();
    let client = trust(&authority.pem).unwrap().config().unwrap();
    let (near, _far) = handshake(memory_pair::<Shared>(1 << 16), &client, &server);
    assert_eq!(near.attribute(KeyExchangeGroup), Some(u16::from(NamedGroup::X25519)));
}

#[test]
fn pem_text_that_is_malformed_or_has_no_certificate() {
    let authority = Authority::new();
    let good = authority.pem.as_str();
    let (first, rest) = good.split_once('\n').unwrap();
    let der = authority.roots().roots[0].subject.to_vec();
    let key = KeyPair::generate().unwrap().serialize_pem();
    let hollow = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let cut = good.trim_end().strip_suffix("-----END CERTIFICATE-----").unwrap();
    for (text, says) in [
        ("", "PEM of the certificate: it is empty"),
        ("hello", "there is no certificate in PEM format in it"),
        (&key, "there is no certificate in it, only: PRIVATE KEY"),
        (cut, "the CERTIFICATE of line 1 has no end"),
        (&format!("{first}\n*{rest}"), "line 2, in the CERTIFICATE of line 1, is not base64"),
        (&format!("{first}\nMIIBA\n{good}"), "the CERTIFICATE of line 1 has no end before line 3"),
        (hollow, "certificate 1 in it cannot be used: its encoding (DER) is broken"),
        (&format!("{good}{hollow}"), "certificate 2 in it cannot be used"),
    ] {
        assert_invalid(trust(text), ErrorKind::InvalidData, &[says]);
        // A client certificate and a server's. Their encoding is checked with the key.
        if text != hollow && !text.starts_with(good) {
            assert_invalid(identity(text, &key), ErrorKind::InvalidData, &[says]);
        }
        let server = ServerOptions::new(identity_of(&authority));
        assert_invalid(server.require_clients_of(text), ErrorKind::InvalidData, &[says]);
    }
    let der = [&[0x30, 0x82], &der[..]].concat();
    assert_invalid(trust(&der), ErrorKind::InvalidData, &["in PEM format in it, but DER", "openssl x509"]);
}

#[test]
fn a_private_key_that_is_malformed_or_missing_and_nothing_of_it_in_the_error() {
    let authority = Authority::new();
    let (chain, key) = issue(&authority, &[NAME]);
    let secret = key.lines().nth(1).unwrap();
    let broken = key.replace(secret, &format!("{secret}*"));
    let label = |label: &str| key.replace("PRIVATE KEY", label);
    for (text, says) in [
        ("", "PEM of the private key: it is empty"),
        (chain.as_str(), "there is no private key in it, only: CERTIFICATE"),
        (&broken, "line 2, in the PRIVATE KEY of line 1, is not base64"),
        (&label("ENCRYPTED PRIVATE KEY"), "the private key in it is encrypted"),
        (&label("OPENSSH PRIVATE KEY"), "in the format of OpenSSH"),
    ] {
        let result = identity(&chain, text);
        let said = format!("{result:?} {:#}", result.as_ref().unwrap_err());
        assert!(!said.contains(&secret[..16]), "{said}");
        assert_invalid(result, ErrorKind::InvalidData, &[says]);
    }
    // The base64 of text that is no key.
    let hollow = identity(&chain, "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n").unwrap();
    assert_invalid(ServerOptions::new(hollow).config(), ErrorKind::InvalidData, &["give an RSA key", "Ed25519"]);
    let shown = format!("{:?}", identity(&chain, &key).unwrap());
    assert!(!shown.contains(&secret[..16]) && shown.contains("key: Zeroizing { .. }"), "{shown}");
}

#[test]
fn a_key_that_is_not_the_certificates() {
    let authority = Authority::new();
    let ((chain, _), (other, key)) = (issue(&authority, &[NAME]), issue(&authority, &[NAME]));
    let says = ["the private key is not that of the first certificate", "before those of its authorities"];
    let wrong = identity(&chain, &key).unwrap();
    assert_invalid(ServerOptions::new(wrong.clone()).config(), ErrorKind::InvalidData, &says);
    assert_invalid(trust(&authority.pem).unwrap().identity(wrong).config(), ErrorKind::InvalidData, &says);
    // The own certificate comes last.
    let reversed = identity(format!("{}{other}", authority.pem), &key).unwrap();
    assert_invalid(ServerOptions::new(reversed).config(), ErrorKind::InvalidData, &says);
    // No certificate of X.509, which only shows here.
    let hollow = identity("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", &key).unwrap();
    assert_invalid(
        ServerOptions::new(hollow).config(),
        ErrorKind::InvalidData,
        &["certificate 1 in it cannot be used"],
    );
}

#[test]
fn both_ends_authenticate_by_their_identities() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (chain, key) = issue(&clients, &["a client"]);
    let known = identity(&chain, key).unwrap();
    let options = ServerOptions::new(identity_of(&servers)).require_clients_of(&clients.pem).unwrap();
    let server = options.config().unwrap();
    let client = trust(&servers.pem).unwrap();

    let config = client.clone().identity(known).config().unwrap();
    let (near, far) = handshake(memory_pair::<Shared>(1 << 16), &config, &server);
    assert_eq!(near.attribute(PeerCertificates).unwrap().len(), 1);
    let seen = far.attribute(PeerCertificates).unwrap();
    assert_eq!(pem_of(&seen[0], &PrivateKeyDer::Pkcs8(Vec::new().into())).0, chain);
    // A server that does not ask sees no certificate.
    let open = ServerOptions::new(identity_of(&servers)).config().unwrap();
    let (_near, far) = handshake(memory_pair::<Shared>(1 << 16), &config, &open);
    assert!(far.attribute(PeerCertificates).is_none());

    for (options, alert) in [
        (client.clone(), AlertDescription::CertificateRequired),
        (client.identity(identity_of(&servers)), AlertDescription::UnknownCA),
    ] {
        let (near, far) = talk(options.config().unwrap(), &server);
        let (near, far) = (near.unwrap_err(), far.unwrap_err());
        assert_eq!((near.kind(), far.kind()), (ErrorKind::PermissionDenied, ErrorKind::PermissionDenied));
        assert_eq!(tls_error(&near), Some(&rustls::Error::AlertReceived(alert)), "{near}");
    }
}

#[test]
fn a_server_offers_its_protocols() {
    let authority = Authority::new();
    let server = ServerOptions::new(identity_of(&authority)).alpn(vec![b"h2".into(), b"http/1.1".into()]);
    let mut client = ClientConfig::clone(&trust(&authority.pem).unwrap().config().unwrap());
    client.alpn_protocols = vec![b"http/1.1".into(), b"h2".into()];
    let (near, _far) = handshake(memory_pair::<Shared>(1 << 16), &client.into(), &server.config().unwrap());
    assert_eq!(near.attribute(AlpnProtocol), Some(b"h2".to_vec()));
}
