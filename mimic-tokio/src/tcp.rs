//! TCP: connecting, and listening.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use mimic_std::{TcpOptions, refuse_itself};
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

/// Accepts TCP flows.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    options: TcpOptions,
}

impl Acceptor {
    pub(crate) async fn bind(at: SocketAddr, options: TcpOptions) -> Result<Self, Error> {
        runtime()?;
        let listener = TcpListener::bind(at).await.map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { listener, options })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpFlow>> {
        let (socket, _) = ready!(self.listener.poll_accept(cx))?;
        Poll::Ready(with(self.options, socket))
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
