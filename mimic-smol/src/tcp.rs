//! TCP: connecting, and listening.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use socket2::{SockRef, TcpKeepalive};

use crate::accept::poll_accept;
use crate::bridge::TcpFlow;

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
    fn set_on(self, socket: Async<TcpStream>) -> io::Result<TcpFlow> {
        let options = SockRef::from(&socket);
        options.set_tcp_nodelay(self.no_delay)?;
        if let Some(idle) = self.keep_alive {
            options.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
        Ok(socket.into())
    }
}

pub(crate) async fn connect(to: SocketAddr, options: Options) -> Result<TcpFlow, Error> {
    let socket = Async::<TcpStream>::connect(to).await;
    socket.and_then(|socket| options.set_on(socket)).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}

/// Accepts TCP flows.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Async<TcpListener>,
    options: Options,
}

impl Acceptor {
    pub(crate) fn bind(at: SocketAddr, options: Options) -> Result<Self, Error> {
        let listener = Async::<TcpListener>::bind(at).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { listener, options })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for Acceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            poll_accept(&self.listener, cx, |listener| {
                let (socket, _) = listener.accept()?;
                Ok(Box::new(self.options.set_on(Async::new(socket)?)?) as <M as Mode>::Flow)
            })
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            self.listener.get_ref().local_addr().ok()
        }
    }
});
