//! Flows of tokio's streams, and tokio's streams of flows.

use std::any::Any;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mimic_core::{AttributeRequest, Error, Flow, LocalAddr, PeerAddr};
use mimic_std::{Ends, discard_unread, with_byte_slices, with_io_slices};
use scopeguard::{ScopeGuard, guard};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

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
///   too. Take it out by [`into_inner`](FromTokio::into_inner) first, which leaves its input alone.
pub type TcpFlow = FromTokio<TcpStream>;

/// A flow over a Unix socket, connected or accepted.
///
/// A drop does as that of [`TcpFlow`], but [`abort`](Flow::abort) resets nothing. A socket that is
/// shared loses what has arrived here, too.
#[cfg(unix)]
pub type UnixFlow = FromTokio<UnixStream>;

/// A flow over anything that tokio can read and write. Allocates nothing, and passes vectored
/// writes on.
///
/// A drop drops the stream. Before that it discards the unread input of tokio's own TCP and Unix
/// sockets ([`TcpFlow`]); that of other types, a TLS stream or a split half for instance, stays
/// theirs, and a socket below may be reset over it.
#[derive(Debug)]
pub struct FromTokio<T> {
    /// Closed by [`close`] when it is dropped.
    io: ScopeGuard<T, fn(T)>,
    ends: Ends,
}

impl<T: 'static> FromTokio<T> {
    /// A flow over `io`.
    ///
    /// A socket that is shared with another descriptor or process loses what has arrived when the
    /// flow is dropped; see [`TcpFlow`].
    pub fn new(io: T) -> Self {
        Self { io: guard(io, close), ends: Ends::default() }
    }
}

impl<T> FromTokio<T> {
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

/// The TCP socket, if `io` is one. Decided here, so that one type serves sockets and everything
/// else.
fn tcp(io: &dyn Any) -> Option<SockRef<'_>> {
    io.downcast_ref::<TcpStream>().map(SockRef::from)
}

/// Closes a socket so that nothing that has come there resets the connection, unless the thread
/// panics.
fn close<T: 'static>(io: T) {
    let socket = tcp(&io);
    #[cfg(unix)]
    let socket = socket.or_else(|| (&io as &dyn Any).downcast_ref::<UnixStream>().map(SockRef::from));
    if let Some(socket) = socket {
        discard_unread(&socket);
    }
}

impl<T: 'static> From<T> for FromTokio<T> {
    fn from(io: T) -> Self {
        Self::new(io)
    }
}

impl<T> Flow for FromTokio<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Debug + 'static,
{
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let Self { io, ends } = self;
        ends.read(buf, |buf| {
            let mut buf = ReadBuf::new(buf);
            ready!(Pin::new(&mut **io).poll_read(cx, &mut buf))?;
            Poll::Ready(Ok(buf.filled().len()))
        })
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
        ends.shutdown(|| Pin::new(&mut **io).poll_shutdown(cx))
    }

    #[inline]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        let Self { io, ends } = self;
        ends.write(bufs, || with_io_slices(bufs, |slices| Pin::new(&mut **io).poll_write_vectored(cx, slices)))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn abort(&mut self) {
        if let Some(socket) = tcp(&*self.io) {
            // A socket that takes no options is past aborting.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        self.ends.abort();
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Some(socket) = tcp(&*self.io) {
            request
                .provide_value(PeerAddr, || socket.peer_addr().ok()?.as_socket())
                .provide_value(LocalAddr, || socket.local_addr().ok()?.as_socket());
        }
    }
}

/// What tokio can read and write, over a flow. Allocates nothing, and passes vectored writes on.
///
/// Errors are [`mimic_core::Error`]s inside [`std::io::Error`]s, and convert back to what they
/// were.
#[derive(Debug)]
pub struct ToTokio<F> {
    flow: F,
}

impl<F: Flow> ToTokio<F> {
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
impl<F> Unpin for ToTokio<F> {}

impl<F: Flow> AsyncRead for ToTokio<F> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buf.initialize_unfilled();
        let count = ready!(self.flow.poll_read(cx, room))?.min(room.len());
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow> AsyncWrite for ToTokio<F> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.flow.poll_write(cx, buf).map_err(Into::into)
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.poll_flush(cx).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    fn is_write_vectored(&self) -> bool {
        self.flow.is_write_vectored()
    }
}
