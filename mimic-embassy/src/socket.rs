//! Sockets of the stack: what the context says of them, and their futures polled once.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use mimic_core::Error;

/// How long a peer may take to answer a connect, and to finish one that it began.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// What the context says about TCP sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    no_delay: bool,
    keep_alive: Option<Duration>,
    pub(crate) user_timeout: Duration,
    pub(crate) deadline: Option<Duration>,
}

pub(crate) type Given = (bool, Option<Duration>, Option<Duration>, Option<Duration>);

impl From<Given> for Options {
    fn from((no_delay, keep_alive, user_timeout, deadline): Given) -> Self {
        // As short as on a host; and smoltcp would send without a pause if it were nothing.
        let keep_alive = keep_alive.map(|idle| idle.max(Duration::from_secs(1)));
        Self { no_delay, keep_alive, user_timeout: user_timeout.unwrap_or(Duration::from_secs(60)), deadline }
    }
}

impl Options {
    /// Before the socket connects or listens.
    pub(crate) fn connecting(self, socket: &mut TcpSocket<'_>) {
        socket.set_nagle_enabled(!self.no_delay);
        socket.set_keep_alive(None);
        socket.set_timeout(Some(duration(CONNECT)));
    }

    /// smoltcp's timeout also ends connections that are merely idle: it is off unless keepalive
    /// makes the peer talk.
    pub(crate) fn connected(self, socket: &mut TcpSocket<'_>) {
        let timeout = self.keep_alive.map(|idle| self.user_timeout.max(idle.saturating_mul(3)));
        socket.set_timeout(timeout.map(duration));
        socket.set_keep_alive(self.keep_alive.map(duration));
    }
}

/// Saturates; smoltcp adds durations to its clock, which must not overflow.
#[inline(never)]
pub(crate) fn duration(duration: Duration) -> embassy_time::Duration {
    const FAR: u64 = 1 << 45;
    // Not `as_micros`, which counts in 128 bits.
    let micros = duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into());
    embassy_time::Duration::from_micros(micros.min(FAR))
}

/// For futures that keep nothing between polls: made anew for each.
#[inline(always)]
pub(crate) fn poll_once<T>(cx: &mut Context<'_>, future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(cx)
}

/// For those whose first poll is all that is needed.
pub(crate) fn start<T>(future: impl Future<Output = T>) -> Poll<T> {
    poll_once(&mut Context::from_waker(Waker::noop()), future)
}

/// Says so if it is.
pub(crate) fn link_down(stack: Stack<'_>, error: Error) -> Error {
    if stack.is_link_up() { error } else { error.advise("the link is down") }
}
