//! `embedded-io-async`'s traits for anything that is polled like a flow.

use core::task::{Poll, ready};

use embedded_io_async::ErrorKind;

use crate::{Error, Phase};

/// Implements [`embedded_io_async::Read`] and [`Write`](embedded_io_async::Write) for a concrete
/// flow, so that it can be used without a box: `read_write!(TcpFlow);`, or with generics,
/// `read_write!(for[M: Mode] Memory<M>);`
///
/// A blanket implementation is not allowed to exist; the boxed flows have theirs already.
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

/// Writes all of `buf`, shortening it as bytes are taken; unlike the provided `write_all` of
/// `embedded-io`, it does not panic when none are.
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
