//! What lies between the two ends: tasks polled only when they are woken, and flows that listen in,
//! cut, delay.

use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};

use mimic_core::{AttributeRequest, Error, ErrorKind, Flow, PeerAddr};

pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Runs tasks to their ends, each with a waker of its own. Everything here happens in memory, so a
/// round in which nobody is woken is a wake-up that was lost, or two sides that wait for each
/// other: it panics with `what`.
pub fn run(what: &dyn fmt::Display, tasks: Vec<Task<'_>>) {
    let mut tasks: Vec<_> = tasks.into_iter().map(|task| (Some(task), Arc::new(Flag(AtomicBool::new(true))))).collect();
    loop {
        let mut woken = false;
        for (slot, flag) in &mut tasks {
            let Some(task) = slot else { continue };
            if flag.0.swap(false, SeqCst) {
                woken = true;
                if task.as_mut().poll(&mut Context::from_waker(&flag.clone().into())).is_ready() {
                    *slot = None;
                }
            }
        }
        if tasks.iter().all(|(slot, _)| slot.is_none()) {
            return;
        }
        let waiting: Vec<_> = tasks.iter().map(|(slot, _)| slot.is_some()).collect();
        assert!(woken, "nobody is woken any more, and tasks wait {waiting:?}: {what}");
    }
}

/// Runs both, and hands out what they answer.
pub fn both<A, B>(what: &dyn fmt::Display, a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (first, second) = (RefCell::new(None), RefCell::new(None));
    run(
        what,
        vec![
            Box::pin(async { drop(first.replace(Some(a.await))) }),
            Box::pin(async { drop(second.replace(Some(b.await))) }),
        ],
    );
    (first.into_inner().unwrap(), second.into_inner().unwrap())
}

/// xorshift64*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % end
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Everything that was written through it, and how much.
pub type Log = Arc<Mutex<Vec<u8>>>;

/// Who is behind a [`Tap`].
pub const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), 9);

/// Writes down what is written.
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

/// How a [`Trouble`] treats its owner.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// At most that many bytes at once, if not 0.
    pub at_once: usize,
    /// One poll in so many is `Pending` for nothing, if not 0.
    pub spurious: usize,
    /// End of stream after so many bytes.
    pub cut: Option<usize>,
    /// The byte with this number, counted from 1, has a bit flipped.
    pub flip: Arc<AtomicUsize>,
    /// After so many bytes, a reset.
    pub reset: Option<usize>,
    /// Written bytes stay here until a flush.
    pub buffered: bool,
}

/// A flow that makes trouble.
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
