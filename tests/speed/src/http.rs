//! HTTP clients of hyper-util: by mimic's connector, and by hyper-util's own and hyper-rustls. One
//! server answers both.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, Version};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mimic_core::keys::Alpn;
use mimic_rustls::TlsConfig;
use mimic_rustls::rustls::ClientConfig;
use mimic_rustls::rustls::client::Resumption;
use mimic_tokio::Connector;
use tokio_rustls::TlsAcceptor;

use crate::net::{Configs, block_on_tokio};
use crate::place::{Place, stay};

/// What a request travels by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// HTTP/1.1 over TCP.
    Tcp,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS, by ALPN.
    Http2,
}

/// The servers of both, until the process ends.
#[derive(Debug)]
pub struct Servers {
    tcp: SocketAddr,
    tls: SocketAddr,
    configs: Configs,
}

impl Servers {
    /// Starts a thread for each.
    #[must_use]
    pub fn start() -> Self {
        let mut configs = Configs::new(true);
        let mut server = (*configs.server).clone();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        configs.server = server.into();
        let tcp = start(None);
        let tls = start(Some(TlsAcceptor::from(configs.server.clone())));
        Self { tcp, tls, configs }
    }

    /// Where a body of so many bytes is.
    #[must_use]
    pub fn uri(&self, over: Over, bytes: usize) -> Uri {
        let (scheme, at) = if over == Over::Tcp { ("http", self.tcp) } else { ("https", self.tls) };
        format!("{scheme}://{at}/{bytes}").parse().unwrap()
    }

    /// The client's configuration, with sessions of its own.
    fn client(&self) -> ClientConfig {
        let mut config = (*self.configs.client).clone();
        config.resumption = Resumption::in_memory_sessions(256);
        config
    }

    /// By mimic.
    #[must_use]
    pub fn mimic(&self, over: Over) -> Connector {
        let protocol = if over == Over::Http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() };
        let ctx = mimic_tokio::context().with(TlsConfig, self.client().into()).with(Alpn, vec![protocol]);
        Connector::new(ctx)
    }

    /// By hyper-util and hyper-rustls. Over TCP it goes without the latter.
    #[must_use]
    pub fn hyper_rustls(&self, over: Over) -> HttpsConnector<HttpConnector> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.client()).https_only();
        match over {
            Over::Http2 => builder.enable_http2().wrap_connector(hyper_util()),
            Over::Tcp | Over::Tls => builder.enable_http1().wrap_connector(hyper_util()),
        }
    }
}

/// By hyper-util alone.
#[must_use]
pub fn hyper_util() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector
}

/// What is asked of a server.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where.
    pub uri: Uri,
    /// The version that is to be agreed on.
    pub version: Version,
    /// How often, one request after the other.
    pub count: u32,
    /// Whether the connection is kept.
    pub kept: bool,
}

/// Asks on a thread of its own, with a client of its own. Gives the seconds for all requests but
/// the first few.
pub fn ask<C>(connector: &C, asked: &Asked) -> f64
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let (connector, asked) = (connector.clone(), asked.clone());
    let client = thread::spawn(move || {
        stay(Place::Client);
        block_on_tokio(async move {
            let mut builder = Client::builder(TokioExecutor::new());
            if !asked.kept {
                builder.pool_max_idle_per_host(0);
            }
            let client = builder.build::<_, Empty<Bytes>>(connector);
            for _ in 0..WARM {
                get(&client, &asked).await;
            }
            let start = Instant::now();
            for _ in 0..asked.count {
                get(&client, &asked).await;
            }
            start.elapsed().as_secs_f64()
        })
    });
    client.join().unwrap()
}

const WARM: u32 = 8;

async fn get<C>(client: &Client<C, Empty<Bytes>>, asked: &Asked)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let response = client.get(asked.uri.clone()).await.unwrap();
    assert_eq!(response.version(), asked.version);
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    assert_eq!(format!("/{bytes}"), asked.uri.path());
}

fn start(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        stay(Place::Server);
        block_on_tokio(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let tls = tls.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let answer = service_fn(async |request| Ok::<_, Infallible>(answer(&request)));
                    // A client that drops its connection is no failure.
                    let _ = match tls {
                        None => server.serve_connection(TokioIo::new(socket), answer).await,
                        Some(tls) => {
                            let Ok(socket) = tls.accept(socket).await else { return };
                            server.serve_connection(TokioIo::new(socket), answer).await
                        }
                    };
                });
            }
        });
    });
    at
}

/// As many bytes as the path asks for.
fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    static BYTES: [u8; 1 << 20] = [7; 1 << 20];
    let count: usize = request.uri().path()[1..].parse().unwrap();
    Response::new(Full::new(Bytes::from_static(&BYTES[..count])))
}
