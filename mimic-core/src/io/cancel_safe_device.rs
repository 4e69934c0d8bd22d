//! Devices whose operations may be dropped and started again, as flows.
//!
//! ```text
//!   poll_read ─► device.read(buf): a new future, polled once
//!                  ├─ ready:   the result
//!                  └─ pending: the device keeps waker and input; the future is dropped
//! ```

use core::fmt;
use core::pin::pin;
use core::task::{Context, Poll, ready};

use embedded_io_async::{ErrorKind, Read, Write};

use crate::{Error, Flow, Phase};

/// Makes a flow of a device whose futures may be dropped while they are pending. Each poll makes a
/// new future of the device's own `read` or `write`.
///
/// **Only right if a pending future of the device loses nothing when it is dropped.**
/// `embedded-io-async` does not promise that in general; many socket types do (embassy-net's
/// `TcpSocket`). Any other device loses bytes here: use [`pump()`](super::pump()). Allocates
/// nothing. [`shutdown`](Flow::poll_shutdown) flushes and refuses later writes.
#[derive(Debug)]
pub struct CancelSafeDevice<T> {
    device: T,
    shut: bool,
}

impl<T: Read + Write> CancelSafeDevice<T> {
    /// Makes a flow of a device, which must keep the promise above.
    pub fn new(device: T) -> Self {
        Self { device, shut: false }
    }

    /// Returns the device, to change it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.device
    }

    /// Returns the device by value.
    pub fn into_inner(self) -> T {
        self.device
    }
}

impl<T: Read + Write + fmt::Debug + 'static> Flow for CancelSafeDevice<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match buf {
            [] => Poll::Ready(Ok(0)),
            buf => pin!(self.device.read(buf)).poll(cx).map_err(|error| from_device(&error, Phase::Read)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        match (self.shut, buf) {
            (true, _) => Poll::Ready(Err(shut_down())),
            (false, []) => Poll::Ready(Ok(0)),
            (false, buf) => pin!(self.device.write(buf)).poll(cx).map(written),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        pin!(self.device.flush()).poll(cx).map_err(|error| from_device(&error, Phase::Write))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}

crate::read_write!(for[T: Read + Write + fmt::Debug + 'static] CancelSafeDevice<T>);

/// Converts the result of a write of at least one byte. A count of zero is an error.
pub(super) fn written(result: Result<usize, impl embedded_io_async::Error>) -> Result<usize, Error> {
    match result {
        Ok(0) => Err(Error::new(ErrorKind::WriteZero, "the device took no byte").in_phase(Phase::Write)),
        Ok(n) => Ok(n),
        Err(error) => Err(from_device(&error, Phase::Write)),
    }
}

pub(super) fn from_device(error: &impl embedded_io_async::Error, phase: Phase) -> Error {
    Error::from_device(error).in_phase(phase)
}

/// Makes the error of a write after the shutdown.
pub(super) fn shut_down() -> Error {
    Error::new(ErrorKind::BrokenPipe, "the writing side was shut down").in_phase(Phase::Write)
}
