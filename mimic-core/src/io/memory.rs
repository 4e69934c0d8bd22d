//! Flows in memory: for tests, and as a transport within a process.
//!
//! ```text
//! memory_pair(8):   left ── outgoing ──► Pipe ── incoming ──► right
//!                   left ◄── incoming ── Pipe ◄── outgoing ── right
//!
//! left.write(b"0123456789") ─► 8: the pipe is full   right's reader is woken
//! left.write(b"89")         ─► Pending, waker in `writer`
//! right.read(&mut [0; 4])   ─► 4: "0123"             left's writer is woken
//! drop(left)                   `finished`            right reads "4567", then the end
//! ```

use alloc::collections::VecDeque;
use core::fmt;
use core::task::{Context, Poll, Waker};

use embedded_io_async::ErrorKind;

use crate::sync::Arc;
use crate::{Cell, Error, Flow, Mode, Phase};

/// Makes two flows joined back to back: what one writes, the other reads.
///
/// Each direction holds up to `capacity` unread bytes (at least one); a writer waits for room. The
/// room is allocated here, and nothing later.
///
/// Dropping an end is an orderly close. The other end reads the bytes that are left, then end of
/// stream, and its writes are errors of kind [`BrokenPipe`](ErrorKind::BrokenPipe).
/// [`abort`](Flow::abort) is a reset: the bytes that are left are lost.
///
/// In `Shared`, poll and drop both ends at the same priority, as the halves of a
/// [`Split`](super::Split).
///
/// A transport like any other:
///
/// ```
/// use mimic_core::{Context, FlowExt, Shared};
/// use mimic_core::io::memory_pair;
/// use mimic_core::roles::Transport;
///
/// let ctx = Context::new().register(Transport, "memory", 0, (), |_to, ()| async {
///     let (here, there) = memory_pair::<Shared>(4096);
///     // Hand `there` to a server that runs in this process.
///     drop(there);
///     Ok(here.boxed())
/// });
/// # let _ = ctx;
/// ```
#[must_use]
pub fn memory_pair<M: Mode>(capacity: usize) -> (Memory<M>, Memory<M>) {
    let capacity = capacity.max(1);
    let pipe = || -> Arc<M::Cell<Pipe>> {
        let bytes = VecDeque::with_capacity(capacity);
        Arc::new(M::Cell::new(Pipe { bytes, capacity, ..Pipe::default() }))
    };
    let (there, back) = (pipe(), pipe());
    (Memory { incoming: back.clone(), outgoing: there.clone() }, Memory { incoming: there, outgoing: back })
}

/// Is one end of a [`memory_pair`].
pub struct Memory<M: Mode> {
    incoming: Arc<M::Cell<Pipe>>,
    outgoing: Arc<M::Cell<Pipe>>,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The writer has shut down: end of stream once `bytes` is empty.
    finished: bool,
    /// The reader is dropped: writes are errors.
    unread: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// To be woken after the cell is released: a waker is foreign code.
    woken: Option<Waker>,
    /// To be dropped after the cell is released: a drop may drop a task, and with it an end of this
    /// pipe.
    replaced: Option<Waker>,
}

impl Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if self.reset {
            return fault(ErrorKind::ConnectionReset, "the flow was aborted", Phase::Read);
        }
        if buf.is_empty() || self.bytes.is_empty() && self.finished {
            return Poll::Ready(Ok(0));
        }
        if self.bytes.is_empty() {
            self.replaced = replace(&mut self.reader, cx);
            return Poll::Pending;
        }
        // The bytes wrap around at most once.
        let (first, second) = self.bytes.as_slices();
        let taken = buf.len().min(self.bytes.len());
        let wrap = taken.min(first.len());
        buf[..wrap].copy_from_slice(&first[..wrap]);
        buf[wrap..taken].copy_from_slice(&second[..taken - wrap]);
        self.bytes.drain(..taken);
        self.woken = self.writer.take();
        Poll::Ready(Ok(taken))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        if self.reset {
            return fault(ErrorKind::ConnectionReset, "the flow was aborted", Phase::Write);
        }
        if self.finished {
            return fault(ErrorKind::BrokenPipe, "the writing side was shut down", Phase::Write);
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        if self.unread {
            return fault(ErrorKind::BrokenPipe, "the peer is gone", Phase::Write);
        }
        let mut taken = 0;
        for buf in bufs {
            let n = buf.len().min(self.capacity - self.bytes.len());
            self.bytes.extend(&buf[..n]);
            taken += n;
        }
        if taken == 0 {
            self.replaced = replace(&mut self.writer, cx);
            return Poll::Pending;
        }
        self.woken = self.reader.take();
        Poll::Ready(Ok(taken))
    }
}

fn fault(kind: ErrorKind, reason: &'static str, phase: Phase) -> Poll<Result<usize, Error>> {
    Poll::Ready(Err(Error::new(kind, reason).in_phase(phase)))
}

/// Registers the task, and returns the waker that it replaces.
fn replace(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

/// Polls a pipe. If the other end is using it on another thread, polls again at once.
fn poll<M: Mode, T>(
    pipe: &M::Cell<Pipe>,
    cx: &mut Context<'_>,
    f: impl FnOnce(&mut Pipe, &mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    match pipe.try_with(|pipe| (f(pipe, cx), pipe.woken.take(), pipe.replaced.take())) {
        Some((poll, woken, replaced)) => {
            drop(replaced);
            woken.into_iter().for_each(Waker::wake);
            poll
        }
        None => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

/// Changes a pipe and wakes both tasks, without waiting: for shutdown, abort and drop. Spins while
/// the other end uses the pipe, which is for a copy at most.
fn change<M: Mode>(pipe: &M::Cell<Pipe>, change: impl Fn(&mut Pipe)) {
    let woken = loop {
        let woken = pipe.try_with(|pipe| {
            change(pipe);
            [pipe.reader.take(), pipe.writer.take()]
        });
        match woken {
            Some(woken) => break woken,
            None => core::hint::spin_loop(),
        }
    };
    woken.into_iter().flatten().for_each(Waker::wake);
}

impl<M: Mode> Flow for Memory<M> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        poll::<M, _>(&self.incoming, cx, |pipe, cx| pipe.poll_read(cx, buf))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.poll_write_vectored(cx, &[buf])
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        change::<M>(&self.outgoing, |pipe| pipe.finished = true);
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        poll::<M, _>(&self.outgoing, cx, |pipe, cx| pipe.poll_write(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn abort(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            change::<M>(pipe, |pipe| pipe.reset = true);
        }
    }
}

crate::read_write!(for[M: Mode] Memory<M>);

impl<M: Mode> Drop for Memory<M> {
    fn drop(&mut self) {
        change::<M>(&self.outgoing, |pipe| pipe.finished = true);
        change::<M>(&self.incoming, |pipe| pipe.unread = true);
    }
}

impl<M: Mode> fmt::Debug for Memory<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
