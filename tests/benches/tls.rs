//! mimic-rustls against tokio-rustls, with the same rustls and provider, over TCP on loopback, in one process.
//!
//! `cargo bench -p mimic-tests --bench tls` runs the two in turn, and prints the median of the ratio within a pair of
//! runs, and between which bounds half of them lie. Client and server have a thread each, and both ends are of the
//! library that is measured.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark's main")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use mimic_core::embedded_io_async::{Read, Write};
use mimic_rustls::rustls::crypto::ring;
use mimic_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use mimic_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use mimic_tokio::{FromTokio, TcpFlow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PINGS: u32 = 2_000;
const BULK: usize = 256 << 20;
const CHUNK: usize = 64 << 10;
/// How many pairs of runs: pings come to less than a percent of what differs between two runs.
const ROUNDS: [usize; 2] = [101, 21];

/// What a round does, on both sides.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    PingPong,
    Upload,
    Download,
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (Arc::new(client), Arc::new(server))
}

/// The two libraries' streams as one: their own methods are called underneath.
trait Stream {
    async fn get(&mut self, buf: &mut [u8]) -> usize;
    async fn put(&mut self, buf: &[u8]);
}

struct Mimic<S: mimic_rustls::Side>(mimic_rustls::TlsFlow<TcpFlow, S>);

impl<S: mimic_rustls::Side> Stream for Mimic<S> {
    async fn get(&mut self, buf: &mut [u8]) -> usize {
        self.0.read(buf).await.unwrap()
    }
    async fn put(&mut self, buf: &[u8]) {
        self.0.write_all(buf).await.unwrap();
        self.0.flush().await.unwrap();
    }
}

struct Tokio<S>(S);

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Stream for Tokio<S> {
    async fn get(&mut self, buf: &mut [u8]) -> usize {
        self.0.read(buf).await.unwrap()
    }
    async fn put(&mut self, buf: &[u8]) {
        self.0.write_all(buf).await.unwrap();
        self.0.flush().await.unwrap();
    }
}

async fn fill(stream: &mut impl Stream, buf: &mut [u8]) {
    let mut read = 0;
    while read < buf.len() {
        read += stream.get(&mut buf[read..]).await;
    }
}

async fn receive(stream: &mut impl Stream) {
    let mut buf = vec![0; CHUNK];
    let mut left = BULK;
    while left > 0 {
        left -= stream.get(&mut buf).await;
    }
}

async fn send(stream: &mut impl Stream) {
    let chunk = vec![7; CHUNK];
    for _ in 0..BULK / CHUNK {
        stream.put(&chunk).await;
    }
}

async fn serve(mut stream: impl Stream, work: Work) {
    match work {
        Work::PingPong => {
            let mut buf = [0; 64];
            for _ in 0..PINGS {
                fill(&mut stream, &mut buf).await;
                stream.put(&buf).await;
            }
        }
        Work::Upload => {
            receive(&mut stream).await;
            stream.put(b"!").await;
        }
        Work::Download => send(&mut stream).await,
    }
}

async fn drive(mut stream: impl Stream, work: Work) -> Duration {
    let start = Instant::now();
    match work {
        Work::PingPong => {
            let mut buf = [1; 64];
            for _ in 0..PINGS {
                stream.put(&buf).await;
                fill(&mut stream, &mut buf).await;
            }
        }
        Work::Upload => {
            send(&mut stream).await;
            fill(&mut stream, &mut [0]).await;
        }
        Work::Download => receive(&mut stream).await,
    }
    start.elapsed()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn run(mimic: bool, work: Work, client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Duration {
    let (tell, told) = std::sync::mpsc::channel();
    let server = server.clone();
    let thread = std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            if mimic {
                let flow = mimic_rustls::accept(FromTokio::new(socket), &server).await.unwrap();
                serve(Mimic(flow), work).await;
            } else {
                let stream = tokio_rustls::TlsAcceptor::from(server).accept(socket).await.unwrap();
                serve(Tokio(stream), work).await;
            }
        });
    });
    let address = told.recv().unwrap();
    let took = runtime().block_on(async {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        if mimic {
            let flow = mimic_rustls::connect(FromTokio::new(socket), client.clone(), Vec::new(), "localhost");
            drive(Mimic(flow.await.unwrap()), work).await
        } else {
            let connector = tokio_rustls::TlsConnector::from(client.clone());
            let stream = connector.connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap();
            drive(Tokio(stream), work).await
        }
    });
    thread.join().unwrap();
    took
}

/// The quartiles.
fn quartiles<T: PartialOrd + Copy>(mut values: Vec<T>) -> [T; 3] {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn main() {
    let (client, server) = configs();
    println!("medians of runs in turn, TLS 1.3, ring, 1 client and 1 server thread");
    println!("{:<28} {:>12} {:>12} {:>8}  half of them", "", "mimic", "tokio-rustls", "ratio");
    for (name, work) in [
        ("64 B ping-pong, time", Work::PingPong),
        ("bulk up, throughput", Work::Upload),
        ("bulk down, throughput", Work::Download),
    ] {
        let ping = work == Work::PingPong;
        let mut times = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for round in 0..ROUNDS[usize::from(!ping)] {
            // Who goes first would otherwise be who finds the caches cold.
            let mut took = [Duration::ZERO; 2];
            for which in [round % 2, 1 - round % 2] {
                took[which] = run(which == 0, work, &client, &server);
                times[which].push(took[which]);
            }
            let [ours, theirs] = took.map(|time| time.as_secs_f64());
            ratios.push(if ping { ours / theirs } else { theirs / ours });
        }
        let [ours, theirs] = times.map(|times| {
            let [_, median, _] = quartiles(times);
            if ping {
                format!("{:.2} us", median.as_secs_f64() * 1e6 / f64::from(PINGS))
            } else {
                format!("{:.0} MiB/s", (BULK >> 20) as f64 / median.as_secs_f64())
            }
        });
        let [low, ratio, high] = quartiles(ratios);
        println!("{name:<28} {ours:>12} {theirs:>12} {ratio:>8.3}  {low:.3} to {high:.3}");
    }
}
