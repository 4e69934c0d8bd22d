//! What the tests across runtimes share.

use std::sync::Arc;

use mimic_rustls::rustls::{ClientConfig, ServerConfig};
use mimic_rustls::{ServerOptions, identity, trust};

/// Returns a server with a certificate for `name`, and a client that trusts it and no other.
pub(crate) fn tls(name: &str) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed([name.into()]).unwrap();
    let certificate = made.cert.pem();
    let server = ServerOptions::new(identity(&certificate, made.signing_key.serialize_pem()).unwrap());
    (server.config().unwrap(), trust(certificate).unwrap().config().unwrap())
}
