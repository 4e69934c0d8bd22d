//! What the tests across runtimes share.

use std::sync::Arc;

use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A server with a certificate for `name`, and a client that trusts it, and nobody else.
pub(crate) fn tls(name: &str) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed([name.into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = mimic_rustls::provider().unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}
