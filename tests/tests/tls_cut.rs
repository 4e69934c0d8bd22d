//! A handshake that is cut at any byte, over sockets: an error that says so, for client and server,
//! and no hang.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use mimic_core::roles::Sleep;
use mimic_core::{Context, Error, ErrorKind, Listener, Phase, timeout};
use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};
use mimic_rustls::{HandshakeObserver, TlsConfig, TlsServerConfig};

/// For one connection, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(30);

type Test = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Runtime {
    context: fn() -> Context,
    block_on: fn(Test),
}

const TOKIO: Runtime = Runtime {
    context: mimic_tokio::context,
    block_on: |test| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test),
};

const SMOL: Runtime = Runtime { context: mimic_smol::context, block_on: |test| smol::block_on(test) };

fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = mimic_rustls::provider().unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    // They come behind the handshake, and a client need not wait for them.
    server.send_tls13_tickets = 0;
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    (Arc::new(client.with_root_certificates(roots).with_no_client_auth()), Arc::new(server))
}

/// The handshake up to so many bytes sent; then the end, and what comes is read to its own. Says
/// whether the handshake was over before.
fn hand_shake(mut tls: Connection, mut stream: TcpStream, mut budget: usize) -> bool {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    while tls.is_handshaking() || tls.wants_write() {
        while tls.wants_write() {
            let mut flight = Vec::new();
            tls.write_tls(&mut flight).unwrap();
            let n = flight.len().min(budget);
            stream.write_all(&flight[..n]).unwrap();
            budget -= n;
            if n < flight.len() {
                stream.shutdown(Shutdown::Write).unwrap();
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).unwrap();
                return false;
            }
        }
        if tls.is_handshaking() {
            assert!(tls.read_tls(&mut stream).unwrap() > 0, "the other side went first");
            tls.process_new_packets().unwrap();
        }
    }
    true
}

async fn limited<T>(ctx: &Context, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
    timeout(&mut timer, LIMIT, work).await
}

#[track_caller]
fn assert_cut(at: usize, error: &Error) {
    assert_says_cut(at, error.kind(), error.phase(), &error.to_string());
}

#[track_caller]
fn assert_says_cut(at: usize, kind: ErrorKind, phase: Option<Phase>, text: &str) {
    assert_eq!((kind, phase), (ErrorKind::ConnectionAborted, Some(Phase::Handshake)), "{at}: {text}");
    assert!(text.contains("the peer closed the connection in the handshake"), "{at}: {text}");
}

fn client_is_cut(runtime: &Runtime, version: &'static SupportedProtocolVersion) {
    let (client, server) = configs(version);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let ctx = (runtime.context)().with(TlsConfig, client).with_url(&format!("tls://{addr}")).unwrap();
    let (told, over) = mpsc::channel();
    let peer = thread::spawn(move || {
        for at in 0.. {
            let (stream, _) = listener.accept().unwrap();
            let over = hand_shake(ServerConnection::new(server.clone()).unwrap().into(), stream, at);
            told.send(over).unwrap();
            if over {
                return at;
            }
        }
        0
    });
    (runtime.block_on)(Box::pin(async move {
        for at in 0.. {
            let result = limited(&ctx, ctx.connect()).await.map(drop);
            // Its socket is closed, so the peer is about to say how it went.
            if over.recv_timeout(LIMIT).unwrap() {
                return result.unwrap();
            }
            let error = result.unwrap_err();
            assert_cut(at, &error);
            let text = error.to_string();
            assert!(text.contains("tls") && text.contains(&addr.to_string()), "{at}: {text}");
        }
    }));
    let bytes = peer.join().unwrap();
    assert!(bytes > 500, "the server's handshake had {bytes} bytes?");
}

fn server_is_cut(runtime: &Runtime, version: &'static SupportedProtocolVersion) {
    let (client, server) = configs(version);
    let (tell, failed) = mpsc::channel();
    let failed = Mutex::new(failed);
    let observer = move |error: &Error| {
        let says = (error.kind(), error.phase(), error.target().map(String::from), error.to_string());
        tell.send(says).unwrap();
    };
    let ctx = (runtime.context)().with(TlsServerConfig, server).with(HandshakeObserver, Arc::new(observer));
    let ctx = ctx.with_url("tls://127.0.0.1:0").unwrap();
    (runtime.block_on)(Box::pin(async move {
        let mut listener = limited(&ctx, ctx.listen()).await.unwrap();
        let addr: SocketAddr = listener.local_addr().unwrap();
        let (told, over) = mpsc::channel();
        let peer = thread::spawn(move || {
            for at in 0.. {
                let stream = TcpStream::connect(addr).unwrap();
                let name = "127.0.0.1".try_into().unwrap();
                let over = hand_shake(ClientConnection::new(client.clone(), name).unwrap().into(), stream, at);
                told.send(over).unwrap();
                if over {
                    return at;
                }
            }
            0
        });
        // One poll may tell of a failure and return the next flow.
        let mut held = None;
        for at in 0.. {
            // A flow, or the failure that the observer hears of while the listener is polled.
            let accepted = poll_fn(|cx| {
                if held.is_none()
                    && let Poll::Ready(flow) = listener.poll_accept(cx)
                {
                    held = Some(flow);
                }
                match failed.lock().unwrap().try_recv() {
                    Ok(failure) => Poll::Ready(Ok(Some(failure))),
                    Err(_) => held.take().map_or(Poll::Pending, |flow| Poll::Ready(flow.map(|_| None))),
                }
            });
            let failure = limited(&ctx, accepted).await.unwrap();
            if over.recv_timeout(LIMIT).unwrap() {
                assert_eq!(failure, None);
                break;
            }
            let (kind, phase, target, text) = failure.unwrap();
            assert_says_cut(at, kind, phase, &text);
            assert!(target.is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{at}: {text}");
        }
        let bytes = peer.join().unwrap();
        assert!(bytes > 200, "the client's handshake had {bytes} bytes?");
    }));
}

macro_rules! cut {
    ($($name:ident: $side:ident($runtime:ident, $version:ident))*) => {
        $(
            #[test]
            fn $name() {
                $side(&$runtime, &$version);
            }
        )*
    };
}

cut! {
    a_client_on_tokio_in_tls_13: client_is_cut(TOKIO, TLS13)
    a_client_on_tokio_in_tls_12: client_is_cut(TOKIO, TLS12)
    a_client_on_smol_in_tls_13: client_is_cut(SMOL, TLS13)
    a_client_on_smol_in_tls_12: client_is_cut(SMOL, TLS12)
    a_server_on_tokio_in_tls_13: server_is_cut(TOKIO, TLS13)
    a_server_on_tokio_in_tls_12: server_is_cut(TOKIO, TLS12)
    a_server_on_smol_in_tls_13: server_is_cut(SMOL, TLS13)
    a_server_on_smol_in_tls_12: server_is_cut(SMOL, TLS12)
}
