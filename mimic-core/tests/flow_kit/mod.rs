//! What the tests of flows share: tasks that count how often they are woken, and tests in both
//! modes.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part")]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mimic_core::{Error, ErrorKind, Flow};

/// How much of something: Miri takes a thousand times as long for it.
pub const fn many(count: usize) -> usize {
    if cfg!(miri) { count.div_ceil(5000) + 50 } else { count }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Somebody who polls.
pub struct Task {
    count: Arc<Count>,
    waker: Waker,
}

impl Task {
    pub fn new() -> Self {
        let count = Arc::new(Count::default());
        Self { waker: count.clone().into(), count }
    }

    pub fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// How often it was woken since the last time.
    pub fn wakes(&self) -> usize {
        self.count.0.swap(0, SeqCst)
    }

    /// Reads up to 64 bytes.
    pub fn read(&self, flow: &mut dyn Flow) -> Poll<Result<Vec<u8>, ErrorKind>> {
        let mut buf = [0; 64];
        flow.poll_read(&mut self.cx(), &mut buf).map_ok(|n| buf[..n].to_vec()).map_err(|error| error.kind())
    }

    pub fn write(&self, flow: &mut dyn Flow, bytes: &[u8]) -> Poll<Result<usize, ErrorKind>> {
        flow.poll_write(&mut self.cx(), bytes).map_err(|error| error.kind())
    }

    pub fn flush(&self, flow: &mut dyn Flow) -> Poll<Result<(), ErrorKind>> {
        flow.poll_flush(&mut self.cx()).map_err(|error| error.kind())
    }

    pub fn shutdown(&self, flow: &mut dyn Flow) -> Poll<Result<(), ErrorKind>> {
        flow.poll_shutdown(&mut self.cx()).map_err(|error| error.kind())
    }
}

/// As that of `futures-lite`, but a lost wake-up fails the test instead of hanging it. Allocates
/// once per thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    struct Parked {
        thread: Thread,
        woken: AtomicBool,
    }

    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, SeqCst);
            self.thread.unpark();
        }
    }

    thread_local! {
        static PARKED: Arc<Parked> = Arc::new(Parked { thread: thread::current(), woken: AtomicBool::new(false) });
    }

    const PATIENCE: Duration = Duration::from_secs(30);
    let parked = PARKED.with(Arc::clone);
    let waker = Waker::from(parked.clone());
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let start = Instant::now();
        while !parked.woken.swap(false, SeqCst) {
            assert!(start.elapsed() < PATIENCE, "a lost wake-up: nobody woke the task for {PATIENCE:?}");
            thread::park_timeout(PATIENCE);
        }
    }
}

pub fn got(bytes: &[u8]) -> Poll<Result<Vec<u8>, ErrorKind>> {
    Poll::Ready(Ok(bytes.to_vec()))
}

pub fn ok<T>(value: T) -> Poll<Result<T, ErrorKind>> {
    Poll::Ready(Ok(value))
}

pub fn fails<T>(kind: ErrorKind) -> Poll<Result<T, ErrorKind>> {
    Poll::Ready(Err(kind))
}

pub fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "scripted")
}

/// Bytes that differ enough to notice a lost or swapped one.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i / 251)).to_le_bytes()[0]).collect()
}

/// Each function becomes two tests, `local` and `shared`.
#[macro_export]
macro_rules! both_modes {
    ($(fn $name:ident<M: Mode>() $body:block)+) => {$(
        mod $name {
            use super::*;

            fn test<M: Mode>() $body

            #[test]
            fn local() {
                test::<mimic_core::Local>();
            }

            #[test]
            fn shared() {
                test::<mimic_core::Shared>();
            }
        }
    )+};
}
