//! Reading, where it may be broken.

use std::mem;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use mimic_core::{Error, ErrorKind, Flow};

use super::fault::Fault;
use super::flow::{Broken, odd};

type Read = Poll<Result<usize, Error>>;

/// After how many bytes a stream is cut.
const CUT: usize = 3000;

impl Broken {
    pub(super) fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Read {
        if let Some(answer) = self.unread(cx, buf) {
            return answer;
        }
        let place = (buf.as_ptr().addr(), buf.len());
        let dropped = self.waiting.take().is_some_and(|before| before != place);
        if dropped && self.fault == Fault::DroppedRead {
            // What the dropped read had taken went with it.
            let _ = self.below().poll_read(cx, &mut [0]);
        }
        while self.lost > 0 {
            ready!(self.below().poll_read(cx, &mut [0]))?;
            self.lost -= 1;
        }
        match self.read_below(cx, buf) {
            Poll::Pending => {
                self.waiting = Some(place);
                self.waits(buf)
            }
            Poll::Ready(Ok(0)) if !buf.is_empty() => {
                let again = mem::replace(&mut self.ended, true);
                self.end(buf, again, dropped)
            }
            Poll::Ready(Ok(n)) => {
                let greeted = self.greeted();
                self.again = (greeted && n > 0).then(|| buf[n - 1]);
                self.came += n;
                match self.fault {
                    Fault::LongRead if greeted && n > 0 => return Poll::Ready(Ok(buf.len() + 1)),
                    Fault::Tells => self.last.extend(&buf[..n]),
                    _ => {}
                }
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => {
                self.done = true;
                Poll::Ready(Err(error))
            }
        }
    }

    /// The answer of those who do not look at what came.
    fn unread(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Option<Read> {
        let end = Some(Poll::Ready(Ok(0)));
        match self.fault {
            Fault::EmptyRead if buf.is_empty() => Some(Poll::Pending),
            Fault::EmptyReadTakes if buf.is_empty() => {
                let _ = self.below().poll_read(cx, &mut [0]);
                end
            }
            Fault::EmptyReadEnds if buf.is_empty() => {
                self.ended = true;
                end
            }
            Fault::EmptyReadEnds if self.ended => end,
            Fault::EmptyReadAtEnd if buf.is_empty() && self.ended => Some(Poll::Ready(Err(odd("it has ended")))),
            Fault::AfterEnd if self.ended => Some(Poll::Ready(Err(ErrorKind::ConnectionReset.into()))),
            Fault::BothShut if self.shut => end,
            Fault::Cut if self.came > CUT => end,
            Fault::ResetOnce if self.done => end,
            Fault::Siblings if self.is_fallen() => end,
            // Until the writer goes on.
            Fault::OneAtATime if self.full => Some(Poll::Pending),
            Fault::Spins => loop {
                thread::sleep(Duration::from_millis(10));
            },
            Fault::Panics => panic!("broken"),
            _ => None,
        }
    }

    fn read_below(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Read {
        let len = buf.len();
        match self.fault {
            Fault::Datagrams => {
                let mut datagram = [0; 200];
                let n = ready!(self.below().poll_read(cx, &mut datagram))?.min(len);
                buf[..n].copy_from_slice(&datagram[..n]);
                Poll::Ready(Ok(n))
            }
            Fault::FillsBuffer => {
                while self.ahead.len() < len && ready!(self.read_ahead(cx, len - self.ahead.len()))? > 0 {}
                self.take_ahead(buf)
            }
            Fault::EndFirst => {
                while let Poll::Ready(n) = self.read_ahead(cx, 4096)? {
                    if n == 0 {
                        return Poll::Ready(Ok(0));
                    }
                }
                if self.ahead.is_empty() { Poll::Pending } else { self.take_ahead(buf) }
            }
            _ => self.below().poll_read(cx, buf),
        }
    }

    fn read_ahead(&mut self, cx: &mut Context<'_>, room: usize) -> Read {
        let mut more = vec![0; room];
        let n = ready!(self.below().poll_read(cx, &mut more))?;
        self.ahead.extend(&more[..n]);
        Poll::Ready(Ok(n))
    }

    fn take_ahead(&mut self, buf: &mut [u8]) -> Read {
        let n = self.ahead.len().min(buf.len());
        buf[..n].copy_from_slice(&self.ahead[..n]);
        self.ahead.drain(..n);
        Poll::Ready(Ok(n))
    }

    /// There is nothing to read.
    fn waits(&mut self, buf: &mut [u8]) -> Read {
        match (self.fault, self.again.take()) {
            (Fault::EarlyEnd, _) => return Poll::Ready(Ok(0)),
            (Fault::WaitingRead, _) if self.greeted() => self.lost += 1,
            (Fault::Repeats, Some(byte)) => {
                buf[0] = byte;
                return Poll::Ready(Ok(1));
            }
            _ => {}
        }
        Poll::Pending
    }

    /// The end of stream was read.
    fn end(&self, buf: &mut [u8], again: bool, dropped: bool) -> Read {
        Poll::Ready(match self.fault {
            Fault::EmptyEnd if !self.has_come() => Err(odd("not a byte came")),
            Fault::Closed if self.shut => Err(ErrorKind::NotConnected.into()),
            Fault::OddEnd => Err(odd("it has ended")),
            Fault::DroppedEnd if dropped => Err(odd("it has ended before")),
            Fault::MadeUp if !again => {
                let n = buf.len().min(10);
                buf[..n].fill(b'!');
                Ok(n)
            }
            _ => Ok(0),
        })
    }
}
