//! Unix sockets: connecting, and listening.

use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::task::{Context, Poll};

use async_io::Async;
use mimic_core::{Error, Listener, Mode, Phase, UnixPath, for_each_mode};
use mimic_std::SocketFile;

use crate::accept::poll_accept;
use crate::bridge::UnixFlow;

pub(crate) async fn connect(to: UnixPath) -> Result<UnixFlow, Error> {
    let socket = Async::<UnixStream>::connect(&to).await;
    Ok(socket.map_err(|error| Error::from(error).in_phase(Phase::Connect))?.into())
}

/// Accepts Unix flows; the file goes with it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    // Before the listener, to be dropped first.
    _file: SocketFile,
    listener: Async<UnixListener>,
}

impl Acceptor {
    pub(crate) fn bind(at: &UnixPath) -> Result<Self, Error> {
        let (file, listener) = SocketFile::bind(at)?;
        let listener = Async::new(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Ok(Self { _file: file, listener })
    }
}

for_each_mode!(M => {
    #[deny(clippy::missing_trait_methods)]
    impl Listener<M> for Acceptor {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            poll_accept(&self.listener, cx, |listener| {
                let (socket, _) = listener.accept()?;
                Ok(Box::new(UnixFlow::new(Async::new(socket)?)) as <M as Mode>::Flow)
            })
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            None
        }
    }
});
