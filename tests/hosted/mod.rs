//! What every hosted adapter must do, written once: each adapter's tests include this file and run
//! it on their runtimes.
//!
//! The includer calls its crate `adapter`. Everything stays on the loopback, and every test has a
//! limit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::Split;
use mimic_core::keys::{Deadline, KeepAlive, LocalAddr, NoDelay, PeerAddr};
use mimic_core::roles::{Lookup, Question, Record, RecordType, Sleep, Tcp};
use mimic_core::{
    Ctx, Error, ErrorKind, Flow, FlowExt, Listener, ListenerExt, Mode, Phase, Shared, Timer, sleep, timeout,
};
use socket2::{SockRef, TcpKeepalive};

use crate::adapter::{self, TcpFlow};

#[cfg(unix)]
mod dropped;
#[cfg(unix)]
pub(crate) use dropped::*;
mod listening;
#[cfg(feature = "happy-eyeballs")]
mod race;
pub(crate) use listening::*;
#[cfg(feature = "happy-eyeballs")]
pub(crate) use race::*;

#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
pub(crate) mod namespace;
#[cfg(target_os = "linux")]
pub(crate) use names::*;

type BoxedFlow = Box<dyn Flow + Send>;

/// How long a test may take, on a machine that is busy building.
const LIMIT: Duration = Duration::from_secs(30);

/// A moment: long enough for the loopback, short enough to wait for in vain.
const MOMENT: Duration = Duration::from_millis(50);

/// Makes a test of everything here, run by `$run`, which is given a future that outputs nothing.
macro_rules! hosted {
    (@alone $run:path: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                crate::hosted::namespace::alone(concat!(module_path!(), "::", stringify!($test)), || {
                    $run(crate::hosted::limited(crate::hosted::$test()));
                });
            }
        )*
    };
    ($run:path) => {
        hosted! { $run:
            echo over_ipv6 two_directions_at_once half_close_by_the_client half_close_by_the_server
            what_a_flow_promises vectored_writes_go_out_in_one attributes abort_resets no_delay_unless_off
            keep_alive_is_set accepted_flows_have_the_options an_accepted_socket_is_a_flow refused port_in_use
            lookups unknown_names time a_read_in_time a_local_context
            a_name_is_bound_at_every_address a_name_with_an_address_in_use_is_not_bound an_address_of_no_interface
            one_family_or_both a_socket_that_listens_already listening_takes_the_inherited_socket
            an_inherited_socket_is_taken_for_good
        }
        #[cfg(unix)]
        hosted! { $run:
            unix_echo unix_file_that_is_no_socket unix_file_goes_with_the_listener unix_file_of_somebody_else
            unix_nobody_there unix_file_of_a_dead_server unix_file_that_is_served unix_mode_of_the_file
            unix_socket_that_listens_already
            a_drop_of_a_socket_that_was_made_blocking_does_not_block a_socket_that_is_taken_out_keeps_its_input
            a_panic_is_no_clean_end
        }
        #[cfg(target_os = "linux")]
        hosted! { $run:
            the_deadline_ends_a_connect a_dropped_connect_closes_its_socket unix_backlog_that_is_full
            a_connect_that_waits_for_a_place_can_be_dropped
        }
        #[cfg(feature = "happy-eyeballs")]
        hosted! { $run:
            a_server_on_ipv4_only a_server_on_ipv6_only refused_everywhere an_address_is_raced_alone
            a_family_that_is_never_answered no_family_is_answered a_family_that_fails told_while_it_happens
        }
        #[cfg(all(feature = "happy-eyeballs", target_os = "linux"))]
        hosted! { $run:
            a_dropped_race_closes_every_attempt a_deadline_ends_every_attempt the_winner_closes_the_losers
        }
        #[cfg(target_os = "linux")]
        hosted! { @alone $run:
            the_hosts_file_decides a_search_list_is_for_both_families other_orders_are_asked_as_one
            the_hosts_file_is_read_once_for_a_question
            silent_servers_hold_up_nothing zones_reach_the_socket a_socket_is_not_its_own_peer
        }
    };
    ($run:path: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $run(crate::hosted::limited(crate::hosted::$test()));
            }
        )*
    };
}

pub(crate) async fn limited(test: impl Future<Output = ()>) {
    let mut timer = adapter::context().resolve(Sleep, ()).await.unwrap();
    let test = async {
        test.await;
        Ok(())
    };
    timeout(&mut timer, LIMIT, test).await.unwrap();
}

/// A listener on a free port, and a context that connects to it.
async fn listening<M: Mode>(ctx: Ctx<M>) -> (M::Listener, Ctx<M>) {
    let listener = ctx.clone().with_url("tcp://127.0.0.1:0").unwrap().listen().await.unwrap();
    let ctx = to(ctx, listener.local_addr().unwrap());
    (listener, ctx)
}

fn to<M: Mode>(ctx: Ctx<M>, addr: SocketAddr) -> Ctx<M> {
    ctx.with_url(&format!("tcp://{addr}")).unwrap()
}

/// Two ends of one TCP connection.
async fn pair() -> (BoxedFlow, BoxedFlow) {
    let (mut listener, ctx) = listening(adapter::context()).await;
    let client = ctx.connect().await.unwrap();
    (client, listener.accept().await.unwrap())
}

/// One end of a TCP connection, and the other as `std` has it.
async fn pair_with_std() -> (BoxedFlow, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = to(adapter::context(), listener.local_addr().unwrap()).connect().await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    (client, peer)
}

async fn read_all(flow: &mut impl Read<Error = Error>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match flow.read(&mut buf).await.unwrap() {
            0 => return all,
            n => all.extend(&buf[..n]),
        }
    }
}

/// One line there and back: what an application does, whatever the mode.
pub(crate) async fn ping<M: Mode>(ctx: &Ctx<M>) -> Result<String, Error> {
    let mut flow = ctx.connect().await?;
    flow.write_all(b"ping\n").await?;
    flow.shutdown().await?;
    let mut text = Vec::new();
    let mut buf = [0; 64];
    loop {
        match flow.read(&mut buf).await? {
            0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
            n => text.extend(&buf[..n]),
        }
    }
}

/// Accepts one flow and gives back what it reads.
pub(crate) async fn serve_one<M: Mode>(listener: &mut M::Listener) -> Result<(), Error> {
    let mut flow = listener.accept().await?;
    let mut buf = [0; 64];
    loop {
        match flow.read(&mut buf).await? {
            0 => return flow.close().await,
            n => flow.write_all(&buf[..n]).await?,
        }
    }
}

pub(crate) async fn echo() {
    let (mut listener, ctx) = listening(adapter::context()).await;
    let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
    served.unwrap();
    assert_eq!(ponged.unwrap(), "ping\n");
}

pub(crate) async fn over_ipv6() {
    let ctx = adapter::context();
    let mut listener = match ctx.clone().with_url("tcp://[::1]:0").unwrap().listen().await {
        Ok(listener) => listener,
        // A machine without IPv6.
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable || error.kind() == ErrorKind::Other => return,
        Err(error) => panic!("{error}"),
    };
    let ctx = to(ctx, listener.local_addr().unwrap());
    let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
    served.unwrap();
    assert_eq!(ponged.unwrap(), "ping\n");
}

/// More than the buffers of the sockets hold, so that reader and writer wait at the same time on
/// the same flow.
pub(crate) async fn two_directions_at_once() {
    const LEN: usize = 8 << 20;
    async fn exchange<M: Mode>(flow: M::Flow, seed: usize) {
        let byte = |n: usize| u8::try_from(n % 251).unwrap();
        let mut split = Split::<_, M>::new(flow);
        let (mut reader, mut writer) = split.halves();
        let write = async {
            let data: Vec<u8> = (seed..seed + LEN).map(byte).collect();
            writer.write_all(&data).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let (all, ()) = zip(read_all(&mut reader), write).await;
        assert_eq!(all.len(), LEN);
        assert!(all.iter().enumerate().all(|(n, &got)| got == byte(n + 7 - seed)));
    }
    let (client, server) = pair().await;
    zip(exchange::<Shared>(client, 0), exchange::<Shared>(server, 7)).await;
}

pub(crate) async fn half_close_by_the_client() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"request").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut server).await, b"request");
    server.write_all(b"reply").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, b"reply");
}

pub(crate) async fn half_close_by_the_server() {
    let (mut client, mut server) = pair().await;
    server.write_all(b"greeting").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, b"greeting");
    client.write_all(b"thanks").await.unwrap();
    zip(async { client.close().await.unwrap() }, async {
        assert_eq!(read_all(&mut server).await, b"thanks");
        server.shutdown().await.unwrap();
    })
    .await;
}

async fn promises(mut flow: BoxedFlow, mut peer: BoxedFlow) {
    // An empty buffer is answered at once, although nothing is there to read.
    assert_eq!(flow.read(&mut []).await.unwrap(), 0);
    assert_eq!(flow.write(&[]).await.unwrap(), 0);
    assert_eq!(flow.write_vectored(&[]).await.unwrap(), 0);
    assert_eq!(flow.write_vectored(&[b"", b""]).await.unwrap(), 0);
    // End of stream stays.
    peer.shutdown().await.unwrap();
    for _ in 0..3 {
        assert_eq!(flow.read(&mut [0; 8]).await.unwrap(), 0);
    }
    // Writing goes on, until it is closed too.
    flow.write_all(b"x").await.unwrap();
    flow.flush().await.unwrap();
    for _ in 0..3 {
        flow.shutdown().await.unwrap();
    }
    flow.flush().await.unwrap();
    assert_eq!(flow.write(&[]).await.unwrap(), 0);
    for error in [flow.write(b"y").await.unwrap_err(), flow.write_vectored(&[b"y"]).await.unwrap_err()] {
        assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    }
    assert_eq!(read_all(&mut peer).await, b"x");
    // Both sides are closed and shutting down is still fine.
    flow.shutdown().await.unwrap();
    peer.shutdown().await.unwrap();
}

pub(crate) async fn what_a_flow_promises() {
    let (client, server) = pair().await;
    promises(client, server).await;
    let (client, server) = pair().await;
    promises(server, client).await;
}

pub(crate) async fn vectored_writes_go_out_in_one() {
    let (mut client, mut server) = pair().await;
    assert!(client.is_write_vectored());
    assert_eq!(client.write_vectored(&[b"one ", b"", b"two ", b"three"]).await.unwrap(), 13);
    let mut buf = [0; 64];
    assert_eq!(server.read(&mut buf).await.unwrap(), 13);
    assert_eq!(&buf[..13], b"one two three");
    // More slices than go out at once: some are taken, in order.
    let slices: Vec<[u8; 1]> = (0..100).map(|n| [n]).collect();
    let slices: Vec<&[u8]> = slices.iter().map(|slice| &slice[..]).collect();
    let taken = client.write_vectored(&slices).await.unwrap();
    assert!(taken > 1, "{taken}");
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut server).await, slices[..taken].concat());
}

pub(crate) async fn attributes() {
    let (mut listener, ctx) = listening(adapter::context()).await;
    let client = ctx.connect().await.unwrap();
    let server = listener.accept().await.unwrap();
    assert_eq!(client.attribute(PeerAddr), listener.local_addr());
    assert_eq!(client.attribute(PeerAddr), server.attribute(LocalAddr));
    assert_eq!(client.attribute(LocalAddr), server.attribute(PeerAddr));
    assert!(client.attribute(LocalAddr).is_some());
    assert_eq!(client.attribute(mimic_core::keys::TlsVersion), None);
}

pub(crate) async fn abort_resets() {
    let (mut client, mut peer) = pair_with_std().await;
    client.write_all(b"x").await.unwrap();
    client.abort();
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(client.write(b"y").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(client);
    let error = peer.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    // Seen from here: an error, and never the end of the stream.
    let (mut client, mut server) = pair().await;
    server.abort();
    drop(server);
    for _ in 0..3 {
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionReset, Some(Phase::Read)));
    }
    client.close().await.unwrap();

    // An orderly drop is no reset.
    let (client, mut peer) = pair_with_std().await;
    drop(client);
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
}

fn socket(flow: &BoxedFlow) -> SockRef<'_> {
    SockRef::from(flow.downcast_ref::<TcpFlow>().unwrap().get_ref())
}

pub(crate) async fn no_delay_unless_off() {
    let (listener, ctx) = listening(adapter::context()).await;
    let addr = listener.local_addr().unwrap();
    assert!(socket(&ctx.resolve(Tcp, addr).await.unwrap()).tcp_nodelay().unwrap());
    assert!(!socket(&ctx.with(NoDelay, false).resolve(Tcp, addr).await.unwrap()).tcp_nodelay().unwrap());
}

pub(crate) async fn keep_alive_is_set() {
    let (listener, ctx) = listening(adapter::context()).await;
    let addr = listener.local_addr().unwrap();
    assert!(!socket(&ctx.resolve(Tcp, addr).await.unwrap()).keepalive().unwrap());
    for (given, set) in KEEP_ALIVES {
        let flow = ctx.clone().with(KeepAlive, given).resolve(Tcp, addr).await.unwrap();
        assert_keep_alive(&flow, set);
    }
}

/// What is given, and what the socket is told: systems count in whole seconds, and Linux takes no
/// more than these.
const KEEP_ALIVES: [(Duration, Duration); 3] = [
    (Duration::from_secs(77), Duration::from_secs(77)),
    (Duration::from_millis(500), Duration::from_secs(1)),
    (Duration::from_secs(24 * 60 * 60), Duration::from_secs(32_767)),
];

fn assert_keep_alive(flow: &BoxedFlow, idle: Duration) {
    assert!(socket(flow).keepalive().unwrap(), "{idle:?}");
    #[cfg(target_os = "linux")]
    assert_eq!(socket(flow).tcp_keepalive_time().unwrap(), idle);
}

pub(crate) async fn accepted_flows_have_the_options() {
    for (given, set) in KEEP_ALIVES {
        let (mut listener, ctx) = listening(adapter::context().with(KeepAlive, given)).await;
        let _client = ctx.without(KeepAlive).connect().await.unwrap();
        let server = listener.accept().await.unwrap();
        assert!(socket(&server).tcp_nodelay().unwrap());
        assert_keep_alive(&server, set);
    }
}

pub(crate) async fn an_accepted_socket_is_a_flow() {
    let (mut listener, ctx) = listening(adapter::context()).await;
    let mut client = ctx.connect().await.unwrap();
    let Ok(server) = listener.accept().await.unwrap().downcast::<TcpFlow>() else { panic!("another type") };
    let socket = server.into_inner();
    // Options that the socket has are left alone.
    SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new()).unwrap();
    SockRef::from(&socket).set_tcp_nodelay(false).unwrap();
    let mut server: BoxedFlow = Box::new(TcpFlow::from(socket));
    assert!(!self::socket(&server).tcp_nodelay().unwrap());
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut server).await, b"hello");
}

pub(crate) async fn refused() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = to(adapter::context(), addr).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Connect)));
    assert_eq!(error.at(), Some("Tcp \"tcp\""));
    assert_eq!(error.target(), Some(&*addr.to_string()));
    let text = error.to_string();
    assert!(text.contains("connect failed") && text.contains("efused"), "{text}");
    let tree = format!("{error:#}");
    let transport = if cfg!(feature = "happy-eyeballs") { "happy-eyeballs" } else { "in-order" };
    assert!(tree.contains("Connect") && tree.contains("Transport") && tree.contains(transport), "{tree}");
}

pub(crate) async fn port_in_use() {
    let (listener, _) = listening(adapter::context()).await;
    let error = to(adapter::context(), listener.local_addr().unwrap()).listen().await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
    assert_eq!(error.at(), Some("TcpListen \"tcp\""));
}

fn question(name: &str, record_type: RecordType) -> Question {
    Question { name: name.into(), record_type }
}

pub(crate) async fn lookups() {
    let lookup = adapter::context().dialer(Lookup).await.unwrap();
    let all = lookup.dial(question("localhost", RecordType::Addresses)).await.unwrap();
    assert!(!all.is_empty() && all.iter().all(|record| record.address().unwrap().is_loopback()), "{all:?}");
    let v4 = lookup.dial(question("localhost", RecordType::A)).await.unwrap();
    assert!(v4.iter().all(|record| matches!(record, Record::A(_))), "{v4:?}");
    let v6 = lookup.dial(question("localhost", RecordType::Aaaa)).await.unwrap();
    assert!(v6.iter().all(|record| matches!(record, Record::Aaaa(_))), "{v6:?}");
    assert_eq!(v4.len() + v6.len(), all.len());

    // And on the way to a flow.
    let (mut listener, ctx) = listening(adapter::context()).await;
    let port = listener.local_addr().unwrap().port();
    let ctx = ctx.with_url(&format!("tcp://localhost:{port}")).unwrap();
    let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
    served.unwrap();
    assert_eq!(ponged.unwrap(), "ping\n");
}

pub(crate) async fn unknown_names() {
    let ctx = adapter::context().with(Deadline, LIMIT / 2).with_url("tcp://nobody.invalid:7").unwrap();
    let error = ctx.connect().await.unwrap_err();
    // A machine that cannot ask its name server cannot tell that the name does not exist.
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Other | ErrorKind::TimedOut), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("nobody.invalid"), "{text}");
    if error.kind() == ErrorKind::NotFound {
        assert_eq!((error.phase(), error.at()), (Some(Phase::Lookup), Some("Lookup \"system\"")));
        assert!(text.contains("the name does not exist"), "{text}");
    }
}

pub(crate) async fn time() {
    let ctx = adapter::context();
    let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
    let other = ctx.resolve(Sleep, ()).await.unwrap();
    let start = timer.now();
    // A time that has passed is ready at once, and so is the epoch.
    assert!(poll_once(sleep(&mut timer, Duration::ZERO)).await.is_some());
    assert!(
        poll_once(std::future::poll_fn(|cx| timer.poll_until(cx, mimic_core::adapter::Instant::default())))
            .await
            .is_some()
    );
    // One timer, several waits, and one given up for an earlier one.
    for _ in 0..3 {
        assert!(poll_once(sleep(&mut timer, LIMIT)).await.is_none());
        assert!(poll_once(sleep(&mut timer, Duration::MAX)).await.is_none());
        sleep(&mut timer, MOMENT / 10).await;
    }
    // The same instant twice.
    let at = timer.now() + MOMENT / 10;
    for _ in 0..2 {
        std::future::poll_fn(|cx| timer.poll_until(cx, at)).await;
    }
    let took = other.now() - start;
    assert!(took >= MOMENT / 10 * 4 && took < LIMIT, "{took:?}, by another timer of the context");
}

/// A peer that says nothing, and then something: the read that gave up lost no byte.
pub(crate) async fn a_read_in_time() {
    let (mut client, mut peer) = pair_with_std().await;
    let mut timer = adapter::context().resolve(Sleep, ()).await.unwrap();
    let mut buf = [0; 8];
    let error = timeout(&mut timer, MOMENT, client.read(&mut buf)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    peer.write_all(b"late").unwrap();
    assert_eq!(timeout(&mut timer, LIMIT, client.read(&mut buf)).await.unwrap(), 4);
    assert_eq!(&buf[..4], b"late");
}

/// Nothing of a local context is `Send`: it is made, used and dropped on a thread of its own, by an
/// executor that is not there for the rest.
pub(crate) async fn a_local_context() {
    adapter::local(|| async {
        let (mut listener, ctx) = listening(adapter::local_context()).await;
        let (served, ponged) = zip(serve_one::<mimic_core::Local>(&mut listener), ping(&ctx)).await;
        served.unwrap();
        assert_eq!(ponged.unwrap(), "ping\n");
    });
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use mimic_core::Context;
    use tempfile::TempDir;

    use super::*;
    use adapter::UnixFlow;

    /// A directory, and a context for a socket in it.
    pub(super) fn place() -> (TempDir, std::path::PathBuf, Context) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a socket");
        let url = format!("unix:{}", path.to_str().unwrap().replace(' ', "%20"));
        (dir, path, adapter::context().with_url(&url).unwrap())
    }

    pub(crate) async fn unix_echo() {
        let (_dir, path, ctx) = place();
        let mut listener = ctx.listen().await.unwrap();
        assert!(path.exists());
        assert_eq!(listener.local_addr(), None);
        let (served, ponged) = zip(serve_one::<Shared>(&mut listener), ping(&ctx)).await;
        served.unwrap();
        assert_eq!(ponged.unwrap(), "ping\n");

        let client = ctx.connect().await.unwrap();
        let server = listener.accept().await.unwrap();
        assert!(client.downcast_ref::<UnixFlow>().is_some() && server.downcast_ref::<UnixFlow>().is_some());
        assert_eq!(client.attribute(PeerAddr), None);
        promises(client, server).await;

        let mut client = ctx.connect().await.unwrap();
        let mut server = listener.accept().await.unwrap();
        client.abort();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    }

    pub(crate) async fn unix_file_that_is_no_socket() {
        let (dir, path, ctx) = place();
        let in_the_way: [fn(&std::path::Path); 3] = [
            |path| fs::write(path, "precious").unwrap(),
            |path| fs::create_dir(path).unwrap(),
            // Not even by a link to a dead socket.
            |path| {
                let dead = path.with_file_name("dead");
                drop(UnixListener::bind(&dead).unwrap());
                std::os::unix::fs::symlink(dead, path).unwrap();
            },
        ];
        for put in in_the_way {
            put(&path);
            let error = ctx.listen().await.unwrap_err();
            assert_eq!((error.kind(), error.phase()), (ErrorKind::AddrInUse, Some(Phase::Bind)));
            let text = error.to_string();
            assert!(text.contains("UnixListen \"unix\"") && text.contains(path.to_str().unwrap()), "{text}");
            assert!(text.contains("the file exists and is no socket"), "{text}");
            assert!(path.symlink_metadata().is_ok());
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        }
        drop(dir);
        let error = ctx.listen().await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Bind)));
        assert!(error.advice().is_some_and(|advice| advice.contains("directory")), "{error}");
    }

    pub(crate) async fn unix_file_goes_with_the_listener() {
        let (_dir, path, ctx) = place();
        for _ in 0..2 {
            let listener = ctx.listen().await.unwrap();
            assert!(path.exists());
            drop(listener);
            assert!(!path.exists());
        }
    }

    pub(crate) async fn unix_file_of_somebody_else() {
        let (_dir, path, ctx) = place();
        let listener = ctx.listen().await.unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(path.exists());

        // Not even one that looks the same but is no socket, and none at all is fine.
        fs::remove_file(&path).unwrap();
        let listener = ctx.listen().await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(listener);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        let listener = ctx.listen().await.unwrap();
        fs::remove_file(&path).unwrap();
        drop(listener);
    }

    pub(crate) async fn unix_nobody_there() {
        let (_dir, path, ctx) = place();
        let error = ctx.connect().await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Connect)));
        let text = error.to_string();
        assert!(text.contains("Unix \"unix\"") && text.contains(path.to_str().unwrap()), "{text}");
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(ctx.connect().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::pin::pin;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// An address whose listener is full: whoever connects hears nothing.
    pub(crate) struct Silent {
        addr: SocketAddr,
        _listener: Socket,
        _first: TcpStream,
    }

    impl Silent {
        fn new() -> Self {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
            Self::at(listener)
        }

        /// At the address of a socket that is bound.
        pub(crate) fn at(listener: Socket) -> Self {
            listener.listen(0).unwrap();
            let addr = listener.local_addr().unwrap().as_socket().unwrap();
            Self { addr, _first: TcpStream::connect(addr).unwrap(), _listener: listener }
        }

        /// How many sockets are trying to connect.
        pub(crate) fn trying(&self) -> usize {
            const SYN_SENT: &str = "02";
            let SocketAddr::V4(addr) = self.addr else { panic!("{}", self.addr) };
            let to = format!("{:08X}:{:04X}", u32::from_ne_bytes(addr.ip().octets()), addr.port());
            let table = fs::read_to_string("/proc/net/tcp").unwrap();
            let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
            // By local address: the table is read in pieces, and a row may be in two of them when
            // others come and go.
            let trying = rows.filter(|row| row[2] == to && row[3] == SYN_SENT).map(|row| row[1].to_owned());
            trying.collect::<std::collections::HashSet<_>>().len()
        }
    }

    pub(crate) async fn the_deadline_ends_a_connect() {
        let silent = Silent::new();
        let ctx = to(adapter::context().with(Deadline, MOMENT), silent.addr);
        let error = ctx.connect().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        let tree = format!("{error:#}");
        assert!(tree.contains("Tcp") && tree.contains(&silent.addr.to_string()), "{tree}");
        assert_eq!(silent.trying(), 0);
    }

    pub(crate) async fn a_dropped_connect_closes_its_socket() {
        let silent = Silent::new();
        let ctx = to(adapter::context(), silent.addr);
        {
            let mut connect = pin!(ctx.connect());
            assert!(poll_once(&mut connect).await.is_none());
            // For the same reason it may be in none of them for once.
            assert!((0..100).any(|_| silent.trying() == 1));
        }
        assert_eq!(silent.trying(), 0);
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{a_dropped_connect_closes_its_socket, the_deadline_ends_a_connect};
