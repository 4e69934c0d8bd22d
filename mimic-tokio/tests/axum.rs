//! axum over mimic's listeners: TCP, TLS, a Unix socket, and a listener that fails on the way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod http;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context as Cx, Poll};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use mimic_core::keys::{PeerAddr, TlsVersion};
use mimic_core::roles::UnixPath;
use mimic_core::{Error, ErrorKind, Flow, Listener, Phase, Shared};
use mimic_tokio::{AxumListener, ConnectionInfo, OverUnix, Peer, context};
use tokio::time::{Instant, timeout};

use crate::http::{HttpClient, LIMIT, client, text, tls};

/// Answers with what the server knows of the client.
async fn who(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
    format!("{:?} {:?} {:?}", peer.peer_addr(), peer.attribute(PeerAddr), peer.attribute(TlsVersion))
}

fn serve<L: Listener<Shared> + Send + 'static>(listener: AxumListener<L>) {
    let app = Router::new().route("/who", get(who)).into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(listener, app).await });
}

/// Asks, and gives the answer and the client's own address.
async fn ask(client: &HttpClient, url: &str) -> (String, Option<SocketAddr>) {
    let response = timeout(LIMIT, client.get(url.parse().unwrap())).await.unwrap().unwrap();
    let info = response.extensions().get::<ConnectionInfo>().unwrap().clone();
    (text(response).await, info.attribute(mimic_core::keys::LocalAddr))
}

#[tokio::test]
async fn tcp_and_tls() {
    let (ours, theirs) = tls(&["http/1.1"]);
    for (scheme, version) in [("http", "None"), ("https", "Some(772)")] {
        let url = format!("{scheme}://127.0.0.1:0");
        let listener = theirs.clone().with_url(&url).unwrap().listen().await.unwrap();
        let at = listener.local_addr().unwrap();
        let listener = AxumListener::new(listener);
        assert_eq!(axum::serve::Listener::local_addr(&listener).unwrap(), Some(at));
        serve(listener);
        let (told, own) = ask(&client(ours.clone()), &format!("{scheme}://{at}/who")).await;
        assert_eq!(told, format!("{own:?} {own:?} {version}"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket").to_str().unwrap().to_owned();
    let listener = context().with_url(&format!("unix:{path}")).unwrap().listen().await.unwrap();
    serve(AxumListener::new(listener));
    let client = client(context().install(OverUnix::all(UnixPath::new(path).unwrap())));
    assert_eq!(ask(&client, "http://any.example/who").await.0, "None None None");
}

/// A listener that fails before each flow: of one peer, then for a shortage.
#[derive(Debug)]
struct Failing(Box<dyn Listener<Shared> + Send>, Vec<Error>);

impl Listener<Shared> for Failing {
    fn poll_accept(&mut self, cx: &mut Cx<'_>) -> Poll<Result<Box<dyn Flow + Send>, Error>> {
        match self.1.pop() {
            Some(error) => Poll::Ready(Err(error)),
            None => self.0.poll_accept(cx),
        }
    }
    fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr()
    }
}

#[tokio::test]
async fn passing_errors_do_not_end_it() {
    let listener = context().with_url("http://127.0.0.1:0").unwrap().listen().await.unwrap();
    let at = listener.local_addr().unwrap();
    let errors = vec![
        ErrorKind::OutOfMemory.into(),
        ErrorKind::OutOfMemory.into(),
        Error::new(ErrorKind::InvalidData, "bad handshake").in_phase(Phase::Handshake),
        ErrorKind::ConnectionAborted.into(),
    ];
    let told = Arc::new(AtomicUsize::new(0));
    let telling = told.clone();
    let begun = Instant::now();
    serve(AxumListener::new(Failing(listener, errors)).on_error(move |_| {
        telling.fetch_add(1, Relaxed);
    }));
    ask(&client(context()), &format!("http://{at}/who")).await;
    // Of the shortages it hears the first, and it rests after each: 10 ms and 20 ms.
    assert_eq!(told.load(Relaxed), 3);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(30));
}
