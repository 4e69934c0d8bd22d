//! Devices whose operations can be dropped and started again, as flows.

use core::fmt;
use core::pin::pin;
use core::task::{Context, Poll, ready};

use embedded_io_async::{ErrorKind, Read, Write};

use crate::{Error, Flow, Phase};

/// A flow from a device whose operations can be dropped and started again: each poll makes a new
/// future of the device's own `read` or `write`.
///
/// **Only right if dropping a pending future of the device loses nothing**, which
/// `embedded-io-async` does not promise in general; many socket types do (embassy-net's
/// `TcpSocket`). With a device that does not, bytes are lost; use [`pump()`]. Allocates nothing.
/// [`shutdown`](Flow::poll_shutdown) flushes and refuses later writes.
#[derive(Debug)]
pub struct CancelSafeDevice<T> {
    device: T,
    shut: bool,
}

impl<T: Read + Write> CancelSafeDevice<T> {
    /// A flow from a device, which must keep the promise above.
    pub fn new(device: T) -> Self {
        Self { device, shut: false }
    }

    /// The device.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.device
    }

    /// The device, out of the flow.
    pub fn into_inner(self) -> T {
        self.device
    }
}

impl<T: Read + Write + fmt::Debug + 'static> Flow for CancelSafeDevice<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match buf {
            [] => Poll::Ready(Ok(0)),
            buf => pin!(self.device.read(buf)).poll(cx).map_err(|error| device(&error, Phase::Read)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        match (self.shut, buf) {
            (true, _) => Poll::Ready(Err(shut())),
            (false, []) => Poll::Ready(Ok(0)),
            (false, buf) => pin!(self.device.write(buf)).poll(cx).map(taken),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        pin!(self.device.flush()).poll(cx).map_err(|error| device(&error, Phase::Write))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}

/// What a device answers to a write of at least one byte.
pub(super) fn taken(result: Result<usize, impl embedded_io_async::Error>) -> Result<usize, Error> {
    match result {
        Ok(0) => Err(Error::new(ErrorKind::WriteZero, "the device took no byte").in_phase(Phase::Write)),
        Ok(n) => Ok(n),
        Err(error) => Err(device(&error, Phase::Write)),
    }
}

pub(super) fn device(error: &impl embedded_io_async::Error, phase: Phase) -> Error {
    Error::from_device(error).in_phase(phase)
}

pub(super) fn shut() -> Error {
    Error::new(ErrorKind::BrokenPipe, "the writing side was shut down").in_phase(Phase::Write)
}
