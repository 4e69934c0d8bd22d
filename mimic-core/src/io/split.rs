//! Reading and writing one flow from two places at once.

use core::fmt;
use core::future::poll_fn;
use core::ops::Deref;
use core::task::{Context, Poll};

use embedded_io_async::{ErrorType, Read, Write};

use crate::sync::Arc;
use crate::{Cell, Error, Flow, Mode};

/// A flow about to be split: borrowed halves live as long as it does, owned halves share it.
///
/// In `Shared`, a half that finds the flow in use by the other, on another thread, polls again at
/// once. So poll both at the same priority: a half that always runs first (an interrupt executor, a
/// real-time thread) would wait for ever for one that never gets to run.
///
/// ```
/// use embedded_io_async::{Read, Write};
/// use mimic_core::{Error, Mode, Split};
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
    /// Takes a flow to split. Allocates nothing.
    pub fn new(flow: F) -> Self {
        Self(M::Cell::new(flow))
    }

    /// Two halves that borrow the flow. Allocates nothing.
    pub fn halves(&mut self) -> (ReadHalf<&Self>, WriteHalf<&Self>) {
        (ReadHalf(&*self), WriteHalf(&*self))
    }

    /// Two halves that share the flow, to move into tasks of their own; the flow is dropped with
    /// the second. Allocates once.
    pub fn into_halves(self) -> (OwnedReadHalf<F, M>, OwnedWriteHalf<F, M>) {
        let shared = SplitRef(Arc::new(self));
        (ReadHalf(shared.clone()), WriteHalf(shared))
    }

    /// The flow in one piece again.
    pub fn into_inner(self) -> F {
        self.0.into_inner()
    }
}

impl<F: fmt::Debug, M: Mode> fmt::Debug for Split<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .try_with(|flow| f.debug_tuple("Split").field(flow).finish())
            .unwrap_or_else(|| f.write_str("Split(in use)"))
    }
}

/// What owned halves hold.
pub struct SplitRef<F, M: Mode>(Arc<Split<F, M>>);

impl<F, M: Mode> Clone for SplitRef<F, M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F, M: Mode> Deref for SplitRef<F, M> {
    type Target = Split<F, M>;

    fn deref(&self) -> &Split<F, M> {
        &self.0
    }
}

impl<F: fmt::Debug, M: Mode> fmt::Debug for SplitRef<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Exclusive access for the length of one poll. Whoever finds the flow in use by the other half, on
/// another thread, polls again at once: the other is not waiting, only working.
trait Halves {
    fn poll<T>(&self, cx: &mut Context<'_>, f: impl FnOnce(&mut dyn Flow, &mut Context<'_>) -> Poll<T>) -> Poll<T>;
}

impl<F: Flow, M: Mode> Halves for Split<F, M> {
    fn poll<T>(&self, cx: &mut Context<'_>, f: impl FnOnce(&mut dyn Flow, &mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.0.try_with(|flow| f(flow, cx)).unwrap_or_else(|| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

/// The reading half of a [`Split`].
#[derive(Debug)]
pub struct ReadHalf<S>(S);

/// The writing half of a [`Split`].
#[derive(Debug)]
pub struct WriteHalf<S>(S);

/// A [`ReadHalf`] that can be moved into a task of its own.
pub type OwnedReadHalf<F, M> = ReadHalf<SplitRef<F, M>>;

/// A [`WriteHalf`] that can be moved into a task of its own.
pub type OwnedWriteHalf<F, M> = WriteHalf<SplitRef<F, M>>;

impl<F: Flow, M: Mode> OwnedReadHalf<F, M> {
    /// Puts two owned halves together again.
    ///
    /// # Errors
    /// Both halves, unchanged, if they are not of one flow.
    pub fn reunite(self, writer: OwnedWriteHalf<F, M>) -> Result<F, (Self, OwnedWriteHalf<F, M>)> {
        if !Arc::ptr_eq(&self.0.0, &writer.0.0) {
            return Err((self, writer));
        }
        drop(writer);
        // The other half is gone, and halves cannot be cloned.
        Arc::try_unwrap(self.0.0).map(Split::into_inner).map_err(|_| unreachable!("two halves share a flow"))
    }
}

#[allow(private_bounds, reason = "halves are of `Split` alone")]
impl<H: Halves, S: Deref<Target = H>> ReadHalf<S> {
    /// As [`Flow::poll_read`].
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_read(cx, buf))
    }
}

#[allow(private_bounds, reason = "halves are of `Split` alone")]
impl<H: Halves, S: Deref<Target = H>> WriteHalf<S> {
    /// As [`Flow::poll_write`].
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_write(cx, buf))
    }

    /// As [`Flow::poll_write_vectored`].
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_write_vectored(cx, bufs))
    }

    /// As [`Flow::poll_flush`].
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll(cx, |flow, cx| flow.poll_flush(cx))
    }

    /// As [`Flow::poll_shutdown`].
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

impl<H: Halves, S: Deref<Target = H>> Read for ReadHalf<S> {
    crate::read_write!(@read);
}

impl<H: Halves, S: Deref<Target = H>> Write for WriteHalf<S> {
    crate::read_write!(@write);
}
