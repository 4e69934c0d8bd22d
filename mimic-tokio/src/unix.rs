//! Unix sockets: connecting, and listening.

use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use mimic_core::{Error, Listener, Mode, Phase, UnixPath, for_each_mode};
use mimic_std::SocketFile;
use tokio::net::{UnixListener, UnixStream};

use crate::bridge::UnixFlow;
use crate::runtime;

pub(crate) async fn connect(to: UnixPath) -> Result<UnixFlow, Error> {
    runtime()?;
    let socket = UnixStream::connect(&to).await.map_err(|error| Error::from(error).in_phase(Phase::Connect))?;
    Ok(socket.into())
}

/// Accepts Unix flows; the file goes with it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    // Before the listener, to be dropped first.
    _file: SocketFile,
    listener: UnixListener,
}

impl Acceptor {
    pub(crate) fn bind(at: &UnixPath) -> Result<Self, Error> {
        runtime()?;
        let (file, listener) = SocketFile::bind(at)?;
        let listener = UnixListener::from_std(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { _file: file, listener })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for Acceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            let accepted = ready!(self.listener.poll_accept(cx));
            let (socket, _) = accepted.map_err(|error| Error::from(error).in_phase(Phase::Accept))?;
            Poll::Ready(Ok(Box::new(UnixFlow::new(socket))))
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            None
        }
    }
});
