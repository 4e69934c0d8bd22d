//! hyper on smol: its own connections, and the client of hyper-util, over mimic's flows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::{block_on, or};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::server::conn;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::Deadline;
use mimic_core::{Error, ErrorKind, ListenerExt, Phase};
use mimic_smol::{ConnectionInfo, Connector, SmolExecutor, SmolTimer, ToHyper, context};
use smol::{Executor, Timer};

type Smol = SmolExecutor<Arc<Executor<'static>>>;

/// Runs a test on an executor of its own, within 10 s.
fn on_smol(test: impl AsyncFnOnce(Arc<Executor<'static>>)) {
    let executor = Arc::new(Executor::new());
    let late = async {
        Timer::after(Duration::from_secs(10)).await;
        panic!("the test does not end");
    };
    block_on(or(executor.run(test(executor.clone())), late));
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(request.uri().path().to_owned().into())))
}

/// A server that answers with the path, by HTTP/2 if it is told. Gives its authority.
async fn serve(executor: &Arc<Executor<'static>>, url: &str, http2: bool) -> String {
    let mut listener = context().with_url(url).unwrap().listen().await.unwrap();
    let at = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let spawner = executor.clone();
    let serving = async move {
        while let Ok(flow) = listener.accept().await {
            let (io, executor) = (ToHyper::new(flow), Smol::new(spawner.clone()));
            let served = async move {
                let _ = match http2 {
                    true => conn::http2::Builder::new(executor).serve_connection(io, service_fn(answer)).await,
                    false => conn::http1::Builder::new().serve_connection(io, service_fn(answer)).await,
                };
            };
            spawner.spawn(served).detach();
        }
    };
    executor.spawn(serving).detach();
    at
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "a.example").body(Empty::new()).unwrap()
}

async fn text(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn of_mimic<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    error.downcast_ref().or_else(|| of_mimic(error.source()?))
}

#[test]
fn http1_over_tcp() {
    on_smol(async |executor| {
        let at = serve(&executor, "tcp://127.0.0.1:0", false).await;
        let flow = context().with_url(&format!("http://{at}")).unwrap().connect().await.unwrap();
        let (mut requests, connection) = http1::handshake(ToHyper::new(flow)).await.unwrap();
        executor.spawn(connection).detach();
        for path in ["/a", "/b"] {
            assert_eq!(text(requests.send_request(get(path)).await.unwrap()).await, path);
        }
    });
}

#[cfg(unix)]
#[test]
fn http1_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", directory.path().join("socket").to_str().unwrap());
    on_smol(async |executor| {
        serve(&executor, &url, false).await;
        let flow = context().with_url(&url).unwrap().connect().await.unwrap();
        let (mut requests, connection) = http1::handshake(ToHyper::new(flow)).await.unwrap();
        executor.spawn(connection).detach();
        assert_eq!(text(requests.send_request(get("/x")).await.unwrap()).await, "/x");
    });
}

/// Executor and timer: HTTP/2 has tasks of its own, and pings.
#[test]
fn http2_over_tcp() {
    on_smol(async |executor| {
        let at = serve(&executor, "tcp://127.0.0.1:0", true).await;
        let flow = context().with_url(&format!("tcp://{at}")).unwrap().connect().await.unwrap();
        let mut builder = http2::Builder::new(Smol::new(executor.clone()));
        builder.timer(SmolTimer::new()).keep_alive_interval(Duration::from_millis(20));
        let (mut requests, connection) = builder.handshake(ToHyper::new(flow)).await.unwrap();
        executor.spawn(connection).detach();
        for path in ["/a", "/b"] {
            let request = Request::get(format!("http://{at}{path}")).body(Empty::<Bytes>::new()).unwrap();
            assert_eq!(text(requests.send_request(request).await.unwrap()).await, path);
            Timer::after(Duration::from_millis(60)).await;
        }
    });
}

/// The client of hyper-util needs no tokio: it pools and asks by the connector here, too.
#[test]
fn the_client_of_hyper_util() {
    on_smol(async |executor| {
        let at = serve(&executor, "tcp://127.0.0.1:0", false).await;
        let client = Client::builder(Smol::new(executor.clone()))
            .timer(SmolTimer::new())
            .pool_timer(SmolTimer::new())
            .build::<_, Empty<Bytes>>(Connector::new(context()));
        for path in ["/a", "/b"] {
            let response = client.get(format!("http://{at}{path}").parse().unwrap()).await.unwrap();
            let peer = response.extensions().get::<ConnectionInfo>().unwrap().peer_addr();
            assert_eq!(peer.unwrap().to_string(), at);
            assert_eq!(text(response).await, path);
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = client.get(format!("http://{free}/").parse().unwrap()).await.unwrap_err();
        let error = of_mimic(&error).unwrap();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Connect)));
    });
}

/// A server that closes, or resets, in the middle of its answer; and one that never answers.
#[test]
fn broken_servers() {
    on_smol(async |executor| {
        for reset in [false, true] {
            let mut listener = context().with_url("tcp://127.0.0.1:0").unwrap().listen().await.unwrap();
            let at = listener.local_addr().unwrap();
            let serving = async move {
                let mut flow = listener.accept().await.unwrap();
                flow.read(&mut [0; 1024]).await.unwrap();
                flow.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12").await.unwrap();
                flow.flush().await.unwrap();
                Timer::after(Duration::from_millis(50)).await;
                if reset {
                    mimic_core::Flow::abort(&mut flow);
                }
            };
            executor.spawn(serving).detach();
            let flow = context().with_url(&format!("http://{at}")).unwrap().connect().await.unwrap();
            let (mut requests, connection) = http1::handshake(ToHyper::new(flow)).await.unwrap();
            executor.spawn(connection).detach();
            let response = requests.send_request(get("/")).await.unwrap();
            let error = response.into_body().collect().await.unwrap_err();
            let kind = of_mimic(&error).map(Error::kind);
            assert_eq!(kind, reset.then_some(ErrorKind::ConnectionReset), "{error:?}");
        }
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ctx = context().with(Deadline, Duration::from_millis(100));
        let client = Client::builder(Smol::new(executor)).build::<_, Empty<Bytes>>(Connector::new(ctx));
        let url = format!("https://{}/", silent.local_addr().unwrap());
        let error = client.get(url.parse().unwrap()).await.unwrap_err();
        assert!(of_mimic(&error).unwrap().is_deadline(), "{error:?}");
    });
}
