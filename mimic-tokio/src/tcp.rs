//! TCP: connecting, and listening.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use crate::bridge::TcpFlow;
use crate::runtime;

/// What the context says about TCP sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    no_delay: bool,
    keep_alive: Option<Duration>,
}

impl From<(bool, Option<Duration>)> for Options {
    fn from((no_delay, keep_alive): (bool, Option<Duration>)) -> Self {
        // Given to the system in whole seconds; Linux takes no others.
        let keep_alive = keep_alive.map(|idle| idle.clamp(Duration::from_secs(1), Duration::from_secs(32_767)));
        Self { no_delay, keep_alive }
    }
}

impl Options {
    fn set_on(self, socket: TcpStream) -> io::Result<TcpFlow> {
        let options = SockRef::from(&socket);
        options.set_tcp_nodelay(self.no_delay)?;
        if let Some(idle) = self.keep_alive {
            options.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
        Ok(socket.into())
    }
}

pub(crate) async fn connect(to: SocketAddr, options: Options) -> Result<TcpFlow, Error> {
    runtime()?;
    let socket = TcpStream::connect(to).await;
    socket.and_then(|socket| options.set_on(socket)).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}

/// Accepts TCP flows.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    options: Options,
}

impl Acceptor {
    pub(crate) async fn bind(at: SocketAddr, options: Options) -> Result<Self, Error> {
        runtime()?;
        let listener = TcpListener::bind(at).await.map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { listener, options })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpFlow>> {
        let (socket, _) = ready!(self.listener.poll_accept(cx))?;
        Poll::Ready(self.options.set_on(socket))
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for Acceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            let flow = ready!(Self::poll_accept(self, cx)).map_err(|error| Error::from(error).in_phase(Phase::Accept))?;
            Poll::Ready(Ok(Box::new(flow)))
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            self.listener.local_addr().ok()
        }
    }
});
