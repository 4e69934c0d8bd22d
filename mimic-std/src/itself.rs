//! Sockets that connected to themselves.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;

/// Refuses a TCP socket that was connected to `to` and whose peer is itself, and resets it. A port
/// out of which sockets are given their own, where nothing listens, is now and then given to the
/// very socket that connects to it; TCP then opens from both ends (RFC 9293, section 3.5), and it
/// would read what it writes.
///
/// # Errors
/// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), as any connect to a port where nothing
/// listens; that of the system, if it does not tell the addresses.
pub(crate) fn refuse_itself(socket: &SockRef<'_>, to: SocketAddr) -> io::Result<()> {
    let local = socket.local_addr()?;
    // The ports tell it without a question for the peer, nearly always.
    if local.as_socket().is_none_or(|local| local.port() != to.port()) || local != socket.peer_addr()? {
        return Ok(());
    }
    // No port is kept busy for a peer that was none.
    socket.set_linger(Some(Duration::ZERO))?;
    Err(io::Error::new(
        io::ErrorKind::ConnectionRefused,
        "connection refused: nothing listens, and the socket would be its own peer",
    ))
}
