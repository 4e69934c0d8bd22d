//! Bytes on their way: one buffer with a front that is taken and a back that is filled.
//!
//! Small messages come and go in memory of its own. What is larger borrows from the [pool](crate::pool), until the
//! buffer is released.

use alloc::vec::Vec;
use core::mem;

use crate::pool;

/// What a buffer keeps when it is idle, at most.
pub(crate) const IDLE: usize = 2 * 1024;

/// What a buffer begins with.
const FIRST: usize = IDLE / 4;

#[derive(Default)]
pub(crate) struct Buffer {
    /// All of it is initialised; what counts is between `start` and `end`, and neither lies before `origin`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    origin: usize,
    /// Its own memory, set aside while `bytes` is borrowed.
    own: Option<Vec<u8>>,
    /// How far it was ever filled since it borrowed.
    used: usize,
    /// Whether it receives a handshake: then what it borrows has room for a flight.
    flights: bool,
    /// Whether it last borrowed for good reason: then the next bytes are likely to be many, too.
    busy: bool,
}

impl Buffer {
    /// Receives a handshake, until it [settles](Self::settle) after it.
    pub(crate) fn for_flights(mut self) -> Self {
        self.flights = true;
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// The free space, in front of what is filled and behind it.
    pub(crate) fn free(&self) -> usize {
        self.bytes.len() - self.origin - self.len()
    }

    pub(crate) fn filled(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// The free space behind what is filled, at least `room` bytes of it, which takes moving or growing if need be.
    #[inline]
    pub(crate) fn space(&mut self, room: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < room || (self.busy && self.own.is_none()) {
            self.make(room);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    fn make(&mut self, room: usize) {
        let room = if self.flights { room.max(pool::FLIGHT) } else { room };
        let len = self.len();
        if self.start > self.origin {
            self.bytes.copy_within(self.start..self.end, self.origin);
            (self.start, self.end) = (self.origin, self.origin + len);
        }
        let has = self.bytes.len() - self.origin;
        let borrow = self.busy && self.own.is_none();
        if len + room <= has && !borrow {
            return;
        }
        let size = (len + room).max(has.saturating_mul(2)).max(FIRST);
        if size <= IDLE && !borrow {
            self.bytes.resize(size, 0);
            return;
        }
        let (mut larger, origin) = pool::take(size, self.flights);
        larger[origin..origin + len].copy_from_slice(self.filled());
        let before = mem::replace(&mut self.bytes, larger);
        match self.own {
            None => self.own = Some(before),
            Some(_) => pool::give(before, self.origin..self.used),
        }
        (self.start, self.end, self.origin, self.used) = (origin, origin + len, origin, origin + len);
    }

    /// `n` bytes of the space were filled.
    pub(crate) fn fill(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
        self.used = self.used.max(self.end);
    }

    /// `n` bytes were taken from the front.
    pub(crate) fn take(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (self.origin, self.origin);
        }
    }

    /// Moves bytes from the front into `to`, and says how many.
    pub(crate) fn copy_to(&mut self, to: &mut [u8]) -> usize {
        let n = self.len().min(to.len());
        to[..n].copy_from_slice(&self.filled()[..n]);
        self.take(n);
        n
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
    }

    /// Gives back what was borrowed, if nothing is in it.
    pub(crate) fn release(&mut self) {
        if self.is_empty()
            && let Some(own) = self.own.take()
        {
            self.busy = self.used - self.origin > IDLE;
            pool::give(mem::replace(&mut self.bytes, own), self.origin..self.used);
            (self.start, self.end, self.origin, self.used) = (0, 0, 0, 0);
        }
    }

    /// As [`release`](Self::release), and what little is in it goes to its own memory. For whoever may wait long, and for
    /// whom what was borrowed says nothing about what comes next: a handshake, which may be over.
    pub(crate) fn settle(&mut self, handshaking: bool) {
        let len = self.len();
        if (1..=IDLE).contains(&len)
            && let Some(mut own) = self.own.take()
        {
            own.resize(own.len().max(len).max(FIRST), 0);
            own[..len].copy_from_slice(self.filled());
            pool::give(mem::replace(&mut self.bytes, own), self.origin..self.used);
            (self.start, self.end, self.origin, self.used) = (0, len, 0, len);
        }
        self.release();
        self.busy = false;
        self.flights &= handshaking;
    }

    /// As [`release`](Self::release), and shrinks its own memory to what it began with.
    pub(crate) fn shrink(&mut self) {
        self.release();
        if self.is_empty() && self.own.is_none() {
            self.bytes.truncate(FIRST);
            self.bytes.shrink_to_fit();
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.take(self.len());
        self.release();
    }
}
