//! Listening: handshakes go on side by side, and a client that stalls holds up nobody.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use mimic_core::{Error, ErrorKind, Flow, Instant, Listener, Mode, Phase, Timer, for_each_mode};
use rustls::ServerConfig;

use crate::connect::Accepting;

/// How many handshakes may be under way; more clients wait to be accepted.
const HANDSHAKES: usize = 256;

/// How long a client may take for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct TlsListener<M: Mode> {
    below: M::Listener,
    config: Arc<ServerConfig>,
    timer: M::Timer,
    /// Each with the time at which it is given up.
    handshakes: Vec<(Instant, Accepting<M::Flow>)>,
}

impl<M: Mode> TlsListener<M> {
    pub(crate) fn new(below: M::Listener, config: Arc<ServerConfig>, timer: M::Timer) -> Self {
        Self { below, config, timer, handshakes: Vec::new() }
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
        while self.handshakes.len() < HANDSHAKES {
            let Poll::Ready(flow) = self.below.poll_accept(cx) else { break };
            let mut accepting = Accepting::new(flow?, &self.config)?;
            match accepting.poll(cx) {
                Poll::Ready(result) => return Poll::Ready(ended(result, accepting)),
                Poll::Pending => self.handshakes.push((self.timer.now() + PATIENCE, accepting)),
            }
        }
        // Again: what waits first may be new.
        self.poll_patience(cx).map(Err)
    }

    /// Gives up the handshake that took too long, if one did.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        // They are in the order of their ends.
        let Some((end, _)) = self.handshakes.first() else { return Poll::Pending };
        ready!(self.timer.poll_until(cx, *end));
        let (_, accepting) = self.handshakes.remove(0);
        let reason = format!("the client did not finish its handshake within {PATIENCE:?}");
        let error = Error::new(ErrorKind::TimedOut, reason).in_phase(Phase::Handshake);
        Poll::Ready(match accepting.peer() {
            Some(peer) => error.to_target(peer),
            None => error,
        })
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
