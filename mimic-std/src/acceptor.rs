//! The listener of every adapter.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use mimic_core::{Error, Listener, Mode, Phase, for_each_mode};
use socket2::SockRef;

use crate::accept::{accept_error, accepted_error};
use crate::adapter::{Adapter, AsSocket, Listens};
#[cfg(unix)]
use crate::socket_file::SocketFile;
use crate::tcp_options::TcpOptions;

#[cfg(not(unix))]
type SocketFile = std::convert::Infallible;

/// Accepts TCP or Unix flows, over a listener `L` of `std`, on the runtime of `A`.
///
/// [`TcpListen`](mimic_core::roles::TcpListen) makes one, and so does
/// [`UnixListen`](mimic_core::roles::UnixListen): its file goes with it.
/// [`from_std`](Acceptor::from_std) makes one of a socket from elsewhere.
#[derive(Debug)]
pub struct Acceptor<A: Listens<L>, L> {
    // Before the listener, to be dropped first.
    _file: Option<SocketFile>,
    listener: A::Listener,
    /// None for Unix sockets.
    options: Option<TcpOptions>,
}

impl<A: Listens<L>, L: AsSocket> Acceptor<A, L> {
    /// Takes a socket that listens already, from socket activation for instance. It is made
    /// non-blocking. TCP flows of it have [`NoDelay`](mimic_core::keys::NoDelay) on and
    /// [`KeepAlive`](mimic_core::keys::KeepAlive) off. The file of a Unix socket stays when the
    /// listener is dropped.
    ///
    /// # Errors
    /// In [`Phase::Bind`]: that of the system; or [`Unsupported`](mimic_core::ErrorKind), outside a
    /// runtime that is needed.
    pub fn from_std(listener: L) -> Result<Self, Error>
    where
        A: Adapter,
    {
        A::check()?;
        let set = SockRef::from(&listener).set_nonblocking(true);
        set.map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        Self::new(None, listener, (true, None).into())
    }

    pub(crate) fn new(file: Option<SocketFile>, listener: L, options: TcpOptions) -> Result<Self, Error> {
        let listener = A::Listener::try_from(listener).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
        let options = address(&listener).map(|_| options);
        Ok(Self { _file: file, listener, options })
    }
}

fn address(listener: &impl AsSocket) -> Option<SocketAddr> {
    SockRef::from(listener).local_addr().ok()?.as_socket()
}

for_each_mode!(M => {
    impl<A: Listens<L>, L: Debug> Listener<M> for Acceptor<A, L> {
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<<M as Mode>::Flow, Error>> {
            let socket = ready!(A::poll_accept(&self.listener, cx)).map_err(accept_error)?;
            if let Some(options) = self.options {
                options.set_on(&SockRef::from(&socket)).map_err(accepted_error)?;
            }
            Poll::Ready(Ok(Box::new(A::Flow::from(socket))))
        }

        fn local_addr(&self) -> Option<SocketAddr> {
            address(&self.listener)
        }
    }
});
