//! The pool of sockets: flows and listeners take them and give them back.
//!
//! ```text
//!           take               drop of a flow
//!   free  ────────►  in use  ─────────────────► lingering: what was written goes out, FIN
//!     ▲                │ aborted, or it had           │ both have closed; or the peer is
//!     │                │ not connected                │ silent for LINGER; or a connect
//!     └────────────────┴──────────────────────────────┘ needs it and GRACE has passed
//! ```
//!
//! Nothing runs in the background but smoltcp: lingering sockets are looked at when a socket is
//! needed. Sockets stay in their places, and a pool is there for ever, as its buffers are: so what
//! lingers goes on when no context has the pool any more.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, RefMut};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use embassy_net::tcp::{State, TcpSocket};
use embassy_net::{IpListenEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer};
use mimic_core::{Error, ErrorKind, Phase};

use crate::neighbor_turns::NeighborTurns;
use crate::socket::{poll_once, start};
use crate::{Buffers, address};

/// How long a peer may be silent after a drop, if no connect needs the socket.
const LINGER: Duration = Duration::from_secs(10);
/// How long closing may take if one does.
const GRACE: Duration = Duration::from_secs(1);
/// How long a reset may take to get out of the stack: the link may be down.
const RESET: Duration = Duration::from_millis(100);

pub(crate) struct Pool {
    stack: Stack<'static>,
    slots: Vec<Slot>,
    /// Tasks that wait for a socket to be given back, or for a connect to keep its own.
    waiting: RefCell<Vec<Waker>>,
    /// What listeners listen at.
    bound: RefCell<Vec<IpListenEndpoint>>,
    next_port: Cell<u16>,
    neighbor_turns: NeighborTurns,
}

/// A socket in its place. Its user borrows it for the time of a call, or the pool while it has
/// none.
struct Slot {
    socket: RefCell<TcpSocket<'static>>,
    /// When it was given back, or aborted since; `None` while it is in use.
    idle_since: Cell<Option<Instant>>,
    /// Whether a connect has it that is not done yet: within seconds, it is given back or kept.
    connecting: Cell<bool>,
}

/// A socket that is not in use.
#[derive(Clone, Copy)]
struct Idle<'a> {
    slot: &'a Slot,
    since: Instant,
}

impl Idle<'_> {
    /// Whether it is closed; with a peer, its reset has not gone out yet.
    fn is_reset(&self) -> bool {
        self.slot.socket.borrow().state() == State::Closed
    }

    /// When it has had its time.
    fn ends(&self) -> Instant {
        self.since + if self.is_reset() { RESET } else { GRACE }
    }

    fn is_free(&self, now: Instant) -> bool {
        let socket = self.slot.socket.borrow();
        match socket.state() {
            State::Closed => socket.remote_endpoint().is_none() || self.ends() <= now,
            State::TimeWait => true,
            _ => false,
        }
    }
}

impl Pool {
    pub(crate) fn new<const N: usize, const RX: usize, const TX: usize>(
        stack: Stack<'static>,
        buffers: &'static mut Buffers<N, RX, TX>,
    ) -> &'static Self {
        let slots = buffers.rx.iter_mut().zip(&mut buffers.tx).map(|(rx, tx)| Slot {
            socket: RefCell::new(TcpSocket::new(stack, rx, tx)),
            idle_since: Cell::new(Some(Instant::MIN)),
            connecting: Cell::new(false),
        });
        Self::of(stack, slots.collect())
    }

    /// The same code for all sizes.
    fn of(stack: Stack<'static>, slots: Vec<Slot>) -> &'static Self {
        Box::leak(Box::new(Self {
            stack,
            slots,
            waiting: RefCell::default(),
            bound: RefCell::default(),
            next_port: Cell::new(49152),
            neighbor_turns: NeighborTurns::new(address::has_neighbours(stack)),
        }))
    }

    pub(crate) fn stack(&self) -> Stack<'static> {
        self.stack
    }

    pub(crate) fn size(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn neighbor_turns(&self) -> &NeighborTurns {
        &self.neighbor_turns
    }

    fn idle(&self) -> impl Iterator<Item = Idle<'_>> {
        self.slots.iter().filter_map(|slot| Some(Idle { slot, since: slot.idle_since.get()? }))
    }

    pub(crate) fn count_idle(&self) -> usize {
        self.idle().count()
    }

    /// A socket to connect. Waits for those that are closing, and for what becomes of those that
    /// others connect: of a race, each attempt has its turn. Does not wait for those that are in
    /// use.
    pub(crate) async fn take(&'static self) -> Result<PooledSocket, Error> {
        let taken = poll_fn(|cx| match self.poll_take(cx) {
            // A connect under way waits for no socket, so nothing waits in a circle.
            Poll::Ready(None) if self.slots.iter().any(|slot| slot.connecting.get()) => {
                self.wait(cx);
                Poll::Pending
            }
            taken => taken,
        });
        taken.await.inspect(|socket| socket.slot.connecting.set(true)).ok_or_else(|| {
            log!(warn, "all {} TCP sockets of the pool are in use", self.size());
            let reason = alloc::format!("all {} TCP sockets of the pool are in use", self.size());
            Error::new(ErrorKind::OutOfMemory, reason)
                .in_phase(Phase::Connect)
                .advise("drop flows that are done, or give the pool more sockets: Buffers<N, RX, TX>")
        })
    }

    /// As [`take`](Self::take), but `None` if all are in use.
    pub(crate) fn poll_take(&'static self, cx: &mut Context<'_>) -> Poll<Option<PooledSocket>> {
        let now = Instant::now();
        let oldest = |idle: &Idle<'_>| idle.since;
        if let Some(Idle { slot, .. }) = self.idle().filter(|idle| idle.is_free(now)).min_by_key(oldest) {
            slot.idle_since.set(None);
            return Poll::Ready(Some(PooledSocket { pool: self, slot, abort: false }));
        }
        if self.idle().next().is_none() {
            return Poll::Ready(None);
        }
        let mut reset = self.idle().any(|idle| idle.is_reset());
        if !reset && let Some(Idle { slot, .. }) = self.idle().filter(|idle| idle.ends() <= now).min_by_key(oldest) {
            log!(debug, "a closing connection is reset: its socket is needed");
            slot.socket.borrow_mut().abort();
            slot.idle_since.set(Some(now));
            reset = true;
        }
        let mut next = Instant::MAX;
        for idle in self.idle() {
            // Wakes when the state changes.
            let _ = poll_once(cx, idle.slot.socket.borrow_mut().flush());
            if idle.is_reset() == reset {
                next = next.min(idle.ends());
            }
        }
        let _ = poll_once(cx, Timer::at(next));
        Poll::Pending
    }

    /// Wakes the task when a socket is given back, or kept.
    pub(crate) fn wait(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    /// Closes a socket.
    fn give_back(&self, slot: &Slot, abort: bool) {
        let mut socket = slot.socket.borrow_mut();
        log!(debug, "a socket comes back: {}", socket.state());
        match socket.state() {
            // A peer that answers later is reset by the stack.
            State::SynSent | State::Listen => close_quietly(&mut socket),
            _ if abort => socket.abort(),
            _ => {
                socket.close();
                socket.set_keep_alive(None);
                socket.set_timeout(Some(LINGER));
            }
        }
        drop(socket);
        slot.idle_since.set(Some(Instant::now()));
        self.settle(slot);
    }

    /// No connect has it any more. Wakes the tasks that wait for a socket.
    fn settle(&self, slot: &Slot) {
        slot.connecting.set(false);
        self.waiting.take().into_iter().for_each(Waker::wake);
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

/// Closes without a reset: one to a neighbour that is not known waits for ever, and asks for it
/// again and again.
pub(crate) fn close_quietly(socket: &mut TcpSocket<'_>) {
    socket.abort();
    // Listening forgets the peer; closing from there sends nothing.
    let _ = start(socket.accept(1));
    socket.close();
}

/// A socket in use, given back when it is dropped: closed, and what was written is still sent; or
/// aborted.
pub(crate) struct PooledSocket {
    pool: &'static Pool,
    slot: &'static Slot,
    abort: bool,
}

impl PooledSocket {
    pub(crate) fn abort_on_drop(&mut self) {
        self.abort = true;
    }

    /// It has connected.
    pub(crate) fn keep(&self) {
        self.pool.settle(self.slot);
    }

    pub(crate) fn pool(&self) -> &'static Pool {
        self.pool
    }

    /// Returns the socket, for one call. Nothing else borrows it.
    #[inline(always)]
    pub(crate) fn get(&self) -> RefMut<'_, TcpSocket<'static>> {
        self.slot.socket.borrow_mut()
    }
}

impl Drop for PooledSocket {
    fn drop(&mut self) {
        self.pool.give_back(self.slot, self.abort);
    }
}
