//! TLS over memory, in both versions.

use std::sync::{Arc, OnceLock};

use futures_lite::future::try_zip;
use mimic_core::io::{Memory, memory_pair};
use mimic_core::{Error, Shared};
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use mimic_rustls::{Client, Server, TlsFlow};
use mimic_tests::conformance::{End, Ends, Fixture, Kind, pairs};

/// Both are the same for all tests: a key takes its time.
pub(crate) fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    static CONFIGS: OnceLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = OnceLock::new();
    CONFIGS.get_or_init(|| crate::common::tls("127.0.0.1")).clone()
}

fn only(version: &'static SupportedProtocolVersion) -> (ServerConfig, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["memory.test".into()]).unwrap();
    let key = mimic_rustls::rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = mimic_rustls::provider().unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    (server, Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

async fn pair((server, client): &(ServerConfig, Arc<ClientConfig>), capacity: usize) -> Result<Ends, Error> {
    let (here, there) = memory_pair::<Shared>(capacity);
    let connect = mimic_rustls::connect(here, client.clone(), Vec::new(), "memory.test");
    let (here, there) = try_zip(connect, mimic_rustls::accept(there, server)).await?;
    Ok(Ends {
        client: End::shared(here)
            .opened_by(|flow| Some(Box::new(flow.downcast::<TlsFlow<Memory<Shared>, Client>>().ok()?.into_inner()))),
        server: End::shared(there)
            .opened_by(|flow| Some(Box::new(flow.downcast::<TlsFlow<Memory<Shared>, Server>>().ok()?.into_inner()))),
    })
}

fn over_memory(
    configs: &'static OnceLock<(ServerConfig, Arc<ClientConfig>)>,
    version: &'static SupportedProtocolVersion,
    capacity: usize,
) -> impl Fixture {
    let configs = configs.get_or_init(|| only(version));
    pairs(Kind::default().with_error_on_drop().without_addresses(), move || pair(configs, capacity))
}

pub(crate) fn tls13() -> impl Fixture {
    static CONFIGS: OnceLock<(ServerConfig, Arc<ClientConfig>)> = OnceLock::new();
    over_memory(&CONFIGS, &TLS13, 8192)
}

pub(crate) fn tls12() -> impl Fixture {
    static CONFIGS: OnceLock<(ServerConfig, Arc<ClientConfig>)> = OnceLock::new();
    over_memory(&CONFIGS, &TLS12, 8192)
}

/// Each record comes in pieces, and each write waits.
pub(crate) fn narrow() -> impl Fixture {
    static CONFIGS: OnceLock<(ServerConfig, Arc<ClientConfig>)> = OnceLock::new();
    over_memory(&CONFIGS, &TLS13, 100)
}
