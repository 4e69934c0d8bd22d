//! The pool of sockets: lent to flows and listeners, and given back.
//!
//! ```text
//!             take                      drop of a flow
//!    free  ──────────►  lent  ──────────────────────────────►  lingering: what was written goes out, then FIN
//!      ▲                  │ aborted, or it had not connected        │ both have closed, or the peer is silent for LINGER,
//!      └──────────────────┴─────────────────────────────────────────┘ or somebody needs it and GRACE has passed
//! ```
//!
//! Nothing runs in the background but smoltcp: lingering sockets are looked at when a socket is needed.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::ops::{Deref, DerefMut};
use core::task::{Context, Poll, Waker};

use embassy_net::tcp::{State, TcpSocket};
use embassy_net::{IpListenEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer};
use heapless::VecView;
use mimic_core::{Error, ErrorKind, Phase};

use crate::link::{poll_once, start};
use crate::turns::Turns;
use crate::{Buffers, address};

/// How long a peer may be silent after a drop, if nobody needs the socket.
const LINGER: Duration = Duration::from_secs(10);
/// How long all may take if somebody does.
const GRACE: Duration = Duration::from_secs(1);
/// How long a reset may take to get out of the stack: the link may be down.
const RESET: Duration = Duration::from_millis(100);

/// Unsized, to have one type for any number of sockets.
pub(crate) struct Pool<S: ?Sized = VecView<Idle>> {
    stack: Stack<'static>,
    size: usize,
    /// Tasks that wait for a socket to be given back.
    waiting: RefCell<Vec<Waker>>,
    /// What listeners listen at.
    bound: RefCell<Vec<IpListenEndpoint>>,
    next_port: Cell<u16>,
    turns: Turns,
    idle: RefCell<S>,
}

/// A socket that nobody uses, oldest first.
pub(crate) struct Idle {
    socket: TcpSocket<'static>,
    /// When it was given back, or aborted.
    since: Instant,
}

impl Idle {
    /// Whether it is closed; with a peer, its reset has not gone out yet.
    fn is_reset(&self) -> bool {
        self.socket.state() == State::Closed
    }

    /// When it has had its time.
    fn ends(&self) -> Instant {
        self.since + if self.is_reset() { RESET } else { GRACE }
    }

    fn is_free(&self, now: Instant) -> bool {
        match self.socket.state() {
            State::Closed => self.socket.remote_endpoint().is_none() || self.ends() <= now,
            State::TimeWait => true,
            _ => false,
        }
    }
}

impl Pool {
    pub(crate) fn new<const N: usize, const RX: usize, const TX: usize>(
        stack: Stack<'static>,
        buffers: &'static mut Buffers<N, RX, TX>,
    ) -> Rc<Self> {
        let since = Instant::now();
        let buffers = buffers.rx.iter_mut().zip(&mut buffers.tx);
        let idle: heapless::Vec<Idle, N> =
            buffers.map(|(rx, tx)| Idle { socket: TcpSocket::new(stack, rx, tx), since }).collect();
        Rc::new(Pool {
            stack,
            size: N,
            waiting: RefCell::default(),
            bound: RefCell::default(),
            next_port: Cell::new(49152),
            turns: Turns::new(address::has_neighbours(stack)),
            idle: RefCell::new(idle),
        })
    }

    pub(crate) fn stack(&self) -> Stack<'static> {
        self.stack
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// A socket. Waits for those that are closing, but not for those that are in use.
    pub(crate) async fn take(self: &Rc<Self>) -> Result<Lent, Error> {
        poll_fn(|cx| self.poll_take(cx)).await.ok_or_else(|| {
            log!(warn, "all {} TCP sockets of the pool are in use", self.size);
            let reason = alloc::format!("all {} TCP sockets of the pool are in use", self.size);
            Error::new(ErrorKind::OutOfMemory, reason)
                .in_phase(Phase::Connect)
                .advise("drop flows that are done, or give the pool more sockets: Buffers<N, RX, TX>")
        })
    }

    /// As [`take`](Self::take), but `None` if all are in use.
    pub(crate) fn poll_take(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<Option<Lent>> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        if let Some(place) = idle.iter().position(|idle| idle.is_free(now)) {
            let Idle { socket, .. } = idle.remove(place);
            return Poll::Ready(Some(Lent { pool: self.clone(), socket: Some(socket), abort: false }));
        }
        if idle.is_empty() {
            return Poll::Ready(None);
        }
        let mut reset = idle.iter().any(Idle::is_reset);
        if !reset && let Some(idle) = idle.iter_mut().find(|idle| idle.ends() <= now) {
            log!(debug, "a closing connection is reset: its socket is needed");
            idle.socket.abort();
            idle.since = now;
            reset = true;
        }
        let mut next = Instant::MAX;
        for idle in idle.iter_mut() {
            // Wakes when the state changes.
            let _ = poll_once(cx, idle.socket.flush());
            if idle.is_reset() == reset {
                next = next.min(idle.ends());
            }
        }
        let _ = poll_once(cx, Timer::at(next));
        Poll::Pending
    }

    /// Wakes the task when a socket is given back.
    pub(crate) fn wait(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn give_back(&self, mut socket: TcpSocket<'static>, abort: bool) {
        log!(debug, "a socket comes back: {}", socket.state());
        match socket.state() {
            // A peer that answers later is reset by the stack.
            State::SynSent | State::Listen => silence(&mut socket),
            _ if abort => socket.abort(),
            _ => {
                socket.close();
                socket.set_keep_alive(None);
                socket.set_timeout(Some(LINGER));
            }
        }
        let given = self.idle.borrow_mut().push(Idle { socket, since: Instant::now() });
        debug_assert!(given.is_ok(), "more sockets were given back than were lent");
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Notes where a listener listens; port 0 is given a number.
    pub(crate) fn bind(&self, mut at: IpListenEndpoint) -> Result<IpListenEndpoint, Error> {
        let mut bound = self.bound.borrow_mut();
        let taken = |at: &IpListenEndpoint| {
            let same = |other: &&IpListenEndpoint| {
                other.port == at.port && (other.addr.is_none() || at.addr.is_none() || other.addr == at.addr)
            };
            bound.iter().any(|other| same(&other))
        };
        if at.port == 0 {
            at.port = self.next_port.get();
            while taken(&at) {
                at.port = at.port.checked_add(1).unwrap_or(49152);
            }
            self.next_port.set(at.port.checked_add(1).unwrap_or(49152));
        }
        if taken(&at) {
            let error = Error::new(ErrorKind::AddrInUse, "another listener of the pool has the port");
            return Err(error.in_phase(Phase::Bind));
        }
        bound.push(at);
        Ok(at)
    }

    pub(crate) fn unbind(&self, at: IpListenEndpoint) {
        let mut bound = self.bound.borrow_mut();
        if let Some(place) = bound.iter().position(|other| *other == at) {
            bound.swap_remove(place);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("sockets", &self.size).finish_non_exhaustive()
    }
}

/// Closes without a reset: one to a neighbour that is not known waits for ever, and asks for it again and again.
pub(crate) fn silence(socket: &mut TcpSocket<'_>) {
    socket.abort();
    // Listening forgets the peer; closing from there sends nothing.
    let _ = start(socket.accept(1));
    socket.close();
}

/// A socket in use, given back when it is dropped: closed, and what was written is still sent; or aborted.
pub(crate) struct Lent {
    pool: Rc<Pool>,
    /// `None` in drop only.
    socket: Option<TcpSocket<'static>>,
    abort: bool,
}

impl Lent {
    pub(crate) fn abort_on_drop(&mut self) {
        self.abort = true;
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }
}

impl Deref for Lent {
    type Target = TcpSocket<'static>;

    fn deref(&self) -> &Self::Target {
        match &self.socket {
            Some(socket) => socket,
            None => unreachable!("a dropped socket"),
        }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match &mut self.socket {
            Some(socket) => socket,
            None => unreachable!("a dropped socket"),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.pool.give_back(socket, self.abort);
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.socket.as_ref().map(TcpSocket::state);
        f.debug_struct("Lent").field("state", &state).finish_non_exhaustive()
    }
}
