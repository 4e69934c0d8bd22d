//! Flows in memory: for tests, and as a transport within a process.

use alloc::collections::VecDeque;
use core::fmt;
use core::task::{Context, Poll, Waker};

use embedded_io_async::ErrorKind;

use crate::sync::Arc;
use crate::{Cell, Error, Flow, Mode, Phase};

/// Two flows joined back to back: what one writes, the other reads. Each direction holds up to
/// `capacity` bytes (at least one) that are not read yet; a writer waits for room. The room is
/// allocated here, and nothing later.
///
/// Dropping an end is an orderly close: the other reads what is left and then end of stream, and
/// its writes are errors of kind [`BrokenPipe`](ErrorKind::BrokenPipe). [`abort`](Flow::abort) is a
/// reset: what is left is lost.
///
/// In `Shared`, poll and drop both ends at the same priority, as the halves of a
/// [`Split`](crate::Split).
///
/// A transport like any other:
///
/// ```
/// use mimic_core::{Context, Error, Transport, memory_pair, Shared};
///
/// let ctx = Context::new().register(Transport, "memory", 0, (), |_to, ()| async {
///     let (here, there) = memory_pair::<Shared>(4096);
///     // Hand `there` to a server that runs in this process.
///     drop(there);
///     Ok(Box::new(here) as _)
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

/// One end of a [`memory_pair`].
pub struct Memory<M: Mode> {
    incoming: Arc<M::Cell<Pipe>>,
    outgoing: Arc<M::Cell<Pipe>>,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The writer is done: end of stream once `bytes` is empty.
    finished: bool,
    /// The reader is gone: writing is pointless.
    unread: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// To be woken once the pipe is let go: a waker is foreign code.
    woken: Option<Waker>,
    /// Replaced, to be dropped once the pipe is let go: that may drop a task, and with it an end of
    /// this pipe.
    stale: Option<Waker>,
}

impl Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if self.reset {
            let error = Error::new(ErrorKind::ConnectionReset, "the flow was aborted").in_phase(Phase::Read);
            return Poll::Ready(Err(error));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.bytes.is_empty() {
            if self.finished {
                return Poll::Ready(Ok(0));
            }
            self.stale = set(&mut self.reader, cx);
            return Poll::Pending;
        }
        let mut taken = 0;
        // The bytes wrap around at most once.
        for _ in 0..2 {
            let chunk = self.bytes.as_slices().0;
            let n = chunk.len().min(buf.len() - taken);
            buf[taken..taken + n].copy_from_slice(&chunk[..n]);
            self.bytes.drain(..n);
            taken += n;
        }
        self.woken = self.writer.take();
        Poll::Ready(Ok(taken))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let fault = |kind, reason| Poll::Ready(Err(Error::new(kind, reason).in_phase(Phase::Write)));
        if self.reset {
            return fault(ErrorKind::ConnectionReset, "the flow was aborted");
        }
        if self.finished {
            return fault(ErrorKind::BrokenPipe, "the writing side was shut down");
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        if self.unread {
            return fault(ErrorKind::BrokenPipe, "the peer is gone");
        }
        let mut taken = 0;
        for buf in bufs {
            let n = buf.len().min(self.capacity - self.bytes.len());
            self.bytes.extend(&buf[..n]);
            taken += n;
        }
        if taken == 0 {
            self.stale = set(&mut self.writer, cx);
            return Poll::Pending;
        }
        self.woken = self.reader.take();
        Poll::Ready(Ok(taken))
    }
}

/// Gives back the waker that was replaced.
fn set(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

/// Polls a pipe, or tries again at once if the other end has it, on another thread, just now.
fn poll<M: Mode, T>(
    pipe: &M::Cell<Pipe>,
    cx: &mut Context<'_>,
    f: impl FnOnce(&mut Pipe, &mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    match pipe.try_with(|pipe| (f(pipe, cx), pipe.woken.take(), pipe.stale.take())) {
        Some((poll, woken, stale)) => {
            drop(stale);
            woken.into_iter().for_each(Waker::wake);
            poll
        }
        None => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

/// For what cannot wait: the end of an end. The other end holds the pipe for a copy at most.
fn now<M: Mode>(pipe: &M::Cell<Pipe>, change: impl Fn(&mut Pipe)) {
    loop {
        let woken = pipe.try_with(|pipe| {
            change(pipe);
            [pipe.reader.take(), pipe.writer.take()]
        });
        match woken {
            Some(woken) => return woken.into_iter().flatten().for_each(Waker::wake),
            None => core::hint::spin_loop(),
        }
    }
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
        now::<M>(&self.outgoing, |pipe| pipe.finished = true);
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
            now::<M>(pipe, |pipe| pipe.reset = true);
        }
    }
}

crate::read_write!(for[M: Mode] Memory<M>);

impl<M: Mode> Drop for Memory<M> {
    fn drop(&mut self) {
        now::<M>(&self.outgoing, |pipe| pipe.finished = true);
        now::<M>(&self.incoming, |pipe| pipe.unread = true);
    }
}

impl<M: Mode> fmt::Debug for Memory<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
