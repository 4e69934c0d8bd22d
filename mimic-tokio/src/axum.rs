//! Servers of axum over any listener, by the feature `axum`.
//!
//! ```no_run
//! use axum::Router;
//! use axum::routing::get;
//! use mimic_tokio::axum::Accepting;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = mimic_tokio::context().with_url("tcp://[::]:8080")?.listen().await?;
//! let app = Router::new().route("/", get(|| async { "hello" }));
//! axum::serve(Accepting::new(listener), app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The peer's address is axum's `ConnectInfo<Peer>`, for an app that is served by
//! `app.into_make_service_with_connect_info::<Peer>()`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use ::axum::extract::connect_info::Connected;
use ::axum::serve::{IncomingStream, Listener as AxumListener};
use mimic_core::keys::PeerAddr;
use mimic_core::{Error, Flow, FlowExt, Listener, ListenerExt, Mode, Shared};
use mimic_std::Clock;

use crate::{ToTokio, Tokio};

/// The peer of a connection, as axum's `ConnectInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(
    /// The attribute [`PeerAddr`]: the address of the socket. None for a Unix socket.
    pub Option<SocketAddr>,
);

/// A listener of mimic as one of axum, with the accept loop of
/// [`ListenerExt::accept_ok`]: an error of one peer costs that peer alone, and a shortage of
/// descriptors makes the loop pause.
pub struct Accepting<L = <Shared as Mode>::Listener> {
    listener: L,
    timer: Clock<Tokio>,
    told: Box<dyn FnMut(&Error) + Send>,
}

impl<L: Listener<Shared> + Send> Accepting<L> {
    /// Serves the flows of `listener`, and drops the errors on the way.
    pub fn new(listener: L) -> Self {
        Self::telling(listener, |_| ())
    }

    /// Serves the flows of `listener`, and passes the errors on the way to `told`.
    pub fn telling(listener: L, told: impl FnMut(&Error) + Send + 'static) -> Self {
        Self { listener, timer: Clock::new(Instant::now()), told: Box::new(told) }
    }
}

impl<L: Listener<Shared> + Send + 'static> AxumListener for Accepting<L> {
    type Io = ToTokio<Box<dyn Flow + Send>>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        let Self { listener, timer, told } = self;
        let flow = listener.accept_ok(timer, told).await;
        let peer = Peer(flow.attribute(PeerAddr));
        (ToTokio::new(flow), peer)
    }

    /// Returns the first socket address, in a [`Peer`]: axum has one type for both.
    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer(self.listener.local_addr()))
    }
}

impl<L: Listener<Shared> + Send + 'static> Connected<IncomingStream<'_, Accepting<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Accepting<L>>) -> Self {
        *stream.remote_addr()
    }
}

impl<L: Listener<Shared>> fmt::Debug for Accepting<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting").field("listener", &self.listener).finish_non_exhaustive()
    }
}
