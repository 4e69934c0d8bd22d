//! Flows between the two ends of a connection: they count, listen in, cut, delay.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use mimic_core::adapter::AttributeRequest;
use mimic_core::keys::PeerAddr;
use mimic_core::{Error, ErrorKind, Flow};

use super::tasks::Random;

/// Everything that was written through a [`Tap`].
pub type Log = Arc<Mutex<Vec<u8>>>;

/// The peer's address of a [`Tap`] and a [`Counted`].
pub const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), 9);

/// Forwards, and keeps a copy of what is written.
#[derive(Debug)]
pub struct Tap<F> {
    pub below: F,
    pub log: Log,
}

impl<F: Flow> Flow for Tap<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let poll = self.below.poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = poll {
            self.log.lock().unwrap().extend(&buf[..n]);
        }
        poll
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(PeerAddr, || Some(PEER));
    }
}

/// The calls of a [`Counted`].
#[derive(Debug, Default)]
pub struct Counts {
    /// Reads, also those that were `Pending`.
    pub polls: AtomicUsize,
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl Counts {
    /// Returns the reads and writes that were not `Pending`, since the last call.
    pub fn taken(&self) -> [usize; 2] {
        [self.reads.swap(0, SeqCst), self.writes.swap(0, SeqCst)]
    }
}

/// Forwards, and counts calls.
#[derive(Debug)]
pub struct Counted<F> {
    pub below: F,
    pub counts: Arc<Counts>,
    /// The most bytes that one read returns.
    pub most: usize,
    /// It wakes the reader at every read, as if more were to come.
    pub busy: bool,
}

impl<F> Counted<F> {
    pub fn new(below: F) -> (Self, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        (Self { below, counts: counts.clone(), most: usize::MAX, busy: false }, counts)
    }
}

impl<F: Flow> Flow for Counted<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.counts.polls.fetch_add(1, SeqCst);
        if self.busy {
            cx.waker().wake_by_ref();
        }
        let most = buf.len().min(self.most);
        let poll = self.below.poll_read(cx, &mut buf[..most]);
        self.counts.reads.fetch_add(usize::from(poll.is_ready()), SeqCst);
        poll
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let poll = self.below.poll_write(cx, buf);
        self.counts.writes.fetch_add(usize::from(poll.is_ready()), SeqCst);
        poll
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(PeerAddr, || Some(PEER));
    }
}

/// The trouble that a [`Trouble`] makes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The most bytes of one call, if not 0.
    pub at_once: usize,
    /// One poll in so many returns `Pending` for no reason, if not 0.
    pub spurious: usize,
    /// The stream ends after so many bytes.
    pub cut: Option<usize>,
    /// Flips a bit of the byte with this number, counted from 1.
    pub flip: Arc<AtomicUsize>,
    /// The connection is reset after so many bytes.
    pub reset: Option<usize>,
    /// Written bytes stay here until a flush.
    pub buffered: bool,
}

/// Forwards with trouble: short calls, spurious `Pending`s, a cut, a reset, a changed bit.
#[derive(Debug)]
pub struct Trouble<F> {
    pub below: F,
    pub plan: Plan,
    pub random: Random,
    pub read: usize,
    unflushed: Vec<u8>,
}

impl<F> Trouble<F> {
    pub fn new(below: F, plan: Plan, seed: u64) -> Self {
        Self { below, plan, random: Random::new(seed), read: 0, unflushed: Vec::new() }
    }

    fn pause(&mut self, cx: &Context<'_>) -> bool {
        let pause = self.plan.spurious > 0 && self.random.below(self.plan.spurious) == 0;
        if pause {
            cx.waker().wake_by_ref();
        }
        pause
    }

    fn amount(&mut self, len: usize) -> usize {
        match self.plan.at_once {
            0 => len,
            most => len.min(1 + self.random.below(most)),
        }
    }
}

impl<F: Flow> Flow for Trouble<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if self.pause(cx) {
            return Poll::Pending;
        }
        let mut most = self.amount(buf.len());
        if let Some(reset) = self.plan.reset {
            most = most.min(reset - self.read);
            if most == 0 {
                return Poll::Ready(Err(Error::new(ErrorKind::ConnectionReset, "reset by the test")));
            }
        }
        if let Some(cut) = self.plan.cut {
            most = most.min(cut - self.read);
            if most == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        let poll = self.below.poll_read(cx, &mut buf[..most]);
        if let Poll::Ready(Ok(n)) = poll {
            let flip = self.plan.flip.load(SeqCst);
            if (self.read + 1..=self.read + n).contains(&flip) {
                buf[flip - 1 - self.read] ^= 1;
            }
            self.read += n;
        }
        poll
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if self.pause(cx) {
            return Poll::Pending;
        }
        let most = self.amount(buf.len());
        if self.plan.buffered {
            self.unflushed.extend(&buf[..most]);
            return Poll::Ready(Ok(most));
        }
        self.below.poll_write(cx, &buf[..most])
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.pause(cx) {
            return Poll::Pending;
        }
        while !self.unflushed.is_empty() {
            match self.below.poll_write(cx, &self.unflushed) {
                Poll::Ready(Ok(n)) => drop(self.unflushed.drain(..n)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.poll_flush(cx) {
            Poll::Ready(Ok(())) => self.below.poll_shutdown(cx),
            other => other,
        }
    }
}

mimic_core::read_write!(for[F: Flow] Trouble<F>);
mimic_core::read_write!(for[F: Flow] Tap<F>);
mimic_core::read_write!(for[F: Flow] Counted<F>);
