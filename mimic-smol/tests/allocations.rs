//! Reads and writes through a boxed TCP flow allocate nothing, waits included. Counted on this
//! thread alone.
//!
//! `block_on` is the one that leaves the reactor to its thread: the reactor itself allocates a list
//! of the tasks to wake.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{IoSlice, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use allocation_counter::measure;
use futures_lite::future::block_on;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Flow, FlowExt};
use mimic_smol::{FromFutures, ToFutures};
use smol::io::{AsyncReadExt, AsyncWriteExt};

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
    let mut flow = block_on(mimic_smol::connect(&url)).unwrap();

    let rounds = |flow: &mut Box<dyn Flow + Send>, rounds: usize| {
        block_on(async {
            let mut buf = [0; 300];
            for _ in 0..rounds {
                flow.write_all(&[7; 100]).await.unwrap();
                assert_eq!(flow.write_vectored(&[&[8; 100], &[9; 100]]).await.unwrap(), 200);
                flow.flush().await.unwrap();
                flow.read_exact(&mut buf).await.unwrap();
            }
        });
    };
    rounds(&mut flow, 10);
    assert_eq!(measure(|| rounds(&mut flow, 1000)).count_total, 0);

    // Nor do the bridges.
    let mut stream = ToFutures::new(FromFutures::new(ToFutures::new(flow)));
    let bridged = measure(|| {
        block_on(async {
            let mut buf = [0; 300];
            for _ in 0..1000 {
                stream.write_all(&[7; 100]).await.unwrap();
                let slices = [IoSlice::new(&[8; 100]), IoSlice::new(&[9; 100])];
                assert_eq!(stream.write_vectored(&slices).await.unwrap(), 200);
                stream.read_exact(&mut buf).await.unwrap();
            }
        });
    });
    assert_eq!(bridged.count_total, 0);
    drop(stream);
    peer.join().unwrap();
}
