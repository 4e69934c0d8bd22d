//! HTTP clients by a connector: what reaches the server, and what they learn of the connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod http;

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use hyper::{Request, Version};
use mimic_core::adapter::AttributeRequest;
use mimic_core::io::memory_pair;
use mimic_core::keys::{Alpn, AlpnProtocol, Deadline, Host, LocalAddr, PeerAddr, Protection, Scheme, TlsVersion, Via};
use mimic_core::needs::handshake;
use mimic_core::roles::{HostPort, Transport, UnixPath};
use mimic_core::{Dialer, Error, ErrorKind, Flow, FlowExt, Phase, Shared, key};
use mimic_rustls::PeerCertificates;
use mimic_tokio::{ConnectionInfo, Connector, OverUnix, ToHyper, context};
use tokio::time::timeout;
use tower_service::Service;

use crate::http::{LIMIT, by, client, of_mimic, serve, serve_at, text, tls};

fn info<B>(response: &hyper::Response<B>) -> ConnectionInfo {
    response.extensions().get::<ConnectionInfo>().unwrap().clone()
}

#[tokio::test]
async fn tcp_keeps_its_connection() {
    let (at, connections) = serve(&context(), "tcp://127.0.0.1:0").await;
    let client = client(context());
    for path in ["/a", "/b"] {
        let response = client.get(format!("http://{at}{path}").parse().unwrap()).await.unwrap();
        let info = info(&response);
        assert_eq!(info.peer_addr(), Some(at.parse::<SocketAddr>().unwrap()));
        assert!(info.attribute(LocalAddr).is_some_and(|address| address.ip().is_loopback()));
        assert_eq!((info.attribute(TlsVersion), info.attribute(Via)), (None, None));
        assert_eq!(text(response).await, path);
    }
    assert_eq!(connections.load(Relaxed), 1);
}

#[tokio::test]
async fn http2_by_alpn() {
    let (ours, theirs) = tls(&["h2", "http/1.1"]);
    let (at, connections) = serve(&theirs, "tls://127.0.0.1:0").await;
    let client = client(ours);
    for _ in 0..3 {
        let response = client.get(format!("https://{at}/x").parse().unwrap()).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let info = info(&response);
        assert_eq!(info.attribute(AlpnProtocol).as_deref(), Some(b"h2".as_slice()));
        assert_eq!(info.attribute(TlsVersion), Some(0x0304));
        assert_eq!(info.attribute(Protection).unwrap().peer, "127.0.0.1");
        assert_eq!(info.attribute(PeerCertificates).unwrap().len(), 1);
        assert_eq!(info.peer_addr().unwrap().to_string(), at);
        assert_eq!(text(response).await, "/x");
    }
    assert_eq!(connections.load(Relaxed), 1);
}

/// By the server, and by the context.
#[tokio::test]
async fn http1_over_tls() {
    for (spoken, offered) in [(&["http/1.1"][..], None), (&[], None), (&["h2", "http/1.1"], Some("http/1.1"))] {
        let (mut ours, theirs) = tls(spoken);
        if let Some(offered) = offered {
            ours = ours.with(Alpn, vec![offered.into()]);
        }
        let (at, _) = serve(&theirs, "tls://127.0.0.1:0").await;
        let response = client(ours).get(format!("https://{at}/x").parse().unwrap()).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(text(response).await, "/x");
    }
}

#[tokio::test]
async fn every_scheme_of_the_context() {
    let (at, _) = serve(&context(), "tcp://127.0.0.1:0").await;
    let response = client(context()).get(format!("tcp://{at}/x").parse().unwrap()).await.unwrap();
    assert_eq!(text(response).await, "/x");
}

#[cfg(unix)]
#[tokio::test]
async fn hosts_over_unix_sockets() {
    let (ours, theirs) = tls(&["h2"]);
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let unix = |name| UnixPath::new(path(name)).unwrap();
    let (_, plain) = serve(&context(), &format!("unix:{}", path("plain"))).await;
    // A TLS server behind a Unix socket: that the other end is TCP is another matter.
    let (tls_at, _) = serve(&theirs, "tls://127.0.0.1:0").await;
    let below = context().with_url(&format!("tcp://{tls_at}")).unwrap();
    relay(&format!("unix:{}", path("tls")), below).await;
    let (at, tcp) = serve(&context(), "tcp://127.0.0.1:0").await;

    let ours = ours.install(OverUnix::host("Docker", unix("plain")).and_host("over.unix", unix("tls")));
    let some = client(ours.clone());
    let response = some.get("http://docker:1234/version".parse().unwrap()).await.unwrap();
    assert_eq!(info(&response).peer_addr(), None);
    assert_eq!(text(response).await, "/version");
    let response = some.get("https://over.unix/x".parse().unwrap()).await.unwrap();
    assert_eq!(info(&response).attribute(Protection).unwrap().peer, "over.unix");
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(text(response).await, "/x");
    let response = some.get(format!("http://{at}/x").parse().unwrap()).await.unwrap();
    assert_eq!(text(response).await, "/x");
    assert_eq!((plain.load(Relaxed), tcp.load(Relaxed)), (1, 1));
    // A host that no URL has lowered.
    let flow = ours.with(Scheme, "http".into()).with(Host, "DOCKER".into()).connect().await.unwrap();
    assert_eq!(flow.attribute(PeerAddr), None);
    while plain.load(Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    drop(flow);

    let all = client(context().install(OverUnix::all(unix("plain"))));
    assert_eq!(text(all.get(format!("http://{at}/all").parse().unwrap()).await.unwrap()).await, "/all");
    assert_eq!((plain.load(Relaxed), tcp.load(Relaxed)), (3, 1));
}

/// Passes the bytes of each flow that is accepted at `url` to a flow of `to`.
async fn relay(url: &str, to: mimic_core::Context) {
    use mimic_core::ListenerExt;
    let mut listener = context().with_url(url).unwrap().listen().await.unwrap();
    tokio::spawn(async move {
        while let Ok(flow) = listener.accept().await {
            let mut there = mimic_tokio::ToTokio::new(to.connect().await.unwrap());
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut mimic_tokio::ToTokio::new(flow), &mut there).await;
            });
        }
    });
}

key! {
    /// What a layer knows.
    Color: &'static str;
}

/// A flow that went through a proxy.
#[derive(Debug)]
struct Proxied(Box<dyn Flow + Send>);

impl Flow for Proxied {
    fn poll_read(&mut self, cx: &mut std::task::Context<'_>, buf: &mut [u8]) -> std::task::Poll<Result<usize, Error>> {
        self.0.poll_read(cx, buf)
    }
    fn poll_write(&mut self, cx: &mut std::task::Context<'_>, buf: &[u8]) -> std::task::Poll<Result<usize, Error>> {
        self.0.poll_write(cx, buf)
    }
    fn poll_flush(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }
    fn poll_shutdown(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        self.0.poll_shutdown(cx)
    }
    fn inner(&self) -> Option<&dyn Flow> {
        Some(&self.0)
    }
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let below = || self.0.attribute(Via).unwrap_or_default();
        request
            .provide_value(Via, || Some(below().into_iter().chain(["proxy.example:1080".into()]).collect()))
            .provide_value(Color, || Some("green"));
    }
}

/// The target of the layer is rewritten, as by a proxy that looks names up itself.
#[tokio::test]
async fn through_layers() {
    let (at, connections) = serve(&context(), "tcp://127.0.0.1:0").await;
    let proxy: SocketAddr = at.parse().unwrap();
    let ctx = context().layer(
        Transport,
        "proxy",
        handshake(),
        move |_: HostPort, below: Dialer<Transport, Shared>, handshake| async move {
            let flow = below.dial_with(HostPort::new("127.0.0.1", proxy.port()), handshake).await?;
            Ok(Proxied(flow).boxed())
        },
    );
    let response =
        by(Connector::new(ctx).attribute(Color)).get("http://nowhere.example/x".parse().unwrap()).await.unwrap();
    let info = info(&response);
    assert_eq!(info.attribute(Via).unwrap(), ["proxy.example:1080"]);
    assert_eq!((info.attribute(Color), info.peer_addr()), (Some("green"), Some(proxy)));
    assert_eq!(text(response).await, "/x");
    assert_eq!(connections.load(Relaxed), 1);
}

#[tokio::test]
async fn over_memory() {
    let ctx = context().register(Transport, "memory", 0, (), |_: HostPort, ()| async {
        let (here, there) = memory_pair::<Shared>(100);
        let mut there = Some(there.boxed());
        serve_at(Box::new(Once(there.take())));
        Ok(here.boxed())
    });
    let response = client(ctx).get("http://nowhere.example/x".parse().unwrap()).await.unwrap();
    assert_eq!(info(&response).attribute(PeerAddr), None);
    assert_eq!(text(response).await, "/x");
}

/// A listener to one flow.
#[derive(Debug)]
struct Once(Option<Box<dyn Flow + Send>>);

impl mimic_core::Listener<Shared> for Once {
    fn poll_accept(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<Box<dyn Flow + Send>, Error>> {
        std::task::Poll::Ready(self.0.take().ok_or_else(|| ErrorKind::NotConnected.into()))
    }
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// A large body comes whole, over TCP and over TLS, by either version.
#[tokio::test]
async fn large_bodies() {
    use http_body_util::{BodyExt, Full};
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for alpn in ["http/1.1", "h2"] {
        let (ours, theirs) = tls(&[alpn]);
        let (plain, _) = serve(&context(), "tcp://127.0.0.1:0").await;
        let (secure, _) = serve(&theirs, "tls://127.0.0.1:0").await;
        for url in [format!("http://{plain}/"), format!("https://{secure}/")] {
            let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build(Connector::new(ours.clone()));
            let request = Request::post(&url).body(Full::new(bytes::Bytes::from(sent.clone()))).unwrap();
            let response = client.request(request).await.unwrap();
            let got = response.into_body().collect().await.unwrap().to_bytes();
            assert!(got[1..] == sent[..], "{url}: {} bytes", got.len());
        }
    }
}

/// tonic's channel is a service of requests.
#[tokio::test]
async fn tonic() {
    use http_body_util::BodyExt;
    let (ours, theirs) = tls(&["h2", "http/1.1"]);
    let (plain, _) = serve(&context(), "tcp://127.0.0.1:0").await;
    let (secure, _) = serve(&theirs, "tls://127.0.0.1:0").await;
    for url in [format!("http://{plain}"), format!("https://{secure}")] {
        let connector = Connector::new(ours.clone().with(Alpn, vec![b"h2".to_vec()]));
        let endpoint = tonic::transport::Endpoint::from_shared(url.clone()).unwrap();
        let mut channel = endpoint.connect_with_connector(connector).await.unwrap();
        std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
        let request = Request::post(format!("{url}/a.B/C")).body(tonic::body::Body::empty()).unwrap();
        let response = channel.call(request).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/a.B/C");
    }
}

#[tokio::test]
async fn a_connection_of_hyper_itself() {
    use http_body_util::Empty;
    let (at, _) = serve(&context(), "tcp://127.0.0.1:0").await;
    let flow = context().with_url(&format!("tcp://{at}")).unwrap().connect().await.unwrap();
    let (mut requests, connection) = hyper::client::conn::http1::handshake(ToHyper::new(flow)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/x").header("host", "a").body(Empty::<bytes::Bytes>::new()).unwrap();
    assert_eq!(text(requests.send_request(request).await.unwrap()).await, "/x");
}

/// The tree of mimic's error is in the chain of sources.
#[tokio::test]
async fn refused() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client(context()).get(format!("http://{free}/").parse().unwrap()).await.unwrap_err();
    assert!(error.is_connect());
    let error = of_mimic(&error).unwrap();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Connect)));
    assert!(error.report().is_some() && error.to_string().contains(&free.to_string()), "{error:#}");

    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{free}")).unwrap();
    let error = endpoint.connect_with_connector(Connector::new(context())).await.unwrap_err();
    assert_eq!(of_mimic(&error).unwrap().kind(), ErrorKind::ConnectionRefused, "{error:?}");
}

#[tokio::test]
async fn a_uri_without_a_host() {
    let error = Connector::new(context()).call("/x".parse().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidInput, Some(Phase::Endpoint)));
    let error = client(context()).get("gopher://127.0.0.1/".parse().unwrap()).await.unwrap_err();
    assert!(of_mimic(&error).unwrap().to_string().contains("gopher"), "{error:?}");
}

#[tokio::test]
async fn the_deadline_of_the_context() {
    // A socket that listens and does not answer.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (ours, _) = tls(&[]);
    let client = client(ours.with(Deadline, std::time::Duration::from_millis(200)));
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let error = timeout(LIMIT, client.get(url.parse().unwrap())).await.unwrap().unwrap_err();
    let error = of_mimic(&error).unwrap();
    assert!(error.is_deadline() && format!("{error:#}").contains("Secure \"tls\""), "{error:#}");
}

#[test]
fn auto_traits() {
    fn is<T: Send + Sync + Clone + std::fmt::Debug + Unpin + 'static>() {}
    fn moves<T: Send + std::fmt::Debug + Unpin + 'static>() {}
    is::<Connector>();
    is::<ConnectionInfo>();
    moves::<ToHyper>();
    fn sent<T: Send>() {}
    sent::<<Connector as Service<hyper::Uri>>::Future>();
}
