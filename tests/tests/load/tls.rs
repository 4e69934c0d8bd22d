//! A server's certificate, made for the occasion, and a client that trusts it.

use std::sync::Arc;

use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate for the addresses, and its configuration.
pub(crate) fn server(addresses: Vec<String>) -> (Vec<u8>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(addresses).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let builder = ServerConfig::builder_with_provider(mimic_rustls::provider().unwrap());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let certificate = made.cert.der().clone();
    (certificate.to_vec(), Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()))
}

pub(crate) fn client(certificate: Vec<u8>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate)).unwrap();
    let builder = ClientConfig::builder_with_provider(mimic_rustls::provider().unwrap());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
