//! Connecting to a Unix socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mimic_core::{Error, Phase, UnixPath};
use socket2::{Domain, SockAddr, Socket, Type};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Connects a socket that does not block. `sleep` is the timer of the runtime.
///
/// A server that does not keep up has a full backlog, and a socket that does not block is refused
/// by it at once, with nothing to wait for. So it is tried again after 1 ms, then after twice as
/// long each time, up to 50 ms, until there is a place. That may take for ever: the deadline is the
/// caller's. Cancel-safe: dropping the future closes the socket.
///
/// BSD and macOS answer a full backlog as they answer where nothing listens; there it is an error.
///
/// # Errors
/// That of the system, in [`Phase::Connect`].
pub async fn connect_unix<F: Future<Output = ()>>(
    to: &UnixPath,
    sleep: impl Fn(Duration) -> F,
) -> Result<UnixStream, Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        match try_connect(to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pause).await,
            result => return result.map_err(|error| Error::from(error).in_phase(Phase::Connect)),
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Connects at once or not at all. Unlike TCP there is nothing that goes on in the background.
pub(crate) fn try_connect(to: &UnixPath) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(to)?)?;
    Ok(socket.into())
}
