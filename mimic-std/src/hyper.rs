//! Connections of hyper, made of flows.
//!
//! ```text
//!   hyper's buffer, of which bytes may be uninitialized      flow
//!     poll_read   ◄── copies what came ── own buffer ◄── poll_read(&mut [u8])
//!     poll_write  ───────────────────────────────────► poll_write
//! ```
//!
//! A flow reads into initialized memory. hyper hands out memory that is not, and takes bytes by
//! copy alone without `unsafe`. Copying the few bytes of a response costs less than clearing the
//! whole of hyper's buffer for each read, as streams of tokio do that a flow is made into.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use mimic_core::Flow;

use crate::with_byte_slices;

/// The most bytes of one read: more than a loopback or a network hands out at a time.
const LARGEST_READ: usize = 64 * 1024;

/// A connection that hyper reads and writes, over a flow.
///
/// It has a buffer for reads, as large as hyper's own, of at most 64 KiB. Errors are
/// [`mimic_core::Error`]s inside [`std::io::Error`]s, which hyper's errors have as their source.
pub struct Connection<F = Box<dyn Flow + Send>> {
    flow: F,
    /// Holds no bytes between two reads.
    buf: Vec<u8>,
    /// The attributes of the flow that become extensions of a response.
    #[cfg(feature = "hyper-util")]
    pub(crate) extensions: crate::Extensions,
}

impl<F: Flow> Connection<F> {
    /// Makes a connection of a flow.
    pub fn new(flow: F) -> Self {
        Self {
            flow,
            buf: Vec::new(),
            #[cfg(feature = "hyper-util")]
            extensions: crate::Extensions::default(),
        }
    }

    /// Returns the flow, for its attributes.
    pub fn get_ref(&self) -> &F {
        &self.flow
    }

    /// Returns the flow by value. Nothing is lost: the connection keeps no bytes.
    pub fn into_inner(self) -> F {
        self.flow
    }
}

// Flows are polled by `&mut`, so the flow inside is never pinned.
impl<F> Unpin for Connection<F> {}

impl<F: Flow> Read for Connection<F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { flow, buf, .. } = &mut *self;
        let room = cursor.remaining().min(LARGEST_READ);
        if buf.len() < room {
            buf.resize(room, 0);
        }
        let room = buf.get_mut(..room).unwrap_or_default();
        let count = ready!(flow.poll_read(cx, room))?;
        cursor.put_slice(room.get(..count).unwrap_or(room));
        Poll::Ready(Ok(()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow> Write for Connection<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.flow.poll_write(cx, buf).map_err(Into::into)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.poll_flush(cx).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.poll_shutdown(cx).map_err(Into::into)
    }

    fn is_write_vectored(&self) -> bool {
        self.flow.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_byte_slices(slices, |bufs| self.flow.poll_write_vectored(cx, bufs)).map_err(Into::into)
    }
}

impl<F> fmt::Debug for Connection<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("buffer", &self.buf.len()).finish_non_exhaustive()
    }
}
