//! The flow over a pooled socket.

use core::fmt;
use core::task::{Context, Poll, ready};

use embassy_net::tcp::{self, State};
use embassy_time::{Duration, Instant, Timer};
use mimic_core::adapter::AttributeRequest;
use mimic_core::keys::{LocalAddr, PeerAddr};
use mimic_core::{Error, ErrorKind, Flow, Phase};

use crate::address::to_core;
use crate::pool::PooledSocket;
use crate::socket::{Options, duration, link_down, poll_once};

/// A flow over a TCP socket of the pool.
///
/// - **Flushed** is what the stack has: it sends it, and again if it is lost, also after the flow
///   was dropped.
/// - **Dropped**, it is closed in order: what was written goes out, then FIN. The socket stays with
///   the connection until the peer has everything and has closed too, until it is silent for 10 s;
///   and for 1 s at most if another connect needs it. What the peer sends meanwhile is not read.
/// - **Aborted** and dropped, the peer sees a reset.
/// - A peer that acknowledges nothing of what was sent for as long as
///   [`UserTimeout`](crate::UserTimeout) is an error of kind [`TimedOut`](ErrorKind::TimedOut)
///   of the read or write that waits. One that is silent while there is nothing to acknowledge is
///   noticed with [`KeepAlive`](mimic_core::keys::KeepAlive) only.
///
/// Errors stay. It answers [`PeerAddr`] and [`LocalAddr`]. Reads and writes allocate nothing.
pub struct TcpFlow {
    socket: PooledSocket,
    read: End,
    write: End,
    user_timeout: Duration,
    /// How many bytes were written, wrapping around.
    written: usize,
    /// How many of them the peer had acknowledged when a task last waited.
    acknowledged: usize,
    /// When it must have acknowledged more.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Open,
    Closed,
    Failed(ErrorKind),
}

impl TcpFlow {
    pub(crate) fn new(socket: PooledSocket, options: Options) -> Self {
        options.connected(&mut socket.get());
        let user_timeout = duration(options.user_timeout);
        Self { socket, read: End::Open, write: End::Open, user_timeout, written: 0, acknowledged: 0, stalled: None }
    }

    fn fail(&mut self, kind: ErrorKind, phase: Phase) -> Error {
        // Both directions of a connection end together.
        (self.read, self.write) = (End::Failed(kind), End::Failed(kind));
        self.error(kind, phase)
    }

    fn error(&self, kind: ErrorKind, phase: Phase) -> Error {
        let reason = match kind {
            ErrorKind::TimedOut => "the peer has acknowledged nothing of what was sent",
            ErrorKind::ConnectionAborted => "the flow was aborted",
            // embassy-net does not tell which.
            _ => "the connection was reset, or the peer answered no keepalive",
        };
        let error = Error::new(kind, reason).in_phase(phase);
        link_down(self.socket.pool().stack(), error)
    }

    /// Waits until the peer has had its time, and returns the error.
    fn poll_stalled(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<Error> {
        let is_shut = matches!(self.write, End::Closed);
        if !is_shut && self.acknowledged == self.written {
            return Poll::Pending;
        }
        let acknowledged = self.written.wrapping_sub(self.socket.get().send_queue());
        // Or the FIN is to be acknowledged.
        let fin = is_shut && matches!(self.socket.get().state(), State::FinWait1 | State::Closing | State::LastAck);
        let before = core::mem::replace(&mut self.acknowledged, acknowledged);
        if acknowledged == self.written && !fin {
            self.stalled = None;
            return Poll::Pending;
        }
        let end = match self.stalled {
            Some(end) if before == acknowledged => {
                if end <= Instant::now() {
                    log!(warn, "the peer acknowledges nothing: giving it up");
                    self.socket.get().abort();
                    return Poll::Ready(self.fail(ErrorKind::TimedOut, phase));
                }
                end
            }
            _ => Instant::now().saturating_add(self.user_timeout),
        };
        self.stalled = Some(end);
        let _ = poll_once(cx, Timer::at(end));
        Poll::Pending
    }

    /// Whether bytes still go out: a flush tells of a connection that is gone.
    fn check(&mut self) -> Result<(), Error> {
        let state = self.socket.get().state();
        match (self.write, state) {
            (End::Failed(kind), _) => Err(self.error(kind, Phase::Write)),
            (End::Open, State::Established | State::CloseWait) | (End::Closed, _) => Ok(()),
            (End::Open, _) => Err(self.fail(ErrorKind::ConnectionReset, Phase::Write)),
        }
    }
}

/// Little, because every flow has it: what is derived takes 2 KiB of flash.
impl fmt::Debug for TcpFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TcpFlow")
    }
}

impl Flow for TcpFlow {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.read {
            End::Open => {}
            End::Closed => return Poll::Ready(Ok(0)),
            End::Failed(kind) => return Poll::Ready(Err(self.error(kind, Phase::Read))),
        }
        // The future keeps nothing between polls.
        let polled = poll_once(cx, self.socket.get().read(buf));
        match polled {
            Poll::Ready(Ok(0)) => {
                self.read = End::Closed;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Ok(count)) => Poll::Ready(Ok(count)),
            Poll::Ready(Err(tcp::Error::ConnectionReset)) => {
                Poll::Ready(Err(self.fail(ErrorKind::ConnectionReset, Phase::Read)))
            }
            Poll::Pending => self.poll_stalled(cx, Phase::Read).map(Err),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.write {
            End::Open => {}
            End::Closed => {
                let error = Error::new(ErrorKind::BrokenPipe, "the writing side was shut down");
                return Poll::Ready(Err(error.in_phase(Phase::Write)));
            }
            End::Failed(kind) => return Poll::Ready(Err(self.error(kind, Phase::Write))),
        }
        let polled = poll_once(cx, self.socket.get().write(buf));
        match polled {
            Poll::Ready(Ok(count)) => {
                self.written = self.written.wrapping_add(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(tcp::Error::ConnectionReset)) => {
                Poll::Ready(Err(self.fail(ErrorKind::ConnectionReset, Phase::Write)))
            }
            Poll::Pending => self.poll_stalled(cx, Phase::Write).map(Err),
        }
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // The stack has every byte that was taken.
        Poll::Ready(self.check())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(cx))?;
        // FIN after the data.
        self.socket.get().close();
        self.write = End::Closed;
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.socket.abort_on_drop();
        (self.read, self.write) =
            (End::Failed(ErrorKind::ConnectionAborted), End::Failed(ErrorKind::ConnectionAborted));
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        let socket = self.socket.get();
        request
            .provide_value(PeerAddr, || socket.remote_endpoint().map(to_core))
            .provide_value(LocalAddr, || socket.local_endpoint().map(to_core));
    }
}

mimic_core::read_write!(TcpFlow);
