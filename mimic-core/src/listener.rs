//! The accept loop of a server.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::time::Duration;

use crate::{Error, ErrorKind, Listener, Mode, Phase, Timer, sleep};

/// [`Listener::poll_accept`] in async form.
pub trait ListenerExt<M: Mode>: Listener<M> {
    /// Waits for the next flow; see [`Listener::poll_accept`].
    fn accept(&mut self) -> impl Future<Output = Result<M::Flow, Error>> {
        poll_fn(|cx| self.poll_accept(cx))
    }

    /// Waits for the next flow, whatever goes wrong on the way: the accept loop of a server.
    ///
    /// An error that concerns one peer is passed to `told`, and the next peer is accepted at once.
    /// After any other one the listener rests, for 10 ms first and twice as long each time up to 1
    /// s: so a shortage of descriptors neither ends the server nor keeps a processor busy. Of such
    /// errors in a row `told` hears the first.
    ///
    /// Cancel-safe: a flow is handed out or still waits. Dropping it also drops its pause and what
    /// it has told: in a `select!`, keep one future across the turns, or a broken listener is told
    /// of, and asked again, at every turn.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use futures_lite::future::or;
    /// # use mimic_core::{Error, Listener, ListenerExt, Mode, Timer};
    /// async fn next<M: Mode>(listener: &mut impl Listener<M>, timer: &mut impl Timer) -> M::Flow {
    ///     let mut accepted = pin!(listener.accept_ok(timer, |error| log(error)));
    ///     loop {
    ///         let ticked = async { tick().await; None };
    ///         let turn = or(async { Some(accepted.as_mut().await) }, ticked);
    ///         if let Some(flow) = turn.await {
    ///             return flow;
    ///         }
    ///     }
    /// }
    /// # async fn tick() {}
    /// # fn log(_: &Error) {}
    /// ```
    ///
    /// Allocates nothing.
    fn accept_ok(&mut self, timer: &mut impl Timer, mut told: impl FnMut(&Error)) -> impl Future<Output = M::Flow> {
        async move {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.accept().await {
                    Ok(flow) => return flow,
                    Err(error) if is_of_one_peer(&error) => told(&error),
                    Err(error) => {
                        if pause == FIRST_PAUSE {
                            told(&error);
                        }
                        drop(error);
                        sleep(timer, pause).await;
                        pause = (pause * 2).min(LAST_PAUSE);
                    }
                }
            }
        }
    }

    /// Returns every socket address that it listens on, with the real ports; none for Unix sockets.
    fn local_addrs(&self) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        self.each_local_addr(&mut |address| all.push(address));
        all
    }
}

impl<M: Mode, L: Listener<M> + ?Sized> ListenerExt<M> for L {}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Names those errors after which the next accept may well succeed. All others pause: a listener
/// that is broken for good would keep the loop busy otherwise.
fn is_of_one_peer(error: &Error) -> bool {
    let kinds = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::Interrupted];
    error.phase() == Some(Phase::Handshake) || kinds.contains(&error.kind())
}
