//! TLS by name, on every runtime: the handshake is part of the race between the addresses. Linux
//! only, where the whole of 127.0.0.0/8 is this machine.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::error::Error as _;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::tls;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::{Deadline, PeerAddr, TlsVersion};
use mimic_core::roles::{Lookup, Question, Record, RecordType};
use mimic_core::{Context, Error, FlowExt, Phase};
use mimic_happy_eyeballs::{Event, EventKind, Peer, RaceError, Timeline};
use mimic_rustls::TlsConfig;
use mimic_rustls::rustls::{ClientConfig, ServerConfig, ServerConnection, StreamOwned};

const HOST: &str = "host.test";
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const LIMIT: Duration = Duration::from_secs(30);

/// Its name, its context, and how it runs a test.
type Runtime = (&'static str, fn() -> Context, fn(Pin<Box<dyn Future<Output = ()> + Send>>));

fn runtimes() -> [Runtime; 3] {
    [
        ("tokio", mimic_tokio::context, |test| tokio::runtime::Runtime::new().unwrap().block_on(test)),
        ("smol", mimic_smol::context, |test| smol::block_on(test)),
        ("async-std", mimic_smol::context, |test| async_std::task::block_on(test)),
    ]
}

/// One port at both addresses.
fn listeners() -> (TcpListener, TcpListener, u16) {
    loop {
        let first = TcpListener::bind((FIRST, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if let Ok(second) = TcpListener::bind((SECOND, port)) {
            return (first, second, port);
        }
    }
}

/// Serves one connection: a handshake, and back what comes. What it has to say of that.
fn serve(listener: TcpListener, config: Arc<ServerConfig>) -> JoinHandle<std::io::Result<()>> {
    thread::spawn(move || {
        let (socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(LIMIT))?;
        let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        let mut buf = [0; 5];
        tls.read_exact(&mut buf)?;
        tls.write_all(&buf)?;
        tls.flush()
    })
}

/// Accepts one connection, says nothing, and tells how much the peer had to say until it went.
fn stall(listener: TcpListener) -> JoinHandle<std::io::Result<usize>> {
    thread::spawn(move || {
        let (mut socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.read_to_end(&mut Vec::new())
    })
}

fn named(ctx: Context, port: u16, client: Arc<ClientConfig>) -> Context {
    let answer = |question: Question, ()| async move {
        Ok(match question.record_type {
            RecordType::A => vec![Record::from(FIRST), Record::from(SECOND)],
            _ => Vec::new(),
        })
    };
    let ctx = ctx.register(Lookup, "scripted", 0, (), answer).with(TlsConfig, client).with(Deadline, LIMIT);
    ctx.with_url(&format!("tls://{HOST}:{port}")).unwrap()
}

fn at(events: &[Event], what: EventKind) -> Duration {
    let Some(event) = events.iter().find(|event| event.kind() == what) else { panic!("{what:?} is not in {events:?}") };
    event.at()
}

#[test]
fn a_server_that_stalls_in_the_handshake_loses_to_the_next_address() {
    for (name, context, run) in runtimes() {
        let (server, client) = tls(HOST);
        let (first, second, port) = listeners();
        let (stalled, served) = (stall(first), serve(second, server));
        let ctx = named(context(), port, client);
        run(Box::pin(async move {
            let mut flow = ctx.connect().await.unwrap();
            assert!(flow.attribute(TlsVersion).is_some(), "{name}");
            assert_eq!(flow.attribute(PeerAddr), Some(SocketAddr::new(SECOND, port)), "{name}");
            flow.write_all(b"hello").await.unwrap();
            flow.flush().await.unwrap();
            let mut buf = [0; 5];
            flow.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"hello");

            let events = flow.attribute(Timeline).unwrap();
            let peer = |address| Peer::from(SocketAddr::new(address, port));
            // TCP alone is progress: the next starts a delay after it, and not before.
            let (reached, next) =
                (at(&events, EventKind::Progress(peer(FIRST))), at(&events, EventKind::Start(peer(SECOND))));
            assert!(next - reached >= Duration::from_millis(249), "{name}: {events:?}");
            at(&events, EventKind::Progress(peer(SECOND)));
            at(&events, EventKind::Cancel(peer(FIRST)));
            assert_eq!(events.last().map(Event::kind), Some(EventKind::Win(peer(SECOND))), "{name}");
        }));
        assert!(stalled.join().unwrap().unwrap() > 0, "{name}: it had a ClientHello, and then an end");
        served.join().unwrap().unwrap();
    }
}

#[test]
fn a_server_that_answers_in_time_is_not_overtaken() {
    for (name, context, run) in runtimes() {
        let (server, client) = tls(HOST);
        let (first, _second, port) = listeners();
        let served = serve(first, server);
        let ctx = named(context(), port, client);
        run(Box::pin(async move {
            let mut flow = ctx.connect().await.unwrap();
            assert_eq!(flow.attribute(PeerAddr), Some(SocketAddr::new(FIRST, port)), "{name}");
            flow.write_all(b"hello").await.unwrap();
            flow.flush().await.unwrap();
            flow.read_exact(&mut [0; 5]).await.unwrap();
        }));
        served.join().unwrap().unwrap();
    }
}

#[test]
fn a_wrong_certificate_is_tried_at_each_address_and_stays_the_error_of_tls() {
    for (name, context, run) in runtimes() {
        let (server, client) = tls("other.test");
        let (first, second, port) = listeners();
        let servers = [serve(first, server.clone()), serve(second, server)];
        let ctx = named(context(), port, client);
        run(Box::pin(async move {
            let error: Error = ctx.connect().await.map(drop).unwrap_err();
            assert_eq!(error.phase(), Some(Phase::Handshake), "{name}: {error:?}");
            let text = error.to_string();
            assert!(text.contains("certificate") && text.contains("host.test"), "{name}: {text}");
            let race = error.source().and_then(|source| source.downcast_ref::<RaceError>());
            let Some(race) = race else { panic!("{name}: no RaceError below {error:?}") };
            assert!(race.errors().iter().all(|(_, error)| error.at() == Some("Secure \"tls\"")), "{name}: {race:?}");
            let tried: Vec<_> = race.errors().iter().filter_map(|(peer, _)| Some(peer.as_ref()?.address)).collect();
            assert_eq!(tried, [FIRST, SECOND], "{name}");
            for address in tried {
                assert!(text.contains(&format!("{address}:{port}")), "{name}: {text}");
            }
        }));
        for server in servers {
            assert!(server.join().unwrap().is_err(), "{name}: the client refuses");
        }
    }
}
