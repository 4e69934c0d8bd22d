//! Verifying signatures, of the handshake and of certificates: what no feature asks for is not
//! linked.

use mimic_rustls::rustls::SignatureScheme;
use mimic_rustls::rustls::crypto::WebPkiSupportedAlgorithms;
use mimic_rustls::rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        #[cfg(feature = "verify-p256")]
        P256_SHA256,
        #[cfg(feature = "verify-p256")]
        P256_SHA384,
        #[cfg(feature = "verify-p384")]
        P384_SHA256,
        #[cfg(feature = "verify-p384")]
        P384_SHA384,
        #[cfg(feature = "verify-ed25519")]
        ED25519,
        #[cfg(feature = "verify-rsa")]
        RSA_PKCS1_SHA256,
        #[cfg(feature = "verify-rsa")]
        RSA_PKCS1_SHA384,
        #[cfg(feature = "verify-rsa")]
        RSA_PSS_SHA256,
        #[cfg(feature = "verify-rsa")]
        RSA_PSS_SHA384,
    ],
    // The first of a scheme is the one of TLS 1.3, where the scheme names the curve; the others are
    // for certificates.
    mapping: &[
        #[cfg(feature = "verify-p256")]
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[P256_SHA256]),
        #[cfg(feature = "verify-p384")]
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[P384_SHA384]),
        #[cfg(feature = "verify-ed25519")]
        (SignatureScheme::ED25519, &[ED25519]),
        #[cfg(feature = "verify-rsa")]
        (SignatureScheme::RSA_PSS_SHA256, &[RSA_PSS_SHA256]),
        #[cfg(feature = "verify-rsa")]
        (SignatureScheme::RSA_PSS_SHA384, &[RSA_PSS_SHA384]),
        #[cfg(feature = "verify-rsa")]
        (SignatureScheme::RSA_PKCS1_SHA256, &[RSA_PKCS1_SHA256]),
        #[cfg(feature = "verify-rsa")]
        (SignatureScheme::RSA_PKCS1_SHA384, &[RSA_PKCS1_SHA384]),
    ],
};

/// Checks a signature by a key: key, message, signature.
type Check = fn(&[u8], &[u8], &[u8]) -> Option<()>;

/// An algorithm as X.509 names it, and the function that checks.
#[derive(Debug)]
struct Verify {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    check: Check,
}

impl SignatureVerificationAlgorithm for Verify {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        (self.check)(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

#[cfg(any(feature = "verify-p256", feature = "verify-p384"))]
macro_rules! ecdsa {
    ($name:ident, $curve:ident, $key:ident, $signature:ident, $hash:ident) => {
        const $name: Algorithm = &Verify {
            key: alg_id::$key,
            signature: alg_id::$signature,
            check: |key, message, signature| {
                use sha2::Digest;
                use $curve::ecdsa::signature::hazmat::PrehashVerifier;
                use $curve::ecdsa::{DerSignature, VerifyingKey};
                let signature = DerSignature::try_from(signature).ok()?;
                let key = VerifyingKey::from_sec1_bytes(key).ok()?;
                key.verify_prehash(&sha2::$hash::digest(message), &signature).ok()
            },
        };
    };
}

#[cfg(feature = "verify-p256")]
ecdsa!(P256_SHA256, p256, ECDSA_P256, ECDSA_SHA256, Sha256);
#[cfg(feature = "verify-p256")]
ecdsa!(P256_SHA384, p256, ECDSA_P256, ECDSA_SHA384, Sha384);
#[cfg(feature = "verify-p384")]
ecdsa!(P384_SHA256, p384, ECDSA_P384, ECDSA_SHA256, Sha256);
#[cfg(feature = "verify-p384")]
ecdsa!(P384_SHA384, p384, ECDSA_P384, ECDSA_SHA384, Sha384);

#[cfg(feature = "verify-ed25519")]
const ED25519: Algorithm = &Verify {
    key: alg_id::ED25519,
    signature: alg_id::ED25519,
    check: |key, message, signature| {
        let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
        key.verify_strict(message, &signature).ok()
    },
};

#[cfg(feature = "verify-rsa")]
macro_rules! rsa {
    ($name:ident, $padding:ident, $signature:ident, $hash:ident) => {
        const $name: Algorithm = &Verify {
            key: alg_id::RSA_ENCRYPTION,
            signature: alg_id::$signature,
            check: |key, message, signature| {
                use rsa::pkcs1::DecodeRsaPublicKey;
                use rsa::signature::Verifier;
                use rsa::traits::PublicKeyParts;
                // Larger ones it refuses by itself.
                let key = rsa::RsaPublicKey::from_pkcs1_der(key).ok().filter(|key| key.n().bits() >= 2048)?;
                let signature = rsa::$padding::Signature::try_from(signature).ok()?;
                rsa::$padding::VerifyingKey::<sha2::$hash>::new(key).verify(message, &signature).ok()
            },
        };
    };
}

#[cfg(feature = "verify-rsa")]
rsa!(RSA_PKCS1_SHA256, pkcs1v15, RSA_PKCS1_SHA256, Sha256);
#[cfg(feature = "verify-rsa")]
rsa!(RSA_PKCS1_SHA384, pkcs1v15, RSA_PKCS1_SHA384, Sha384);
#[cfg(feature = "verify-rsa")]
rsa!(RSA_PSS_SHA256, pss, RSA_PSS_SHA256, Sha256);
#[cfg(feature = "verify-rsa")]
rsa!(RSA_PSS_SHA384, pss, RSA_PSS_SHA384, Sha384);
