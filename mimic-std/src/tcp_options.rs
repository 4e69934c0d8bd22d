//! The options of TCP sockets, by the keys of a context.

use std::io;
use std::time::Duration;

use mimic_core::Mode;
use mimic_core::keys::{KeepAlive, NoDelay};
use mimic_core::needs::{Needs, map, opt, or_default};
use socket2::{SockRef, TcpKeepalive};

/// The options of a TCP socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpOptions {
    no_delay: bool,
    keep_alive: Option<Duration>,
}

impl TcpOptions {
    /// Declares the keys that the options come from: [`NoDelay`], on unless it is false, and
    /// [`KeepAlive`].
    pub(crate) fn needs<M: Mode>() -> impl Needs<M, Args = Self> + Clone + Send + Sync {
        map((or_default(NoDelay, true), opt(KeepAlive)), Self::from)
    }

    /// Sets the options on a socket.
    ///
    /// # Errors
    /// That of the system.
    pub(crate) fn set_on(self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(self.no_delay)?;
        if let Some(idle) = self.keep_alive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
        Ok(())
    }
}

impl From<(bool, Option<Duration>)> for TcpOptions {
    fn from((no_delay, keep_alive): (bool, Option<Duration>)) -> Self {
        // Given to the system in whole seconds; Linux takes no others.
        let keep_alive = keep_alive.map(|idle| idle.clamp(Duration::from_secs(1), Duration::from_secs(32_767)));
        Self { no_delay, keep_alive }
    }
}
