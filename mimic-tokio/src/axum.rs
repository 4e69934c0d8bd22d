//! Servers of axum over any listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener as AxumListens};
use mimic_core::keys::PeerAddr;
use mimic_core::{Error, Flow, FlowExt, Listener, ListenerExt, Mode, Shared};
use mimic_std::{Adapter, Attributes, Clock, ConnectionInfo};

use crate::{ToTokio, Tokio};

/// A listener that `axum::serve` takes, over any listener of mimic: TCP, TLS, a Unix socket.
///
/// ```no_run
/// use axum::Router;
/// use axum::extract::ConnectInfo;
/// use axum::routing::get;
/// use mimic_tokio::{AxumListener, Peer, context};
///
/// async fn hello(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
///     format!("hello, {:?}", peer.peer_addr())
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Router::new().route("/", get(hello));
/// let listener = AxumListener::new(context().with_url("http://[::]:8080")?.listen().await?);
/// axum::serve(listener, app.into_make_service_with_connect_info::<Peer>()).await?;
/// # Ok(())
/// # }
/// ```
///
/// - Its accept loop is [`ListenerExt::accept_ok`]: an error of one peer costs that peer alone, and
///   a shortage of descriptors makes it pause.
/// - [`Peer`] is the `ConnectInfo` of an app: the peer's address, and over TLS the
///   version, the protocol and the certificates of the client.
/// - axum speaks HTTP/2 if its feature `http2` is on. A listener of TLS agrees on it if its
///   `TlsServerConfig` has `h2` among its protocols.
/// - A runtime with time enabled has to drive it.
pub struct AxumListener<L = <Shared as Mode>::Listener> {
    listener: L,
    timer: Clock<Tokio>,
    told: Box<dyn FnMut(&Error) + Send>,
}

impl<L: Listener<Shared> + Send> AxumListener<L> {
    /// Accepts the flows of `listener`.
    pub fn new(listener: L) -> Self {
        let timer = Clock::new(Tokio::now());
        Self { listener, timer, told: Box::new(|_| ()) }
    }

    /// Passes the errors that accepting survives to `told`, as [`ListenerExt::accept_ok`] does.
    #[must_use]
    pub fn on_error(mut self, told: impl FnMut(&Error) + Send + 'static) -> Self {
        self.told = Box::new(told);
        self
    }
}

impl<L: Listener<Shared> + Send + 'static> AxumListens for AxumListener<L> {
    type Io = ToTokio<Box<dyn Flow + Send>>;
    /// The address of the peer, and of the listener: a Unix socket has none.
    type Addr = Option<SocketAddr>;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let Self { listener, timer, told } = self;
        let flow = listener.accept_ok(timer, told).await;
        let peer = flow.attribute(PeerAddr);
        (ToTokio::new(flow), peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.listener.local_addr())
    }
}

/// The peer of a request, as axum's `ConnectInfo<Peer>`: what the flow tells about its connection.
#[derive(Clone, Debug)]
pub struct Peer(pub ConnectionInfo);

impl Deref for Peer {
    type Target = ConnectionInfo;

    fn deref(&self) -> &ConnectionInfo {
        &self.0
    }
}

impl<L: Listener<Shared> + Send + 'static> Connected<IncomingStream<'_, AxumListener<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, AxumListener<L>>) -> Self {
        Self(Attributes::default().of(stream.io().get_ref()))
    }
}

impl<L: fmt::Debug> fmt::Debug for AxumListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AxumListener").field("listener", &self.listener).finish_non_exhaustive()
    }
}
