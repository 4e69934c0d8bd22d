//! A flow in memory that breaks one promise.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};

use mimic_core::{Ask, Error, ErrorKind, Flow, Memory, PeerAddr, Shared};

/// What it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breaks {
    Nothing,
    DroppedRead,
    WaitingWrite,
    ReaderWaker,
    WriterWaker,
    FirstWaker,
    HeldWaker,
    OneWaker,
    EarlyEnd,
    AfterEnd,
    FillsBuffer,
    LongRead,
    EmptyRead,
    EmptyWrite,
    Flush,
    ShutdownFlush,
    LateWrite,
    SecondShutdown,
    BothShut,
    NoShutdown,
    Swapped,
    ShortCount,
    LongCount,
    NotVectored,
    EmptySlices,
    CleanAbort,
    Leak,
    DeafWriter,
    OneAtATime,
    Endless,
    OneByte,
    Addresses,
    Fickle,
    Tells,
    Spins,
    Panics,
}

pub(crate) struct Broken {
    below: Option<Memory<Shared>>,
    breaks: Breaks,
    /// Where the last read that had to wait wanted its bytes.
    waiting: Option<usize>,
    /// Taken and not handed on, by those that hold something back.
    held: VecDeque<u8>,
    filled: Vec<u8>,
    written: usize,
    ended: bool,
    shut: bool,
    full: bool,
    last: Vec<u8>,
    first: [Option<Waker>; 2],
    one: Arc<One>,
}

/// One waker for readers and writers.
#[derive(Default)]
struct One(Mutex<Option<Waker>>);

impl Wake for One {
    fn wake(self: Arc<Self>) {
        let woken = self.0.lock().unwrap().take();
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Broken {
    pub(crate) fn new(below: Memory<Shared>, breaks: Breaks) -> Self {
        Self {
            below: Some(below),
            breaks,
            waiting: None,
            held: VecDeque::new(),
            filled: Vec::new(),
            written: 0,
            ended: false,
            shut: false,
            full: false,
            last: Vec::new(),
            first: [None, None],
            one: Arc::default(),
        }
    }

    fn below(&mut self) -> &mut Memory<Shared> {
        self.below.as_mut().unwrap()
    }

    /// The waker that goes below.
    fn waker(&mut self, cx: &Context<'_>, writes: bool) -> Waker {
        match self.breaks {
            Breaks::ReaderWaker if !writes => Waker::noop().clone(),
            Breaks::WriterWaker if writes => Waker::noop().clone(),
            Breaks::FirstWaker | Breaks::HeldWaker => {
                self.first[usize::from(writes)].get_or_insert_with(|| cx.waker().clone()).clone()
            }
            Breaks::OneWaker => {
                *self.one.0.lock().unwrap() = Some(cx.waker().clone());
                self.one.clone().into()
            }
            _ => cx.waker().clone(),
        }
    }

    /// Hands on what was held back.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.held.is_empty() {
            let bytes = self.held.make_contiguous().to_vec();
            let n = ready!(self.below().poll_write(cx, &bytes))?;
            self.held.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

impl Flow for Broken {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let waker = self.waker(cx, false);
        let cx = &mut Context::from_waker(&waker);
        match self.breaks {
            Breaks::EmptyRead if buf.is_empty() => return Poll::Pending,
            Breaks::HeldWaker => {
                let read = self.below().poll_read(cx, buf);
                self.first[0].take_if(|_| read.is_ready());
                return read;
            }
            Breaks::Spins => loop {
                std::thread::sleep(std::time::Duration::from_millis(10));
            },
            Breaks::Panics => panic!("broken"),
            Breaks::BothShut if self.shut => return Poll::Ready(Ok(0)),
            Breaks::AfterEnd if self.ended => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Breaks::OneAtATime if self.full => {
                // Until the writer goes on.
                return Poll::Pending;
            }
            Breaks::FillsBuffer => {
                while self.filled.len() < buf.len() {
                    let mut more = vec![0; buf.len() - self.filled.len()];
                    let n = ready!(self.below().poll_read(cx, &mut more))?;
                    if n == 0 {
                        break;
                    }
                    self.filled.extend(&more[..n]);
                }
                let bytes = mem::take(&mut self.filled);
                buf[..bytes.len()].copy_from_slice(&bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
            _ => {}
        }
        let place = buf.as_ptr().addr() + buf.len();
        if self.breaks == Breaks::DroppedRead && self.waiting.take().is_some_and(|before| before != place) {
            // What the dropped read had taken went with it.
            let _ = self.below().poll_read(cx, &mut [0]);
        }
        let read = self.below().poll_read(cx, buf);
        match (&read, self.breaks) {
            (Poll::Pending, Breaks::DroppedRead) => self.waiting = Some(place),
            (Poll::Pending, Breaks::EarlyEnd) => return Poll::Ready(Ok(0)),
            (Poll::Ready(Ok(0)), _) if !buf.is_empty() => self.ended = true,
            (Poll::Ready(Ok(1..)), Breaks::LongRead) => return Poll::Ready(Ok(buf.len() + 1)),
            (Poll::Ready(Ok(n @ 1..)), Breaks::Tells) => self.last.extend(&buf[..*n]),
            _ => {}
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let waker = self.waker(cx, true);
        let cx = &mut Context::from_waker(&waker);
        let n = buf.len();
        match self.breaks {
            Breaks::EmptyWrite if buf.is_empty() => {
                let _ = self.below().poll_write(cx, b"!");
                return Poll::Ready(Ok(0));
            }
            Breaks::LateWrite if self.shut => return Poll::Ready(Ok(n)),
            Breaks::HeldWaker => {
                let written = self.below().poll_write(cx, buf);
                self.first[1].take_if(|_| written.is_ready());
                return written;
            }
            // Small writes are held back until there are many.
            Breaks::Flush | Breaks::ShutdownFlush if !self.shut && !buf.is_empty() => {
                if self.held.len() >= 4096 {
                    ready!(self.poll_held(cx))?;
                }
                self.held.extend(buf);
                return Poll::Ready(Ok(n));
            }
            Breaks::Swapped if (2..24).contains(&n) => {
                let mut bytes = buf.to_vec();
                bytes.swap(0, 1);
                return self.below().poll_write(cx, &bytes);
            }
            Breaks::OneByte if !buf.is_empty() => {
                let mut bytes = buf.to_vec();
                // The pair's greeting went before.
                if let Some(byte) = (60_100_usize.checked_sub(self.written)).and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 1;
                }
                let n = ready!(self.below().poll_write(cx, &bytes))?;
                self.written += n;
                return Poll::Ready(Ok(n));
            }
            Breaks::Endless if !buf.is_empty() => {
                let _ = self.below().poll_write(cx, buf);
                return Poll::Ready(Ok(n));
            }
            Breaks::DeafWriter => {
                let written = self.below().poll_write(cx, buf);
                return match written {
                    Poll::Ready(Err(_)) => Poll::Ready(Ok(n)),
                    written => written,
                };
            }
            _ => {}
        }
        let written = self.below().poll_write(cx, buf);
        self.full = written.is_pending();
        if self.breaks == Breaks::WaitingWrite && written.is_pending() {
            // Taken, and not said: it goes out when there is room.
            self.held.extend(buf.first());
        }
        if self.breaks == Breaks::WaitingWrite && written.is_ready() {
            let _ = self.poll_held(cx);
        }
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = self.waker(cx, true);
        let cx = &mut Context::from_waker(&waker);
        if self.breaks != Breaks::Flush && !self.held.is_empty() {
            ready!(self.poll_held(cx))?;
        }
        self.below().poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = self.waker(cx, true);
        let cx = &mut Context::from_waker(&waker);
        if self.breaks == Breaks::SecondShutdown && self.shut {
            return Poll::Ready(Err(Error::new(ErrorKind::NotConnected, "it was shut down before")));
        }
        self.shut = true;
        if self.breaks == Breaks::NoShutdown {
            return Poll::Ready(Ok(()));
        }
        self.below().poll_shutdown(cx)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        match self.breaks {
            Breaks::Nothing => self.below().poll_write_vectored(cx, bufs),
            Breaks::ShortCount => {
                let n = ready!(self.below().poll_write_vectored(cx, bufs))?;
                Poll::Ready(Ok(n.div_ceil(2)))
            }
            Breaks::LongCount => {
                let total: usize = bufs.iter().map(|buf| buf.len()).sum();
                let n = ready!(self.below().poll_write_vectored(cx, bufs))?;
                Poll::Ready(Ok((n + 1).min(total)))
            }
            Breaks::EmptySlices => self.poll_write(cx, bufs.first().copied().unwrap_or_default()),
            _ => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).copied().unwrap_or_default();
                self.poll_write(cx, first)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.breaks, Breaks::Nothing | Breaks::NotVectored)
    }

    fn abort(&mut self) {
        if self.breaks != Breaks::CleanAbort {
            self.below().abort();
        }
    }

    fn answer(&self, ask: &mut Ask<'_>) {
        if self.breaks == Breaks::Fickle && !self.shut {
            ask.give(PeerAddr, || "192.0.2.1:1".parse().ok());
        }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if self.breaks == Breaks::Leak {
            mem::forget(self.below.take());
        }
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken")
            .field("breaks", &self.breaks)
            .field("last", &String::from_utf8_lossy(&self.last))
            .finish()
    }
}
