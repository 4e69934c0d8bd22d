//! Flows of futures-io's streams, and futures-io's streams of flows. The picture is in mimic-std's
//! `bridge.rs`.

use std::any::Any;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};
use mimic_core::Flow;
use mimic_std::{PollStream, StreamFlow, with_byte_slices};
use socket2::SockRef;

use crate::Smol;

/// A flow over a TCP socket, connected or accepted; `TcpFlow::from(socket)` changes no option of
/// the socket. [`StreamFlow`] says what a drop does.
pub type TcpFlow = FromFutures<Async<TcpStream>>;

/// A flow over a Unix socket, connected or accepted. [`StreamFlow`] says what a drop does.
#[cfg(unix)]
pub type UnixFlow = FromFutures<Async<UnixStream>>;

/// A flow over any type that futures-io can read and write: see [`StreamFlow`].
///
/// Its shutdown is the `poll_close` of the stream. Sockets of async-io and smol close their writing
/// side. Those of async-std only flush, and their peers read end of stream when the flow is
/// dropped: have mimic connect and accept there, which gives a [`TcpFlow`].
pub type FromFutures<T> = StreamFlow<T, Smol>;

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> PollStream<T> for Smol {
    #[inline]
    fn poll_read(io: Pin<&mut T>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        io.poll_read(cx, buf)
    }

    #[inline]
    fn poll_write(io: Pin<&mut T>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        io.poll_write(cx, buf)
    }

    #[inline]
    fn poll_write_vectored(io: Pin<&mut T>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        io.poll_write_vectored(cx, slices)
    }

    #[inline]
    fn poll_flush(io: Pin<&mut T>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io.poll_flush(cx)
    }

    fn poll_close(io: Pin<&mut T>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = <Self as PollStream<T>>::socket(&*io) else { return io.poll_close(cx) };
        // `Async::poll_close` only flushes. A connection that is gone already is closed.
        Poll::Ready(match socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }

    fn socket(io: &dyn Any) -> Option<SockRef<'_>> {
        #[cfg(unix)]
        if let Some(unix) = io.downcast_ref::<Async<UnixStream>>() {
            return Some(unix.into());
        }
        io.downcast_ref::<Async<TcpStream>>().map(SockRef::from)
    }

    fn inner(io: &dyn Any) -> Option<&dyn Flow> {
        match io.downcast_ref::<ToFutures<Box<dyn Flow + Send>>>() {
            Some(io) => Some(io.get_ref()),
            None => io.downcast_ref::<ToFutures<Box<dyn Flow>>>().map(|io| io.get_ref() as _),
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
