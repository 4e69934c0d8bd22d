//! Flows of futures-io's streams, and futures-io's streams of flows.

use std::any::Any;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};
use mimic_core::{AttributeRequest, Error, Flow, LocalAddr, PeerAddr};
use mimic_std::{Ends, discard_unread, with_byte_slices, with_io_slices};
use scopeguard::{ScopeGuard, guard};
use socket2::SockRef;

/// A flow over a TCP socket, connected or accepted; `TcpFlow::from(socket)` takes the socket as it
/// is set.
///
/// It answers the attributes [`PeerAddr`] and [`LocalAddr`].
///
/// # Drop
/// - Bytes that were flushed arrive, also at a peer that reads late. There are two exceptions:
///   bytes from the peer arrive after the drop, or more than 256 KiB of them lie unread. Then the
///   system may reset the connection. [`FlowExt::close`](mimic_core::FlowExt::close) waits for the
///   peer and loses nothing.
/// - To that end a drop discards what has arrived, in at most 64 reads of 4 KiB. The peer cannot
///   tell that its bytes were not read; [`abort`](Flow::abort) says so: a drop after it resets the
///   connection. So does a drop during a panic over unread bytes.
/// - A socket that is shared with another descriptor or process loses what has arrived for those,
///   too. Take it out by [`into_inner`](FromFutures::into_inner) first, which leaves its input
///   alone.
pub type TcpFlow = FromFutures<Async<TcpStream>>;

/// A flow over a Unix socket, connected or accepted.
///
/// A drop does as that of [`TcpFlow`], but [`abort`](Flow::abort) resets nothing. A socket that is
/// shared loses what has arrived here, too.
#[cfg(unix)]
pub type UnixFlow = FromFutures<Async<UnixStream>>;

/// A flow over anything that futures-io can read and write. Allocates nothing, and passes vectored
/// writes on.
///
/// Half-close is what the stream's `poll_close` makes of it. Sockets of async-io and smol close
/// their writing side; those of async-std only flush, and their peers read end of stream when the
/// flow is dropped: have mimic connect and accept there, which gives a [`TcpFlow`].
///
/// A drop drops the stream. Before that it discards the unread input of async-io's own TCP and Unix
/// sockets ([`TcpFlow`]); that of other types, those of async-std for instance, stays theirs, and a
/// socket below may be reset over it.
#[derive(Debug)]
pub struct FromFutures<T> {
    /// Closed by [`close`] when it is dropped.
    io: ScopeGuard<T, fn(T)>,
    ends: Ends,
}

impl<T: 'static> FromFutures<T> {
    /// A flow over `io`.
    ///
    /// A socket that is shared with another descriptor or process loses what has arrived when the
    /// flow is dropped; see [`TcpFlow`].
    pub fn new(io: T) -> Self {
        Self { io: guard(io, close), ends: Ends::default() }
    }
}

impl<T> FromFutures<T> {
    /// What it is over.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// What it is over, to change it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// What it was over. Nothing is lost: the flow has no buffer, and discards nothing.
    pub fn into_inner(self) -> T {
        ScopeGuard::into_inner(self.io)
    }
}

impl<T: 'static> From<T> for FromFutures<T> {
    fn from(io: T) -> Self {
        Self::new(io)
    }
}

/// The socket of async-io, if `io` is one: async-io has no trait for what sockets alone can do.
/// Decided here, so that one type serves sockets and everything else.
fn socket(io: &dyn Any) -> Option<SockRef<'_>> {
    #[cfg(unix)]
    if let Some(unix) = io.downcast_ref::<Async<UnixStream>>() {
        return Some(unix.into());
    }
    io.downcast_ref::<Async<TcpStream>>().map(SockRef::from)
}

/// Closes a socket so that nothing that has come there resets the connection, unless the thread
/// panics.
fn close<T: 'static>(io: T) {
    if let Some(socket) = socket(&io) {
        discard_unread(&socket);
    }
}

impl<T> Flow for FromFutures<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Debug + 'static,
{
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let Self { io, ends } = self;
        ends.read(buf, |buf| Pin::new(&mut **io).poll_read(cx, buf))
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let Self { io, ends } = self;
        ends.write(&[buf], || Pin::new(&mut **io).poll_write(cx, buf))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { io, ends } = self;
        ends.flush(|| Pin::new(&mut **io).poll_flush(cx))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { io, ends } = self;
        ends.shutdown(|| match socket(&**io) {
            // `Async::poll_close` only flushes. A connection that is gone already is closed.
            Some(socket) => Poll::Ready(match socket.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                result => result,
            }),
            None => Pin::new(&mut **io).poll_close(cx),
        })
    }

    #[inline]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let Self { io, ends } = self;
        ends.write(bufs, || with_io_slices(bufs, |slices| Pin::new(&mut **io).poll_write_vectored(cx, slices)))
    }

    /// True: futures-io cannot say, and most of its streams do.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn abort(&mut self) {
        if let Some(socket) = socket(&*self.io) {
            // A socket that takes no options is past aborting.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        self.ends.abort();
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Some(socket) = socket(&*self.io) {
            request
                .provide_value(PeerAddr, || socket.peer_addr().ok()?.as_socket())
                .provide_value(LocalAddr, || socket.local_addr().ok()?.as_socket());
        }
    }
}

/// What futures-io can read and write, over a flow. Allocates nothing, and passes vectored writes
/// on.
///
/// Errors are [`mimic_core::Error`]s inside [`std::io::Error`]s, and convert back to what they
/// were.
#[derive(Debug)]
pub struct ToFutures<F> {
    flow: F,
}

impl<F: Flow> ToFutures<F> {
    /// A stream over `flow`.
    pub fn new(flow: F) -> Self {
        Self { flow }
    }

    /// The flow.
    pub fn get_ref(&self) -> &F {
        &self.flow
    }

    /// The flow, to change it.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.flow
    }

    /// The flow. Nothing is lost: the stream has no buffer.
    pub fn into_inner(self) -> F {
        self.flow
    }
}

// Flows are polled by `&mut`, so the flow inside is never pinned.
impl<F> Unpin for ToFutures<F> {}

impl<F: Flow> AsyncRead for ToFutures<F> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.flow.poll_read(cx, buf).map_err(Into::into)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow> AsyncWrite for ToFutures<F> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.flow.poll_write(cx, buf).map_err(Into::into)
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.poll_flush(cx).map_err(Into::into)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.poll_shutdown(cx).map_err(Into::into)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_byte_slices(slices, |bufs| self.flow.poll_write_vectored(cx, bufs)).map_err(Into::into)
    }
}
