//! The serving process: sends every line back, and says over standard output how many there were.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use mimic_core::roles::Sleep;
use mimic_core::{Context, Error, ListenerExt, Shared};
use mimic_rustls::rustls::ServerConfig;
use mimic_rustls::{HandshakeObserver, TlsServerConfig};
use tokio_rustls::TlsAcceptor;

use super::lines::{LEN, Lines, Mimic};
use super::memory::resident;
use super::{Job, Runtime, own, tls};

/// Several addresses, so that clients do not run out of ports.
const ADDRESSES: [&str; 4] = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];

#[derive(Debug, Default)]
struct Counts {
    lines: AtomicU64,
    /// Flows that ended in order, and that did not.
    ended: AtomicU64,
    failed: AtomicU64,
}

pub(crate) fn serve(job: Job) {
    let counts = Arc::new(Counts::default());
    let (certificate, config) = tls::server(ADDRESSES.map(String::from).into());
    let config = job.tls.then_some(config);
    let shared = counts.clone();
    let addresses: Vec<_> = match job.runtime {
        Runtime::Tokio => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let addresses = runtime.block_on(listen(job, config, shared));
            // It runs on in its own threads until the process ends.
            std::mem::forget(runtime);
            addresses
        }
        Runtime::Smol => smol::block_on(listen(job, config, shared)),
    };
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    println!("{} {}", addresses.join(","), tls::to_hex(&certificate));
    // The client asks, and its end is ours.
    for question in std::io::stdin().lock().lines() {
        match question.as_deref() {
            Ok("memory") => println!("{}", resident().unwrap_or(0)),
            Ok("counts") => {
                let [lines, ended, failed] = [&counts.lines, &counts.ended, &counts.failed].map(|n| n.load(SeqCst));
                println!("{lines} {ended} {failed}");
            }
            _ => return,
        }
        std::io::stdout().flush().unwrap();
    }
}

fn spawn(runtime: Runtime, task: impl Future<Output = ()> + Send + 'static) {
    match runtime {
        Runtime::Tokio => drop(tokio::spawn(task)),
        Runtime::Smol => smol::spawn(task).detach(),
    }
}

async fn listen(job: Job, config: Option<Arc<ServerConfig>>, counts: Arc<Counts>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for address in ADDRESSES {
        addresses.push(match (job.baseline, job.runtime) {
            (false, runtime) => listen_by_mimic(runtime, address, config.clone(), counts.clone()).await,
            (true, Runtime::Tokio) => listen_by_tokio(address, config.clone(), counts.clone()).await,
            (true, Runtime::Smol) => listen_by_smol(address, counts.clone()).await,
        });
    }
    addresses
}

async fn listen_by_mimic(
    runtime: Runtime,
    address: &str,
    config: Option<Arc<ServerConfig>>,
    counts: Arc<Counts>,
) -> SocketAddr {
    let ctx: Context = match runtime {
        Runtime::Tokio => mimic_tokio::context(),
        Runtime::Smol => mimic_smol::context(),
    };
    let refused = counts.clone();
    let observer = move |error: &Error| {
        eprintln!("not accepted: {error}");
        refused.failed.fetch_add(1, SeqCst);
    };
    let (scheme, ctx) = match config {
        Some(config) => ("tls", ctx.with(TlsServerConfig, config).with(HandshakeObserver, Arc::new(observer))),
        None => ("tcp", ctx),
    };
    let mut listener = ctx.clone().with_url(&format!("{scheme}://{address}:0")).unwrap().listen().await.unwrap();
    let address = mimic_core::Listener::<Shared>::local_addr(&listener).unwrap();
    let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
    spawn(runtime, async move {
        loop {
            let failed = |error: &Error| {
                eprintln!("not accepted: {error}");
                counts.failed.fetch_add(1, SeqCst);
            };
            let flow = listener.accept_ok(&mut timer, failed).await;
            spawn(runtime, echo(Mimic(flow), counts.clone()));
        }
    });
    address
}

async fn listen_by_tokio(address: &str, config: Option<Arc<ServerConfig>>, counts: Arc<Counts>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (config, counts) = (config.clone(), counts.clone());
            match config {
                // A task of its own: what the handshake took is not kept.
                Some(config) => drop(tokio::spawn(async move {
                    let stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
                    tokio::spawn(echo(own::Tokio(stream), counts));
                })),
                None => drop(tokio::spawn(echo(own::Tokio(stream), counts))),
            }
        }
    });
    address
}

async fn listen_by_smol(address: &str, counts: Arc<Counts>) -> SocketAddr {
    let listener = smol::net::TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            smol::spawn(echo(own::Smol(stream), counts.clone())).detach();
        }
    };
    smol::spawn(accepting).detach();
    address
}

async fn echo(mut lines: impl Lines, counts: Arc<Counts>) {
    let mut line = [0; LEN];
    let mut count = 0;
    let end = loop {
        match lines.receive(&mut line).await {
            Ok(true) => {}
            Ok(false) => break lines.finish().await,
            Err(error) => break Err(error),
        }
        count += 1;
        if let Err(error) = lines.send(&line).await {
            break Err(error);
        }
    };
    counts.lines.fetch_add(count, SeqCst);
    match end {
        Ok(()) => drop(counts.ended.fetch_add(1, SeqCst)),
        Err(error) => {
            eprintln!("a flow failed: {error}");
            counts.failed.fetch_add(1, SeqCst);
        }
    }
}

/// How long a question may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
