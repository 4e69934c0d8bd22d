//! The parts of an adapter.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
pub use std::os::fd::AsFd as AsSocket;
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(windows)]
pub use std::os::windows::io::AsSocket;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mimic_core::{Error, Flow};

/// The listener of a runtime over a listener `L` of `std`, and the streams that it accepts.
pub trait Listens<L>: Debug + 'static {
    /// The runtime's listener. The listener of `std` that it is made of does not block.
    type Listener: AsSocket + Debug + Send + TryFrom<L, Error = io::Error>;

    /// The runtime's stream.
    type Stream: AsSocket + Send;

    /// The adapter's flow.
    type Flow: Flow + Send + From<Self::Stream> + 'static;

    /// Waits for the next stream. Cancel-safe: a stream is handed out or still waits.
    ///
    /// # Errors
    /// That of the system.
    fn poll_accept(listener: &Self::Listener, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

/// The parts of a runtime that [`Hosted`](crate::Hosted) makes roles of.
///
/// An adapter implements it and [`Listens`] for a type of its own. `mimic-smol/src/adapter.rs` is a
/// whole one.
///
/// | the runtime's part | the roles, and what this crate adds |
/// |---|---|
/// | `connect` | [`Tcp`](mimic_core::roles::Tcp): sets the options, and refuses a socket that is its own peer |
/// | `Listener`, `poll_accept` | [`TcpListen`](mimic_core::roles::TcpListen), `UnixListen`: [`Acceptor`](crate::Acceptor) |
/// | `Stream` | `Unix`: waits for a full backlog |
/// | `now`, `sleep_until`, `reset` | [`Sleep`](mimic_core::roles::Sleep): one sleep for each timer |
pub trait Adapter: Listens<TcpListener> + UnixSockets {
    /// Waits for an instant. It may wait again after that, and allocates nothing for it.
    type Sleep: Future + Debug + Send + Unpin + 'static;

    /// The time by which a sleep may end too late. A timer sleeps that much shorter at first.
    const LATE: Duration = Duration::ZERO;

    /// Returns an error where the runtime cannot make sockets and timers.
    ///
    /// # Errors
    /// [`Unsupported`](mimic_core::ErrorKind::Unsupported), outside the runtime.
    fn check() -> Result<(), Error> {
        Ok(())
    }

    /// Connects a TCP socket. Dropping the future closes it.
    fn connect(to: SocketAddr) -> impl Future<Output = io::Result<<Self as Listens<TcpListener>>::Stream>> + Send;

    /// Returns the time by the runtime's clock.
    fn now() -> Instant;

    /// Makes a sleep that ends at `at`.
    fn sleep_until(at: Instant) -> Self::Sleep;

    /// Changes a sleep, which may have ended, to end at `at`.
    fn reset(sleep: &mut Self::Sleep, at: Instant);
}

/// The Unix sockets of a runtime. Its streams are made of those of `std`, which do not block.
#[cfg(unix)]
pub trait UnixSockets: Listens<UnixListener, Stream: TryFrom<UnixStream, Error = io::Error>> {}

#[cfg(unix)]
impl<A: Listens<UnixListener, Stream: TryFrom<UnixStream, Error = io::Error>>> UnixSockets for A {}

/// The Unix sockets of a runtime: this system has none.
#[cfg(not(unix))]
pub trait UnixSockets {}

#[cfg(not(unix))]
impl<A> UnixSockets for A {}
