//! The flow: one object-safe byte stream, whatever carries the bytes.

mod attributes;
mod read_write;

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use embedded_io_async::ErrorKind;

pub use self::attributes::AttributeRequest;
#[doc(hidden)]
pub use self::read_write::poll_write_all;
use crate::{Error, Key};

/// A bidirectional byte stream, polled.
///
/// Clients rarely name this trait: they read and write through [`embedded_io_async::Read`] and
/// [`Write`](embedded_io_async::Write), which the boxed flows implement, and use [`FlowExt`] for
/// the rest. Authors of transports and layers implement it. The rules:
///
/// - **Wakers.** A method that returns `Pending` wakes the task of its last call when it can go on.
///   `poll_read` keeps one waker; `poll_write`, `poll_flush` and `poll_shutdown` share another, so
///   that a reader and a writer may wait in two tasks. A layer whose read must write below uses
///   [`DuplexWaker`](crate::DuplexWaker).
/// - **Cancellation.** `Pending` means that nothing was taken and nothing was lost: stop polling
///   whenever you like.
/// - **Errors** are final for their direction unless the flow says otherwise.
/// - **Drop** closes at once, without waiting; the table below says what that may lose.
///   [`FlowExt::close`] is orderly. A layer may call `poll_read` of the flow below when it is
///   dropped: outside of any task or runtime, with a waker that wakes nothing. It does not do so
///   while the thread panics.
/// - **Panics**: none.
///
/// | dropped | what may be lost |
/// |---|---|
/// | at any time | What was written and not flushed, and the input that was not read. On a socket also what was flushed: see below. |
/// | after [`shutdown`](FlowExt::shutdown) | The input that was not read. On a socket also what was flushed: see below. |
/// | after [`close`](FlowExt::close) has succeeded | Nothing that a peer could have got that reads to the end. |
///
/// # Flushed bytes and drops
/// A system resets a TCP connection whose socket is closed over unread input, or that gets input
/// after the close (RFC 1122, section 4.2.2.13; RFC 2525, section 2.17). A reset destroys what the
/// system still had to send, and it may destroy what has arrived at the peer and was not read
/// there. So TLS flows and the sockets of hosted adapters discard what has arrived when they are
/// dropped, without waiting:
///
/// - Flushed bytes arrive, also at a peer that reads late, with two exceptions. Bytes from the peer
///   arrive after the drop; a protocol may send without being asked, as TLS 1.3 does with session
///   tickets. Or more than 256 KiB from the peer lie unread (64 reads of 4 KiB; 32 KiB for TLS
///   without `std`).
/// - Streams of other types, which a bridge makes a flow, may discard nothing: then any unread byte
///   may reset.
/// - The peer cannot tell that its bytes were not read. [`abort`](Flow::abort) says so, and a panic
///   does: nothing is discarded during one.
/// - [`close`](FlowExt::close) waits for the peer and loses nothing. It reads until the peer has
///   closed too, which it does when it has read everything.
pub trait Flow: AsAny + fmt::Debug {
    /// Reads at least one byte into `buf` and says how many.
    ///
    /// Waits until a byte is there. `Ok(0)` is end of stream (the peer shut down its writing side)
    /// and stays so on later calls, or answers an empty `buf`, at once.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>>;

    /// Takes at least one byte of `buf` and says how many; `Ok(0)` only answers an empty `buf`, at
    /// once.
    ///
    /// Bytes that were taken may wait in a buffer until [`poll_flush`](Flow::poll_flush). After
    /// [`poll_shutdown`](Flow::poll_shutdown) it is an error of kind
    /// [`BrokenPipe`](ErrorKind::BrokenPipe), unless `buf` is empty: that may be either.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>>;

    /// Waits until every byte taken has been handed to what carries them (not until the peer has
    /// them).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Flushes, then closes the writing side: the peer reads end of stream. Reading goes on. Again
    /// is `Ok`.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// As [`poll_write`](Flow::poll_write) for several slices, in order, counting over all of them.
    ///
    /// Unless overridden it writes the first slice that is not empty.
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let first = bufs.iter().find(|buf| !buf.is_empty()).copied().unwrap_or_default();
        self.poll_write(cx, first)
    }

    /// Whether [`poll_write_vectored`](Flow::poll_write_vectored) does better than one slice at a
    /// time.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Makes the coming drop abortive: the peer sees a reset, where the transport has one, and
    /// unsent bytes are discarded. Reads and writes after it are errors or end of stream.
    ///
    /// Unless overridden it aborts nothing.
    fn abort(&mut self) {}

    /// The flow that this one is a layer over.
    fn inner(&self) -> Option<&dyn Flow> {
        None
    }

    /// Gives the attributes this flow knows; see [`FlowExt::attribute`].
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let _ = request;
    }
}

/// The way back to the concrete type. Not `Any` itself, whose `'static` the compiler would have to
/// prove of lifetimes it has erased: whatever is generic over a boxed flow, or wraps one, could
/// then not be spawned.
pub trait AsAny {
    #[doc(hidden)]
    fn as_any(&self) -> &dyn Any
    where
        Self: 'static;
    #[doc(hidden)]
    fn as_any_mut(&mut self) -> &mut dyn Any
    where
        Self: 'static;
    #[doc(hidden)]
    fn into_any(self: Box<Self>) -> Box<dyn Any>
    where
        Self: 'static;
}

impl<T> AsAny for T {
    fn as_any(&self) -> &dyn Any
    where
        T: 'static,
    {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any
    where
        T: 'static,
    {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any>
    where
        T: 'static,
    {
        self
    }
}

/// What every flow can do, in async form.
pub trait FlowExt: Flow {
    /// The attribute `key` (peer address, ALPN, …): asked from the top, the first layer that knows
    /// answers.
    fn attribute<K: Key>(&self, key: K) -> Option<K::Value> {
        let mut slot: Option<K::Value> = None;
        let mut request = AttributeRequest::new(&key, &mut slot);
        self.provide(&mut request);
        let mut below = self.inner();
        while let Some(flow) = below {
            if request.is_answered() {
                break;
            }
            flow.provide(&mut request);
            below = flow.inner();
        }
        slot
    }

    /// Closes the writing side; see [`Flow::poll_shutdown`]. Cancel-safe: call it again to go on.
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_shutdown(cx))
    }

    /// Writes from several slices at once; see [`Flow::poll_write_vectored`]. Cancel-safe.
    fn write_vectored(&mut self, bufs: &[&[u8]]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_write_vectored(cx, bufs))
    }

    /// Orderly close: shuts down writing, then reads (and drops) what the peer still sends until it
    /// closes too.
    ///
    /// Loses nothing that the peer could have got: it has read everything when it closes. A program
    /// that sends ends by this; a mere drop destroys what the peer has not read yet if the peer
    /// sends more (see [`Flow`]).
    ///
    /// It waits as long as the peer does: bound it with [`timeout`](crate::timeout). An error that
    /// only says that the peer has already gone is not reported; who must know that all was handed
    /// on flushes first.
    fn close(mut self) -> impl Future<Output = Result<(), Error>>
    where
        Self: Sized,
    {
        let mut shut = false;
        poll_fn(move |cx| {
            if !shut {
                match ready!(self.poll_shutdown(cx)) {
                    Ok(()) => shut = true,
                    Err(error) => return Poll::Ready(gone(error)),
                }
            }
            let mut scratch = [0; 256];
            // A peer that sends without end must not keep the task from its timeout.
            for _ in 0..64 {
                match ready!(self.poll_read(cx, &mut scratch)) {
                    Ok(0) => return Poll::Ready(Ok(())),
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(gone(error)),
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

fn gone(error: Error) -> Result<(), Error> {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
            Ok(())
        }
        _ => Err(error),
    }
}

impl<F: Flow + ?Sized> FlowExt for F {}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow + ?Sized> Flow for Box<F> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        (**self).poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        (**self).poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        (**self).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        (**self).poll_shutdown(cx)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        (**self).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        (**self).is_write_vectored()
    }

    fn abort(&mut self) {
        (**self).abort();
    }

    fn inner(&self) -> Option<&dyn Flow> {
        (**self).inner()
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        (**self).provide(request);
    }
}

macro_rules! for_boxed_flows {
    ($([$flow:ty, $borrowed:ty]),+) => {$(
        impl $flow {
            /// The concrete flow, if it is a `T`. Looks at the topmost layer only; see
            /// [`Flow::inner`].
            pub fn downcast_ref<T: Flow + 'static>(&self) -> Option<&T> {
                self.as_any().downcast_ref()
            }

            /// The concrete flow, if it is a `T`, to change it.
            pub fn downcast_mut<T: Flow + 'static>(&mut self) -> Option<&mut T> {
                self.as_any_mut().downcast_mut()
            }

            /// Takes the concrete flow out of its box.
            ///
            /// # Errors
            /// The box itself, unchanged, if the flow is not a `T`.
            pub fn downcast<T: Flow + 'static>(self: Box<Self>) -> Result<Box<T>, Box<Self>> {
                if (*self).as_any().is::<T>() {
                    Ok(self.into_any().downcast().unwrap_or_else(|_| unreachable!("the type was just checked")))
                } else {
                    Err(self)
                }
            }
        }

        crate::read_write!($borrowed);
    )+};
}

// With the explicit `'_`: without it, spawning a generic async fn over the boxed flow fails with
// "implementation is not general enough".
for_boxed_flows!([dyn Flow, dyn Flow + '_], [dyn Flow + Send, dyn Flow + Send + '_]);
