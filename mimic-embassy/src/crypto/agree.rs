//! Agreeing on a secret: X25519 (RFC 7748) and P-256 (RFC 8446 §4.2.8.2), with the device's own
//! random bytes.

use alloc::boxed::Box;

use mimic_rustls::rustls::crypto::{ActiveKeyExchange, SecureRandom, SharedSecret, SupportedKxGroup};
use mimic_rustls::rustls::{Error, NamedGroup, PeerMisbehaved};
use p256::elliptic_curve::ecdh::diffie_hellman;
use p256::{PublicKey, SecretKey};
use x25519_dalek::StaticSecret;

use super::Random;

fn bytes(random: &Random) -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes).map_err(|_| Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

const BAD_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

#[derive(Debug)]
pub(super) struct X25519(pub(super) &'static Random);

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = StaticSecret::from(bytes(self.0)?);
        Ok(Box::new(WithX25519 { public: x25519_dalek::PublicKey::from(&secret).to_bytes(), secret }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct WithX25519 {
    secret: StaticSecret,
    public: [u8; 32],
}

impl ActiveKeyExchange for WithX25519 {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer: [u8; 32] = peer.try_into().map_err(|_| BAD_SHARE)?;
        let shared = self.secret.diffie_hellman(&peer.into());
        // A share that makes the secret all zeros, whatever our own (RFC 8446 §7.4.2).
        if shared.was_contributory() { Ok(shared.as_bytes().as_slice().into()) } else { Err(BAD_SHARE) }
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[derive(Debug)]
pub(super) struct P256(pub(super) &'static Random);

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // One number in 2^32 is zero or too large; two in a row are no accident.
        let secret = match SecretKey::from_slice(&bytes(self.0)?) {
            Ok(secret) => secret,
            Err(_) => SecretKey::from_slice(&bytes(self.0)?).map_err(|_| Error::FailedToGetRandomBytes)?,
        };
        Ok(Box::new(WithP256 { public: secret.public_key().to_sec1_bytes(), secret }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct WithP256 {
    secret: SecretKey,
    public: Box<[u8]>,
}

impl ActiveKeyExchange for WithP256 {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        // TLS 1.3 knows the uncompressed form only (RFC 8446 §4.2.8.2).
        if peer.first() != Some(&4) {
            return Err(BAD_SHARE);
        }
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| BAD_SHARE)?;
        let shared = diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
        Ok(shared.raw_secret_bytes().as_slice().into())
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}
