//! Servers that break HTTP, TLS or the connection: each ends in an error that says what broke, in
//! time, and leaves nothing open.
//!
//! One test, because it counts the descriptors of the process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod http;

use std::convert::Infallible;
use std::error::Error as _;
use std::fs::read_dir;
use std::pin::Pin;
use std::task::{Context as Cx, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Body, Frame};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::{Alpn, Deadline};
use mimic_core::{Context, ErrorKind, Flow, FlowExt, ListenerExt, Phase};
use mimic_tokio::{ToHyper, context};
use tokio::time::{Instant, sleep, timeout};

use crate::http::{LIMIT, client, of_mimic, tls};

type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! cases {
    ($($name:ident)+) => { [$((stringify!($name), (|| Box::pin($name())) as Case)),+] };
}

#[tokio::test]
async fn each_ends_in_an_error_and_leaks_nothing() {
    let cases = cases![
        refused
        deadline
        end_in_the_handshake
        no_protocol_in_common
        no_alpn
        http1_where_http2_was_agreed_on
        no_http
        end_before_the_response
        end_in_the_body
        end_in_the_body_over_tls
        cut_in_the_body_over_tls
        reset_in_the_body
        reset_in_the_body_over_http2
        body_that_stalls
    ];
    let mut open = None;
    for round in 0..3 {
        for (name, case) in cases {
            timeout(LIMIT, case()).await.unwrap_or_else(|_| panic!("{name} does not end"));
        }
        // The first round starts what stays: the clock, threads of the runtime.
        let before = *open.get_or_insert_with(count);
        let begun = Instant::now();
        while round > 0 && count() != before {
            assert!(begun.elapsed() < LIMIT, "{} descriptors and threads before, {} after", before, count());
            sleep(Duration::from_millis(10)).await;
        }
        // Those of the last case may still be closing.
        if round == 0 {
            sleep(Duration::from_millis(300)).await;
            open = Some(count());
        }
    }
}

/// The descriptors and threads of this process, where Linux tells them.
fn count() -> usize {
    ["/proc/self/fd", "/proc/self/task"].iter().filter_map(|path| Some(read_dir(path).ok()?.count())).sum()
}

/// Accepts one flow, reads the head of its request, and leaves it to `then`. Gives the authority.
async fn server<F: Future<Output = ()> + Send>(
    ctx: &Context,
    url: &str,
    then: impl FnOnce(Box<dyn Flow + Send>) -> F + Send + 'static,
) -> String {
    let mut listener = ctx.clone().with_url(url).unwrap().listen().await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut flow = listener.accept().await.unwrap();
        let (mut head, mut buf) = (Vec::new(), [0; 1024]);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match flow.read(&mut buf).await {
                Ok(count) if count > 0 => head.extend_from_slice(&buf[..count]),
                _ => return,
            }
        }
        then(flow).await;
    });
    at
}

async fn write(flow: &mut Box<dyn Flow + Send>, bytes: &[u8]) {
    flow.write_all(bytes).await.unwrap();
    flow.flush().await.unwrap();
}

const PART: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789";

/// The error of the client, before a response.
async fn failing(ctx: Context, url: String) -> legacy::Error {
    client(ctx).get(url.parse().unwrap()).await.unwrap_err()
}

/// The error of the body, after the first part.
async fn failing_body(ctx: Context, url: String) -> hyper::Error {
    let response = client(ctx).get(url.parse().unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap_err()
}

async fn refused() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failing(context(), format!("http://{free}/")).await;
    let error = of_mimic(&error).unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(error.at(), Some("Tcp \"tcp\""), "{error:#}");
}

async fn deadline() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ctx = tls(&[]).0.with(Deadline, Duration::from_millis(200));
    let begun = Instant::now();
    let error = failing(ctx, format!("https://{}/", silent.local_addr().unwrap())).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let error = of_mimic(&error).unwrap();
    assert!(error.is_deadline() && format!("{error:#}").contains("Secure \"tls\""), "{error:#}");
}

async fn end_in_the_handshake() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut [0; 1 << 14]).await;
    });
    let error = failing(tls(&[]).0, format!("https://{at}/")).await;
    let error = of_mimic(&error).unwrap();
    assert_eq!(error.phase(), Some(Phase::Handshake), "{error:#}");
    assert!(format!("{error:#}").contains("Secure \"tls\""), "{error:#}");
}

async fn no_protocol_in_common() {
    let (ours, theirs) = tls(&["http/1.1"]);
    let at = server(&theirs, "tls://127.0.0.1:0", |_| async {}).await;
    // The listener goes on after a failed handshake: the client that follows ends it.
    let error = failing(ours.clone().with(Alpn, vec![b"h2".to_vec()]), format!("https://{at}/")).await;
    let error = of_mimic(&error).unwrap();
    assert_eq!(error.phase(), Some(Phase::Handshake), "{error:#}");
    assert!(format!("{error:#}").contains("Secure \"tls\""), "{error:#}");
    let _ = failing(ours, format!("https://{at}/")).await;
}

async fn no_alpn() {
    let (ours, theirs) = tls(&[]);
    let at = server(&theirs, "tls://127.0.0.1:0", |_| async {}).await;
    let error = failing(ours.with(Alpn, vec![b"h2".to_vec()]), format!("https://user:hunter2@{at}/")).await;
    let error = of_mimic(&error).unwrap();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Unsupported, Some(Phase::Handshake)));
    assert!(error.at() == Some("Connector") && error.to_string().contains(&at), "{error:#}");
    assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
}

async fn http1_where_http2_was_agreed_on() {
    let (ours, theirs) = tls(&["h2"]);
    let at = server(&theirs, "tls://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        let _ = flow.close().await;
    })
    .await;
    let error = failing(ours, format!("https://{at}/")).await;
    // It is hyper that speaks HTTP, and says so.
    let text = format!("{error:?}");
    assert!(text.contains("h2::") || text.contains("Http2"), "{text}");
}

async fn no_http() {
    let at = server(&context(), "tcp://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, b"SSH-2.0-none\r\n").await;
        let _ = flow.close().await;
    })
    .await;
    let error = failing(context(), format!("http://{at}/")).await;
    assert!(error.source().unwrap().downcast_ref::<hyper::Error>().unwrap().is_parse(), "{error:?}");
}

async fn end_before_the_response() {
    let at = server(&context(), "tcp://127.0.0.1:0", |flow| async move {
        let _ = flow.close().await;
    })
    .await;
    let error = failing(context(), format!("http://{at}/")).await;
    assert!(error.source().unwrap().downcast_ref::<hyper::Error>().unwrap().is_incomplete_message(), "{error:?}");
}

async fn end_in_the_body() {
    let at = server(&context(), "tcp://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, PART).await;
    })
    .await;
    let error = failing_body(context(), format!("http://{at}/")).await;
    // TCP ended in order: only HTTP knows that more was promised.
    assert!(error.to_string().contains("body") && of_mimic(&error).is_none(), "{error:?}");
    assert!(format!("{error:?}").contains("IncompleteBody") || error.is_incomplete_message(), "{error:?}");
}

async fn end_in_the_body_over_tls() {
    let (ours, theirs) = tls(&["http/1.1"]);
    let at = server(&theirs, "tls://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, PART).await;
        flow.shutdown().await.unwrap();
    })
    .await;
    let error = failing_body(ours, format!("https://{at}/")).await;
    assert!(of_mimic(&error).is_none(), "{error:?}");
}

/// The end without close_notify is an error of TLS, not an end.
async fn cut_in_the_body_over_tls() {
    let (ours, theirs) = tls(&["http/1.1"]);
    let at = server(&theirs, "tls://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, PART).await;
    })
    .await;
    let error = failing_body(ours, format!("https://{at}/")).await;
    let error = of_mimic(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionAborted, Some(Phase::Read)), "{error:#}");
    assert!(error.to_string().contains("close_notify"), "{error:#}");
}

async fn reset_in_the_body() {
    let at = server(&context(), "tcp://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, PART).await;
        sleep(Duration::from_millis(50)).await;
        flow.abort();
    })
    .await;
    let error = failing_body(context(), format!("http://{at}/")).await;
    let error = of_mimic(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionReset, Some(Phase::Read)), "{error:#}");
}

/// The crate h2 keeps the kind and the text.
async fn reset_in_the_body_over_http2() {
    let (ours, theirs) = tls(&["h2"]);
    let mut listener = theirs.with_url("tls://127.0.0.1:0").unwrap().listen().await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let flow = listener.accept().await.unwrap();
        let endless = service_fn(async |_| Ok::<_, Infallible>(Response::new(Never)));
        let server = http2::Builder::new(TokioExecutor::new());
        // Dropped in the middle: without close_notify.
        let _ = timeout(Duration::from_millis(200), server.serve_connection(ToHyper::new(flow), endless)).await;
    });
    let error = failing_body(ours, format!("https://{at}/")).await;
    let text = format!("{error:?}");
    assert!(text.contains("close_notify") || text.contains("Reset"), "{text}");
}

/// A body that never comes.
struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// A body that was promised and does not come: the client gives it up, and its connection.
async fn body_that_stalls() {
    let at = server(&context(), "tcp://127.0.0.1:0", |mut flow| async move {
        write(&mut flow, PART).await;
        // The client hangs up.
        assert_eq!(flow.read(&mut [0]).await.unwrap_or(0), 0);
    })
    .await;
    let response = client(context()).get(format!("http://{at}/").parse().unwrap()).await.unwrap();
    timeout(Duration::from_millis(100), response.into_body().collect()).await.unwrap_err();
}
