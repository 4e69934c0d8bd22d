//! Accepting: the listener of every adapter, and its errors as an accept loop needs to know them.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use mimic_core::{Error, ErrorKind, Listener, Mode, Phase, for_each_mode};
use socket2::SockRef;

use crate::adapter::{Adapter, AsSocket, Listens};
#[cfg(unix)]
use crate::socket_file::SocketFile;
use crate::tcp_options::TcpOptions;

#[cfg(not(unix))]
type SocketFile = std::convert::Infallible;

/// Accepts TCP or Unix flows, over a listener `L` of `std`, on the runtime of `A`.
///
/// [`Bind`](mimic_core::Bind) makes one, and so does [`BindUnix`](mimic_core::BindUnix): its file
/// goes with it. [`from_std`](Acceptor::from_std) makes one of a socket from elsewhere.
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
    /// non-blocking. TCP flows of it have [`NoDelay`](mimic_core::NoDelay) on and
    /// [`KeepAlive`](mimic_core::KeepAlive) off. The file of a Unix socket stays when the listener
    /// is dropped.
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

/// The number of peers that may wait to be accepted, unless the system allows fewer.
pub(crate) const BACKLOG: i32 = 1024;

/// Converts an error of accepting, so that its kind says what [`ListenerExt::accept_ok`] does.
///
/// A shortage of descriptors or memory is [`OutOfMemory`](ErrorKind::OutOfMemory). An error of one
/// peer before it was accepted is [`ConnectionAborted`](ErrorKind::ConnectionAborted). Others keep
/// their kinds.
///
/// [`ListenerExt::accept_ok`]: mimic_core::ListenerExt::accept_ok
fn accept_error(error: io::Error) -> Error {
    match cause(&error) {
        Some(Cause::Descriptors) => Error::with_source(ErrorKind::OutOfMemory, error)
            .advise("raise the limit of open files (`ulimit -n`), or serve fewer peers at once"),
        Some(Cause::Memory) => Error::with_source(ErrorKind::OutOfMemory, error),
        Some(Cause::Peer) => Error::with_source(ErrorKind::ConnectionAborted, error),
        None => Error::from(error),
    }
    .in_phase(Phase::Accept)
}

/// Converts an error of setting up a socket that was accepted, as [`accept_error`]. An error that
/// is no shortage concerns that peer alone: [`ConnectionAborted`](ErrorKind::ConnectionAborted).
fn accepted_error(error: io::Error) -> Error {
    match cause(&error) {
        Some(Cause::Descriptors | Cause::Memory) => accept_error(error),
        Some(Cause::Peer) | None => Error::with_source(ErrorKind::ConnectionAborted, error).in_phase(Phase::Accept),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Descriptors,
    Memory,
    Peer,
}

/// Returns the cause by the system's number: `std` has no kind for most of these.
#[cfg(unix)]
fn cause(error: &io::Error) -> Option<Cause> {
    match error.raw_os_error()? {
        libc::EMFILE | libc::ENFILE => Some(Cause::Descriptors),
        // epoll reports too many sockets as ENOSPC.
        libc::ENOBUFS | libc::ENOMEM | libc::ENOSPC => Some(Cause::Memory),
        // Linux passes on errors of the connection while it waited, see accept(2).
        libc::ECONNABORTED
        | libc::ECONNRESET
        | libc::EPROTO
        | libc::ETIMEDOUT
        | libc::ENETDOWN
        | libc::ENETUNREACH
        | libc::EHOSTDOWN
        | libc::EHOSTUNREACH => Some(Cause::Peer),
        _ => None,
    }
}

#[cfg(windows)]
fn cause(error: &io::Error) -> Option<Cause> {
    const ERROR_NOT_ENOUGH_MEMORY: i32 = 8;
    const WSAEMFILE: i32 = 10_024;
    const WSAENOBUFS: i32 = 10_055;
    match error.raw_os_error()? {
        WSAEMFILE => Some(Cause::Descriptors),
        ERROR_NOT_ENOUGH_MEMORY | WSAENOBUFS => Some(Cause::Memory),
        _ => matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
            .then_some(Cause::Peer),
    }
}

#[cfg(not(any(unix, windows)))]
fn cause(_: &io::Error) -> Option<Cause> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let of = |code| accept_error(io::Error::from_raw_os_error(code)).kind();
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(of(code), ErrorKind::OutOfMemory, "{code}");
        }
        assert_eq!(of(libc::ECONNABORTED), ErrorKind::ConnectionAborted);
        assert_eq!(of(libc::EPROTO), ErrorKind::ConnectionAborted);
        assert_eq!(of(libc::EINVAL), ErrorKind::InvalidInput);
        assert_eq!(of(libc::EBADF), ErrorKind::Other);
        let advice = accept_error(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(advice.to_string().contains("ulimit -n"), "{advice}");

        let of = |code| accepted_error(io::Error::from_raw_os_error(code)).kind();
        assert_eq!(of(libc::EINVAL), ErrorKind::ConnectionAborted);
        assert_eq!(of(libc::EMFILE), ErrorKind::OutOfMemory);
        assert_eq!(of(libc::ENOSPC), ErrorKind::OutOfMemory);
    }
}
