//! Standard input and output, which block, for a program that must not.
//!
//! Each is read or written on a thread of the `blocking` pool, which works with every runtime.
//! Chunks are passed back and forth, two in each direction: one with the thread, one with the
//! caller. So copying overlaps with waiting, memory is bounded, and a slow side holds up the other
//! side of its own direction alone.
//!
//! Another program may have made the streams non-blocking, as node and ssh do: the flag belongs to
//! the description that they share. [`Patient`] waits on the thread until such a stream is ready,
//! and leaves the flag as it is.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
#[cfg(unix)]
use std::{thread, time::Duration};

use blocking::{Task, unblock};
#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, poll};
#[cfg(unix)]
use rustix::io::Errno;

use crate::failure::Failure;

/// Prints to standard output, now.
pub(crate) fn print(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut stdout = Patient(io::stdout().lock());
    stdout.write_fmt(text).and_then(|()| stdout.flush()).map_err(Failure::output)
}

/// A stream that blocks, even if its descriptor does not: it waits where that would answer
/// `WouldBlock`.
pub(crate) struct Patient<T>(pub(crate) T);

impl<T: Read + Descriptor> Read for Patient<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        insist(&mut self.0, T::readable, |stream| stream.read(buf))
    }
}

impl<T: Write + Descriptor> Write for Patient<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        insist(&mut self.0, T::writable, |stream| stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        insist(&mut self.0, T::writable, T::flush)
    }
}

/// Repeats `work` until it does not answer `WouldBlock`, and waits in between.
fn insist<T, R>(
    stream: &mut T,
    wait: impl Fn(&T) -> io::Result<()>,
    mut work: impl FnMut(&mut T) -> io::Result<R>,
) -> io::Result<R> {
    loop {
        match work(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(stream)?,
            done => return done,
        }
    }
}

/// A stream of the system that can be waited for.
pub(crate) trait Descriptor {
    /// Blocks until a read makes progress or fails.
    fn readable(&self) -> io::Result<()>;

    /// Blocks until a write makes progress or fails.
    fn writable(&self) -> io::Result<()>;
}

#[cfg(unix)]
impl<T: std::os::fd::AsFd> Descriptor for T {
    fn readable(&self) -> io::Result<()> {
        wait(self, PollFlags::IN)
    }

    fn writable(&self) -> io::Result<()> {
        wait(self, PollFlags::OUT)
    }
}

/// Waits with `poll(2)`, which knows files, pipes, sockets and terminals alike.
#[cfg(unix)]
fn wait(stream: &impl std::os::fd::AsFd, what: PollFlags) -> io::Result<()> {
    let mut one = [PollFd::new(stream, what)];
    while let Err(error) = poll(&mut one, None) {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    // macOS cannot poll every device: it is asked again, a moment later.
    if one[0].revents().contains(PollFlags::NVAL) {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Handles of Windows have no such flag: their reads and writes block.
#[cfg(not(unix))]
impl<T> Descriptor for T {
    fn readable(&self) -> io::Result<()> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn writable(&self) -> io::Result<()> {
        Err(ErrorKind::WouldBlock.into())
    }
}

/// A buffer and how much of it is filled.
pub(crate) struct Chunk {
    room: Box<[u8]>,
    filled: usize,
}

impl Chunk {
    /// As much as a pipe holds on Linux.
    const SIZE: usize = 64 * 1024;

    pub(crate) fn new() -> Self {
        Self { room: vec![0; Self::SIZE].into(), filled: 0 }
    }

    /// What is in it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.filled]
    }

    /// Replaces what is in it by what `read` puts into the buffer it is given.
    pub(crate) fn fill<E>(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        self.filled = 0;
        self.filled = read(&mut self.room)?.min(self.room.len());
        Ok(())
    }
}

/// The stream that works on a chunk, the chunk, and how it went.
type Work<T> = Task<(T, Chunk, io::Result<()>)>;

/// Reads ahead by one chunk.
pub(crate) struct Input<R> {
    /// `None` at the end.
    reading: Option<Work<R>>,
    /// The end is not passed on.
    endless: bool,
}

impl<R: Read + Send + 'static> Input<R> {
    /// Starts to read.
    pub(crate) fn new(reader: R) -> Self {
        Self { reading: Some(Self::read(reader, Chunk::new())), endless: false }
    }

    /// Keeps the end to itself: where it would be passed on, the next chunk is waited for without
    /// end.
    pub(crate) fn endless(self) -> Self {
        Self { endless: true, ..self }
    }

    /// Waits for the next chunk, and takes the last one back. An empty chunk is the end.
    pub(crate) fn poll_swap(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<()>> {
        if let Some(reading) = &mut self.reading {
            let (reader, next, result) = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
            result?;
            let last = mem::replace(chunk, next);
            if !chunk.bytes().is_empty() {
                self.reading = Some(Self::read(reader, last));
                return Poll::Ready(Ok(()));
            }
        }
        chunk.filled = 0;
        if self.endless { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn read(mut reader: R, mut chunk: Chunk) -> Work<R> {
        unblock(move || {
            let result = loop {
                match chunk.fill(|room| reader.read(room)) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result,
                }
            };
            (reader, chunk, result)
        })
    }
}

/// Writes behind by one chunk.
pub(crate) struct Output<W> {
    state: State<W>,
}

enum State<W> {
    Idle(W, Chunk),
    Writing(Work<W>),
    /// It has failed.
    Broken,
}

impl<W: Write + Send + 'static> Output<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { state: State::Idle(writer, Chunk::new()) }
    }

    /// Waits until the last chunk is written and flushed, starts to write this one, and gives the
    /// last one back.
    pub(crate) fn poll_swap(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.state = match mem::replace(&mut self.state, State::Broken) {
            State::Idle(writer, last) => State::Writing(Self::write(writer, mem::replace(chunk, last))),
            other => other,
        };
        Poll::Ready(Ok(()))
    }

    /// Waits until all chunks are written and flushed.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Writing(writing) = &mut self.state {
            let (writer, chunk, result) = ready!(Pin::new(writing).poll(cx));
            self.state = if result.is_ok() { State::Idle(writer, chunk) } else { State::Broken };
            result?;
        }
        match self.state {
            State::Broken => Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            State::Idle(..) | State::Writing(_) => Poll::Ready(Ok(())),
        }
    }

    fn write(mut writer: W, chunk: Chunk) -> Work<W> {
        unblock(move || {
            let result = writer.write_all(chunk.bytes()).and_then(|()| writer.flush());
            (writer, chunk, result)
        })
    }
}
