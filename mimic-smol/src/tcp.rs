//! TCP: connecting, and listening.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::{Context, Poll};

use async_io::Async;
use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use mimic_std::{TcpOptions, refuse_itself};
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

/// Accepts TCP flows.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Async<TcpListener>,
    options: TcpOptions,
}

impl Acceptor {
    pub(crate) fn bind(at: SocketAddr, options: TcpOptions) -> Result<Self, Error> {
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
                Ok(Box::new(with(self.options, Async::new(socket)?)?) as <M as Mode>::Flow)
            })
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            self.listener.get_ref().local_addr().ok()
        }
    }
});
