//! Listening: handshakes go on side by side, and a client that stalls holds up no other.
//!
//! ```text
//!                        ┌─ done ─────────► accept
//!   below ── flow ──► handshake
//!     │                  └─ failed, late ─► HandshakeObserver
//!     └─ error (a shortage) ──────────────► accept
//! ```
//!
//! # Time
//! The timeout and the age of a handshake are measured in *listening time*, which passes only while
//! the listener is polled: a gap between two polls counts as [`GAP`] at most. While a handshake is
//! under way, a timer wakes the listener every `GAP`. So listening time follows the clock for an
//! application that accepts, and stands still for one that does not.
//!
//! ```text
//!   clock    listening time
//!    0.0 s     0.0 s    a client comes; its timeout ends at 10.0 s of listening time
//!    3.0 s     3.0 s    polled every 250 ms so far; the application is busy for 11 s
//!   14.0 s     3.25 s   polled: the handshake goes on; 6.75 s are left
//!   20.75 s   10.0 s    the handshake is given up if it is not done
//! ```
//!
//! # Places
//! Once all places are taken, a newcomer evicts the handshake that began first, if that is old
//! enough. Until then newcomers wait to be accepted.
//!
//! - Without that, silent clients keep all others out at 26 connections a second. With it they need
//!   256 a second without a pause. Against those only a limit per address helps, below TLS.
//! - The first handshake goes, because it has had more time than all that stay. A random one may be
//!   of an honest client that needs one more round trip, even in a flood that is too slow to push
//!   out the first in that time. A client cannot lengthen its stay by sending something.
//! - The age protects a crowd of honest clients, after a restart for example. Without it they would
//!   push each other out round after round, and none would get through. With it, newcomers wait for
//!   the others' round trips.
//!
//! # Turns
//! A wake-up polls only the handshake that it is for. Woken handshakes are polled before a flow is
//! accepted. One poll ends after [`STEPS`] steps: an accept is one step, and a handshake that fails
//! or is given up is [`FAILURE`] steps. So neither keeps the other waiting, and both leave the
//! thread to other tasks.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;

use futures_util::Stream;
use futures_util::stream::FuturesUnordered;
use mimic_core::adapter::Instant;
use mimic_core::{Error, ErrorKind, Flow, Listener, Mode, Phase, Timer, for_each_mode};
use rustls::ServerConfig;

use crate::connect::Accepting;
use crate::limits::Conduct;

/// The most of the time between two polls that counts as listening. Also the period in which the
/// listener wakes itself.
const GAP: Duration = Duration::from_millis(250);

/// The most steps of one poll. An accept is one.
const STEPS: usize = 64;

/// The steps of a handshake that fails or is given up. Its flow is dropped, and the drop discards
/// the bytes that have arrived: up to 256 KiB by TLS, and as much again by a socket. So one poll
/// discards 4 MiB at most.
const FAILURE: usize = 8;

/// Accepts flows, and hands them out after their handshakes; see the top of this file. Only errors
/// of the listener below are returned.
pub(crate) struct TlsListener<M: Mode> {
    below: M::Listener,
    config: Arc<ServerConfig>,
    timer: M::Timer,
    conduct: Conduct,
    handshakes: FuturesUnordered<InFlight<M::Flow>>,
    /// The begin of each handshake, in listening time, by its number. The first began first.
    began: BTreeMap<u64, Duration>,
    next: u64,
    listened: Duration,
    polled: Option<Instant>,
}

impl<M: Mode> TlsListener<M> {
    pub(crate) fn new(below: M::Listener, config: Arc<ServerConfig>, timer: M::Timer, conduct: Conduct) -> Self {
        Self {
            below,
            config,
            timer,
            conduct,
            handshakes: FuturesUnordered::new(),
            began: BTreeMap::new(),
            next: 0,
            listened: Duration::ZERO,
            polled: None,
        }
    }

    /// Returns the next handshake that is done.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Accepting<M::Flow>, Error>> {
        let now = self.timer.now();
        let gap = self.polled.replace(now).map_or(Duration::ZERO, |before| now - before);
        self.listened += gap.min(GAP);
        let mut steps = STEPS;
        while steps > 0 {
            // Handshakes come before accepting, which fails while they hold the last descriptors.
            if let Poll::Ready(Some(ended)) = Pin::new(&mut self.handshakes).poll_next(cx) {
                // A handshake that was given up has dropped its flow and was counted then.
                steps = steps.saturating_sub(if ended.accepting.is_some() { FAILURE } else { 1 });
                if let Some(done) = self.finish(ended) {
                    return Poll::Ready(Ok(done));
                }
                continue;
            }
            let limits = self.conduct.limits;
            if self.began.len() > limits.handshakes {
                self.give_up(format!("not done within {:?}, and other clients wait", limits.evict_after));
                steps = steps.saturating_sub(FAILURE);
                continue;
            }
            steps -= 1;
            let Some(waited) = self.began.values().next().map(|began| self.listened.saturating_sub(*began)) else {
                match self.below.poll_accept(cx)? {
                    Poll::Ready(flow) => self.begin_handshake(flow),
                    Poll::Pending => return Poll::Pending,
                }
                continue;
            };
            if waited >= limits.timeout {
                self.give_up(format!("not done within {:?}", limits.timeout));
                steps = steps.saturating_sub(FAILURE);
                continue;
            }
            if self.began.len() == limits.handshakes && waited < limits.evict_after {
                self.wake_in(cx, limits.evict_after.min(limits.timeout) - waited);
                return Poll::Pending;
            }
            match self.below.poll_accept(cx)? {
                Poll::Ready(flow) => self.begin_handshake(flow),
                Poll::Pending => {
                    self.wake_in(cx, limits.timeout - waited);
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn begin_handshake(&mut self, flow: M::Flow) {
        match Accepting::new(flow, &self.config, self.conduct.room) {
            Ok(accepting) => {
                self.began.insert(self.next, self.listened);
                self.handshakes.push(InFlight { number: self.next, accepting: Some(accepting), waker: None });
                self.next += 1;
            }
            Err(error) => self.report_failure(error, None),
        }
    }

    /// Returns a handshake that ended, if it is done. Otherwise reports its error.
    fn finish(&mut self, ended: Ended<M::Flow>) -> Option<Accepting<M::Flow>> {
        self.began.remove(&ended.number);
        match (ended.result, ended.accepting?) {
            (Ok(()), accepting) => Some(accepting),
            (Err(error), accepting) => {
                self.report_failure(error, accepting.peer());
                None
            }
        }
    }

    /// Drops the handshake that began first, and its flow.
    fn give_up(&mut self, reason: String) {
        let Some((first, _)) = self.began.pop_first() else { return };
        let Some(handshake) = self.handshakes.iter_mut().find(|handshake| handshake.number == first) else { return };
        let accepting = handshake.accepting.take();
        // Wakes it to end at the next poll, which removes it from the set.
        handshake.waker.iter().for_each(Waker::wake_by_ref);
        let reason = format!("the client's handshake was {reason}");
        self.report_failure(
            Error::new(ErrorKind::TimedOut, reason).in_phase(Phase::Handshake),
            accepting.and_then(|accepting| accepting.peer()),
        );
    }

    /// Passes an error to the observer, with the client's address.
    fn report_failure(&self, error: Error, peer: Option<SocketAddr>) {
        if let Some(observer) = &self.conduct.observer {
            observer(&match peer {
                Some(peer) => error.to_target(peer),
                None => error,
            });
        }
    }

    /// Wakes the task after `rest`, but at least every [`GAP`], so that the time until then counts.
    fn wake_in(&mut self, cx: &mut Context<'_>, rest: Duration) {
        let at = self.timer.now() + rest.min(GAP);
        if self.timer.poll_until(cx, at).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

/// A handshake that is under way. One that is given up holds no flow, and ends at its next poll.
struct InFlight<F> {
    number: u64,
    accepting: Option<Accepting<F>>,
    /// Wakes this handshake alone.
    waker: Option<Waker>,
}

impl<F> Unpin for InFlight<F> {}

struct Ended<F> {
    number: u64,
    result: Result<(), Error>,
    /// `None` if it was given up.
    accepting: Option<Accepting<F>>,
}

impl<F: Flow> Future for InFlight<F> {
    type Output = Ended<F>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<F>> {
        self.waker.get_or_insert_with(|| cx.waker().clone());
        let result = match &mut self.accepting {
            Some(accepting) => ready!(accepting.poll(cx)),
            None => Ok(()),
        };
        Poll::Ready(Ended { number: self.number, result, accepting: self.accepting.take() })
    }
}

for_each_mode!(M => {
    impl Listener<M> for TlsListener<M> {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            self.poll_next(cx).map_ok(|accepting| Box::new(accepting.done()) as _)
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            self.below.local_addr()
        }

        fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
            self.below.each_local_addr(visit);
        }
    }
});

impl<M: Mode> fmt::Debug for TlsListener<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("below", &self.below)
            .field("handshakes", &self.began.len())
            .finish_non_exhaustive()
    }
}
