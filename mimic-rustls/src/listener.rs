//! Listening: handshakes go on side by side, and a client that stalls holds up nobody.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use mimic_core::{Error, ErrorKind, Flow, Instant, Listener, Mode, Phase, Timer, for_each_mode};
use rustls::ServerConfig;

use crate::connect::Accepting;

/// How many handshakes may be under way.
const HANDSHAKES: usize = 256;

/// How long a client may take for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take while others wait for its place.
const GRACE: Duration = Duration::from_secs(1);

/// Handshakes end in any order, either way, each as one answer of `accept`.
///
/// A client may take [`PATIENCE`]. Once [`HANDSHAKES`] are under way, a newcomer takes the place of the one that began
/// first, if that had [`GRACE`]; until then newcomers wait to be accepted.
///
/// - Clients that say nothing would otherwise keep everybody out at 26 connections a second. Now it takes 256 a second,
///   kept up; against that only a limit per address helps, below TLS.
/// - The first, and not any: who is given up has then had more time than everybody who stays. A random victim may be an
///   honest client that needs one more round trip, even in a flood too slow to push anybody out in that time; and
///   nothing that a client says in between lengthens its stay.
/// - Not before the grace is over, for a crowd of honest clients (after a restart, say) would push each other out round
///   after round, and none would get through. As it is they wait for the others' round trips.
pub(crate) struct TlsListener<M: Mode> {
    below: M::Listener,
    config: Arc<ServerConfig>,
    timer: M::Timer,
    /// For a handshake message.
    room: usize,
    /// Each with the time at which it began, in this order.
    handshakes: Vec<(Instant, Accepting<M::Flow>)>,
}

impl<M: Mode> TlsListener<M> {
    pub(crate) fn new(below: M::Listener, config: Arc<ServerConfig>, timer: M::Timer, room: usize) -> Self {
        Self { below, config, timer, room, handshakes: Vec::new() }
    }

    /// The next handshake that ends, either way.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Accepting<M::Flow>, Error>> {
        // First those under way: a listener that is short of something must not hold them up.
        for at in 0..self.handshakes.len() {
            if let Poll::Ready(result) = self.handshakes[at].1.poll(cx) {
                let (_, accepting) = self.handshakes.remove(at);
                return Poll::Ready(ended(result, accepting));
            }
        }
        // Before accepting, which fails for as long as these hold the last descriptors.
        if let Poll::Ready(error) = self.poll_patience(cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            if let Some((began, _)) = self.handshakes.first().filter(|_| self.handshakes.len() >= HANDSHAKES) {
                // Sooner than any patience ends.
                ready!(self.timer.poll_until(cx, *began + GRACE));
            }
            let Poll::Ready(flow) = self.below.poll_accept(cx) else { break };
            let mut accepting = Accepting::new(flow?, &self.config, self.room)?;
            match accepting.poll(cx) {
                Poll::Ready(result) => return Poll::Ready(ended(result, accepting)),
                Poll::Pending => self.handshakes.push((self.timer.now(), accepting)),
            }
            if self.handshakes.len() > HANDSHAKES {
                let reason = format!("the client did not finish its handshake within {GRACE:?}, and others wait");
                return Poll::Ready(Err(self.give_up(reason)));
            }
        }
        // Again: what waits first may be new.
        self.poll_patience(cx).map(Err)
    }

    /// Gives up the handshake that took too long, if one did.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some((began, _)) = self.handshakes.first() else { return Poll::Pending };
        ready!(self.timer.poll_until(cx, *began + PATIENCE));
        let reason = format!("the client did not finish its handshake within {PATIENCE:?}");
        Poll::Ready(self.give_up(reason))
    }

    /// Drops the handshake that began first, and the flow with it.
    fn give_up(&mut self, reason: String) -> Error {
        let (_, accepting) = self.handshakes.remove(0);
        let error = Error::new(ErrorKind::TimedOut, reason).in_phase(Phase::Handshake);
        match accepting.peer() {
            Some(peer) => error.to_target(peer),
            None => error,
        }
    }
}

/// An error says whose handshake it was.
fn ended<F: Flow>(result: Result<(), Error>, accepting: Accepting<F>) -> Result<Accepting<F>, Error> {
    match (result, accepting.peer()) {
        (Ok(()), _) => Ok(accepting),
        (Err(error), Some(peer)) => Err(error.to_target(peer)),
        (Err(error), None) => Err(error),
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
    }
});

impl<M: Mode> fmt::Debug for TlsListener<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handshakes = self.handshakes.len();
        f.debug_struct("TlsListener")
            .field("below", &self.below)
            .field("handshakes", &handshakes)
            .finish_non_exhaustive()
    }
}
