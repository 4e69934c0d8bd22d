//! The cryptography of TLS, by features.
//!
//! With `suites` it is mimic-embassy's provider for devices. Without, only what one connection
//! takes: AES-128-GCM, P-256 and ECDSA over P-256, which is what the cost of mimic is measured
//! with.

#[cfg(feature = "suites")]
use rustls::crypto::CryptoProvider;

/// The provider. To be called once: it is never freed.
#[cfg(feature = "suites")]
#[must_use]
pub fn provider() -> CryptoProvider {
    mimic_embassy::crypto::provider(|bytes: &mut [u8]| {
        crate::entropy::fill(bytes).map_err(|_| rustls::crypto::GetRandomFailed)
    })
}

#[cfg(not(feature = "suites"))]
pub use one::provider;

#[cfg(not(feature = "suites"))]
mod one {
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use alloc::vec;

    use p256::ecdsa::signature::Verifier;
    use p256::ecdsa::{DerSignature, VerifyingKey};
    use rustls::crypto::{
        ActiveKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SharedSecret, SupportedKxGroup,
        WebPkiSupportedAlgorithms,
    };
    use rustls::pki_types::{
        AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, alg_id,
    };
    use rustls::sign::SigningKey;
    use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};

    /// One suite, one group, one way to sign; and no client certificates.
    #[must_use]
    pub fn provider() -> CryptoProvider {
        CryptoProvider {
            cipher_suites: vec![rustls_rustcrypto::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![&P256],
            signature_verification_algorithms: WebPkiSupportedAlgorithms {
                all: &[&P256],
                mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, &[&P256])],
            },
            secure_random: &P256,
            key_provider: &P256,
        }
    }

    /// Everything over P-256.
    #[derive(Debug)]
    struct P256;

    impl SecureRandom for P256 {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
            crate::entropy::fill(buffer).map_err(|_| GetRandomFailed)
        }
    }

    impl KeyProvider for P256 {
        fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
            Err(Error::General("there are no client certificates with one suite".into()))
        }
    }

    impl SupportedKxGroup for P256 {
        fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
            // A scalar from entropy that may fail, which `EphemeralSecret::random` would panic on.
            // All but about 1 in 2³² are in range.
            for _ in 0..8 {
                let mut scalar = [0; 32];
                crate::entropy::fill(&mut scalar).map_err(|_| GetRandomFailed)?;
                if let Ok(secret) = p256::SecretKey::from_bytes(&scalar.into()) {
                    let public = p256::EncodedPoint::from(secret.public_key());
                    return Ok(Box::new(Exchange { secret, public }));
                }
            }
            Err(GetRandomFailed.into())
        }

        fn name(&self) -> NamedGroup {
            NamedGroup::secp256r1
        }
    }

    struct Exchange {
        secret: p256::SecretKey,
        public: p256::EncodedPoint,
    }

    impl ActiveKeyExchange for Exchange {
        fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
            // Only the uncompressed form is one of TLS 1.3 (RFC 8446, section 4.2.8.2).
            let peer = match peer.first() {
                Some(4) => p256::PublicKey::from_sec1_bytes(peer).ok(),
                _ => None,
            };
            let peer = peer.ok_or(PeerMisbehaved::InvalidKeyShare)?;
            let shared = p256::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
            Ok(shared.raw_secret_bytes().as_slice().into())
        }

        fn pub_key(&self) -> &[u8] {
            self.public.as_bytes()
        }

        fn group(&self) -> NamedGroup {
            NamedGroup::secp256r1
        }
    }

    impl SignatureVerificationAlgorithm for P256 {
        fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
            let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
            let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
            key.verify(message, &signature).map_err(|_| InvalidSignature)
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ECDSA_P256
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ECDSA_SHA256
        }
    }
}
