//! Devices with async halves as flows.
//!
//! `embedded-io-async`'s methods are futures, a flow is polled. A future that was started must be
//! kept until it is done, or bytes are lost; here it owns its half of the device and its buffer and
//! gives both back. So there is no lock, no ring and no unsafe code, and both directions move at
//! once. The box of a future is used again for the next.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use embedded_io_async::{Read, Write};

use super::cancel_safe_device::{device, shut, taken};
use crate::{Error, Flow, Phase};

/// A flow from the two halves of a device (a UART, a serial-over-USB pipe, a split socket), full
/// duplex, with a buffer of `capacity` bytes (at least one) for each direction.
///
/// Allocates two buffers and two futures here, and nothing per read or write. A write is taken when
/// it is in the buffer, and only the next write or flush drives it on, or shows its error: flush
/// before waiting for an answer. Errors are those of the device and not final here: the next call
/// asks the device again. [`shutdown`](Flow::poll_shutdown) flushes and drops the writing half,
/// which is all that such devices have to say that they are done.
pub fn pump<R: Read + 'static, W: Write + 'static>(reader: R, writer: W, capacity: usize) -> impl Flow {
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

/// What a started operation gives back.
type Given<H, T> = (H, Buffer, Result<T, Error>);

async fn read<R: Read>(mut reader: R, mut buffer: Buffer, _: Job) -> Given<R, usize> {
    let result = reader.read(&mut buffer).await;
    (reader, buffer, result.map_err(|error| device(&error, Phase::Read)))
}

/// What to do with a writing half: write so many bytes of the buffer, or flush.
#[derive(Clone, Copy)]
enum Job {
    Write(usize),
    Flush,
}

async fn write<W: Write>(mut writer: W, buffer: Buffer, job: Job) -> Given<W, usize> {
    let result = match job {
        Job::Flush => writer.flush().await.map_err(|error| device(&error, Phase::Write)),
        Job::Write(len) => write_all(&mut writer, buffer.get(..len).unwrap_or_default()).await,
    };
    (writer, buffer, result.map(|()| 0))
}

async fn write_all<W: Write>(writer: &mut W, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let n = taken(writer.write(bytes).await)?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    Ok(())
}

/// One half of a device: at rest, or lent to the operation that runs.
struct Direction<H, F> {
    rest: Option<(H, Buffer)>,
    running: Pin<Box<Option<F>>>,
    /// Whether there is one: to look at it by a shared reference, while it borrows from itself,
    /// would end its borrows.
    busy: bool,
    start: fn(H, Buffer, Job) -> F,
}

impl<H, F: Future<Output = Given<H, usize>>> Direction<H, F> {
    fn new(rest: Option<(H, Buffer)>, start: fn(H, Buffer, Job) -> F) -> Self {
        Self { rest, running: Box::pin(None), busy: false, start }
    }

    /// Starts a job if the half is at rest.
    fn start(&mut self, job: Job) {
        if let Some((half, buffer)) = self.rest.take() {
            self.running.set(Some((self.start)(half, buffer, job)));
            self.busy = true;
        }
    }

    /// Waits for the job that runs, if any. `None` if there was none.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<usize, Error>>> {
        let Some(running) = self.running.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let (half, buffer, result) = ready!(running.poll(cx));
        self.running.set(None);
        self.busy = false;
        self.rest = Some((half, buffer));
        Poll::Ready(Some(result))
    }
}

struct Pump<R, W, RF, WF> {
    reading: Direction<R, RF>,
    /// The part of the reading buffer that was read and not yet handed out.
    unread: Range<usize>,
    ended: bool,
    writing: Direction<W, WF>,
    unflushed: bool,
    /// An error of a write that was already taken.
    failed: Option<Error>,
}

impl<R, W, RF, WF> Pump<R, W, RF, WF>
where
    WF: Future<Output = Given<W, usize>>,
{
    /// Waits until the writing half is at rest.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(Err(error)) = ready!(self.writing.poll(cx)) {
            self.failed = Some(error);
        }
        match self.failed.take() {
            Some(error) => {
                // Or a flush that failed would succeed without asking the device again.
                self.unflushed = true;
                Poll::Ready(Err(error))
            }
            None => Poll::Ready(Ok(())),
        }
    }

    fn is_shut(&self) -> bool {
        self.writing.rest.is_none() && !self.writing.busy
    }
}

impl<R, W, RF, WF> Flow for Pump<R, W, RF, WF>
where
    R: 'static,
    W: 'static,
    RF: Future<Output = Given<R, usize>> + 'static,
    WF: Future<Output = Given<W, usize>> + 'static,
{
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if let (false, Some((_, buffer))) = (self.unread.is_empty(), &self.reading.rest) {
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
            return Poll::Ready(Err(shut()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_rest(cx))?;
        let Some((_, buffer)) = &mut self.writing.rest else { return Poll::Ready(Err(shut())) };
        let n = buf.len().min(buffer.len());
        buffer[..n].copy_from_slice(&buf[..n]);
        self.unflushed = true;
        self.writing.start(Job::Write(n));
        // Taken, whatever comes of it: an error is kept for the next call.
        if let Poll::Ready(Some(Err(error))) = self.writing.poll(cx) {
            self.failed = Some(error);
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_rest(cx))?;
        if core::mem::take(&mut self.unflushed) {
            self.writing.start(Job::Flush);
        }
        self.poll_rest(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        self.writing.rest = None;
        Poll::Ready(Ok(()))
    }
}

impl<R, W, RF, WF> fmt::Debug for Pump<R, W, RF, WF> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = self.reading.rest.is_none();
        f.debug_struct("Pump").field("reading", &reading).field("writing", &self.writing.busy).finish_non_exhaustive()
    }
}
