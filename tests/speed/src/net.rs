//! TCP and TLS over loopback, as the runtimes have them and through mimic: the same code drives
//! both.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Flow, FlowExt};
use mimic_rustls::rustls::client::Resumption;
use mimic_rustls::rustls::pki_types::PrivateKeyDer;
use mimic_rustls::rustls::version::TLS13;
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::place::{Place, stay};

/// A stream to be measured. Its own methods are called underneath.
pub trait Wire {
    /// Reads some bytes.
    fn get(&mut self, buf: &mut [u8]) -> impl Future<Output = usize>;
    /// Writes all of it, and flushes.
    fn put(&mut self, buf: &[u8]) -> impl Future<Output = ()>;
    /// Writes from eight slices at once, and says how much.
    fn put_slices(&mut self, bufs: [&[u8]; 8]) -> impl Future<Output = usize>;
}

/// Through mimic.
#[derive(Debug)]
pub struct Mimic<F>(pub F);

impl<F: Flow + Read + Write> Wire for Mimic<F> {
    async fn get(&mut self, buf: &mut [u8]) -> usize {
        self.0.read(buf).await.unwrap()
    }

    async fn put(&mut self, buf: &[u8]) {
        self.0.write_all(buf).await.unwrap();
        self.0.flush().await.unwrap();
    }

    async fn put_slices(&mut self, bufs: [&[u8]; 8]) -> usize {
        self.0.write_vectored(&bufs).await.unwrap()
    }
}

/// tokio's own.
#[derive(Debug)]
pub struct Tokio<S>(pub S);

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Wire for Tokio<S> {
    async fn get(&mut self, buf: &mut [u8]) -> usize {
        self.0.read(buf).await.unwrap()
    }

    async fn put(&mut self, buf: &[u8]) {
        self.0.write_all(buf).await.unwrap();
        self.0.flush().await.unwrap();
    }

    async fn put_slices(&mut self, bufs: [&[u8]; 8]) -> usize {
        self.0.write_vectored(&bufs.map(std::io::IoSlice::new)).await.unwrap()
    }
}

/// smol's own.
#[derive(Debug)]
pub struct Smol<S>(pub S);

impl<S: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin> Wire for Smol<S> {
    async fn get(&mut self, buf: &mut [u8]) -> usize {
        self.0.read(buf).await.unwrap()
    }

    async fn put(&mut self, buf: &[u8]) {
        self.0.write_all(buf).await.unwrap();
        self.0.flush().await.unwrap();
    }

    async fn put_slices(&mut self, bufs: [&[u8]; 8]) -> usize {
        self.0.write_vectored(&bufs.map(std::io::IoSlice::new)).await.unwrap()
    }
}

/// One way to have two connected ends, by mimic or by hand, on a runtime.
pub trait Net: Clone + Send + 'static {
    /// Runs a future on the runtime, on this thread.
    fn block_on<F: Future>(future: F) -> F::Output;
    /// The client's end: connects.
    fn client(&self, to: SocketAddr) -> impl Future<Output = impl Wire>;
    /// The server's end, of a socket that was accepted and does not block.
    fn server(&self, socket: TcpStream) -> impl Future<Output = impl Wire>;
}

/// Runs a future on a runtime of tokio that is made for it, on this thread.
pub fn block_on_tokio<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What both ends of a connection do.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// 64 bytes there and back, so many times.
    PingPong(u32),
    /// So many chunks of 64 KiB to the server, which answers a byte at the end.
    Upload(u32),
    /// The same to the client, which answers.
    Download(u32),
    /// Eight slices of 1 KiB to the server in one write, so many times, each answered with a byte.
    Vectored(u32),
}

/// How much of its work a connection does before the clock starts: its threads are new, and so are
/// their buffers and those of its sockets.
pub const WARM: u32 = 16;

impl Work {
    /// So much of it.
    fn of(self, count: u32) -> Self {
        match self {
            Self::PingPong(_) => Self::PingPong(count),
            Self::Upload(_) => Self::Upload(count),
            Self::Download(_) => Self::Download(count),
            Self::Vectored(_) => Self::Vectored(count),
        }
    }
}

/// Of `Upload` and `Download`, in bytes.
pub const CHUNK: usize = 64 << 10;
const SLICE: [u8; 1024] = [7; 1024];

/// Runs the work over a new connection. Gives the client's seconds, without those for connecting
/// and for warming up.
pub fn run<N: Net>(net: &N, work: Work) -> f64 {
    ends(
        net,
        async move |net, listener| serve(net.server(accept(&listener)).await, work).await,
        async move |net, to| drive(net.client(to).await, work).await,
    )
}

/// Connects so many times, one after the other, and once before the clock starts, and reads a byte
/// from each connection: by then a client has all that the server sends with its handshake. Gives
/// the client's seconds for one.
pub fn connect<N: Net>(net: &N, count: u32) -> f64 {
    ends(
        net,
        async move |net, listener| {
            for _ in 0..=count {
                net.server(accept(&listener)).await.put(b"!").await;
            }
        },
        async move |net, to| {
            fill(&mut net.client(to).await, &mut [0]).await;
            let start = Instant::now();
            for _ in 0..count {
                fill(&mut net.client(to).await, &mut [0]).await;
            }
            start.elapsed().as_secs_f64() / f64::from(count)
        },
    )
}

/// Runs both ends, each on a thread and on a processor of its own, and hands out what the client
/// answers.
fn ends<N: Net>(
    net: &N,
    server: impl AsyncFnOnce(N, TcpListener) + Send + 'static,
    client: impl AsyncFnOnce(N, SocketAddr) -> f64 + Send + 'static,
) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let (far, near) = (net.clone(), net.clone());
    let server = thread::spawn(move || {
        stay(Place::Server);
        N::block_on(server(far, listener));
    });
    let client = thread::spawn(move || {
        stay(Place::Client);
        N::block_on(client(near, to))
    });
    let took = client.join().unwrap();
    server.join().unwrap();
    took
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (socket, _) = listener.accept().unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn fill(wire: &mut impl Wire, buf: &mut [u8]) {
    let mut read = 0;
    while read < buf.len() {
        let count = wire.get(&mut buf[read..]).await;
        assert!(count > 0);
        read += count;
    }
}

async fn send(wire: &mut impl Wire, chunks: u32) {
    let chunk = vec![7; CHUNK];
    for _ in 0..chunks {
        wire.put(&chunk).await;
    }
}

async fn receive(wire: &mut impl Wire, mut left: usize) {
    let mut buf = vec![0; CHUNK];
    while left > 0 {
        let count = wire.get(&mut buf).await;
        assert!(count > 0);
        left -= count;
    }
}

async fn serve(mut wire: impl Wire, work: Work) {
    for work in [work.of(WARM), work] {
        match work {
            Work::PingPong(count) => {
                let mut buf = [0; 64];
                for _ in 0..count {
                    fill(&mut wire, &mut buf).await;
                    wire.put(&buf).await;
                }
            }
            Work::Upload(chunks) => {
                receive(&mut wire, chunks as usize * CHUNK).await;
                wire.put(b"!").await;
            }
            Work::Download(chunks) => {
                send(&mut wire, chunks).await;
                fill(&mut wire, &mut [0]).await;
            }
            Work::Vectored(count) => {
                for _ in 0..count {
                    receive(&mut wire, 8 * SLICE.len()).await;
                    wire.put(b"!").await;
                }
            }
        }
    }
}

async fn drive(mut wire: impl Wire, work: Work) -> f64 {
    ask(&mut wire, work.of(WARM)).await;
    let start = Instant::now();
    ask(&mut wire, work).await;
    start.elapsed().as_secs_f64()
}

async fn ask(wire: &mut impl Wire, work: Work) {
    match work {
        Work::PingPong(count) => {
            let mut buf = [1; 64];
            for _ in 0..count {
                wire.put(&buf).await;
                fill(wire, &mut buf).await;
            }
        }
        Work::Upload(chunks) => {
            send(wire, chunks).await;
            fill(wire, &mut [0]).await;
        }
        Work::Download(chunks) => {
            receive(wire, chunks as usize * CHUNK).await;
            wire.put(b"!").await;
        }
        Work::Vectored(count) => {
            for _ in 0..count {
                // Loopback takes it whole: anything else would be another measurement.
                assert_eq!(wire.put_slices([&SLICE; 8]).await, 8 * SLICE.len());
                fill(wire, &mut [0]).await;
            }
        }
    }
}

/// How the handshakes went, as both ends tell.
#[derive(Debug, Default)]
pub struct Kinds {
    full: AtomicU32,
    resumed: AtomicU32,
}

impl Kinds {
    /// Counts a handshake.
    pub fn count(&self, resumed: bool) {
        if resumed { &self.resumed } else { &self.full }.fetch_add(1, Relaxed);
    }

    /// How many were full and how many resumed, since it was last asked.
    pub fn take(&self) -> [u32; 2] {
        [&self.full, &self.resumed].map(|count| count.swap(0, Relaxed))
    }
}

/// Certificates of both ends, for TLS 1.3.
#[derive(Clone, Debug)]
pub struct Configs {
    /// Trusts the server.
    pub client: Arc<ClientConfig>,
    /// Has a certificate for 127.0.0.1.
    pub server: Arc<ServerConfig>,
    /// Of the handshakes with them.
    pub kinds: Arc<Kinds>,
}

impl Configs {
    /// With a certificate made for the occasion. Without `resumption`, every handshake is a full
    /// one.
    #[must_use]
    pub fn new(resumption: bool) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        // One provider for all, the default of the adapters.
        let provider = mimic_rustls::provider().unwrap();
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !resumption {
            client.resumption = Resumption::disabled();
        }
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        Self { client: Arc::new(client), server: Arc::new(server), kinds: Arc::default() }
    }
}
