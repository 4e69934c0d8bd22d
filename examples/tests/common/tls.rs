//! Certificates made on the fly, and peers that speak TLS by rustls's own blocking streams.

use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use mimic_rustls::rustls::crypto::CryptoProvider;
use mimic_rustls::rustls::pki_types::pem::PemObject;
use mimic_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use mimic_rustls::rustls::server::WebPkiClientVerifier;
use mimic_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::{Conn, LIMIT, Over, Peer};

/// An authority, and the files of it and of what it issues.
pub(crate) struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// The file that `--ca` takes.
    pub(crate) file: String,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let dir = super::dir();
        // A name of its own: two authorities of one name would differ in their keys only.
        let mut params = named(&format!("authority of {}", dir.path().display()), &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { file: text(file), issuer: Issuer::new(params, key), dir }
    }

    /// For this machine, as these tests name it.
    pub(crate) fn localhost(&self) -> Identity {
        self.issue("localhost", &["localhost", "127.0.0.1"], |_| ())
    }

    /// A leaf, with what `change` makes of it.
    pub(crate) fn issue(
        &self,
        name: &str,
        alternatives: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        self.issue_for(KeyPair::generate().unwrap(), name, alternatives, change)
    }

    pub(crate) fn issue_for(
        &self,
        key: KeyPair,
        name: &str,
        alternatives: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = named(name, alternatives);
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        self.write(name, &pem, &key)
    }

    /// Not issued by this authority, but by itself.
    pub(crate) fn self_signed(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let pem = named("self-signed", &["localhost", "127.0.0.1"]).self_signed(&key).unwrap().pem();
        self.write("self-signed", &pem, &key)
    }

    /// Issued by a leaf of this authority, which must not.
    pub(crate) fn issued_by_a_leaf(&self) -> Identity {
        let middle = KeyPair::generate().unwrap();
        let params = named("no authority", &["elsewhere.invalid"]);
        let leaf = params.signed_by(&middle, &self.issuer).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let bottom = named("bottom", &["localhost", "127.0.0.1"]);
        let pem = bottom.signed_by(&key, &Issuer::new(params, middle)).unwrap().pem();
        self.write("bottom", &format!("{pem}{leaf}"), &key)
    }

    /// A file in the directory of the authority, with this in it.
    pub(crate) fn file_with(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        text(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, pem: &str, key: &KeyPair) -> Identity {
        Identity {
            cert: self.file_with(&format!("{name}.pem"), pem),
            key: self.file_with(&format!("{name}.key"), key.serialize_pem()),
        }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.file).unwrap()).unwrap();
        Arc::new(roots)
    }

    pub(crate) fn server(&self, identity: &Identity) -> ServerConfig {
        let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        server.with_no_client_auth().with_single_cert(identity.chain(), identity.secret()).unwrap()
    }

    /// A server that asks for a certificate of this authority.
    pub(crate) fn asking_server(&self, identity: &Identity) -> ServerConfig {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider()).build().unwrap();
        let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        server.with_client_cert_verifier(verifier).with_single_cert(identity.chain(), identity.secret()).unwrap()
    }

    /// Connects to what a `serve` printed.
    pub(crate) fn dial(&self, url: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(self.roots()).with_no_client_auth());
        let name = ServerName::try_from("127.0.0.1").unwrap();
        StreamOwned::new(ClientConnection::new(config, name).unwrap(), tcp(url))
    }
}

impl Identity {
    /// As options of a command.
    pub(crate) fn options(&self) -> [&str; 4] {
        ["--cert", &self.cert, "--key", &self.key]
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(&self.cert).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn secret(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).unwrap()
    }
}

fn named(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(alternatives).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

fn provider() -> Arc<CryptoProvider> {
    mimic_rustls::provider().unwrap()
}

/// Connects to the port of a TLS URL, without TLS.
#[track_caller]
pub(crate) fn tcp(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.strip_prefix("tls://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A TLS connection, as a test's server sees it.
pub(crate) type Tls = StreamOwned<ServerConnection, Box<dyn Conn>>;

/// Sends close_notify, and nothing below it.
pub(crate) fn close(tls: &mut Tls) {
    tls.conn.send_close_notify();
    tls.conn.complete_io(&mut tls.sock).unwrap();
}

/// All that comes until close_notify; an end without it fails.
pub(crate) fn rest(tls: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    tls.read_to_end(&mut all).unwrap();
    all
}

/// A server that takes one TLS connection, in a thread of the test.
pub(crate) fn peer<T: Send + 'static>(
    config: ServerConfig,
    serve: impl FnOnce(&mut Tls) -> T + Send + 'static,
) -> Peer<T> {
    let peer = Peer::new(Over::Tcp, move |conn| {
        serve(&mut StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), conn))
    });
    over_tls(peer)
}

/// A peer that does not speak TLS, or not all the time, where a client expects it.
pub(crate) fn over_tls<T>(mut peer: Peer<T>) -> Peer<T> {
    peer.url = peer.url.replace("tcp://", "tls://");
    peer
}
