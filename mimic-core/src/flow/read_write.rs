//! `embedded-io-async`'s traits for types that are polled as flows are.
//!
//! ```text
//! flow.write_all(b"abc").await     a future around the closure below, nothing else
//!   poll_write("abc") ─► Pending   the future is polled again later
//!   poll_write("abc") ─► 2         "c" is left; the closure owns that slice
//!   poll_write("c")   ─► 1         ready
//! ```
//!
//! A macro writes the implementations: a blanket one would overlap with those of
//! `embedded-io-async` for references and boxes.

use core::task::{Poll, ready};

use embedded_io_async::{ErrorKind, ReadExactError};

use crate::{Error, Phase};

/// Implements [`embedded_io_async::Read`] and [`Write`](embedded_io_async::Write) for a concrete
/// flow, so that it can be used without a box: `read_write!(TcpFlow);`, or with generics,
/// `read_write!(for[M: Mode] Memory<M>);`
///
/// The boxed flows have theirs already.
#[macro_export]
macro_rules! read_write {
    (@read) => {
        fn read(&mut self, buf: &mut [u8]) -> impl ::core::future::Future<Output = ::core::result::Result<usize, $crate::Error>> {
            ::core::future::poll_fn(move |cx| self.poll_read(cx, buf))
        }
    };
    (@write) => {
        fn write(&mut self, buf: &[u8]) -> impl ::core::future::Future<Output = ::core::result::Result<usize, $crate::Error>> {
            ::core::future::poll_fn(move |cx| self.poll_write(cx, buf))
        }

        fn flush(&mut self) -> impl ::core::future::Future<Output = ::core::result::Result<(), $crate::Error>> {
            ::core::future::poll_fn(|cx| self.poll_flush(cx))
        }

        fn write_all(&mut self, mut buf: &[u8]) -> impl ::core::future::Future<Output = ::core::result::Result<(), $crate::Error>> {
            ::core::future::poll_fn(move |cx| $crate::poll_write_all(&mut buf, |rest| self.poll_write(cx, rest)))
        }
    };
    (for[$($generics:tt)*] $flow:ty) => {
        impl<$($generics)*> $crate::embedded_io_async::ErrorType for $flow {
            type Error = $crate::Error;
        }

        impl<$($generics)*> $crate::embedded_io_async::Read for $flow {
            $crate::read_write!(@read);
        }

        impl<$($generics)*> $crate::embedded_io_async::Write for $flow {
            $crate::read_write!(@write);
        }
    };
    ($flow:ty) => {
        $crate::read_write!(for[] $flow);
    };
}

/// Writes all of `buf`, and shortens it as bytes are taken. A flow that takes none is an error; the
/// provided `write_all` of `embedded-io` would panic.
#[doc(hidden)]
pub fn poll_write_all(
    buf: &mut &[u8],
    mut write: impl FnMut(&[u8]) -> Poll<Result<usize, Error>>,
) -> Poll<Result<(), Error>> {
    while !buf.is_empty() {
        match ready!(write(buf))? {
            0 => {
                let error = Error::new(ErrorKind::WriteZero, "the flow took no byte").in_phase(Phase::Write);
                return Poll::Ready(Err(error));
            }
            n => *buf = buf.get(n..).unwrap_or_default(),
        }
    }
    Poll::Ready(Ok(()))
}

impl From<ReadExactError<Error>> for Error {
    /// Returns the error of the flow. For an early end of stream, for which `embedded-io` has no
    /// kind, it makes one of kind [`Other`](ErrorKind::Other) in [`Phase::Read`].
    fn from(error: ReadExactError<Self>) -> Self {
        match error {
            ReadExactError::UnexpectedEof => {
                Self::new(ErrorKind::Other, "the stream ended early").in_phase(Phase::Read)
            }
            ReadExactError::Other(error) => error,
        }
    }
}
