//! The standard roles.

use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

use embedded_io_async::ErrorKind;

use super::dns::{Question, Record};
use super::keys::Protection;
use super::targets::{HostPort, UnixPath};
use crate::{Error, FlowExt, Mode, Phase, Role};

crate::role! {
    /// The root: from nothing to a flow, decided by [`Scheme`](crate::Scheme),
    /// [`Host`](crate::Host), [`Port`](crate::Port) and [`Path`](crate::Path).
    /// [`Ctx::connect`](crate::Ctx::connect) resolves it.
    pub Connect: ();
    /// From a socket address to a byte stream: TCP.
    pub Tcp: SocketAddr;
    /// From a path to a byte stream: a Unix socket.
    pub Unix: UnixPath;
    /// From a host and port to a byte stream in clear text. Proxies are layers on it.
    pub Transport: HostPort;
}

/// As [`Transport`], authenticated and encrypted, by TLS or any other protocol.
///
/// A flow is refused unless it answers [`Protection`] with a peer that equals the host of the
/// target, letter by letter. The protection of a proxy on the way is not enough, nor is a name that
/// a peer merely asked for ([`RequestedName`](crate::RequestedName)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Secure;

impl Role for Secure {
    type Target = HostPort;
    type Output<M: Mode> = M::Flow;
    const NAME: &'static str = "Secure";

    fn verify<M: Mode>(&self, target: &HostPort, flow: &M::Flow) -> Result<(), Error> {
        let reason = match flow.attribute(Protection) {
            None => "the flow is not protected, or its peer not authenticated".into(),
            Some(by) if by.peer == target.host => return Ok(()),
            Some(by) => format!("{} has authenticated {:?}, not {:?}", by.protocol, by.peer, target.host),
        };
        Err(Error::new(ErrorKind::Unsupported, reason)
            .in_phase(Phase::Handshake)
            .advise("what fills Secure must answer the attribute Protection; do not register clear text there"))
    }
}

crate::role! {
    /// From a name and record type to records.
    ///
    /// Without a record of that type, the answer is an empty list. A name that does not exist is an
    /// error of kind [`NotFound`](ErrorKind::NotFound).
    pub Lookup: Question => Vec<Record>;
    /// From nothing to a [`Timer`](crate::Timer), which tells the time and wakes. No deadline
    /// applies to it.
    pub Sleep: () => M::Timer;
    /// The root of the server side: from nothing to a listener, decided by the keys that decide
    /// [`Connect`]. [`Ctx::listen`](crate::Ctx::listen) resolves it.
    pub Listen: () => M::Listener;
    /// From a socket address to a listener: TCP. Port 0 lets the system choose.
    pub TcpListen: SocketAddr => M::Listener;
    /// From a path to a listener: a Unix socket, with the permissions of
    /// [`UnixMode`](crate::UnixMode). A socket file that refuses connections is left over, and is
    /// replaced. One that is served is [`AddrInUse`](ErrorKind::AddrInUse), and so is a file that
    /// is no socket.
    pub UnixListen: UnixPath => M::Listener;
}
