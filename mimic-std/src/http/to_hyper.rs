//! Connections of hyper, made of flows.
//!
//! ```text
//!   hyper's buffer    [ filled | not initialized                 ]
//!   TokioIo               gives tokio's ReadBuf of it: the `unsafe` is hyper-util's
//!   Reader                     [ cleared: room ]
//!   flow                       [ read ]
//!   next room         twice as large after a read that filled it, half after one of a quarter
//! ```
//!
//! A flow reads into initialized memory, and hyper's is not. Without `unsafe`, hyper alone lets
//! bytes be copied in. To clear and read in place costs less, if it clears no more than a read
//! fills: hyper hands out up to 400 KiB at a time. Bodies of 1 MiB came over TCP at 1.05 of the
//! throughput of hyper-util's own connection with the room above, at 0.98 by a buffer of 64 KiB and
//! a copy, and at 0.80 by 8 KiB on the stack and a copy.

use std::error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use mimic_core::keys::AlpnProtocol;
use mimic_core::{Error, Flow};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Attributes, ConnectionInfo};
use crate::with_byte_slices;

/// A connection that hyper reads and writes, over a flow: for `hyper::client::conn`, and what a
/// [`Connector`](super::Connector) connects.
///
/// # Errors
/// They are [`std::io::Error`]s, with the flow's [`mimic_core::Error`] as their
/// [`source`](error::Error::source). hyper's errors of HTTP/1 have it in their chain of sources.
/// HTTP/2 (the crate `h2`) keeps the kind and the text.
pub struct ToHyper<F = Box<dyn Flow + Send>> {
    io: TokioIo<Reader<F>>,
    attributes: Attributes,
}

impl<F: Flow> ToHyper<F> {
    /// Makes a connection of a flow.
    pub fn new(flow: F) -> Self {
        Self::with_attributes(flow, Attributes::default())
    }

    /// Makes a connection whose [`info`](Self::info) has these attributes.
    pub fn with_attributes(flow: F, attributes: Attributes) -> Self {
        Self { io: TokioIo::new(Reader { flow, room: SMALLEST_ROOM }), attributes }
    }

    /// Returns the flow, for its attributes.
    pub fn get_ref(&self) -> &F {
        &self.io.inner().flow
    }

    /// Returns the flow by value. Nothing is lost: the connection has no buffer.
    pub fn into_inner(self) -> F {
        self.io.into_inner().flow
    }

    /// Returns the attributes of the flow.
    pub fn info(&self) -> ConnectionInfo {
        self.attributes.of(self.get_ref())
    }
}

impl<F: Flow> Connection for ToHyper<F> {
    /// Tells whether HTTP/2 was agreed on, and has the [`ConnectionInfo`] as an extension.
    fn connected(&self) -> Connected {
        let info = self.info();
        let is_h2 = info.attribute(AlpnProtocol).is_some_and(|protocol| protocol == b"h2");
        let connected = Connected::new().extra(info);
        if is_h2 { connected.negotiated_h2() } else { connected }
    }
}

impl<F: Flow> Read for ToHyper<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, cursor: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, cursor)
    }
}

/// A flow, read by tokio's trait: the way to read into memory of hyper without `unsafe` here.
struct Reader<F> {
    flow: F,
    /// How much of the caller's memory the next read clears and fills.
    room: usize,
}

const SMALLEST_ROOM: usize = 2 * 1024;
const LARGEST_ROOM: usize = 64 * 1024;

// Flows are polled by `&mut`, so the flow inside is never pinned.
impl<F> Unpin for Reader<F> {}

impl<F: Flow> AsyncRead for Reader<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buf.initialize_unfilled_to(self.room.min(buf.remaining()));
        let count = ready!(self.flow.poll_read(cx, room)).map_err(to_io)?.min(room.len());
        // A read that filled its room may have left bytes behind.
        let next = match room.len() {
            full if count == full => 2 * full,
            most if count <= most / 4 => most / 2,
            kept => kept,
        };
        self.room = next.clamp(SMALLEST_ROOM, LARGEST_ROOM);
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow> Write for ToHyper<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.inner_mut().flow.poll_write(cx, buf).map_err(to_io)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.inner_mut().flow.poll_flush(cx).map_err(to_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.inner_mut().flow.poll_shutdown(cx).map_err(to_io)
    }

    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_byte_slices(slices, |bufs| self.io.inner_mut().flow.poll_write_vectored(cx, bufs)).map_err(to_io)
    }
}

impl<F: fmt::Debug> fmt::Debug for ToHyper<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToHyper").field("flow", &self.io.inner().flow).finish_non_exhaustive()
    }
}

/// An error of the flow between [`io::Error`] and [`Error`]: `io::Error` skips what it was made of
/// in its own chain of sources. The text is that of the error, because `h2` keeps nothing else.
#[derive(Debug)]
struct OfFlow(Error);

impl fmt::Display for OfFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl error::Error for OfFlow {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cold]
fn to_io(error: Error) -> io::Error {
    io::Error::new(error.kind().into(), OfFlow(error))
}
