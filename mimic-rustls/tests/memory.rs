//! The allocations of a TLS flow: per record those of rustls, and when it is idle no more than
//! tokio-rustls.
//!
//! The counts are those of the calling thread; see `allocation-counter`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::Arc;

use allocation_counter::measure;
use common::{Authority, NAME, handshake};
use futures_lite::future::{block_on, poll_once, zip};
use mimic_core::Shared;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::{Memory, memory_pair};
use mimic_rustls::rustls::pki_types::ServerName;
use mimic_rustls::rustls::version::{TLS12, TLS13};
use mimic_rustls::rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use mimic_rustls::{Client, Server, TlsFlow, accept};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const PIPE: usize = 64 * 1024;

type Ours = (TlsFlow<Memory<Shared>, Client>, TlsFlow<Memory<Shared>, Server>);
type Theirs = (tokio_rustls::client::TlsStream<DuplexStream>, tokio_rustls::server::TlsStream<DuplexStream>);

fn ours(client: &Arc<ClientConfig>, server: &ServerConfig) -> Ours {
    handshake(memory_pair(PIPE), client, server)
}

fn theirs(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Theirs {
    let (near, far) = tokio::io::duplex(PIPE);
    let connector = TlsConnector::from(client.clone());
    let acceptor = TlsAcceptor::from(server.clone());
    let name = ServerName::try_from(NAME).unwrap();
    let (near, far) = block_on(zip(connector.connect(name, near), acceptor.accept(far)));
    (near.unwrap(), far.unwrap())
}

/// Sends a message there and back. The readers park before the bytes come, as they do on a network.
fn ping((near, far): &mut Ours, size: usize, buf: &mut [u8]) {
    let message = vec![7; size];
    block_on(async {
        let (read, ()) = zip(far.read(buf), async { write(near, &message).await }).await;
        let mut got = read.unwrap();
        while got < size {
            got += far.read(buf).await.unwrap();
        }
        let (read, ()) = zip(near.read(buf), async { write(far, &message).await }).await;
        let mut got = read.unwrap();
        while got < size {
            got += near.read(buf).await.unwrap();
        }
    });
}

async fn write(flow: &mut impl Write, message: &[u8]) {
    assert!(flow.write_all(message).await.is_ok());
    assert!(flow.flush().await.is_ok());
}

fn their_ping((near, far): &mut Theirs, size: usize) {
    let message = vec![7; size];
    let mut buf = vec![0; size];
    block_on(async {
        zip(async { far.read_exact(&mut buf).await.unwrap() }, async {
            near.write_all(&message).await.unwrap();
            near.flush().await.unwrap();
        })
        .await;
        zip(async { near.read_exact(&mut buf).await.unwrap() }, async {
            far.write_all(&message).await.unwrap();
            far.flush().await.unwrap();
        })
        .await;
    });
}

const ALL: [(&str, [&SupportedProtocolVersion; 1]); 2] = [("1.3", [&TLS13]), ("1.2", [&TLS12])];

#[test]
fn steady_reads_and_writes_allocate_once_per_record_sealed_and_opened() {
    let authority = Authority::new();
    for (version, versions) in ALL {
        let (client, server) = (Arc::new(authority.client(&versions)), authority.server(&[NAME], &versions));
        let mut pair = ours(&client, &server);
        for (size, window) in
            [(64, 4096), (64, 16), (400, 400), (1000, 4096), (1900, 1900), (16_000, 20_000), (60_000, 60_000)]
        {
            let mut buf = vec![0; window];
            for _ in 0..3 {
                ping(&mut pair, size, &mut buf);
            }
            // Without those for the messages themselves.
            let count = measure(|| (0..100).for_each(|_| ping(&mut pair, size, &mut buf))).count_total - 100;
            let records = 2 * u64::try_from(size.div_ceil(16 * 1024)).unwrap();
            assert_eq!(count, 100 * 2 * records, "TLS {version}, {size} bytes read {window} at once");
        }
    }
}

#[test]
fn an_idle_flow_takes_no_more_than_tokio_rustls() {
    let authority = Authority::new();
    for (version, versions) in ALL {
        let (client, server) = (Arc::new(authority.client(&versions)), Arc::new(authority.server(&[NAME], &versions)));
        // Makes what is made once: session caches, the waker and the large buffers of this thread.
        let mut first = ours(&client, &server);
        ping(&mut first, 60_000, &mut vec![0; 60_000]);
        drop((first, theirs(&client, &server)));
        for (what, size) in [("a ping of 64 bytes", 64), ("60,000 bytes each way", 60_000)] {
            let mut keep = None;
            let pipe = measure(|| keep = Some(memory_pair::<Shared>(PIPE))).bytes_current;
            drop(keep);
            let mut pair = None;
            let mine = measure(|| {
                let mut made = ours(&client, &server);
                let mut buf = vec![0; size];
                ping(&mut made, size, &mut buf);
                // Both readers park, as those of an idle connection do.
                block_on(async {
                    let mut byte = [0];
                    assert!(poll_once(made.0.read(&mut byte)).await.is_none());
                    assert!(poll_once(made.1.read(&mut byte)).await.is_none());
                });
                pair = Some(made);
            });
            drop(pair);
            let mut keep = None;
            let their_pipe = measure(|| {
                let (mut near, mut far) = tokio::io::duplex(PIPE);
                // Buffers grow as they are used, so both are used the same.
                block_on(async {
                    for _ in 0..2 {
                        near.write_all(&vec![0; size + 2000]).await.unwrap();
                        far.read_exact(&mut vec![0; size + 2000]).await.unwrap();
                        std::mem::swap(&mut near, &mut far);
                    }
                });
                keep = Some((near, far));
            })
            .bytes_current;
            drop(keep);
            let mut pair = None;
            let theirs = measure(|| {
                let mut made = theirs(&client, &server);
                their_ping(&mut made, size);
                block_on(async {
                    let mut byte = [0];
                    assert!(poll_once(made.0.read(&mut byte)).await.is_none());
                    assert!(poll_once(made.1.read(&mut byte)).await.is_none());
                });
                pair = Some(made);
            });
            drop(pair);
            let (mine, theirs) = ((mine.bytes_current - pipe) / 2, (theirs.bytes_current - their_pipe) / 2);
            println!(
                "TLS {version}, idle heap per end after {what}: {mine} bytes, tokio-rustls {theirs} (pipes {pipe} and \
                 {their_pipe} taken off)"
            );
            assert!(mine <= theirs);
        }
    }
}

/// A client that sends half of a hello and waits costs no large buffer.
#[test]
fn a_handshake_that_waits_borrows_nothing() {
    const WAITING: u64 = 20;
    let authority = Authority::new();
    let server = authority.server(&[NAME], &[&TLS13]);
    let mut kept = Vec::new();
    kept.reserve_exact(usize::try_from(WAITING).unwrap());
    let wait = || {
        let (mut near, far) = memory_pair::<Shared>(256);
        let mut waiting = Box::pin({
            let server = server.clone();
            async move { accept(far, &server).await.map(drop) }
        });
        block_on(async {
            assert!(poll_once(&mut waiting).await.is_none());
            // A record of 512 bytes, of which 105 have come.
            write(&mut near, &[&[0x16, 3, 1, 2, 0][..], &[1; 100]].concat()).await;
            assert!(poll_once(&mut waiting).await.is_none());
        });
        (near, waiting)
    };
    drop(wait());
    let waiting =
        measure(|| (0..WAITING).for_each(|_| kept.push(wait()))).bytes_current / i64::try_from(WAITING).unwrap();
    println!("a waiting handshake holds {waiting} bytes, pipe and the future included");
    assert!(waiting < 8 * 1024);
}
