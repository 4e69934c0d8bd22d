//! TCP: connecting, and listening.

use std::io;
use std::net::{self, SocketAddr};
use std::task::{Context, Poll, ready};

use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use mimic_std::{TcpListening, TcpOptions, accept_error, accepted_error, refuse_itself};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::bridge::TcpFlow;
use crate::runtime;

pub(crate) async fn connect(to: SocketAddr, options: TcpOptions) -> Result<TcpFlow, Error> {
    runtime()?;
    let socket = TcpStream::connect(to).await;
    let own = |socket| {
        refuse_itself(&SockRef::from(&socket), to)?;
        with(options, socket)
    };
    socket.and_then(own).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}

fn with(options: TcpOptions, socket: TcpStream) -> io::Result<TcpFlow> {
    options.set_on(&SockRef::from(&socket))?;
    Ok(socket.into())
}

/// A listener of TCP flows.
///
/// [`Bind`](mimic_core::Bind) makes one. [`from_std`](TcpAcceptor::from_std) makes one of a socket
/// from elsewhere.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
    options: TcpOptions,
}

impl TcpAcceptor {
    /// Takes a socket that listens already, from socket activation for instance. It is made
    /// non-blocking. Its flows have [`NoDelay`](mimic_core::NoDelay) on and
    /// [`KeepAlive`](mimic_core::KeepAlive) off.
    ///
    /// # Errors
    /// In [`Phase::Bind`]: that of the system; or outside a tokio runtime.
    pub fn from_std(listener: net::TcpListener) -> Result<Self, Error> {
        listener.set_nonblocking(true).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Self::new(listener, (true, None).into())
    }

    pub(crate) fn bind(at: SocketAddr, listening: &TcpListening) -> Result<Self, Error> {
        runtime()?;
        Self::new(listening.bind(at)?, listening.options())
    }

    fn new(listener: net::TcpListener, options: TcpOptions) -> Result<Self, Error> {
        runtime()?;
        let listener = TcpListener::from_std(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { listener, options })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for TcpAcceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            let (socket, _) = ready!(self.listener.poll_accept(cx)).map_err(accept_error)?;
            let flow = with(self.options, socket).map_err(accepted_error)?;
            Poll::Ready(Ok(Box::new(flow)))
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            self.listener.local_addr().ok()
        }

        fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
            self.listener.local_addr().into_iter().for_each(visit);
        }
    }
});
