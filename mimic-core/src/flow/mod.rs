//! Flows: one object-safe byte stream over any transport.
//!
//! ```text
//! client      flow.write_all(b"ping\n").await    embedded_io_async, FlowExt
//!               │ poll_write
//! Box<dyn Flow + Send>
//! TLS layer     │ inner()   a flow over a flow: polls it, names it for attributes
//! TCP flow      │           read: one waker   write, flush, shutdown: another waker
//!               ▼
//! socket
//! ```
//!
//! A read that waits, step by step: the reader's task calls `poll_read`. Each layer passes the
//! task's waker down. The TCP flow registers the waker and returns `Pending`. Nothing was consumed,
//! so the task may drop its read here. When bytes arrive, the waker runs the task, and it calls
//! `poll_read` again.

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

/// Reads and writes a bidirectional stream of bytes, by polling.
///
/// Clients rarely name this trait: they read and write through [`embedded_io_async::Read`] and
/// [`Write`](embedded_io_async::Write), which every flow implements, and use [`FlowExt`] for the
/// rest. Authors of transports and layers implement it, and [`read_write!`](crate::read_write).
///
/// It polls and has no async methods. An async read would be a future that holds what it has read
/// so far. To be cancel-safe, a boxed flow would have to keep that future until the next call, and
/// to allocate it. A polled flow keeps nothing between two calls, so any call may be the last.
///
/// The rules:
///
/// - **Wakers.** A method that returns `Pending` wakes the task of its last call when it can go on.
///   `poll_read` keeps one waker; `poll_write`, `poll_flush` and `poll_shutdown` share another, so
///   that a reader and a writer may wait in two tasks. A layer whose read must write below uses
///   [`DuplexWaker`](crate::io::DuplexWaker).
/// - **Cancellation.** `Pending` means that no byte was taken and none was lost. The caller may
///   stop polling at any time.
/// - **Errors** are final for their direction unless the flow documents otherwise.
/// - **Drop** closes at once, without waiting; the table below says what that may lose.
///   [`FlowExt::close`] is orderly. A layer may call `poll_read` of the flow below when it is
///   dropped: outside of any task or runtime, with a waker that wakes nothing. It does not do so
///   while the thread panics.
/// - **Panics**: none.
///
/// A socket may lose flushed bytes too; the next section says when.
///
/// | dropped | what may be lost |
/// |---|---|
/// | at any time | Bytes not flushed, and unread input. On a socket also flushed bytes. |
/// | after [`shutdown`](FlowExt::shutdown) | Unread input. On a socket also flushed bytes. |
/// | after [`close`](FlowExt::close) has succeeded | Nothing, if the peer reads to the end. |
///
/// # Flushed bytes and drops
/// A system resets a TCP connection whose socket is closed over unread input, or that gets input
/// after the close (RFC 1122, section 4.2.2.13; RFC 2525, section 2.17). A reset destroys the bytes
/// that the system still had to send. It may destroy bytes that have arrived at the peer and are
/// unread there. So TLS flows and the sockets of hosted adapters discard the input that has arrived
/// when they are dropped, without waiting:
///
/// - Flushed bytes arrive, also at a peer that reads late, with two exceptions. Bytes from the peer
///   arrive after the drop; a protocol may send without being asked, as TLS 1.3 does with session
///   tickets. Or more than 256 KiB from the peer lie unread (64 reads of 4 KiB; 32 KiB for TLS
///   without `std`).
/// - A bridge over a stream of another type discards nothing: any unread byte may reset.
/// - The peer cannot tell that its bytes were not read. [`abort`](Flow::abort) tells it by a reset.
///   So does a drop during a panic, which discards nothing.
/// - [`close`](FlowExt::close) waits for the peer and loses nothing. It reads until the peer closes
///   too, and a peer closes when it has read everything.
pub trait Flow: AsAny + fmt::Debug {
    /// Reads at least one byte into `buf` and returns the number of bytes.
    ///
    /// Waits until a byte is there. `Ok(0)` is end of stream (the peer shut down its writing side),
    /// also on every later call. An empty `buf` gets `Ok(0)` at once.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>>;

    /// Takes at least one byte of `buf` and returns the number of bytes. Only an empty `buf` gets
    /// `Ok(0)`, at once.
    ///
    /// Bytes that were taken may wait in a buffer until [`poll_flush`](Flow::poll_flush). After
    /// [`poll_shutdown`](Flow::poll_shutdown) a write is an error of kind
    /// [`BrokenPipe`](ErrorKind::BrokenPipe). That of an empty `buf` may succeed.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>>;

    /// Hands every byte that was taken to the transport, and waits until that is done. It does not
    /// wait until the peer has them.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Flushes, then closes the writing side: the peer reads end of stream. Reading goes on. A
    /// second shutdown is `Ok`.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

    /// Writes as [`poll_write`](Flow::poll_write) does, from several slices in order. The count is
    /// over all of them.
    ///
    /// Unless overridden it writes the first slice that is not empty.
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let first = bufs.iter().find(|buf| !buf.is_empty()).copied().unwrap_or_default();
        self.poll_write(cx, first)
    }

    /// Returns whether [`poll_write_vectored`](Flow::poll_write_vectored) writes more than one
    /// slice at a time.
    fn is_write_vectored(&self) -> bool {
        false
    }

    /// Makes the coming drop abortive: unsent bytes are discarded, and the peer gets a reset if the
    /// transport has one. Later reads and writes are errors or end of stream.
    ///
    /// Unless overridden it aborts nothing.
    fn abort(&mut self) {}

    /// Returns the flow that this one is a layer over.
    fn inner(&self) -> Option<&dyn Flow> {
        None
    }

    /// Provides the attributes of this flow alone; see [`FlowExt::attribute`].
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let _ = request;
    }
}

/// Converts to `Any`, for the downcasts of boxed flows.
///
/// `Any` as a supertrait would make every flow `'static`. The compiler would have to prove that of
/// lifetimes that it has erased, and no future that holds a boxed flow could be spawned.
#[doc(hidden)]
pub trait AsAny {
    fn as_any(&self) -> &dyn Any
    where
        Self: 'static;
    fn as_any_mut(&mut self) -> &mut dyn Any
    where
        Self: 'static;
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

/// Has the methods of every flow, in async form.
pub trait FlowExt: Flow {
    /// Returns the attribute `key` (peer address, ALPN, …). Asks from the topmost layer downwards:
    /// the first layer that has an answer decides.
    fn attribute<K: Key>(&self, key: K) -> Option<K::Value> {
        let mut slot: Option<K::Value> = None;
        let mut request = AttributeRequest::new(&key, &mut slot);
        self.provide(&mut request);
        provide_from(self.inner(), &mut request);
        slot
    }

    /// Boxes the flow, as `Box<dyn Flow + Send>`: the flow of [`Shared`](crate::Shared).
    fn boxed<'a>(self) -> Box<dyn Flow + Send + 'a>
    where
        Self: Sized + Send + 'a,
    {
        Box::new(self)
    }

    /// Boxes the flow, as `Box<dyn Flow>`: the flow of [`Local`](crate::Local).
    fn boxed_local<'a>(self) -> Box<dyn Flow + 'a>
    where
        Self: Sized + 'a,
    {
        Box::new(self)
    }

    /// Closes the writing side; see [`Flow::poll_shutdown`]. Cancel-safe: a later call goes on.
    fn shutdown(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_shutdown(cx))
    }

    /// Writes from several slices at once; see [`Flow::poll_write_vectored`]. Cancel-safe.
    fn write_vectored(&mut self, bufs: &[&[u8]]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_write_vectored(cx, bufs))
    }

    /// Closes in order: shuts down writing, then reads and drops the peer's bytes until the peer
    /// closes too.
    ///
    /// The peer has read everything when it closes, so nothing is lost. A program that sends ends
    /// by this. A drop destroys the bytes that the peer has not read yet, if the peer sends more
    /// (see [`Flow`]).
    ///
    /// It waits as long as the peer does: bound it with [`timeout`](crate::timeout). An error which
    /// says that the peer is gone is not reported. To learn that every byte was handed to the
    /// transport, flush first.
    fn close(mut self) -> impl Future<Output = Result<(), Error>>
    where
        Self: Sized,
    {
        async move {
            let shut = self.shutdown().await;
            let closed = match shut {
                Ok(()) => poll_fn(|cx| poll_to_end(&mut self, cx)).await,
                Err(error) => Err(error),
            };
            closed.or_else(gone)
        }
    }
}

/// Asks each layer from `next` downwards until one has answered.
pub(crate) fn provide_from(mut next: Option<&dyn Flow>, request: &mut AttributeRequest<'_>) {
    while let Some(flow) = next.filter(|_| !request.is_answered()) {
        flow.provide(request);
        next = flow.inner();
    }
}

/// Reads and drops bytes until end of stream.
fn poll_to_end(flow: &mut dyn Flow, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    let mut scratch = [0; 256];
    // A peer that sends without end must not keep the task from its timeout.
    for _ in 0..64 {
        if ready!(flow.poll_read(cx, &mut scratch))? == 0 {
            return Poll::Ready(Ok(()));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
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

/// Writes the methods of a wrapper that take `&mut self`, to those of `$below`.
macro_rules! forward_mut {
    ($self:ident => $below:expr) => {
        fn poll_read(&mut $self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
            $below.poll_read(cx, buf)
        }

        fn poll_write(&mut $self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
            $below.poll_write(cx, buf)
        }

        fn poll_flush(&mut $self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            $below.poll_flush(cx)
        }

        fn poll_shutdown(&mut $self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            $below.poll_shutdown(cx)
        }

        fn poll_write_vectored(&mut $self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
            $below.poll_write_vectored(cx, bufs)
        }

        fn abort(&mut $self) {
            $below.abort();
        }
    };
}
#[cfg(target_has_atomic = "ptr")]
pub(crate) use forward_mut;

#[deny(clippy::missing_trait_methods)]
impl<F: Flow + ?Sized> Flow for Box<F> {
    forward_mut!(self => (**self));

    fn is_write_vectored(&self) -> bool {
        (**self).is_write_vectored()
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
            /// Returns the concrete flow if it is a `T`. Looks at the topmost layer only; see
            /// [`Flow::inner`].
            pub fn downcast_ref<T: Flow + 'static>(&self) -> Option<&T> {
                self.as_any().downcast_ref()
            }

            /// Returns the concrete flow if it is a `T`, to change it.
            pub fn downcast_mut<T: Flow + 'static>(&mut self) -> Option<&mut T> {
                self.as_any_mut().downcast_mut()
            }

            /// Takes the concrete flow out of its box.
            ///
            /// # Errors
            /// The box itself, unchanged, if the flow is of another type.
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
