//! TCP: connecting, and listening.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::{Context, Poll};

use async_io::Async;
use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use mimic_std::{TcpListening, TcpOptions, refuse_itself};
use socket2::SockRef;

use crate::accept::poll_accept;
use crate::bridge::TcpFlow;

pub(crate) async fn connect(to: SocketAddr, options: TcpOptions) -> Result<TcpFlow, Error> {
    let socket = Async::<TcpStream>::connect(to).await;
    let own = |socket| {
        refuse_itself(&SockRef::from(&socket), to)?;
        with(options, socket)
    };
    socket.and_then(own).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}

fn with(options: TcpOptions, socket: Async<TcpStream>) -> io::Result<TcpFlow> {
    options.set_on(&SockRef::from(&socket))?;
    Ok(socket.into())
}

/// A listener of TCP flows.
///
/// [`Bind`](mimic_core::Bind) makes one. [`from_std`](TcpAcceptor::from_std) makes one of a socket
/// from elsewhere.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: Async<TcpListener>,
    options: TcpOptions,
}

impl TcpAcceptor {
    /// Takes a socket that listens already, from socket activation for instance. It is made
    /// non-blocking. Its flows have [`NoDelay`](mimic_core::NoDelay) on and
    /// [`KeepAlive`](mimic_core::KeepAlive) off.
    ///
    /// # Errors
    /// That of the system, in [`Phase::Bind`].
    pub fn from_std(listener: TcpListener) -> Result<Self, Error> {
        Self::new(listener, (true, None).into())
    }

    pub(crate) fn bind(at: SocketAddr, listening: &TcpListening) -> Result<Self, Error> {
        Self::new(listening.bind(at)?, listening.options())
    }

    fn new(listener: TcpListener, options: TcpOptions) -> Result<Self, Error> {
        let listener = Async::new(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { listener, options })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for TcpAcceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            poll_accept(
                &self.listener,
                cx,
                |listener| listener.accept(),
                |(socket, _)| Ok(Box::new(with(self.options, Async::new(socket)?)?) as <M as Mode>::Flow),
            )
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            self.listener.get_ref().local_addr().ok()
        }

        fn each_local_addr(&self, visit: &mut dyn FnMut(SocketAddr)) {
            self.listener.get_ref().local_addr().into_iter().for_each(visit);
        }
    }
});
