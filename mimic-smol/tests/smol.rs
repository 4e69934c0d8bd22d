//! What is mimic-smol's own: the bridges, other libraries' sockets, and spawning.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, IoSlice};
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Async;
use futures_lite::future::{block_on, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::keys::{Deadline, LocalAddr, PeerAddr};
use mimic_core::roles::{HostPort, Tcp, Transport};
use mimic_core::{Ctx, Dialer, Error, ErrorKind, Flow, FlowExt, Listener, ListenerExt, Mode, Phase, Shared};
use mimic_smol::{FromFutures, Smol, TcpFlow, ToFutures, context};
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

async fn ping<M: Mode>(ctx: &Ctx<M>) -> Result<String, Error> {
    let mut flow = ctx.connect().await?;
    flow.write_all(b"ping\n").await?;
    let mut line = [0; 64];
    let n = flow.read(&mut line).await?;
    Ok(String::from_utf8_lossy(&line[..n]).into_owned())
}

async fn serve<F: Flow>(flow: F) {
    let mut flow = ToFutures::new(flow);
    let mut line = [0; 64];
    let n = flow.read(&mut line).await.unwrap();
    flow.write_all(&line[..n]).await.unwrap();
}

/// A test for each executor: `$spawn` and the `$block_on` that goes with it.
macro_rules! spawned {
    ($($test:ident: $block_on:path, $spawn:path;)+) => {$(
        #[test]
        fn $test() {
            $block_on(async {
                let mut listener = context().with_url("tcp://127.0.0.1:0").unwrap().listen().await.unwrap();
                let url = format!("tcp://{}", listener.local_addr().unwrap());
                let server = $spawn(async move {
                    for _ in 0..20 {
                        serve(listener.accept().await.unwrap()).await;
                    }
                });
                let ctx = context().with_url(&url).unwrap();
                let clients: Vec<_> = (0..20)
                    .map(|_| {
                        let ctx = ctx.clone();
                        $spawn(async move { ping(&ctx).await })
                    })
                    .collect();
                for client in clients {
                    assert_eq!(client.await.unwrap(), "ping\n");
                }
                server.await;
            });
        }
    )+};
}

spawned! {
    a_generic_function_is_spawned_on_smol: smol::block_on, smol::spawn;
    a_generic_function_is_spawned_on_async_std: async_std::task::block_on, async_std::task::spawn;
}

/// No executor is needed but one that polls.
#[test]
fn connect_by_url() {
    block_on(async {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let url = format!("tcp://{}", listener.get_ref().local_addr().unwrap());
        let flow = mimic_smol::connect(&url).await.unwrap();
        let (socket, from) = listener.accept().await.unwrap();
        assert_eq!(flow.attribute(LocalAddr), Some(from));
        // An accepted socket is a flow, and the flow gives it back.
        let flow = TcpFlow::from(socket);
        assert_eq!(flow.attribute(PeerAddr), Some(from));
        flow.get_ref().get_ref().set_ttl(9).unwrap();
        let _: std::net::TcpStream = flow.into_inner().into_inner().unwrap();
        let error = mimic_smol::connect("tcp://127.0.0.1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_deadline_covers_a_layer_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let ctx = context().with(Deadline, Duration::from_millis(50)).layer(
        Transport,
        "greeting",
        (),
        |to: HostPort, below: Dialer<Transport, Shared>, ()| async move {
            let mut flow = below.dial(to).await?;
            flow.read(&mut [0; 64]).await?;
            Ok(flow)
        },
    );
    let start = Instant::now();
    let error = block_on(ctx.with_url(&url).unwrap().connect()).unwrap_err();
    assert!(error.is_timeout() && format!("{error:#}").contains("greeting"), "{error:?}");
    assert!(start.elapsed() >= Duration::from_millis(50));
    // What it had opened is closed.
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(io::Read::read(&mut socket, &mut [0; 8]).unwrap(), 0);
}

#[test]
fn roles_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let ctx = mimic_core::Context::new().install(Smol);
    assert_eq!(block_on(ctx.resolve(Tcp, addr)).unwrap().attribute(PeerAddr), Some(addr));
}

/// The sockets of smol and of async-std, as flows. Those of async-std do not half-close.
#[test]
fn sockets_of_smol_and_async_std() {
    async fn exchange(mut here: Box<dyn Flow>, mut there: Box<dyn Flow>, half_closes: bool) {
        let mut buf = [0; 3];
        assert_eq!(here.write_vectored(&[b"b", b"ye"]).await.unwrap(), 3);
        there.read_exact(&mut buf).await.unwrap();
        here.shutdown().await.unwrap();
        assert_eq!(here.write(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        if half_closes {
            assert_eq!(there.read(&mut buf).await.unwrap(), 0);
        }
        there.write_all(b"too").await.unwrap();
        here.read_exact(&mut buf).await.unwrap();
        drop(here);
        assert_eq!(there.read(&mut buf).await.unwrap(), 0);
    }
    block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = smol::net::TcpStream::connect(listener.local_addr().unwrap());
        let (here, there) = zip(connect, listener.accept()).await;
        exchange(Box::new(FromFutures::new(here.unwrap())), Box::new(FromFutures::new(there.unwrap().0)), true).await;

        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = async_std::net::TcpStream::connect(listener.local_addr().unwrap());
        let (here, there) = zip(connect, listener.accept()).await;
        exchange(Box::new(FromFutures::new(here.unwrap())), Box::new(FromFutures::new(there.unwrap().0)), false).await;
    });
}

/// From a flow to futures-io and back, twice: the same bytes, ends, and errors as they were.
#[test]
fn there_and_back() {
    block_on(async {
        let (here, there) = memory_pair::<Shared>(64);
        let here: Box<dyn Flow + Send> = Box::new(here);
        let mut here = FromFutures::new(ToFutures::new(FromFutures::new(ToFutures::new(here))));
        let mut there = ToFutures::new(there);
        let mut taken = 0;
        while taken < 4 {
            taken +=
                here.write_vectored(&[&b"ab"[taken.min(2)..], b"", &b"cd"[taken.saturating_sub(2)..]]).await.unwrap();
        }
        let mut buf = [0; 4];
        there.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"abcd");
        there.write_all(b"efg").await.unwrap();
        let mut flow: Box<dyn Flow> = Box::new(here);
        let mut buf = [0; 3];
        flow.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"efg");
        flow.shutdown().await.unwrap();
        assert_eq!(there.read(&mut [0; 4]).await.unwrap(), 0);
        let error = flow.write(b"late").await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
        there.close().await.unwrap();
        assert_eq!(flow.read(&mut [0; 4]).await.unwrap(), 0);
        drop(there.into_inner());
    });
}

/// Counts vectored writes, takes everything or nothing, and fails to read in a way of its own.
#[derive(Debug, Default)]
struct Odd {
    slices: usize,
    full: bool,
}

impl smol::io::AsyncRead for Odd {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        let error = Error::new(ErrorKind::InvalidData, "odd").located_at("Odd").in_phase(Phase::Handshake);
        Poll::Ready(Err(error.into()))
    }
}

impl smol::io::AsyncWrite for Odd {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(if self.full { 0 } else { buf.len() }))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.slices = slices.len();
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn odd_streams() {
    block_on(async {
        let mut flow = FromFutures::new(Odd::default());
        assert_eq!(flow.write_vectored(&[b"a", b"", b"b", b"c"]).await.unwrap(), 3);
        assert_eq!(flow.get_ref().slices, 3);
        flow.get_mut().full = true;
        let mut flow: Box<dyn Flow> = Box::new(flow);
        let error = flow.write(b"x").await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::WriteZero, Some(Phase::Write)));
        // mimic's own errors come through as they were.
        let error = Read::read(&mut flow, &mut [0; 1]).await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::InvalidData, Some(Phase::Handshake)));
        assert_eq!(error.at(), Some("Odd"));
        let error = ToFutures::new(flow).read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    });
}

#[test]
fn attributes_pass_through_bridges_and_through_the_wrappers_of_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let socket = || TcpFlow::from(block_on(Async::<std::net::TcpStream>::connect(at)).unwrap());
    let flow = FromFutures::new(ToFutures::new(socket().boxed()));
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    let flow = FromFutures::new(ToFutures::new(socket().boxed_local()));
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    let wrapped = BufReader::new(ToFutures::new(socket()));
    let flow = FromFutures::with_inner(wrapped, |io| Some(io.get_ref().get_ref()));
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    let again = FromFutures::new(ToFutures::new(flow.boxed()));
    assert_eq!(again.attribute(PeerAddr), Some(at));
    let unknown = FromFutures::new(BufReader::new(ToFutures::new(socket())));
    assert!(unknown.attribute(PeerAddr).is_none() && unknown.inner().is_none());
}

#[test]
fn a_stream_without_debug_is_a_flow_that_reads_and_writes_without_a_box() {
    async fn ping<T: AsyncRead + AsyncWrite + Unpin + 'static>(io: T) -> [u8; 4] {
        let mut flow = FromFutures::new(io);
        assert!(format!("{flow:?}").contains("StreamFlow"), "{flow:?}");
        Write::write_all(&mut flow, b"ping").await.unwrap();
        let mut answer = [0; 4];
        Read::read_exact(&mut flow, &mut answer).await.unwrap();
        answer
    }
    let (here, there) = memory_pair::<Shared>(8);
    let answer = block_on(zip(ping(ToFutures::new(here)), serve(there))).0;
    assert_eq!(&answer, b"ping");
}

#[test]
fn types() {
    fn moves<T: Send + Unpin + std::fmt::Debug>() {}
    moves::<TcpFlow>();
    moves::<FromFutures<smol::net::TcpStream>>();
    moves::<ToFutures<Box<dyn Flow + Send>>>();
    moves::<Smol>();
}
