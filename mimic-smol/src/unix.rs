//! Unix sockets: connecting, and listening.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::task::{Context, Poll};

use async_io::{Async, Timer};
use mimic_core::{Error, Listener, Mode, Phase, UnixPath, for_each_mode};
use mimic_std::{SocketFile, UnixListening, connect_unix};

use crate::accept::poll_accept;
use crate::bridge::UnixFlow;

pub(crate) async fn connect(to: UnixPath) -> Result<UnixFlow, Error> {
    let pause = |duration| async move {
        Timer::after(duration).await;
    };
    let socket = Async::new_nonblocking(connect_unix(&to, pause).await?);
    Ok(socket.map_err(|error| Error::from(error).in_phase(Phase::Connect))?.into())
}

/// A listener of Unix flows.
///
/// [`BindUnix`](mimic_core::BindUnix) makes one whose file goes with it.
/// [`from_std`](UnixAcceptor::from_std) makes one of a socket from elsewhere.
#[derive(Debug)]
pub struct UnixAcceptor {
    // Before the listener, to be dropped first.
    _file: Option<SocketFile>,
    listener: Async<UnixListener>,
}

impl UnixAcceptor {
    /// Takes a socket that listens already, from socket activation for instance. It is made
    /// non-blocking. Its file stays when the listener is dropped.
    ///
    /// # Errors
    /// That of the system, in [`Phase::Bind`].
    pub fn from_std(listener: UnixListener) -> Result<Self, Error> {
        Self::new(None, listener)
    }

    pub(crate) fn bind(at: &UnixPath, listening: &UnixListening) -> Result<Self, Error> {
        let (file, listener) = listening.bind(at)?;
        Self::new(file, listener)
    }

    fn new(file: Option<SocketFile>, listener: UnixListener) -> Result<Self, Error> {
        let listener = Async::new(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { _file: file, listener })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for UnixAcceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            poll_accept(
                &self.listener,
                cx,
                |listener| listener.accept(),
                |(socket, _)| Ok(Box::new(UnixFlow::new(Async::new(socket)?)) as <M as Mode>::Flow),
            )
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            None
        }

        fn each_local_addr(&self, _: &mut dyn FnMut(SocketAddr)) {}
    }
});
