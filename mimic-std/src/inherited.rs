//! Sockets that listen already.

use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::path;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(unix)]
use mimic_core::roles::UnixPath;

mimic_core::key! {
    /// Sockets that listen already, from another process: socket activation. Listening at the
    /// address of one of them takes it, in place of binding another.
    pub Inherited: InheritedSockets;
}

/// The sockets of [`Inherited`]. Each is handed out once, to the first listener at its address or
/// path.
///
/// So one program serves with and without socket activation, by any scheme that the context has,
/// TLS included. With the crate `listenfd`, which takes over what systemd passes on (`LISTEN_FDS`):
///
/// ```
/// # mod listenfd {
/// #     #[derive(Default)]
/// #     pub struct ListenFd;
/// #     impl ListenFd {
/// #         pub fn from_env() -> Self { Self }
/// #         pub fn take_tcp_listener(&mut self, _: usize) -> std::io::Result<Option<std::net::TcpListener>> { Ok(None) }
/// #     }
/// # }
/// use mimic_core::{Context, Error, Mode, Shared};
/// use mimic_std::{Inherited, InheritedSockets};
///
/// async fn listen(ctx: Context) -> Result<<Shared as Mode>::Listener, Error> {
///     let mut sockets = InheritedSockets::new();
///     if let Some(socket) = listenfd::ListenFd::from_env().take_tcp_listener(0)? {
///         sockets = sockets.tcp(socket);
///     }
///     ctx.with(Inherited, sockets).with_url("tls://192.0.2.1:443")?.listen().await
/// }
/// ```
///
/// A socket is taken for good. If listening then fails, because another address of the name cannot
/// be bound, or for a reason of the scheme's, the socket is closed with its listener, and a further
/// try binds another one at its address. So listen by the address of the socket rather than by a
/// name. A [`try_clone`](TcpListener::try_clone) that the program keeps can be given to the next
/// try, and no peer is refused meanwhile.
///
/// The sockets are made non-blocking; other processes that share them see that. The file of a Unix
/// socket stays when its listener is dropped: it belongs to the process that made it. Clones share
/// the sockets. Dropping the last clone closes those that were not taken.
#[derive(Clone, Debug, Default)]
pub struct InheritedSockets(Arc<Mutex<Sockets>>);

#[derive(Debug, Default)]
struct Sockets {
    tcp: Vec<TcpListener>,
    #[cfg(unix)]
    unix: Vec<UnixListener>,
}

impl InheritedSockets {
    /// Makes an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TCP socket, which listens already.
    #[must_use]
    pub fn tcp(self, socket: TcpListener) -> Self {
        self.with(|sockets| sockets.tcp.push(socket));
        self
    }

    /// Adds a Unix socket, which listens already.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(self, socket: UnixListener) -> Self {
        self.with(|sockets| sockets.unix.push(socket));
        self
    }

    /// Takes out the socket that listens at an address and port. The `[::]` of a URL is not
    /// `0.0.0.0`, even if the system lets one socket serve both.
    #[must_use]
    pub fn take_tcp(&self, at: SocketAddr) -> Option<TcpListener> {
        self.with(|sockets| {
            let found = sockets.tcp.iter().position(|socket| socket.local_addr().is_ok_and(|addr| addr == at));
            found.map(|found| sockets.tcp.swap_remove(found))
        })
    }

    /// Takes out the socket that listens at a path. Paths are compared as written, once they are
    /// absolute.
    #[cfg(unix)]
    #[must_use]
    pub fn take_unix(&self, at: &UnixPath) -> Option<UnixListener> {
        let at = path::absolute(at).ok()?;
        self.with(|sockets| {
            let found = sockets.unix.iter().position(|socket| {
                let path = socket.local_addr().ok().and_then(|addr| path::absolute(addr.as_pathname()?).ok());
                path.is_some_and(|path| path == at)
            });
            found.map(|found| sockets.unix.swap_remove(found))
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Sockets) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
