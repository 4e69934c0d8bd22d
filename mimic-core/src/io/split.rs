//! Halves: reading and writing one flow from two places at once.
//!
//! ```text
//! Split<F, M> ── halves ──────► ReadHalf<&Split>,    WriteHalf<&Split>     one task
//!    │  ▲
//!    │  └─────── reunite ──┐
//!    └────── into_halves ──┴─► ReadHalf<Arc<Split>>, WriteHalf<Arc<Split>> two tasks
//!
//! one poll of a half:  try the cell ─ free ──► poll the flow, with the half's waker
//!                                   └ taken ─► wake the own task, Pending
//! ```
//!
//! A flow keeps one waker for reading and one for writing, so the halves need no queue.

use core::fmt;
use core::future::poll_fn;
use core::ops::Deref;
use core::task::{Context, Poll};

use embedded_io_async::{ErrorType, Read, Write};

use crate::sync::Arc;
use crate::{Cell, Error, Flow, Mode};

/// Holds a flow to split. Borrowed halves live as long as it does, owned halves share it.
///
/// In `Shared`, a half polls again at once if the other half has the flow, on another thread. Poll
/// both at the same priority: a half that preempts the other (an interrupt executor, a real-time
/// thread) would wait for ever.
///
/// ```
/// use embedded_io_async::{Read, Write};
/// use mimic_core::{Error, Mode};
/// use mimic_core::io::Split;
///
/// async fn echo<M: Mode>(flow: M::Flow) -> Result<(), Error> {
///     let mut split = Split::<_, M>::new(flow);
///     let (mut reader, mut writer) = split.halves();
///     let mut buf = [0; 64];
///     loop {
///         match reader.read(&mut buf).await? {
///             0 => return writer.shutdown().await,
///             n => writer.write_all(&buf[..n]).await?,
///         }
///         // What was written may wait in a buffer until then.
///         writer.flush().await?;
///     }
/// }
/// ```
pub struct Split<F, M: Mode>(M::Cell<F>);

impl<F: Flow, M: Mode> Split<F, M> {
    /// Makes a `Split` of a flow. Allocates nothing.
    pub fn new(flow: F) -> Self {
        Self(M::Cell::new(flow))
    }

    /// Returns two halves that borrow the flow. Allocates nothing.
    pub fn halves(&mut self) -> (ReadHalf<&Self>, WriteHalf<&Self>) {
        (ReadHalf(&*self), WriteHalf(&*self))
    }

    /// Returns two halves that share the flow, to be moved into two tasks. The flow is dropped with
    /// the second half. Allocates once.
    pub fn into_halves(self) -> (OwnedReadHalf<F, M>, OwnedWriteHalf<F, M>) {
        let shared = Arc::new(self);
        (ReadHalf(shared.clone()), WriteHalf(shared))
    }

    /// Returns the flow in one piece.
    pub fn into_inner(self) -> F {
        self.0.into_inner()
    }

    /// Polls the flow, exclusively. If the other half is polling it on another thread, polls again
    /// at once: the other half works and does not wait.
    fn poll<T>(&self, cx: &mut Context<'_>, f: impl FnOnce(&mut F, &mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.0.try_with(|flow| f(flow, cx)).unwrap_or_else(|| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

impl<F: fmt::Debug, M: Mode> fmt::Debug for Split<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .try_with(|flow| f.debug_tuple("Split").field(flow).finish())
            .unwrap_or_else(|| f.write_str("Split(in use)"))
    }
}

/// The reading half of a [`Split`].
#[derive(Debug)]
pub struct ReadHalf<S>(S);

/// The writing half of a [`Split`].
#[derive(Debug)]
pub struct WriteHalf<S>(S);

/// A [`ReadHalf`] that shares its flow, to be moved into another task.
pub type OwnedReadHalf<F, M> = ReadHalf<Arc<Split<F, M>>>;

/// A [`WriteHalf`] that shares its flow, to be moved into another task.
pub type OwnedWriteHalf<F, M> = WriteHalf<Arc<Split<F, M>>>;

impl<F: Flow, M: Mode> OwnedReadHalf<F, M> {
    /// Joins two owned halves.
    ///
    /// # Errors
    /// Both halves, unchanged, if they are of different flows.
    pub fn reunite(self, writer: OwnedWriteHalf<F, M>) -> Result<F, (Self, OwnedWriteHalf<F, M>)> {
        if !Arc::ptr_eq(&self.0, &writer.0) {
            return Err((self, writer));
        }
        drop(writer);
        // The other half is dropped, and halves cannot be cloned: this is the last reference.
        Arc::try_unwrap(self.0).map(Split::into_inner).map_err(|_| unreachable!("two halves share a flow"))
    }
}

impl<F: Flow, M: Mode, S: Deref<Target = Split<F, M>>> ReadHalf<S> {
    /// Polls as [`Flow::poll_read`] does.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_read(cx, buf))
    }
}

impl<F: Flow, M: Mode, S: Deref<Target = Split<F, M>>> WriteHalf<S> {
    /// Polls as [`Flow::poll_write`] does.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_write(cx, buf))
    }

    /// Polls as [`Flow::poll_write_vectored`] does.
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_write_vectored(cx, bufs))
    }

    /// Polls as [`Flow::poll_flush`] does.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_flush(cx))
    }

    /// Polls as [`Flow::poll_shutdown`] does.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_shutdown(cx))
    }

    /// Closes the writing side; as [`FlowExt::shutdown`](crate::FlowExt::shutdown). Dropping the
    /// half does not.
    ///
    /// # Errors
    /// Those of the flow.
    pub async fn shutdown(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_shutdown(cx)).await
    }
}

impl<S> ErrorType for ReadHalf<S> {
    type Error = Error;
}

impl<S> ErrorType for WriteHalf<S> {
    type Error = Error;
}

impl<F: Flow, M: Mode, S: Deref<Target = Split<F, M>>> Read for ReadHalf<S> {
    crate::read_write!(@read);
}

impl<F: Flow, M: Mode, S: Deref<Target = Split<F, M>>> Write for WriteHalf<S> {
    crate::read_write!(@write);
}
