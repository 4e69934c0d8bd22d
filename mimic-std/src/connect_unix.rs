//! Connecting to a Unix socket.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use mimic_core::roles::UnixPath;
use mimic_core::{Error, Phase};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::adapter::{Adapter, Listens};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Connects a socket that does not block.
///
/// A server that does not keep up has a full backlog, and refuses such a socket at once, with
/// nothing to wait for. So this tries again after 1 ms, then after twice as long each time, up to
/// 50 ms, until there is a place. That may take for ever: the deadline is the caller's.
/// Cancel-safe: dropping the future closes the socket.
///
/// BSD and macOS answer a full backlog as they answer where nothing listens. There it is an error.
pub(crate) async fn connect_unix<A: Adapter>(to: &UnixPath) -> Result<<A as Listens<UnixListener>>::Flow, Error> {
    A::check()?;
    let mut pause = FIRST_PAUSE;
    let socket = loop {
        match try_connect(to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => _ = A::sleep_until(A::now() + pause).await,
            result => break result,
        }
        pause = (pause * 2).min(LAST_PAUSE);
    };
    let socket = socket.and_then(TryInto::<<A as Listens<UnixListener>>::Stream>::try_into);
    socket.map(Into::into).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}

/// Connects at once or not at all. Unlike TCP there is nothing that goes on in the background.
pub(crate) fn try_connect(to: &UnixPath) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(to)?)?;
    Ok(socket.into())
}
