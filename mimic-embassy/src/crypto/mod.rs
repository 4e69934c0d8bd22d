//! A crypto provider for devices, as small as its features: what a client of TLS 1.3 needs, and no
//! more.
//!
//! AES-128-GCM and ChaCha20-Poly1305; X25519 and P-256; and of the algorithms that certificates are
//! signed with those of the features `verify-p256`, `verify-p384`, `verify-ed25519` and
//! `verify-rsa`. What no feature asks for is not linked. It is made of the crates of RustCrypto, of
//! which `rustls-rustcrypto` calls itself an alpha; an application with a better provider passes
//! that one to [`client_config`] in place of [`provider`]'s.
//!
//! There is no function for all of `rustls-rustcrypto`: its own provider connects with RSA keys of
//! 512 bits, and takes an X25519 share of zeros, which RFC 8446 §7.4.2 forbids. The groups and
//! algorithms here refuse both.

mod agree;
mod clock;
mod verify;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;

pub use clock::client_config;
use mimic_rustls::rustls::crypto::{CipherSuiteCommon, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom};
use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::sign::SigningKey;
use mimic_rustls::rustls::{Error, SupportedCipherSuite, Tls13CipherSuite};

/// Where random bytes come from: a true random number generator, or a generator that was seeded by
/// one.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// If there is not enough of it: the handshake then fails.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed>;
}

impl<F: Fn(&mut [u8]) -> Result<(), GetRandomFailed> + Send + Sync> Entropy for F {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        self(bytes)
    }
}

/// The provider, for clients without a certificate of their own. Make it once: it is never freed.
#[must_use]
pub fn provider(entropy: impl Entropy + 'static) -> CryptoProvider {
    let random: &'static Random = Box::leak(Box::new(Random(Box::new(entropy))));
    CryptoProvider {
        cipher_suites: vec![
            limited(rustls_rustcrypto::TLS13_AES_128_GCM_SHA256, 1 << 24),
            rustls_rustcrypto::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![Box::leak(Box::new(agree::X25519(random))), Box::leak(Box::new(agree::P256(random)))],
        signature_verification_algorithms: verify::ALGORITHMS,
        secure_random: random,
        key_provider: &NoKeys,
    }
}

/// The suite, with the number of records that one key may seal (RFC 8446 §5.5), which
/// `rustls-rustcrypto` does not limit.
fn limited(suite: SupportedCipherSuite, records: u64) -> SupportedCipherSuite {
    let Some(suite) = suite.tls13() else { return suite };
    let common = CipherSuiteCommon {
        suite: suite.common.suite,
        hash_provider: suite.common.hash_provider,
        confidentiality_limit: records,
    };
    let suite =
        Tls13CipherSuite { common, hkdf_provider: suite.hkdf_provider, aead_alg: suite.aead_alg, quic: suite.quic };
    SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))
}

pub(crate) struct Random(Box<dyn Entropy>);

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Random")
    }
}

impl SecureRandom for Random {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.fill(bytes)
    }
}

#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("this provider has no signing: use another for certificates of one's own".into()))
    }
}
