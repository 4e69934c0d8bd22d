//! HTTP servers over mimic's listeners, for the tests of the connectors.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use mimic_core::{Context, Error, Listener, ListenerExt, Shared};
use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use mimic_rustls::{TlsConfig, TlsServerConfig};
use mimic_tokio::{Connector, ToHyper, context};

/// Longer than any of these tests takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) type HttpClient = Client<Connector, Empty<Bytes>>;

pub(crate) fn client(ctx: Context) -> HttpClient {
    by(Connector::new(ctx))
}

pub(crate) fn by(connector: Connector) -> HttpClient {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
}

/// Contexts of both ends, for TLS with a certificate of 127.0.0.1. The server speaks `alpn`.
pub(crate) fn tls(alpn: &[&str]) -> (Context, Context) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".into(), "over.unix".into()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = mimic_rustls::provider().unwrap();
    let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut server = server
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    server.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (context().with(TlsConfig, Arc::new(client)), context().with(TlsServerConfig, Arc::new(server)))
}

/// A server that answers with the path, by HTTP/1.1 or 2 as the client begins. Gives its authority,
/// and counts its connections.
pub(crate) async fn serve(ctx: &Context, url: &str) -> (String, Arc<AtomicUsize>) {
    let listener = ctx.clone().with_url(url).unwrap().listen().await.unwrap();
    let authority = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    (authority, serve_at(listener))
}

pub(crate) fn serve_at(mut listener: Box<dyn Listener<Shared> + Send>) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok(flow) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(ToHyper::new(flow), service_fn(answer)).await;
            });
        }
    });
    count
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let sent = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::new([path.as_bytes(), &sent].concat().into())))
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// mimic's error in the chain of sources.
pub(crate) fn of_mimic<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    error.downcast_ref().or_else(|| of_mimic(error.source()?))
}
