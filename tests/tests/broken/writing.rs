//! Writing, flushing and shutting down, where they may be broken.

use std::task::{Context, Poll, ready};

use mimic_core::{Error, ErrorKind, Flow};

use super::fault::Fault;
use super::flow::{Broken, odd};

type Written = Poll<Result<usize, Error>>;

fn broken_pipe() -> Written {
    Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
}

/// How much is held back at most.
const HELD: usize = 4096;

/// What is a large write.
const LARGE: usize = 100_000;

impl Broken {
    pub(super) fn write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Written {
        if let Some(answer) = self.unwritten(cx, buf) {
            return answer;
        }
        let spoilt = self.spoilt(buf);
        let written = self.below().poll_write(cx, spoilt.as_deref().unwrap_or(buf));
        self.full = written.is_pending();
        match written {
            Poll::Pending => {
                if self.fault == Fault::WaitingWrite {
                    // Taken, and not said: it goes out when there is room.
                    self.held.extend(buf.first());
                }
                if self.fault == Fault::Endless { Poll::Ready(Ok(buf.len())) } else { Poll::Pending }
            }
            Poll::Ready(Ok(n)) => {
                let greeted = self.greeted();
                self.went += n;
                self.unflushed = true;
                if self.fault == Fault::WaitingWrite {
                    let _ = self.poll_held(cx);
                }
                Poll::Ready(Ok(match self.fault {
                    Fault::LongWrite if greeted => buf.len() + 1,
                    Fault::ShortWrite if buf.len() > LARGE => n - 1,
                    Fault::Endless => buf.len(),
                    _ => n.min(buf.len()),
                }))
            }
            Poll::Ready(Err(error)) => match self.fault {
                Fault::DeafWriter => Poll::Ready(Ok(buf.len())),
                Fault::FailsOnce if self.done => Poll::Ready(Ok(buf.len())),
                _ => {
                    self.done = true;
                    Poll::Ready(Err(error))
                }
            },
        }
    }

    /// The answer of those who do not write.
    fn unwritten(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Option<Written> {
        let taken = Some(Poll::Ready(Ok(buf.len())));
        match self.fault {
            Fault::EmptyWrite if buf.is_empty() => {
                let _ = self.below().poll_write(cx, b"!");
                taken
            }
            Fault::EmptyWriteWaits if buf.is_empty() => Some(Poll::Pending),
            Fault::LateWrite if self.shut => taken,
            Fault::LateSends if self.shut => {
                let _ = self.below().poll_write(cx, buf);
                Some(broken_pipe())
            }
            Fault::AbortLoses if self.aborted => taken,
            Fault::EndShuts if self.ended => Some(broken_pipe()),
            Fault::Flush | Fault::ShutdownFlush if self.greeted() && !self.shut && !buf.is_empty() => {
                if self.held.len() >= HELD && self.poll_held(cx).is_pending() {
                    return Some(Poll::Pending);
                }
                self.held.extend(buf);
                taken
            }
            _ => None,
        }
    }

    /// What is sent instead of these bytes.
    fn spoilt(&self, buf: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = buf.to_vec();
        match self.fault {
            Fault::Swapped if (2..24).contains(&buf.len()) => bytes.swap(0, 1),
            Fault::Doubled if buf.len() == 1 => bytes.extend(buf),
            Fault::StaleBuffer if self.greeted() => bytes.fill(0),
            Fault::OneByte | Fault::LateByte => {
                // The pair's greeting went before.
                let at: usize = if self.fault == Fault::OneByte { 60_100 } else { 9_000_100 };
                *bytes.get_mut(at.checked_sub(self.went)?)? ^= 1;
            }
            _ => return None,
        }
        Some(bytes)
    }

    pub(super) fn write_slices(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Written {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        match self.fault {
            Fault::Nothing => self.below().poll_write_vectored(cx, bufs),
            Fault::ShortCount => {
                let n = ready!(self.below().poll_write_vectored(cx, bufs))?;
                Poll::Ready(Ok(n.div_ceil(2)))
            }
            Fault::LongCount => {
                let n = ready!(self.below().poll_write_vectored(cx, bufs))?;
                Poll::Ready(Ok((n + 1).min(total)))
            }
            Fault::EmptySlices => self.poll_write(cx, bufs.first().copied().unwrap_or_default()),
            Fault::Reversed => {
                let bytes: Vec<u8> = bufs.iter().rev().flat_map(|buf| buf.iter().copied()).collect();
                self.poll_write(cx, &bytes)
            }
            Fault::ManySlices if bufs.len() > 64 => Poll::Ready(Err(odd("too many slices"))),
            Fault::NoSlices if bufs.is_empty() => Poll::Pending,
            Fault::AllEmpty if !bufs.is_empty() && total == 0 => Poll::Pending,
            Fault::Overtaken => {
                bufs.iter().for_each(|buf| self.held.extend(*buf));
                Poll::Ready(Ok(total))
            }
            _ => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).copied().unwrap_or_default();
                self.poll_write(cx, first)
            }
        }
    }

    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.fault {
            Fault::EmptyFlush if self.greeted() && !self.unflushed => {
                return Poll::Ready(Err(odd("there is nothing to flush")));
            }
            Fault::LateFlush if self.shut => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            Fault::FlushWaker if self.full => return Poll::Pending,
            Fault::Flush => {}
            _ => ready!(self.poll_held(cx))?,
        }
        self.unflushed = false;
        self.below().poll_flush(cx)
    }

    pub(super) fn shut_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let again = self.shut;
        match self.fault {
            Fault::SecondShutdown if again => {
                return Poll::Ready(Err(Error::new(ErrorKind::NotConnected, "it was shut down before")));
            }
            Fault::ShutdownWaker if self.full => return Poll::Pending,
            _ => {}
        }
        self.shut = true;
        match self.fault {
            Fault::NoShutdown => Poll::Ready(Ok(())),
            // The second is passed on.
            Fault::LateSends if !again => Poll::Ready(Ok(())),
            _ => self.below().poll_shutdown(cx),
        }
    }
}
