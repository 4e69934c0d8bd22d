//! Flows of tokio's streams, and tokio's streams of flows. The picture is in mimic-std's
//! `bridge.rs`.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mimic_core::Flow;
use mimic_std::{PollStream, StreamFlow, with_byte_slices};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::Tokio;

/// A flow over a TCP socket, connected or accepted; `TcpFlow::from(socket)` changes no option of
/// the socket. [`StreamFlow`] says what a drop does.
pub type TcpFlow = FromTokio<TcpStream>;

/// A flow over a Unix socket, connected or accepted. [`StreamFlow`] says what a drop does.
#[cfg(unix)]
pub type UnixFlow = FromTokio<UnixStream>;

/// A flow over any type that tokio can read and write: see [`StreamFlow`].
pub type FromTokio<T> = StreamFlow<T, Tokio>;

impl<T: AsyncRead + AsyncWrite + 'static> PollStream<T> for Tokio {
    #[inline]
    fn poll_read(io: Pin<&mut T>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(io.poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
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
        io.poll_shutdown(cx)
    }

    fn is_write_vectored(io: &T) -> bool {
        io.is_write_vectored()
    }

    fn socket(io: &dyn Any) -> Option<SockRef<'_>> {
        #[cfg(unix)]
        if let Some(unix) = io.downcast_ref::<UnixStream>() {
            return Some(unix.into());
        }
        io.downcast_ref::<TcpStream>().map(SockRef::from)
    }

    fn inner(io: &dyn Any) -> Option<&dyn Flow> {
        match io.downcast_ref::<ToTokio<Box<dyn Flow + Send>>>() {
            Some(io) => Some(io.get_ref()),
            None => io.downcast_ref::<ToTokio<Box<dyn Flow>>>().map(|io| io.get_ref() as _),
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
