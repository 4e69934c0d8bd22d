//! Connecting.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use embassy_net::Stack;
use embassy_net::tcp::{State, TcpSocket};
use embassy_time::{Instant, Timer};
use mimic_core::{Error, ErrorKind, Phase};

use crate::flow::TcpFlow;
use crate::pool::{Lent, Pool, silence};
use crate::{address, network};

/// How long a peer may take to answer a connect, and to finish one that it began.
const CONNECT: Duration = Duration::from_secs(10);

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

    /// smoltcp's timeout also ends connections that are merely idle: it is off unless keepalive makes the peer talk.
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

pub(crate) async fn connect(pool: &'static Pool, to: SocketAddr, options: Options) -> Result<TcpFlow, Error> {
    let fault = |kind, reason| Error::new(kind, reason).in_phase(Phase::Connect);
    network::wait(pool.stack(), options.deadline).await?;
    let Some(endpoint) = address::route(pool.stack(), to) else {
        return Err(fault(ErrorKind::AddrNotAvailable, "the stack has no address of the family, or no route")
            .advise("give it an address of the family, and a gateway"));
    };
    // Given back, and not connected any further, if this is dropped.
    let socket = pool.take().await?;
    options.connecting(&mut socket.get());
    // It is given up here, where it is known from a refusal.
    socket.get().set_timeout(None);
    let from = address::local(pool.stack(), to.ip());
    let mut attempt = pool.turns().begin();
    let gives_up = attempt.started() + duration(CONNECT);
    let mut sending = false;
    poll_fn(|cx| {
        if sending && let Poll::Ready(connected) = poll_connected(&socket, cx) {
            log!(debug, "connect to {}: {}", endpoint, connected);
            return Poll::Ready(match connected {
                true => Ok(()),
                // smoltcp closes what has lost its address, as DHCP takes it when the link goes down.
                false if address::local(pool.stack(), to.ip()) != from => Err(link_down(
                    pool.stack(),
                    fault(ErrorKind::NotConnected, "the stack lost the address that it connected from"),
                )),
                false => Err(fault(ErrorKind::ConnectionRefused, "the peer refused the connection")),
            });
        }
        let now = Instant::now();
        if now >= gives_up {
            let silent = fault(ErrorKind::TimedOut, "the peer did not answer");
            return Poll::Ready(Err(link_down(pool.stack(), silent)));
        }
        let (may_send, until) = attempt.may_send(now);
        if sending && !may_send {
            log!(debug, "no answer yet from {}: others take their turn", endpoint);
            silence(&mut socket.get());
        } else if may_send && !sending {
            // The rest of embassy-net's future only waits for the state to change.
            if let Poll::Ready(Err(_)) = start(socket.get().connect(endpoint)) {
                return Poll::Ready(Err(fault(ErrorKind::AddrNotAvailable, "the address cannot be connected to")));
            }
            let _ = poll_connected(&socket, cx);
        }
        sending = may_send;
        let _ = poll_once(cx, Timer::at(until.min(gives_up)));
        Poll::Pending
    })
    .await?;
    socket.keep();
    Ok(TcpFlow::new(socket, options))
}

/// Says so if it is.
pub(crate) fn link_down(stack: Stack<'_>, error: Error) -> Error {
    if stack.is_link_up() { error } else { error.advise("the link is down") }
}

/// Waits until the socket is connected, or never will be.
fn poll_connected(socket: &Lent, cx: &mut Context<'_>) -> Poll<bool> {
    let socket = socket.get();
    match socket.state() {
        State::SynSent | State::SynReceived => {
            // Wakes when the state changes.
            let _ = poll_once(cx, socket.wait_write_ready());
            Poll::Pending
        }
        State::Closed | State::Listen | State::TimeWait => Poll::Ready(false),
        _ => Poll::Ready(true),
    }
}
