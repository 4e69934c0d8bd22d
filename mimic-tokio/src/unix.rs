//! Unix sockets: connecting, and listening.

use std::net::SocketAddr;
use std::os::unix;
use std::task::{Context, Poll, ready};

use mimic_core::{Error, Listener, Mode, Phase, UnixPath, for_each_mode};
use mimic_std::{SocketFile, UnixListening, accept_error, connect_unix};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use crate::bridge::UnixFlow;
use crate::runtime;

pub(crate) async fn connect(to: UnixPath) -> Result<UnixFlow, Error> {
    runtime()?;
    let socket = UnixStream::from_std(connect_unix(&to, sleep).await?);
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
    listener: UnixListener,
}

impl UnixAcceptor {
    /// Takes a socket that listens already, from socket activation for instance. It is made
    /// non-blocking. Its file stays when the listener is dropped.
    ///
    /// # Errors
    /// In [`Phase::Bind`]: that of the system; or outside a tokio runtime.
    pub fn from_std(listener: unix::net::UnixListener) -> Result<Self, Error> {
        listener.set_nonblocking(true).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Self::new(None, listener)
    }

    pub(crate) fn bind(at: &UnixPath, listening: &UnixListening) -> Result<Self, Error> {
        runtime()?;
        let (file, listener) = listening.bind(at)?;
        Self::new(file, listener)
    }

    fn new(file: Option<SocketFile>, listener: unix::net::UnixListener) -> Result<Self, Error> {
        runtime()?;
        let listener = UnixListener::from_std(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { _file: file, listener })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for UnixAcceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            let (socket, _) = ready!(self.listener.poll_accept(cx)).map_err(accept_error)?;
            Poll::Ready(Ok(Box::new(UnixFlow::new(socket))))
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            None
        }

        fn each_local_addr(&self, _: &mut dyn FnMut(SocketAddr)) {}
    }
});
