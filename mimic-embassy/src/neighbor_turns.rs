//! Turns of connects in asking for a neighbour.
//!
//! smoltcp sends one request for a neighbour (ARP, neighbour solicitation) per second, for the
//! whole interface. The attempt that asked first and gets no answer asks again as soon as a second
//! has passed. A later attempt finds the second taken, waits for one more, and is late again, for
//! ever. So a race against a dead neighbour would fail, if the others are not known yet.
//!
//! Here an attempt without an answer steps back after [`FRESH`] if others wait too, and then they
//! take turns:
//!
//! ```text
//!   dead   ask ─────────── steps back ─────────────────────────────────── its turn
//!   alive      (late) ────────────────── its turn: asks ── connected
//!          0   250 ms      900 ms        1,150    1,250
//! ```

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Instant};

/// How long an attempt goes on undisturbed: its second request would come after a second.
const FRESH: Duration = Duration::from_millis(900);
/// Two seconds have room for a request, whatever went before.
const TURN: Duration = Duration::from_millis(2100);
/// How often those that wait look.
const PERIOD: Duration = Duration::from_millis(50);

/// The attempts of a pool that have no answer yet, connects and look-ups.
#[derive(Debug)]
pub(crate) struct NeighborTurns {
    /// Whether there is anything to wait for: not on a point-to-point link.
    neighbours: bool,
    /// How many are fresh.
    fresh: Cell<usize>,
    /// The others; the turn is the first one's.
    waiting: RefCell<Vec<u32>>,
    ends: Cell<Instant>,
    next: Cell<u32>,
}

impl NeighborTurns {
    pub(crate) fn new(neighbours: bool) -> Self {
        Self {
            neighbours,
            fresh: Cell::new(0),
            waiting: RefCell::default(),
            ends: Cell::new(Instant::MIN),
            next: Cell::new(0),
        }
    }

    pub(crate) fn begin(&self) -> NeighborTurn<'_> {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let alone = self.fresh.get() == 0 && self.waiting.borrow().is_empty();
        self.fresh.set(self.fresh.get() + 1);
        NeighborTurn { turns: self, number, started: Instant::now(), alone, fresh: true }
    }
}

/// One attempt, as long as it has no answer.
#[derive(Debug)]
pub(crate) struct NeighborTurn<'a> {
    turns: &'a NeighborTurns,
    number: u32,
    started: Instant,
    /// None was before it: the first request was its own.
    alone: bool,
    fresh: bool,
}

impl NeighborTurn<'_> {
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Returns the time when a look-up, which has no second step, has had its time.
    pub(crate) fn ends(&self) -> Instant {
        self.started + TURN
    }

    /// Whether it may send now, and when to ask again.
    pub(crate) fn may_send(&mut self, now: Instant) -> (bool, Instant) {
        let turns = self.turns;
        if !turns.neighbours {
            return (true, Instant::MAX);
        }
        if self.fresh && now < self.started + FRESH {
            return (true, self.started + FRESH);
        }
        let mut waiting = turns.waiting.borrow_mut();
        if self.fresh {
            self.fresh = false;
            turns.fresh.set(turns.fresh.get() - 1);
            if self.alone {
                waiting.push(self.number);
            } else {
                waiting.insert(0, self.number);
                turns.ends.set(now + TURN);
            }
        }
        // None has the turn while there are fresh ones.
        if now >= turns.ends.get() && turns.fresh.get() == 0 && waiting.len() > 1 {
            waiting.rotate_left(1);
            turns.ends.set(now + TURN);
        }
        let others = turns.fresh.get() > 0 || waiting.len() > 1;
        let turn = waiting.first() == Some(&self.number) && now < turns.ends.get();
        (turn || !others, now + PERIOD)
    }
}

impl Drop for NeighborTurn<'_> {
    fn drop(&mut self) {
        if self.fresh {
            self.turns.fresh.set(self.turns.fresh.get() - 1);
        } else {
            self.turns.waiting.borrow_mut().retain(|number| *number != self.number);
        }
    }
}
