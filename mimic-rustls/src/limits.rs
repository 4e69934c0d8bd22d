//! The limits of a TLS listener, and the observer of handshakes that fail.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use mimic_core::{Error, Key, key};
use rustls::KeyLog;

key! {
    /// Limits the handshakes of a TLS listener, their number and their time; [`Limits::new`] if not
    /// given.
    pub HandshakeLimits: Limits;
    /// Receives the error of each handshake that fails, or is given up, at a TLS listener. `accept`
    /// does not return these errors. Without an observer they are dropped.
    ///
    /// The error is in [`Phase::Handshake`](mimic_core::Phase::Handshake). Its target is the
    /// client's address, if the flow below knows it. [`tls_error`](crate::tls_error) returns
    /// rustls's own error. The observer is called inside `accept` and holds up the listener, so it
    /// must not wait.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mimic_core::{Context, Error};
    /// use mimic_rustls::{HandshakeObserver, Tls};
    ///
    /// let ctx = Context::new().install(Tls);
    /// let ctx = ctx.with(HandshakeObserver, Arc::new(|error: &Error| eprintln!("{error}")));
    /// ```
    pub HandshakeObserver: Arc<dyn Fn(&Error) + Send + Sync>;
    /// Both of the above, the room and the key log, as one need: a candidate has eight at most.
    pub(crate) Handshaking: Conduct;
}

/// The limits of a TLS listener. Each method departs from the default: 256 handshakes, a timeout of
/// 10 s, eviction after 1 s.
///
/// ```
/// use core::time::Duration;
/// use mimic_rustls::Limits;
///
/// let limits = Limits::new().handshakes(1000).timeout(Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Limits {
    pub(crate) handshakes: usize,
    pub(crate) timeout: Duration,
    pub(crate) evict_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// Returns the defaults.
    pub const fn new() -> Self {
        Self { handshakes: 256, timeout: Duration::from_secs(10), evict_after: Duration::from_secs(1) }
    }

    /// Sets how many handshakes may be under way, at least 1. Each holds a flow and the memory of
    /// an unfinished handshake. Giving one up takes a walk over all of them. With a limit of many
    /// thousands, a flood of silent clients costs a walk per client.
    pub const fn handshakes(self, handshakes: usize) -> Self {
        Self { handshakes: if handshakes == 0 { 1 } else { handshakes }, ..self }
    }

    /// Sets the timeout of a handshake. Only time in which the listener is polled counts: a gap
    /// between two polls counts as 250 ms at most.
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the age at which a handshake may be evicted. The oldest one is evicted while all places
    /// are taken and another client waits for one. The age counts as the timeout does.
    pub const fn evict_after(self, evict_after: Duration) -> Self {
        Self { evict_after, ..self }
    }
}

/// The limits, the room, the observer and the key log of one listener.
#[derive(Clone)]
pub(crate) struct Conduct {
    pub(crate) limits: Limits,
    /// The room for an unfinished handshake message.
    pub(crate) room: usize,
    pub(crate) observer: Option<<HandshakeObserver as Key>::Value>,
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
}

impl fmt::Debug for Conduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conduct").field("limits", &self.limits).finish_non_exhaustive()
    }
}
