//! A device of embedded-io-async, as firmware has it: two pipes of embassy-sync for the lines of a
//! UART.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod uart;

use std::time::Duration;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::Pipe;
use futures_lite::future::{block_on, or, zip};
use mimic_core::LocalContext;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::pump;
use uart::with_uart;

type Line = Pipe<NoopRawMutex, 16>;

fn line() -> &'static mut Line {
    Box::leak(Box::new(Pipe::new()))
}

/// Both ends, by the context and by hand.
fn joined() -> (LocalContext, Box<dyn mimic_core::Flow>) {
    let ((from_peer, to_us), (from_us, to_peer)) = (line().split(), line().split());
    let ctx = with_uart(LocalContext::new(), from_peer, to_peer).with_url("uart:/").unwrap();
    (ctx, Box::new(pump(from_us, to_us, 32)))
}

fn run<T>(test: impl Future<Output = T>) -> T {
    block_on(or(test, async {
        embassy_time::Timer::after_secs(20).await;
        panic!("the test hangs");
    }))
}

#[test]
fn the_application_runs_over_pipes() {
    run(async {
        let (ctx, mut peer) = joined();
        let mut flow = ctx.connect().await.unwrap();
        let mut transcript = String::new();
        or(async { mimic_example_app::ping(&mut flow, &mut transcript).await.unwrap() }, async {
            mimic_example_app::serve(&mut peer).await.unwrap();
        })
        .await;
        assert_eq!(transcript, "> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n");
        // The device is the flow's.
        let error = ctx.connect().await.unwrap_err();
        assert!(error.to_string().contains("the UART is in use"), "{error}");
    });
}

#[test]
fn both_directions_go_at_once_and_reads_that_are_given_up_lose_nothing() {
    const LEN: usize = 20_000;
    let byte = |at: usize| u8::try_from(at * 7 % 251).unwrap();
    run(async {
        let (ctx, peer) = joined();
        let one = |flow: Box<dyn mimic_core::Flow>| async move {
            let (mut reader, mut writer) = mimic_core::io::Split::<_, mimic_core::Local>::new(flow).into_halves();
            let write = async {
                let all: Vec<u8> = (0..LEN).map(byte).collect();
                writer.write_all(&all).await.unwrap();
                writer.flush().await.unwrap();
            };
            let read = async {
                let (mut at, mut buf) = (0, [0; 50]);
                while at < LEN {
                    // As a timeout does it, often in the middle of a transfer.
                    let given_up = async {
                        futures_lite::future::yield_now().await;
                        None
                    };
                    let Some(n) = or(async { Some(reader.read(&mut buf).await.unwrap()) }, given_up).await else {
                        continue;
                    };
                    assert!(n > 0 && buf[..n].iter().enumerate().all(|(i, b)| *b == byte(at + i)), "at {at}");
                    at += n;
                }
            };
            zip(read, write).await;
            // Both ends stay until both have all.
            (reader, writer)
        };
        let started = std::time::Instant::now();
        let _ends = zip(one(ctx.connect().await.unwrap()), one(peer)).await;
        assert!(started.elapsed() < Duration::from_secs(15));
    });
}
