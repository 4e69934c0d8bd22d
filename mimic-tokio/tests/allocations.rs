//! Reads and writes through a boxed TCP flow allocate nothing, waits included. Counted on this
//! thread alone.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{IoSlice, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use allocation_counter::measure;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Flow, FlowExt};
use mimic_tokio::{FromTokio, ToTokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::task::yield_now;

/// What a `block_on` allocates by itself, once it has yielded: the runtime's list of tasks that
/// yielded. Its fairness makes a task yield that never waits, so every run here yields at once.
const RUNTIME: u64 = 1;

#[test]
fn steady_reads_and_writes_allocate_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let peer = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut buf = [0; 4096];
        while let n @ 1.. = socket.read(&mut buf).unwrap() {
            socket.write_all(&buf[..n]).unwrap();
        }
    });
    // One thread for everything: the locks inside tokio allocate when two threads first meet at
    // one.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut flow: Box<dyn Flow + Send> = runtime.block_on(mimic_tokio::connect(&url)).unwrap();

    let mut rounds = |rounds: usize| {
        runtime.block_on(async {
            yield_now().await;
            let mut buf = [0; 300];
            for _ in 0..rounds {
                flow.write_all(&[7; 100]).await.unwrap();
                assert_eq!(flow.write_vectored(&[&[8; 100], &[9; 100]]).await.unwrap(), 200);
                flow.flush().await.unwrap();
                flow.read_exact(&mut buf).await.unwrap();
            }
        });
    };
    rounds(10);
    assert_eq!(measure(|| rounds(0)).count_total, RUNTIME);
    assert_eq!(measure(|| rounds(1000)).count_total, RUNTIME);

    // Nor do the bridges.
    let mut stream = ToTokio::new(FromTokio::new(ToTokio::new(flow)));
    let bridged = measure(|| {
        runtime.block_on(async {
            yield_now().await;
            let mut buf = [0; 300];
            for _ in 0..1000 {
                stream.write_all(&[7; 100]).await.unwrap();
                let slices = [IoSlice::new(&[8; 100]), IoSlice::new(&[9; 100])];
                assert_eq!(stream.write_vectored(&slices).await.unwrap(), 200);
                AsyncReadExt::read_exact(&mut stream, &mut buf).await.unwrap();
            }
        });
    });
    assert_eq!(bridged.count_total, RUNTIME);
    drop(stream);
    peer.join().unwrap();
}
