//! The device's provider against ring's, side by side.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_lite::future::block_on;
use mimic_core::Shared;
use mimic_core::io::memory_pair;
use mimic_embassy::crypto::{self, provider};
use mimic_rustls::rustls::crypto::{CryptoProvider, GetRandomFailed, ring};
use mimic_rustls::rustls::pki_types::{PrivateKeyDer, alg_id};
use mimic_rustls::rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, NamedGroup, RootCertStore, ServerConfig, ServerConnection,
};
use rcgen::{CertificateParams, Issuer, KeyPair, SignatureAlgorithm};

fn entropy(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    ring::default_provider().secure_random.fill(bytes)
}

fn client_config(provider: CryptoProvider, root: &rcgen::Certificate) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    crypto::client_config(provider, || SystemTime::now().duration_since(UNIX_EPOCH).ok(), roots).unwrap().into()
}

struct Server {
    root: rcgen::Certificate,
    config: ServerConfig,
}

/// A root and a leaf with keys of the algorithm, and a server of ring's with them.
fn server(algorithm: &'static SignatureAlgorithm) -> Server {
    server_with(|| KeyPair::generate_for(algorithm).unwrap())
}

/// Ring makes no RSA keys: one key for all, which protects nothing.
fn rsa() -> KeyPair {
    KeyPair::from_pem(include_str!("rsa.pem")).unwrap()
}

fn server_with(key: impl Fn() -> KeyPair) -> Server {
    let pair = key;
    let key = pair();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = pair();
    let leaf = CertificateParams::new(vec!["device.test".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    Server { root, config }
}

/// Until neither has anything to say; then 100 KB through it.
fn shake(client: Arc<ClientConfig>, server: ServerConfig) -> Result<ClientConnection, Error> {
    let mut client = ClientConnection::new(client, "device.test".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(server.into()).unwrap();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(client)
}

#[test]
fn every_algorithm_that_a_feature_names_is_verified() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let server = server(algorithm);
        let config = client_config(provider(entropy), &server.root);
        assert!(shake(config, server.config).is_ok(), "{algorithm:?}");
    }
    let server = server_with(rsa);
    assert!(shake(client_config(provider(entropy), &server.root), server.config).is_ok());
}

#[test]
fn every_suite_and_group_agrees_with_that_of_ring() {
    for suite in 0..2 {
        for group in [NamedGroup::X25519, NamedGroup::secp256r1] {
            let server = server(&rcgen::PKCS_ECDSA_P256_SHA256);
            let mut provider = provider(entropy);
            provider.cipher_suites = vec![provider.cipher_suites[suite]];
            provider.kx_groups.retain(|of| of.name() == group);
            let suite = provider.cipher_suites[0].suite();
            let client = shake(client_config(provider, &server.root), server.config).unwrap();
            assert_eq!(client.negotiated_cipher_suite().unwrap().suite(), suite);
            assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), group);
        }
    }
}

#[test]
fn another_root_is_refused() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let (one, other) = (server(algorithm), server(algorithm));
        // They bear the same name, so the signature alone tells them apart.
        let error = shake(client_config(provider(entropy), &one.root), other.config).unwrap_err();
        let bad = [CertificateError::BadSignature, CertificateError::UnknownIssuer].map(Error::InvalidCertificate);
        assert!(bad.contains(&error), "{error}");
    }
    let (one, other) = (server(&rcgen::PKCS_ECDSA_P256_SHA256), server_with(rsa));
    assert!(shake(client_config(provider(entropy), &one.root), other.config).is_err());
}

#[test]
fn a_changed_signature_is_refused_by_each_algorithm() {
    for pair in [
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
        rsa(),
    ] {
        let key = ring::sign::any_supported_type(&PrivateKeyDer::Pkcs8(pair.serialize_der().into())).unwrap();
        let mut tried = 0;
        for (scheme, algorithms) in provider(entropy).signature_verification_algorithms.mapping {
            let Some(signer) = key.choose_scheme(&[*scheme]) else { continue };
            let good = signer.sign(b"message").unwrap();
            let public = pair.public_key_raw();
            for algorithm in *algorithms {
                tried += 1;
                assert!(algorithm.verify_signature(public, b"message", &good).is_ok(), "{scheme:?}");
                assert!(algorithm.verify_signature(public, b"massage", &good).is_err(), "{scheme:?}");
                for at in (0..good.len()).step_by(1 + good.len() / 24) {
                    let mut bad = good.clone();
                    bad[at] ^= 1;
                    assert!(algorithm.verify_signature(public, b"message", &bad).is_err(), "{scheme:?} {at}");
                }
                for cut in (0..good.len()).step_by(1 + good.len() / 24) {
                    assert!(algorithm.verify_signature(public, b"message", &good[..cut]).is_err());
                    assert!(
                        algorithm.verify_signature(&public[..cut.min(public.len() - 1)], b"message", &good).is_err()
                    );
                }
            }
        }
        assert!(tried > 0, "{:?}", pair.algorithm());
    }
}

/// Good signatures of keys that are too short (RFC 8446, appendix C.2, and what every browser asks
/// for), made by `openssl genrsa`, `openssl rsa -RSAPublicKey_out -outform DER` and `openssl dgst
/// -sha256 -sign`.
#[test]
fn short_rsa_keys_are_refused() {
    let algorithms = provider(entropy).signature_verification_algorithms;
    let sha256 =
        algorithms.all.iter().find(|algorithm| algorithm.signature_alg_id() == alg_id::RSA_PKCS1_SHA256).unwrap();
    // They are good, and it is the length alone.
    assert!(rsa_verifies(include_bytes!("rsa/1024.der"), include_bytes!("rsa/1024.sig")));
    assert!(rsa_verifies(include_bytes!("rsa/2040.der"), include_bytes!("rsa/2040.sig")));
    assert!(
        sha256.verify_signature(include_bytes!("rsa/1024.der"), b"message", include_bytes!("rsa/1024.sig")).is_err()
    );
    assert!(
        sha256.verify_signature(include_bytes!("rsa/2040.der"), b"message", include_bytes!("rsa/2040.sig")).is_err()
    );
}

/// Without a minimum.
fn rsa_verifies(key: &[u8], signature: &[u8]) -> bool {
    use rsa::pkcs1::DecodeRsaPublicKey;
    use rsa::pkcs1v15::{Signature, VerifyingKey};
    use rsa::signature::Verifier;
    let key = VerifyingKey::<sha2::Sha256>::new(rsa::RsaPublicKey::from_pkcs1_der(key).unwrap());
    key.verify(b"message", &Signature::try_from(signature).unwrap()).is_ok()
}

#[test]
fn bad_shares_are_refused() {
    for (group, bad) in provider(entropy).kx_groups.iter().zip([
        // The points of small order, a short one, none, the infinite point, a compressed one, one
        // that is on no curve.
        vec![vec![0; 32], [vec![1], vec![0; 31]].concat(), vec![9; 31], vec![]],
        vec![vec![], vec![0], [vec![2], vec![1; 32]].concat(), [vec![4], vec![1; 64]].concat(), vec![4; 64]],
    ]) {
        for share in bad {
            let result = group.start().unwrap().complete(&share);
            assert!(result.is_err(), "{:?} {share:?}", group.name());
        }
    }
}

#[test]
fn without_entropy_there_is_no_handshake() {
    let server = server(&rcgen::PKCS_ECDSA_P256_SHA256);
    let config = client_config(provider(|_: &mut [u8]| Err(GetRandomFailed)), &server.root);
    let error = ClientConnection::new(config, "device.test".try_into().unwrap()).unwrap_err();
    assert_eq!(error, Error::FailedToGetRandomBytes);
}

#[test]
fn secrets_differ_and_keys_of_ones_own_are_refused() {
    let provider = provider(entropy);
    for group in &provider.kx_groups {
        assert_ne!(group.start().unwrap().pub_key(), group.start().unwrap().pub_key());
    }
    let key = KeyPair::generate().unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    assert!(provider.key_provider.load_private_key(key).is_err());
}

#[test]
fn without_a_clock_or_a_root_there_is_no_handshake() {
    let server = server(&rcgen::PKCS_ECDSA_P256_SHA256);
    let mut roots = RootCertStore::empty();
    assert!(crypto::client_config(provider(entropy), || None, roots.clone()).is_err());
    roots.add(server.root.der().clone()).unwrap();
    for (clock, wanted) in [(None, "time"), (Some(Duration::ZERO), "not valid yet")] {
        let config = crypto::client_config(provider(entropy), move || clock, roots.clone()).unwrap();
        let (near, _far) = memory_pair::<Shared>(4096);
        let error = match clock {
            // The same as the adapters and firmware do it.
            None => {
                block_on(mimic_rustls::connect(near, config.into(), Vec::new(), "device.test")).unwrap_err().to_string()
            }
            Some(_) => shake(config.into(), server.config.clone()).unwrap_err().to_string(),
        };
        assert!(error.contains(wanted), "{error}");
    }
}
