//! What is tokio's own: the bridges, paused time, spawning, and where no runtime is.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::memory_pair;
use mimic_core::keys::{Deadline, LocalAddr, PeerAddr};
use mimic_core::roles::{HostPort, Sleep, Tcp, Transport};
use mimic_core::{Ctx, Dialer, Error, ErrorKind, Flow, FlowExt, Listener, ListenerExt, Mode, Phase, Shared};
use mimic_tokio::{FromTokio, TcpFlow, ToTokio, Tokio, context};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

async fn ping<M: Mode>(ctx: &Ctx<M>) -> Result<String, Error> {
    let mut flow = ctx.connect().await?;
    flow.write_all(b"ping\n").await?;
    let mut line = [0; 64];
    let n = flow.read(&mut line).await?;
    Ok(String::from_utf8_lossy(&line[..n]).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generic_function_is_spawned() {
    let mut listener = context().with_url("tcp://127.0.0.1:0").unwrap().listen().await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for _ in 0..20 {
            let flow = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut flow = ToTokio::new(flow);
                let mut line = [0; 64];
                let n = AsyncReadExt::read(&mut flow, &mut line).await.unwrap();
                AsyncWriteExt::write_all(&mut flow, &line[..n]).await.unwrap();
            });
        }
    });
    let ctx = context().with_url(&url).unwrap();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let ctx = ctx.clone();
            tokio::spawn(async move { ping(&ctx).await })
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap().unwrap(), "ping\n");
    }
    server.await.unwrap();
}

#[tokio::test]
async fn connect_by_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let flow = mimic_tokio::connect(&url).await.unwrap();
    let (socket, from) = listener.accept().await.unwrap();
    assert_eq!(flow.attribute(LocalAddr), Some(from));
    // An accepted socket is a flow, and the flow gives it back.
    let mut flow = TcpFlow::from(socket);
    assert_eq!(flow.attribute(PeerAddr), Some(from));
    flow.get_mut().set_ttl(9).unwrap();
    assert_eq!(flow.get_ref().ttl().unwrap(), 9);
    let _: TcpStream = flow.into_inner();
    let error = mimic_tokio::connect("tcp://127.0.0.1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// Paused time goes where the next timer is: a deadline of 30 s strikes at once, and at 30 s.
#[tokio::test(start_paused = true)]
async fn the_default_deadline() {
    let silent = Dialer::<_, Shared>::from_fn(Tcp, |_| std::future::pending());
    let ctx = context().with_dialer(Tcp, silent).with_url("tcp://192.0.2.1:7").unwrap();
    let start = tokio::time::Instant::now();
    let error = ctx.connect().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(31), "{took:?}");
    let tree = format!("{error:#}");
    assert!(tree.contains("30s") && tree.contains("Tcp") && tree.contains("192.0.2.1:7"), "{tree}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_covers_a_layer_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let ctx =
        context().layer(Transport, "greeting", (), |to: HostPort, below: Dialer<Transport, Shared>, ()| async move {
            let mut flow = below.dial(to).await?;
            flow.read(&mut [0; 64]).await?;
            Ok(flow)
        });
    let error = ctx.with_url(&format!("tcp://{addr}")).unwrap().connect().await.unwrap_err();
    assert!(error.is_timeout() && format!("{error:#}").contains("greeting"), "{error:?}");
    // What it had opened is closed.
    let (mut socket, _) = listener.accept().await.unwrap();
    assert_eq!(AsyncReadExt::read(&mut socket, &mut [0; 8]).await.unwrap(), 0);
}

#[test]
fn no_runtime_is_an_error() {
    let ctx = context();
    let deadline = ctx.clone().without(Deadline);
    let url = deadline.clone().with_url("tcp://127.0.0.1:0").unwrap();
    let errors = futures_lite::future::block_on(async {
        [
            ctx.resolve(Sleep, ()).await.map(drop).unwrap_err(),
            deadline.resolve(Tcp, ([127, 0, 0, 1], 1).into()).await.map(drop).unwrap_err(),
            // Windows has no such role.
            #[cfg(unix)]
            deadline
                .resolve(mimic_core::roles::Unix, mimic_core::roles::UnixPath::new("/nowhere").unwrap())
                .await
                .map(drop)
                .unwrap_err(),
            url.listen().await.map(drop).unwrap_err(),
            url.with_url("tcp://localhost:1").unwrap().connect().await.map(drop).unwrap_err(),
        ]
    });
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("inside a tokio runtime"), "{error}");
    }
}

/// Works by hand too, without the standard schemes.
#[tokio::test]
async fn roles_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ctx = mimic_core::Context::new().install(Tokio);
    let flow = ctx.resolve(Tcp, listener.local_addr().unwrap()).await.unwrap();
    assert_eq!(flow.attribute(PeerAddr), Some(listener.local_addr().unwrap()));
}

/// From a flow to tokio and back, twice: the same bytes, vectored writes in one, ends, and errors
/// as they were.
#[tokio::test]
async fn there_and_back() {
    let (here, there) = memory_pair::<Shared>(64);
    let here: Box<dyn Flow + Send> = Box::new(here);
    let mut here = FromTokio::new(ToTokio::new(FromTokio::new(ToTokio::new(here))));
    let mut there = ToTokio::new(there);
    assert!(here.is_write_vectored() == there.is_write_vectored());
    assert_eq!(here.write_vectored(&[b"ab", b"", b"cd"]).await.unwrap(), 4);
    let mut buf = [0; 4];
    there.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"abcd");
    assert_eq!(there.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"ef"), IoSlice::new(b"g")]).await.unwrap(), 3);
    let mut flow: Box<dyn Flow> = Box::new(here);
    let mut buf = [0; 3];
    flow.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"efg");
    flow.shutdown().await.unwrap();
    assert_eq!(AsyncReadExt::read(&mut there, &mut [0; 4]).await.unwrap(), 0);
    let error = flow.write(b"late").await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    AsyncWriteExt::shutdown(&mut there).await.unwrap();
    assert_eq!(flow.read(&mut [0; 4]).await.unwrap(), 0);
    drop(there.into_inner());
}

/// Counts vectored writes, takes everything or nothing, and fails to read in a way of its own.
#[derive(Debug, Default)]
struct Odd {
    slices: usize,
    full: bool,
}

impl AsyncRead for Odd {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let error = Error::new(ErrorKind::InvalidData, "odd").located_at("Odd").in_phase(Phase::Handshake);
        Poll::Ready(Err(error.into()))
    }
}

impl AsyncWrite for Odd {
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

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}

#[tokio::test]
async fn odd_streams() {
    let mut flow = FromTokio::new(Odd::default());
    assert!(flow.is_write_vectored());
    assert_eq!(flow.write_vectored(&[b"a", b"", b"b", b"c"]).await.unwrap(), 3);
    assert_eq!(flow.get_ref().slices, 3);
    flow.get_mut().full = true;
    let mut flow: Box<dyn Flow> = Box::new(flow);
    let error = flow.write(b"x").await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::WriteZero, Some(Phase::Write)));
    // mimic's own errors come through as they were.
    let error = flow.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.phase(), error.at()),
        (ErrorKind::InvalidData, Some(Phase::Handshake), Some("Odd"))
    );
    let error = ToTokio::new(flow).read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn attributes_pass_through_bridges_and_through_the_wrappers_of_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let socket = async || TcpFlow::from(TcpStream::connect(at).await.unwrap());
    let flow = FromTokio::new(ToTokio::new(socket().await.boxed()));
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    let flow = FromTokio::new(ToTokio::new(socket().await.boxed_local()));
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    let wrapped = BufStream::new(ToTokio::new(socket().await));
    let flow = FromTokio::with_inner(wrapped, |io| Some(io.get_ref().get_ref()));
    assert_eq!(flow.attribute(PeerAddr), Some(at));
    let again = FromTokio::new(ToTokio::new(flow.boxed()));
    assert_eq!(again.attribute(PeerAddr), Some(at));
    let unknown = FromTokio::new(BufStream::new(ToTokio::new(socket().await)));
    assert!(unknown.attribute(PeerAddr).is_none() && unknown.inner().is_none());
}

#[tokio::test]
async fn a_stream_without_debug_is_a_flow_that_reads_and_writes_without_a_box() {
    async fn ping<T: AsyncRead + AsyncWrite + Unpin + 'static>(io: T) -> [u8; 4] {
        let mut flow = FromTokio::new(io);
        assert!(format!("{flow:?}").contains("StreamFlow"), "{flow:?}");
        Write::write_all(&mut flow, b"ping").await.unwrap();
        let mut answer = [0; 4];
        Read::read_exact(&mut flow, &mut answer).await.unwrap();
        answer
    }
    let (here, there) = tokio::io::duplex(8);
    let echo = async {
        let (mut reader, mut writer) = tokio::io::split(there);
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    };
    tokio::select! { answer = ping(here) => assert_eq!(&answer, b"ping"), () = echo => unreachable!() }
}

#[test]
fn types() {
    fn moves<T: Send + Unpin + std::fmt::Debug>() {}
    moves::<TcpFlow>();
    moves::<FromTokio<tokio::io::DuplexStream>>();
    moves::<ToTokio<Box<dyn Flow + Send>>>();
    moves::<Tokio>();
}
