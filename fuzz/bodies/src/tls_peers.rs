//! A client and a server that trust each other, and what they say: always the same, at the same
//! time of day.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Flow, FlowExt};
use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use mimic_rustls::rustls::time_provider::TimeProvider;
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use mimic_rustls::{accept, connect};

const CERTIFICATE: &[u8] = include_bytes!("certificate.der");
const KEY: &[u8] = include_bytes!("key.der");
const VERSIONS: [&[&SupportedProtocolVersion]; 3] =
    [&[&version::TLS13, &version::TLS12], &[&version::TLS13], &[&version::TLS12]];

/// What each side sends.
pub(super) fn request() -> Vec<u8> {
    (0..700_u16).map(|n| n as u8 ^ 0x5a).collect()
}

pub(super) fn response() -> Vec<u8> {
    (0..2100_u16).map(|n| (n % 251) as u8).collect()
}

/// The certificate is of this day.
#[derive(Debug)]
struct Noon;

impl TimeProvider for Noon {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)))
    }
}

static CLIENTS: LazyLock<[Arc<ClientConfig>; 3]> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(CERTIFICATE)).unwrap();
    let roots = Arc::new(roots);
    VERSIONS.map(|versions| {
        let builder = ClientConfig::builder_with_details(mimic_rustls::provider().unwrap(), Arc::new(Noon));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
        // A session resumed would make a run depend on those before.
        config.resumption = mimic_rustls::rustls::client::Resumption::disabled();
        Arc::new(config)
    })
});

static SERVERS: LazyLock<[ServerConfig; 3]> = LazyLock::new(|| {
    VERSIONS.map(|versions| {
        let builder = ServerConfig::builder_with_details(mimic_rustls::provider().unwrap(), Arc::new(Noon));
        let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
        let key = PrivateKeyDer::try_from(KEY.to_vec()).unwrap();
        builder.with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key).unwrap()
    })
});

/// How a side fared.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// The handshake was done.
    pub(super) met: bool,
    pub(super) received: Vec<u8>,
    /// What was received ended as it should.
    pub(super) ended: bool,
    /// All was said, and closed.
    pub(super) closed: bool,
    pub(super) done: bool,
}

/// Says its request, hears the response to its end.
pub(super) async fn client(flow: impl Flow + 'static, version: usize, half_close: bool, fate: &RefCell<Fate>) {
    if let Ok(mut tls) = connect(flow, CLIENTS[version].clone(), vec![b"mimic".to_vec()], "localhost").await {
        fate.borrow_mut().met = true;
        if say(&mut tls, &request()).await && (!half_close || close(&mut tls, fate).await) {
            hear(&mut tls, usize::MAX, fate).await;
            if fate.borrow().ended && !half_close {
                close(&mut tls, fate).await;
            }
        }
    }
    fate.borrow_mut().done = true;
}

/// Hears the request, says its response, and closes first unless the client did.
pub(super) async fn server(flow: impl Flow + 'static, version: usize, half_close: bool, fate: &RefCell<Fate>) {
    if let Ok(mut tls) = accept(flow, &SERVERS[version]).await {
        fate.borrow_mut().met = true;
        let most = if half_close { usize::MAX } else { request().len() };
        if hear(&mut tls, most, fate).await && say(&mut tls, &response()).await && close(&mut tls, fate).await {
            hear(&mut tls, usize::MAX, fate).await;
        }
    }
    fate.borrow_mut().done = true;
}

async fn say(flow: &mut (impl Flow + Write), bytes: &[u8]) -> bool {
    for part in bytes.chunks(600) {
        if flow.write_all(part).await.is_err() || flow.flush().await.is_err() {
            return false;
        }
    }
    true
}

async fn close(flow: &mut impl Flow, fate: &RefCell<Fate>) -> bool {
    let closed = flow.shutdown().await.is_ok();
    fate.borrow_mut().closed = closed;
    closed
}

/// Reads to the end, or until there are `most` bytes.
async fn hear(flow: &mut impl Read, most: usize, fate: &RefCell<Fate>) -> bool {
    let mut buf = [0; 500];
    while fate.borrow().received.len() < most {
        match flow.read(&mut buf).await {
            Ok(0) => {
                fate.borrow_mut().ended = true;
                break;
            }
            Ok(n) => fate.borrow_mut().received.extend_from_slice(&buf[..n]),
            Err(_) => return false,
        }
    }
    true
}
