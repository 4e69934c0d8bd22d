//! The promises of a flow, over a stream with the habits of `std::io`.

use std::io;
use std::task::{Poll, ready};

use mimic_core::{Error, ErrorKind, Phase};

/// The two directions of a flow over a stream that promises less than [`Flow`](mimic_core::Flow)
/// does.
///
/// Each method takes the call to the stream as a closure, and calls it only while it makes sense:
///
/// - It answers empty buffers at once.
/// - End of stream stays.
/// - An error stays: a socket reports end of stream after a reset, which would hide the reset.
/// - A write that takes nothing is an error, and so is a write after the writing side was closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    read: End,
    write: End,
}

#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    Open,
    Closed,
    Failed(ErrorKind),
}

impl Ends {
    /// [`Flow::poll_read`](mimic_core::Flow::poll_read) by a call that reads.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Read`].
    #[inline]
    pub fn read(
        &mut self,
        buf: &mut [u8],
        poll: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.read {
            End::Open => {}
            End::Closed => return Poll::Ready(Ok(0)),
            End::Failed(kind) => return Poll::Ready(Err(again(kind, Phase::Read))),
        }
        let count = ready!(poll(buf)).map_err(|error| self.read.fail(error, Phase::Read))?;
        if count == 0 {
            self.read = End::Closed;
        }
        Poll::Ready(Ok(count))
    }

    /// [`Flow::poll_write`](mimic_core::Flow::poll_write), or its vectored form, of `bufs` by a
    /// call that writes.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Write`]; [`BrokenPipe`](ErrorKind::BrokenPipe) after the writing
    /// side was closed; [`WriteZero`](ErrorKind::WriteZero) if the stream takes nothing.
    #[inline]
    pub fn write(
        &mut self,
        bufs: &[&[u8]],
        poll: impl FnOnce() -> Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Error>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        match self.write {
            End::Open => {}
            End::Closed => {
                let error = Error::new(ErrorKind::BrokenPipe, "the writing side is closed");
                return Poll::Ready(Err(error.in_phase(Phase::Write)));
            }
            End::Failed(kind) => return Poll::Ready(Err(again(kind, Phase::Write))),
        }
        match ready!(poll()) {
            Ok(0) => Poll::Ready(Err(self.write.fail(io::ErrorKind::WriteZero.into(), Phase::Write))),
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => Poll::Ready(Err(self.write.fail(error, Phase::Write))),
        }
    }

    /// [`Flow::poll_flush`](mimic_core::Flow::poll_flush) by a call that flushes.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Write`].
    #[inline]
    pub fn flush(&mut self, poll: impl FnOnce() -> Poll<io::Result<()>>) -> Poll<Result<(), Error>> {
        match self.write {
            End::Open => poll().map_err(|error| self.write.fail(error, Phase::Write)),
            // Closing has flushed.
            End::Closed => Poll::Ready(Ok(())),
            End::Failed(kind) => Poll::Ready(Err(again(kind, Phase::Write))),
        }
    }

    /// [`Flow::poll_shutdown`](mimic_core::Flow::poll_shutdown) by a call that flushes and closes.
    ///
    /// # Errors
    /// That of `poll`, in [`Phase::Shutdown`].
    pub fn shutdown(&mut self, poll: impl FnOnce() -> Poll<io::Result<()>>) -> Poll<Result<(), Error>> {
        match self.write {
            End::Open => {
                ready!(poll()).map_err(|error| self.write.fail(error, Phase::Shutdown))?;
                self.write = End::Closed;
                Poll::Ready(Ok(()))
            }
            End::Closed => Poll::Ready(Ok(())),
            End::Failed(kind) => Poll::Ready(Err(again(kind, Phase::Shutdown))),
        }
    }

    /// Ends both directions, as [`Flow::abort`](mimic_core::Flow::abort) does.
    pub fn abort(&mut self) {
        *self = Self { read: End::Closed, write: End::Closed };
    }
}

impl End {
    #[cold]
    fn fail(&mut self, error: io::Error, phase: Phase) -> Error {
        let error = Error::from(error).in_phase(phase);
        if error.kind() != ErrorKind::Interrupted {
            *self = Self::Failed(error.kind());
        }
        error
    }
}

#[cold]
fn again(kind: ErrorKind, phase: Phase) -> Error {
    Error::new(kind, "it failed before and stays so").in_phase(phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        let mut ends = Ends::default();
        let mut buf = [0; 1];
        let reset = || Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        assert!(matches!(ends.read(&mut [], |_| unreachable!()), Poll::Ready(Ok(0))));
        assert!(matches!(ends.read(&mut buf, |_| Poll::Pending), Poll::Pending));
        assert!(matches!(ends.read(&mut buf, |_| reset()), Poll::Ready(Err(_))));
        let Poll::Ready(Err(error)) = ends.read(&mut buf, |_| Poll::Ready(Ok(0))) else { unreachable!() };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "a reset does not turn into end of stream");
        assert!(matches!(ends.write(&[b"", b""], || unreachable!()), Poll::Ready(Ok(0))));
        assert!(matches!(ends.write(&[b"", b"a"], || Poll::Ready(Ok(1))), Poll::Ready(Ok(1))));
        assert!(matches!(ends.shutdown(|| Poll::Pending), Poll::Pending));
        assert!(matches!(ends.shutdown(|| Poll::Ready(Ok(()))), Poll::Ready(Ok(()))));
        assert!(matches!(ends.shutdown(|| unreachable!()), Poll::Ready(Ok(()))));
        let Poll::Ready(Err(error)) = ends.write(&[b"a"], || unreachable!()) else { unreachable!() };
        assert_eq!((error.kind(), error.phase()), (ErrorKind::BrokenPipe, Some(Phase::Write)));
    }
}
