//! Sockets that listen: bound, or inherited.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener;

#[cfg(unix)]
use mimic_core::roles::UnixPath;
use mimic_core::{Error, ErrorKind, Phase};
use socket2::{Domain, Socket, Type};

#[cfg(unix)]
use crate::SocketFile;
use crate::accept::BACKLOG;
use crate::inherited::InheritedSockets;

/// Takes the inherited socket of that address, or binds one. The socket does not block.
///
/// # Errors
/// That of the system, in [`Phase::Bind`]. An address that no interface has, or whose family the
/// system does not have, is [`AddrNotAvailable`](ErrorKind::AddrNotAvailable); a port that this
/// user may not take is [`PermissionDenied`](ErrorKind::PermissionDenied).
pub(crate) fn bind_tcp(
    at: SocketAddr,
    v6_only: Option<bool>,
    inherited: Option<InheritedSockets>,
) -> Result<TcpListener, Error> {
    let listener = match inherited.and_then(|sockets| sockets.take_tcp(at)) {
        Some(listener) => listener.set_nonblocking(true).map(|()| listener),
        None => try_bind(at, v6_only),
    };
    listener.map_err(|error| refused(error, at))
}

fn try_bind(at: SocketAddr, v6_only: Option<bool>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    // As `std` does. On Windows it would let two programs listen at one port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if let (true, Some(v6_only)) = (at.is_ipv6(), v6_only) {
        socket.set_only_v6(v6_only)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes the inherited socket of that path, as it is, or binds one. The file of that one must be
/// dropped before it. The socket does not block.
///
/// # Errors
/// As [`SocketFile::bind`].
#[cfg(unix)]
pub(crate) fn bind_unix(
    at: &UnixPath,
    mode: Option<u32>,
    inherited: Option<InheritedSockets>,
) -> Result<(Option<SocketFile>, UnixListener), Error> {
    match inherited.and_then(|sockets| sockets.take_unix(at)) {
        Some(listener) => {
            listener.set_nonblocking(true).map_err(|error| Error::from(error).in_phase(Phase::Bind))?;
            Ok((None, listener))
        }
        None => SocketFile::bind(at, mode).map(|(file, listener)| (Some(file), listener)),
    }
}

/// Adds advice to the error of a bind.
#[cold]
fn refused(error: io::Error, at: SocketAddr) -> Error {
    let error = match is_unknown_family(&error) {
        true => Error::with_source(ErrorKind::AddrNotAvailable, error),
        false => Error::from(error),
    };
    match error.kind() {
        ErrorKind::AddrNotAvailable => error.advise(
            "this machine does not have the address, or not its family; if a name led to it, listen at an address, or \
             correct the name's entry in the hosts file",
        ),
        ErrorKind::PermissionDenied if (1..1024).contains(&at.port()) => error.advise(
            "most systems keep the ports below 1024 for privileged programs: give a higher port, the privilege, or the \
             socket itself (Inherited)",
        ),
        _ => error,
    }
    .in_phase(Phase::Bind)
}

/// Tells whether the system has no such addresses: IPv6 is off. `std` has no kind for it.
fn is_unknown_family(error: &io::Error) -> bool {
    #[cfg(unix)]
    const EAFNOSUPPORT: i32 = libc::EAFNOSUPPORT;
    /// WSAEAFNOSUPPORT.
    #[cfg(not(unix))]
    const EAFNOSUPPORT: i32 = 10_047;
    error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_needs_a_privilege_is_advised_on_and_no_other() {
        for (port, kind, advises) in [
            (80, io::ErrorKind::PermissionDenied, true),
            (1023, io::ErrorKind::PermissionDenied, true),
            // Something else forbids these.
            (1024, io::ErrorKind::PermissionDenied, false),
            (0, io::ErrorKind::PermissionDenied, false),
            (80, io::ErrorKind::AddrInUse, false),
        ] {
            let error = refused(kind.into(), SocketAddr::from(([127, 0, 0, 1], port)));
            assert_eq!(error.phase(), Some(Phase::Bind));
            assert_eq!(error.advice().is_some_and(|advice| advice.contains("1024")), advises, "{port}: {error}");
        }
    }
}
