//! Keys that may seal only so many records: TLS 1.3 renews them, TLS 1.2 ends in order.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::tasks::{Random, both, run};
use common::{Authority, NAME, handshake};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, Split, memory_pair};
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Local, Mode, Phase, Shared};
use mimic_rustls::rustls::crypto::cipher::{
    AeadKey, Iv, MessageDecrypter, MessageEncrypter, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use mimic_rustls::rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256,
};
use mimic_rustls::rustls::crypto::{CryptoProvider, ring};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{
    self, CipherSuiteCommon, ClientConfig, ConnectionTrafficSecrets, ServerConfig, SupportedCipherSuite,
    Tls12CipherSuite, Tls13CipherSuite,
};
use mimic_rustls::{Client, Server, Side, TlsFlow, tls_error};

/// The most records that a key may seal. The key of TLS 1.2 also seals the last message of the
/// handshake.
const LIMIT: u64 = 20;

/// One suite of each version, with the limit.
fn limited(keys: &Arc<AtomicUsize>) -> Arc<CryptoProvider> {
    let limited = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: LIMIT,
    };
    let SupportedCipherSuite::Tls12(old) = TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 else { panic!("not 1.2") };
    let SupportedCipherSuite::Tls13(new) = TLS13_AES_128_GCM_SHA256 else { panic!("not 1.3") };
    // Providers live for ever.
    let old: &'static _ = Box::leak(Box::new(Tls12CipherSuite {
        common: limited(&old.common),
        prf_provider: old.prf_provider,
        kx: old.kx,
        sign: old.sign,
        aead_alg: old.aead_alg,
    }));
    let new: &'static _ = Box::leak(Box::new(Tls13CipherSuite {
        common: limited(&new.common),
        hkdf_provider: new.hkdf_provider,
        aead_alg: Box::leak(Box::new(Counted { aead: new.aead_alg, keys: keys.clone() })),
        quic: None,
    }));
    Arc::new(CryptoProvider { cipher_suites: vec![new.into(), old.into()], ..ring::default_provider() })
}

/// Counts the keys to seal with.
struct Counted {
    aead: &'static dyn Tls13AeadAlgorithm,
    keys: Arc<AtomicUsize>,
}

impl Tls13AeadAlgorithm for Counted {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.keys.fetch_add(1, SeqCst);
        self.aead.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.aead.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.aead.key_len()
    }

    fn extract_keys(&self, key: AeadKey, iv: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.aead.extract_keys(key, iv)
    }
}

struct Configs {
    client: Arc<ClientConfig>,
    server: ServerConfig,
    /// The number of keys to seal with so far, in TLS 1.3.
    keys: Arc<AtomicUsize>,
}

impl Configs {
    /// Returns configurations of which the given sides seal with limited keys.
    fn new(version: &'static rustls::SupportedProtocolVersion, client: bool, server: bool) -> Self {
        let (authority, keys) = (Authority::new(), Arc::default());
        let provider = |is_limited: bool| if is_limited { limited(&keys) } else { common::provider() };
        let client = ClientConfig::builder_with_provider(provider(client))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        let (certificate, key) = authority.issue(&[NAME], |_| {});
        let server = ServerConfig::builder_with_provider(provider(server))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self { client: Arc::new(client), server, keys }
    }

    fn pair<M: Mode>(&self, capacity: usize) -> (TlsFlow<Memory<M>, Client>, TlsFlow<Memory<M>, Server>) {
        handshake(memory_pair(capacity), &self.client, &self.server)
    }
}

/// Writes `size` bytes at a time until no more are taken. Returns how many were.
async fn exhaust(flow: &mut impl Write<Error = Error>, size: usize) -> usize {
    let mut taken = 0;
    let error = loop {
        let chunk: Vec<u8> = (taken..taken + size).map(|at| at.to_le_bytes()[0]).collect();
        match flow.write(&chunk).await {
            Ok(n) => taken += n,
            Err(error) => break error,
        }
        assert!(taken < 1_000_000, "the limit is not there");
    };
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Write)), "{error}");
    assert_eq!(tls_error(&error), Some(&rustls::Error::EncryptError));
    let text = error.to_string();
    for word in ["tls: write failed", "the keys of this connection are used up", "connect again"] {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    taken
}

async fn read_to_end(flow: &mut impl Read<Error = Error>) -> usize {
    let (mut all, mut buf) = (0, [0; 3000]);
    loop {
        match flow.read(&mut buf).await.unwrap() {
            0 => return all,
            n => {
                assert!(buf[..n].iter().zip(all..).all(|(got, at)| *got == at.to_le_bytes()[0]));
                all += n;
            }
        }
    }
}

/// One side writes until its keys are used up. The other reads all of it, and then a clean end.
async fn used_up<F: Flow, S: Side>(mut writer: TlsFlow<F, S>, size: usize) -> usize {
    let taken = exhaust(&mut writer, size).await;
    // Nothing follows close_notify, not even a shorter record that the keys might still allow.
    assert_eq!(exhaust(&mut writer, 1).await, 0);
    writer.flush().await.unwrap();
    writer.shutdown().await.unwrap();
    taken
}

fn exhausted<M: Mode>(size: usize, capacity: usize) {
    let (near, mut far) = Configs::new(&TLS12, true, false).pair::<M>(capacity);
    let (taken, read) = both(&"client", used_up(near, size), read_to_end(&mut far));
    assert_eq!(taken, read);
    let (mut near, far) = Configs::new(&TLS12, false, true).pair::<M>(capacity);
    let (taken, read) = both(&"server", used_up(far, size), read_to_end(&mut near));
    assert_eq!(taken, read);
}

#[test]
fn tls_12_ends_in_order_when_its_keys_are_used_up() {
    // The limit is the handshake's message and 19 records more. A write of four records is taken
    // whole or not at all.
    exhausted::<Shared>(1, 1 << 16);
    exhausted::<Local>(50_000, 1 << 20);
    // The same where the alert has to wait for room.
    exhausted::<Shared>(1000, 5);
}

/// The peer gets close_notify with the error, whatever the writer does then.
#[test]
fn tls_12_tells_the_end_at_once() {
    let (mut near, mut far) = Configs::new(&TLS12, true, false).pair::<Shared>(1 << 16);
    let (taken, read) = both(&"at once", exhaust(&mut near, 1), read_to_end(&mut far));
    assert_eq!((taken, read), (19, 19));
}

/// The other direction has keys of its own.
#[test]
fn tls_12_is_read_on_when_the_keys_to_write_are_used_up() {
    let (mut near, mut far) = Configs::new(&TLS12, true, false).pair::<Shared>(1 << 16);
    both(
        &"both ways",
        async {
            assert_eq!(exhaust(&mut near, 1).await, 19);
            assert_eq!(read_to_end(&mut near).await, 10_000);
            near.shutdown().await.unwrap();
        },
        async {
            assert_eq!(read_to_end(&mut far).await, 19);
            let answer: Vec<u8> = (0..10_000_usize).map(|at| at.to_le_bytes()[0]).collect();
            far.write_all(&answer).await.unwrap();
            far.shutdown().await.unwrap();
        },
    );
}

/// Both ways at once, in writes of all sizes, so that keys have to be renewed in mid-write.
fn renewed<M: Mode>(capacity: usize) {
    const TOTAL: usize = 300_000;

    async fn talk<M: Mode, S: Side>(flow: TlsFlow<Memory<M>, S>, seed: u64) {
        let mut random = Random::new(seed);
        let (mut reader, mut writer) = Split::<_, M>::new(flow).into_halves();
        let write = async {
            let mut at = 0;
            while at < TOTAL {
                let most = random.pick(&[1, 100, 100, 3000, 60_000]);
                let end = TOTAL.min(at + 1 + random.below(most));
                let chunk: Vec<u8> = (at..end).map(|at| at.to_le_bytes()[0]).collect();
                writer.write_all(&chunk).await.unwrap();
                at = end;
            }
            writer.shutdown().await.unwrap();
        };
        let read = async { assert_eq!(read_to_end(&mut reader).await, TOTAL) };
        futures_lite::future::zip(write, read).await;
    }

    let mut configs = Configs::new(&TLS13, true, true);
    configs.client = {
        let mut client = ClientConfig::clone(&configs.client);
        client.max_fragment_size = Some(200);
        Arc::new(client)
    };
    let (near, far) = configs.pair::<M>(capacity);
    let before = configs.keys.load(SeqCst);
    run(&"both ways", vec![Box::pin(talk::<M, _>(near, 1)), Box::pin(talk::<M, _>(far, 2))]);
    assert!(configs.keys.load(SeqCst) > before + 20, "keys were renewed {} times", configs.keys.load(SeqCst) - before);
}

#[test]
fn tls_13_renews_its_keys() {
    renewed::<Shared>(1 << 16);
    renewed::<Local>(1000);
}
