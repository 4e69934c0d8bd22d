//! Devices with async halves as flows.
//!
//! ```text
//!                  start: half and buffer move into the future
//! idle (half, buffer) ────────────────────────► running: Pin<Box<Option<future>>>
//!         ▲                                         │ polled by poll_read, poll_write
//!         └─ done: the future returns half, buffer, result
//!
//! a write: copied to the buffer, started, taken. The next write or flush waits until
//!          it is done, and reports its error.
//! ```
//!
//! A device's methods are futures, and a flow is polled. A pending read of a device may have taken
//! bytes, so its future must be kept until it is done. Each direction owns its half of the device,
//! so there is no lock and no unsafe code, and both directions move at once. The box of a future is
//! used again for the next.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use embedded_io_async::{Read, Write};

use super::cancel_safe_device::{from_device, shut_down, written};
use crate::{Error, Flow, Phase};

/// Makes a flow of the two halves of a device (a UART, a serial-over-USB pipe, a split socket),
/// full duplex, with a buffer of `capacity` bytes (at least one) for each direction.
///
/// Allocates two buffers and two futures here, and nothing per read or write. A write is taken when
/// it is in the buffer. Only the next write or flush drives it on and reports its error: flush
/// before waiting for an answer. Errors are those of the device and are not final: the next call
/// asks the device again. [`shutdown`](Flow::poll_shutdown) flushes and drops the writing half.
pub fn pump<R: Read + 'static, W: Write + 'static>(
    reader: R,
    writer: W,
    capacity: usize,
) -> impl Flow + Read<Error = Error> + Write<Error = Error> {
    let buffer = || vec![0; capacity.max(1)].into_boxed_slice();
    Pump {
        reading: Direction::new(Some((reader, buffer())), read),
        unread: 0..0,
        ended: false,
        writing: Direction::new(Some((writer, buffer())), write),
        unflushed: false,
        failed: None,
    }
}

type Buffer = Box<[u8]>;

/// The output of an operation: the half and the buffer, given back, and the result.
type Done<H> = (H, Buffer, Result<usize, Error>);

async fn read<R: Read>(mut reader: R, mut buffer: Buffer, _: Job) -> Done<R> {
    let result = reader.read(&mut buffer).await;
    (reader, buffer, result.map_err(|error| from_device(&error, Phase::Read)))
}

/// The job of a writing half: to write so many bytes of the buffer, or to flush.
#[derive(Clone, Copy)]
enum Job {
    Write(usize),
    Flush,
}

async fn write<W: Write>(mut writer: W, buffer: Buffer, job: Job) -> Done<W> {
    let result = match job {
        Job::Flush => writer.flush().await.map_err(|error| from_device(&error, Phase::Write)),
        Job::Write(len) => write_all(&mut writer, buffer.get(..len).unwrap_or_default()).await,
    };
    (writer, buffer, result.map(|()| 0))
}

async fn write_all<W: Write>(writer: &mut W, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let n = written(writer.write(bytes).await)?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    Ok(())
}

/// One direction of a device: idle, or running an operation.
struct Direction<H, F> {
    idle: Option<(H, Buffer)>,
    running: Pin<Box<Option<F>>>,
    /// Whether `running` is some. A look at it by a shared reference would end the borrows that the
    /// future has of itself.
    busy: bool,
    start: fn(H, Buffer, Job) -> F,
}

impl<H, F: Future<Output = Done<H>>> Direction<H, F> {
    fn new(idle: Option<(H, Buffer)>, start: fn(H, Buffer, Job) -> F) -> Self {
        Self { idle, running: Box::pin(None), busy: false, start }
    }

    /// Starts an operation if the half is idle.
    fn start(&mut self, job: Job) {
        if let Some((half, buffer)) = self.idle.take() {
            self.running.set(Some((self.start)(half, buffer, job)));
            self.busy = true;
        }
    }

    /// Waits for the running operation. `None` if there is none.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<usize, Error>>> {
        let Some(running) = self.running.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let (half, buffer, result) = ready!(running.poll(cx));
        self.running.set(None);
        self.busy = false;
        self.idle = Some((half, buffer));
        Poll::Ready(Some(result))
    }
}

struct Pump<R, W, RF, WF> {
    reading: Direction<R, RF>,
    /// The part of the reading buffer that was read and is not yet returned.
    unread: Range<usize>,
    ended: bool,
    writing: Direction<W, WF>,
    unflushed: bool,
    /// The error of a write that was taken; the next call reports it.
    failed: Option<Error>,
}

impl<R, W, RF, WF> Pump<R, W, RF, WF>
where
    WF: Future<Output = Done<W>>,
{
    /// Waits until the writing half is idle.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(Err(error)) = ready!(self.writing.poll(cx)) {
            self.failed = Some(error);
        }
        match self.failed.take() {
            Some(error) => {
                // Lets the next flush ask the device again: without it, it would succeed at once.
                self.unflushed = true;
                Poll::Ready(Err(error))
            }
            None => Poll::Ready(Ok(())),
        }
    }

    fn is_shut(&self) -> bool {
        self.writing.idle.is_none() && !self.writing.busy
    }
}

impl<R, W, RF, WF> Flow for Pump<R, W, RF, WF>
where
    RF: Future<Output = Done<R>>,
    WF: Future<Output = Done<W>>,
{
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if let (false, Some((_, buffer))) = (self.unread.is_empty(), &self.reading.idle) {
                let unread = buffer.get(self.unread.clone()).unwrap_or_default();
                let n = unread.len().min(buf.len());
                buf[..n].copy_from_slice(&unread[..n]);
                self.unread.start += n;
                return Poll::Ready(Ok(n));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            // Reading ignores the job.
            self.reading.start(Job::Flush);
            match ready!(self.reading.poll(cx)) {
                Some(Ok(0)) | None => self.ended = true,
                Some(Ok(n)) => self.unread = 0..n,
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if self.is_shut() {
            return Poll::Ready(Err(shut_down()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_idle(cx))?;
        let Some((_, buffer)) = &mut self.writing.idle else { return Poll::Ready(Err(shut_down())) };
        let n = buf.len().min(buffer.len());
        buffer[..n].copy_from_slice(&buf[..n]);
        self.unflushed = true;
        self.writing.start(Job::Write(n));
        // The bytes are taken even if this poll fails: the next call reports the error.
        if let Poll::Ready(Some(Err(error))) = self.writing.poll(cx) {
            self.failed = Some(error);
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_idle(cx))?;
        if core::mem::take(&mut self.unflushed) {
            self.writing.start(Job::Flush);
        }
        self.poll_idle(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        self.writing.idle = None;
        Poll::Ready(Ok(()))
    }
}

crate::read_write!(for[R, W, RF: Future<Output = Done<R>>, WF: Future<Output = Done<W>>] Pump<R, W, RF, WF>);

impl<R, W, RF, WF> fmt::Debug for Pump<R, W, RF, WF> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = self.reading.idle.is_none();
        f.debug_struct("Pump").field("reading", &reading).field("writing", &self.writing.busy).finish_non_exhaustive()
    }
}
