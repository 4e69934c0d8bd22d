//! Listeners: what the server side resolves to.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::{Error, ErrorKind, Mode, Phase, Timer, sleep};

/// Accepts flows. Dropping it stops listening, and removes what it made (a Unix socket's file).
///
/// A server accepts with [`ListenerExt::accept_ok`], which has the right loop inside:
///
/// ```
/// # use mimic_core::{Ctx, Error, ListenerExt, Mode, Sleep};
/// async fn serve<M: Mode>(ctx: &Ctx<M>, spawn: impl Fn(M::Flow)) -> Result<(), Error> {
///     let mut listener = ctx.listen().await?;
///     let mut timer = ctx.resolve(Sleep, ()).await?;
///     loop {
///         spawn(listener.accept_ok(&mut timer, |error| log(error)).await);
///     }
/// }
/// # fn log(_: &Error) {}
/// ```
pub trait Listener<M: Mode>: fmt::Debug {
    /// Waits for the next flow.
    ///
    /// The listener goes on after an error. Cancel-safe: a flow is handed out or still waits.
    ///
    /// # Errors
    /// - In [`Phase::Handshake`], or of kind [`ConnectionAborted`](ErrorKind::ConnectionAborted),
    ///   [`ConnectionReset`](ErrorKind::ConnectionReset) or
    ///   [`Interrupted`](ErrorKind::Interrupted): it concerns one peer. The next call may be made
    ///   at once.
    /// - Of any other kind: it concerns the listener, and the next call most likely fails too. So
    ///   the caller waits a moment before it. [`OutOfMemory`](ErrorKind::OutOfMemory) is a shortage
    ///   of memory or descriptors, which passes once other flows are closed.
    ///
    /// [`ListenerExt::accept_ok`] does so.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>>;

    /// The first socket address that it listens on, with the real port when 0 was asked for; `None`
    /// if it has none (Unix sockets). A name may have several: [`ListenerExt::local_addrs`].
    fn local_addr(&self) -> Option<SocketAddr>;

    /// Calls `visit` with each socket address that it listens on, the first one first. As provided,
    /// with [`local_addr`](Listener::local_addr) alone. A listener over another listener passes it
    /// on.
    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        if let Some(address) = self.local_addr() {
            visit(address);
        }
    }
}

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
    ///         let turn = or(async { Some(accepted.as_mut().await) }, async { tick().await; None });
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

#[deny(clippy::missing_trait_methods)]
impl<M: Mode, L: Listener<M> + ?Sized> Listener<M> for Box<L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>> {
        (**self).poll_accept(cx)
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        (**self).local_addr()
    }

    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        (**self).each_local_addr(visit);
    }
}

/// Several listeners as one: those of the addresses of a name, or of a TCP port and a Unix socket.
///
/// ```
/// # use mimic_core::{Context, Error, Listener, ListenerExt, Listeners, Shared};
/// # async fn example(ctx: Context) -> Result<(), Error> {
/// let mut both = Listeners::<Shared>::from_iter([
///     ctx.clone().with_url("tcp://localhost:7007")?.listen().await?,
///     ctx.with_url("unix:/run/app")?.listen().await?,
/// ]);
/// let flow = both.accept().await?;
/// # drop(flow);
/// # Ok(())
/// # }
/// ```
///
/// It is fair: the one that has answered is asked last. An error is that of one of them. Without
/// any, it waits for ever.
pub struct Listeners<M: Mode> {
    /// In the order of their addresses.
    all: Vec<M::Listener>,
    /// The one to ask first.
    next: usize,
}

impl<M: Mode> FromIterator<M::Listener> for Listeners<M> {
    fn from_iter<I: IntoIterator<Item = M::Listener>>(listeners: I) -> Self {
        Self { all: listeners.into_iter().collect(), next: 0 }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<M: Mode> Listener<M> for Listeners<M> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>> {
        let count = self.all.len();
        for at in self.next..self.next + count {
            if let Poll::Ready(result) = self.all[at % count].poll_accept(cx) {
                self.next = (at + 1) % count;
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.all.iter().find_map(Listener::local_addr)
    }

    fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
        for listener in &self.all {
            listener.each_local_addr(visit);
        }
    }
}

impl<M: Mode> fmt::Debug for Listeners<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listeners").field(&self.all).finish()
    }
}
