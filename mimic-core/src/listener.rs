//! Listeners: what the server side resolves to.

use alloc::boxed::Box;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use crate::{Error, Mode};

/// Accepts flows. Dropping it stops listening, and removes what it made (a Unix socket's file).
pub trait Listener<M: Mode>: fmt::Debug {
    /// Waits for the next flow.
    ///
    /// An error concerns one peer, or a shortage that may pass (descriptors, memory); the listener goes on, and the
    /// caller should wait a moment before it asks again. Cancel-safe: a flow is handed out or still waits.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>>;

    /// The socket address it listens on, with the real port when 0 was asked for; `None` if it has none (Unix sockets).
    fn local_addr(&self) -> Option<SocketAddr>;
}

/// [`Listener::poll_accept`] in async form.
pub trait ListenerExt<M: Mode>: Listener<M> {
    /// Waits for the next flow; see [`Listener::poll_accept`].
    fn accept(&mut self) -> impl Future<Output = Result<M::Flow, Error>> {
        poll_fn(|cx| self.poll_accept(cx))
    }
}

impl<M: Mode, L: Listener<M> + ?Sized> ListenerExt<M> for L {}

#[deny(clippy::missing_trait_methods)]
impl<M: Mode, L: Listener<M> + ?Sized> Listener<M> for Box<L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Flow, Error>> {
        (**self).poll_accept(cx)
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        (**self).local_addr()
    }
}
