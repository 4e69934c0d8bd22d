//! Flows of a runtime's streams.
//!
//! ```text
//!   FromTokio<T> = StreamFlow<T, Tokio>        FromFutures<T> = StreamFlow<T, Smol>
//!        │ Flow: Ends keeps the promises; a drop discards unread input of sockets
//!        ▼
//!   PollStream<T> for Tokio, for Smol:   their names for read, write, flush, close
//!
//!   flow ─► ToTokio ─► TLS of another crate ─► FromTokio::with_inner(tls, way to the flow)
//!             ▲                                  │ inner()
//!             └────────── attributes ────────────┘
//! ```

use std::any::{Any, type_name};
use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mimic_core::adapter::AttributeRequest;
use mimic_core::keys::{LocalAddr, PeerAddr};
use mimic_core::{Error, Flow};
use scopeguard::{ScopeGuard, guard};
use socket2::SockRef;

use crate::{Ends, discard_unread, with_io_slices};

/// Polls streams of type `T` by the I/O traits of a runtime. An adapter implements it for a type of
/// its own, for every `T` with those traits.
#[allow(missing_docs, reason = "each method is that of the runtime's trait with this name")]
pub trait PollStream<T>: 'static {
    fn poll_read(io: Pin<&mut T>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    fn poll_write(io: Pin<&mut T>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    fn poll_write_vectored(io: Pin<&mut T>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    fn poll_flush(io: Pin<&mut T>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, then closes the writing side.
    fn poll_close(io: Pin<&mut T>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns whether a vectored write takes more than one slice. True for a runtime that cannot
    /// say: most of its streams do.
    fn is_write_vectored(_io: &T) -> bool {
        true
    }

    /// Returns the socket, if `io` is one of the runtime's own. One type of flow serves sockets and
    /// all other streams.
    fn socket(io: &dyn Any) -> Option<SockRef<'_>>;

    /// Returns the flow inside `io`, if `io` is the adapter's own stream of a boxed flow.
    fn inner(io: &dyn Any) -> Option<&dyn Flow>;
}

/// A flow over a stream of a runtime `P`: over a socket, or over any type that the runtime can read
/// and write. Allocates nothing, and passes vectored writes on.
///
/// Over a TCP socket it has the attributes [`PeerAddr`] and [`LocalAddr`]. Over a stream that was
/// made of a flow it has the attributes of that flow; see [`with_inner`](StreamFlow::with_inner).
///
/// # Drop
/// - Bytes that were flushed arrive, also at a peer that reads late. There are two exceptions:
///   bytes from the peer arrive after the drop, or more than 256 KiB of them lie unread. Then the
///   system may reset the connection. [`FlowExt::close`](mimic_core::FlowExt::close) waits for the
///   peer and loses nothing.
/// - To that end a drop discards the input that has arrived at the socket, in at most 64 reads of
///   4 KiB. The peer cannot tell that its bytes were not read. [`abort`](Flow::abort) tells it: a
///   drop after it resets a TCP connection (on Unix sockets it resets nothing). So does a drop
///   during a panic over unread bytes.
/// - A socket that is shared with another descriptor or process loses its input for those, too.
///   [`into_inner`](StreamFlow::into_inner) takes it out and leaves its input.
/// - A stream of another type, a TLS stream or a split half for instance, is dropped and nothing
///   more: a socket below may be reset over unread input.
pub struct StreamFlow<T, P> {
    /// [`close`] runs when it is dropped.
    io: ScopeGuard<T, fn(T)>,
    ends: Ends,
    inner: fn(&T) -> Option<&dyn Flow>,
    runtime: PhantomData<P>,
}

impl<T: 'static, P: PollStream<T>> StreamFlow<T, P> {
    /// Makes a flow over `io`.
    ///
    /// The attributes of a boxed flow below are found if `io` is the adapter's own stream of it.
    pub fn new(io: T) -> Self {
        Self::with_inner(io, |io| P::inner(io))
    }

    /// Makes a flow over a stream that was made of a flow, such as a TLS stream of another crate.
    /// `inner` leads to that flow: its attributes become attributes of this one.
    pub fn with_inner(io: T, inner: fn(&T) -> Option<&dyn Flow>) -> Self {
        Self { io: guard(io, close::<T, P>), ends: Ends::default(), inner, runtime: PhantomData }
    }
}

impl<T, P> StreamFlow<T, P> {
    /// Returns the stream.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Returns the stream, to change it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Returns the stream by value. Nothing is lost: the flow has no buffer, and discards nothing.
    pub fn into_inner(self) -> T {
        ScopeGuard::into_inner(self.io)
    }
}

/// Closes a socket so that input that has arrived does not reset the connection, unless the thread
/// panics.
fn close<T: 'static, P: PollStream<T>>(io: T) {
    if let Some(socket) = P::socket(&io) {
        discard_unread(&socket);
    }
}

impl<T: 'static, P: PollStream<T>> From<T> for StreamFlow<T, P> {
    fn from(io: T) -> Self {
        Self::new(io)
    }
}

impl<T: Unpin + 'static, P: PollStream<T>> Flow for StreamFlow<T, P> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let Self { io, ends, .. } = self;
        ends.read(buf, |buf| P::poll_read(Pin::new(&mut **io), cx, buf))
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let Self { io, ends, .. } = self;
        ends.write(&[buf], || P::poll_write(Pin::new(&mut **io), cx, buf))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { io, ends, .. } = self;
        ends.flush(|| P::poll_flush(Pin::new(&mut **io), cx))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { io, ends, .. } = self;
        ends.shutdown(|| P::poll_close(Pin::new(&mut **io), cx))
    }

    #[inline]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let Self { io, ends, .. } = self;
        ends.write(bufs, || with_io_slices(bufs, |slices| P::poll_write_vectored(Pin::new(&mut **io), cx, slices)))
    }

    fn is_write_vectored(&self) -> bool {
        P::is_write_vectored(&self.io)
    }

    fn abort(&mut self) {
        if let Some(socket) = P::socket(&*self.io) {
            // A socket that takes no options is already closed.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        self.ends.abort();
    }

    fn inner(&self) -> Option<&dyn Flow> {
        (self.inner)(&self.io)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Some(socket) = P::socket(&*self.io) {
            request
                .provide_value(PeerAddr, || socket.peer_addr().ok()?.as_socket())
                .provide_value(LocalAddr, || socket.local_addr().ok()?.as_socket());
        }
    }
}

mimic_core::read_write!(for[T: Unpin + 'static, P: PollStream<T>] StreamFlow<T, P>);

impl<T, P> fmt::Debug for StreamFlow<T, P> {
    /// Prints the type of the stream: streams need no `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFlow").field("io", &type_name::<T>()).field("ends", &self.ends).finish_non_exhaustive()
    }
}
