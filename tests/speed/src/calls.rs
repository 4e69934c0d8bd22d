//! Calls of a flow that does nothing: directly, through its box, and through the bridges.

use std::task::{Context as Task, Poll, Waker};

use mimic_core::{Error, Flow};
use mimic_smol::{FromFutures, ToFutures};
use mimic_tokio::{FromTokio, ToTokio};

/// A flow that takes and gives everything at once. Not inlined: the direct call is a call.
#[derive(Debug)]
pub struct Nothing;

impl Flow for Nothing {
    #[inline(never)]
    fn poll_read(&mut self, _: &mut Task<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(std::hint::black_box(buf).len()))
    }

    #[inline(never)]
    fn poll_write(&mut self, _: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(std::hint::black_box(buf).len()))
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

/// As a client has it.
#[must_use]
pub fn boxed() -> Box<dyn Flow + Send> {
    std::hint::black_box(Box::new(Nothing))
}

/// Flow, tokio's traits, flow. Neither end is a box.
#[must_use]
pub fn through_tokio() -> FromTokio<ToTokio<Nothing>> {
    FromTokio::new(ToTokio::new(Nothing))
}

/// Flow, futures-io's traits, flow.
#[must_use]
pub fn through_futures() -> FromFutures<ToFutures<Nothing>> {
    FromFutures::new(ToFutures::new(Nothing))
}

/// Writes 16 bytes `count` times.
pub fn write<F: Flow + ?Sized>(flow: &mut F, count: u32) {
    let mut task = Task::from_waker(Waker::noop());
    for _ in 0..count {
        took(std::hint::black_box(&mut *flow).poll_write(&mut task, &[7; 16]));
    }
}

/// Reads 16 bytes `count` times.
pub fn read<F: Flow + ?Sized>(flow: &mut F, count: u32) {
    let mut task = Task::from_waker(Waker::noop());
    let mut buf = [0; 16];
    for _ in 0..count {
        took(std::hint::black_box(&mut *flow).poll_read(&mut task, &mut buf));
    }
}

/// Dropping is out of the way: elsewhere the compiler would leave it in, here and there.
fn took(done: Poll<Result<usize, Error>>) {
    match done {
        Poll::Ready(Ok(16)) => {}
        other => failed(other),
    }
}

#[cold]
#[inline(never)]
fn failed(done: Poll<Result<usize, Error>>) -> ! {
    unreachable!("not 16 bytes: {done:?}")
}
