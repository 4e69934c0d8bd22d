//! Sockets that connected to themselves.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;

/// Refuses a TCP socket that was connected to `to` and is its own peer, and resets it.
///
/// The system gives each connecting socket a local port of a range. If nothing listens at a port of
/// that range, a socket that connects to it is now and then given that very port. TCP then opens
/// from both ends (RFC 9293, section 3.5), and the socket would read its own bytes.
///
/// # Errors
/// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), as any connect to a port where nothing
/// listens; that of the system, if it does not tell the addresses.
pub(crate) fn refuse_itself(socket: &SockRef<'_>, to: SocketAddr) -> io::Result<()> {
    let local = socket.local_addr()?;
    // The ports nearly always tell, without asking for the peer.
    if local.as_socket().is_none_or(|local| local.port() != to.port()) || local != socket.peer_addr()? {
        return Ok(());
    }
    // A reset keeps no port busy.
    socket.set_linger(Some(Duration::ZERO))?;
    Err(io::Error::new(
        io::ErrorKind::ConnectionRefused,
        "connection refused: nothing listens, and the socket would be its own peer",
    ))
}
