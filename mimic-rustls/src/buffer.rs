//! A buffer of bytes: taken at the front, filled at the back.
//!
//! ```text
//!          origin     start        end
//!   bytes ────┬─────────┬────────────┬───────────────────┐
//!             │  taken  │   filled   │       space       │
//!             └─────────┴────────────┴───────────────────┘
//!
//!   up to 2 KiB    in memory of its own
//!   more           borrowed from the pool; its own memory waits, wiped
//!   released       its own again, if nothing is filled
//! ```
//!
//! Memory that a buffer leaves, its own or borrowed, is wiped.

use alloc::vec::Vec;
use core::mem;

use crate::pool::{self, NoMemory};

/// The most memory that an idle buffer keeps.
pub(crate) const IDLE: usize = 2 * 1024;

/// The memory that a buffer begins with.
const FIRST: usize = IDLE / 4;

#[derive(Default)]
pub(crate) struct Buffer {
    /// All of it is initialised. The bytes from `start` to `end` are filled, and neither lies
    /// before `origin`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    origin: usize,
    /// Its own memory, wiped and set aside while `bytes` is borrowed.
    own: Option<Vec<u8>>,
    /// The furthest that `bytes` was filled, from `origin` on. Beyond, it is zero.
    used: usize,
    /// It receives a handshake, so the memory that it borrows has room for a flight.
    flights: bool,
    /// It last borrowed for many bytes, so it borrows at once for the next, which are likely to be
    /// many, too.
    busy: bool,
}

impl Buffer {
    /// Makes it a buffer for a handshake, until it [compacts](Self::compact) after that.
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

    /// Returns the size of the free space, in front of the filled bytes and behind them.
    pub(crate) fn free(&self) -> usize {
        self.bytes.len() - self.origin - self.len()
    }

    pub(crate) fn filled(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Returns the free space behind the filled bytes, at least `room` bytes. Moves them or grows
    /// if need be.
    #[inline]
    pub(crate) fn space(&mut self, room: usize) -> Result<&mut [u8], NoMemory> {
        // It grows to twice its size, so that bytes that come in small steps are not copied at
        // each.
        self.space_within(room, usize::MAX)
    }

    /// As [`space`](Self::space), but does not grow beyond `most` bytes, which are enough for all
    /// that will come.
    #[inline]
    pub(crate) fn space_within(&mut self, room: usize, most: usize) -> Result<&mut [u8], NoMemory> {
        if self.bytes.len() - self.end < room || (self.busy && self.own.is_none()) {
            self.make_space(room, most)?;
        }
        Ok(self.bytes.get_mut(self.end..).unwrap_or_default())
    }

    /// Moves the filled bytes to the origin, or to larger memory.
    fn make_space(&mut self, room: usize, most: usize) -> Result<(), NoMemory> {
        let room = if self.flights { room.max(pool::FLIGHT) } else { room };
        let len = self.len();
        if self.start > self.origin {
            self.bytes.copy_within(self.start..self.end, self.origin);
            (self.start, self.end) = (self.origin, self.origin + len);
        }
        let has = self.bytes.len() - self.origin;
        let borrow = self.busy && self.own.is_none();
        let needed = len.saturating_add(room);
        if needed <= has && !borrow {
            return Ok(());
        }
        let size = has.saturating_mul(2).min(most).max(needed).max(FIRST);
        let (mut larger, origin, borrowed) = if size <= IDLE && !borrow {
            (pool::zeroed(size)?, 0, false)
        } else {
            let (larger, origin) = pool::borrow(size, self.flights)?;
            (larger, origin, true)
        };
        larger[origin..origin + len].copy_from_slice(self.filled());
        let used = self.origin..self.used;
        let mut before = mem::replace(&mut self.bytes, larger);
        if borrowed && self.own.is_none() {
            pool::wipe(&mut before, used);
            self.own = Some(before);
        } else {
            pool::give_back(before, used);
        }
        (self.start, self.end, self.origin, self.used) = (origin, origin + len, origin, origin + len);
        Ok(())
    }

    /// Counts `n` bytes of the space as filled.
    pub(crate) fn fill(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
        self.used = self.used.max(self.end);
    }

    /// Takes `n` bytes from the front.
    pub(crate) fn take(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (self.origin, self.origin);
        }
    }

    /// Moves bytes from the front into `to`. Returns how many.
    pub(crate) fn copy_to(&mut self, to: &mut [u8]) -> usize {
        let n = self.len().min(to.len());
        to[..n].copy_from_slice(&self.filled()[..n]);
        self.take(n);
        n
    }

    /// Fills with a copy of `bytes`.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), NoMemory> {
        self.space(bytes.len())?[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
        Ok(())
    }

    /// Gives back borrowed memory, if nothing is filled.
    pub(crate) fn release(&mut self) {
        if self.is_empty()
            && let Some(own) = self.own.take()
        {
            self.busy = self.used - self.origin > IDLE;
            pool::give_back(mem::replace(&mut self.bytes, own), self.origin..self.used);
            (self.start, self.end, self.origin, self.used) = (0, 0, 0, 0);
        }
    }

    /// As [`release`](Self::release), and moves up to 2 KiB that are filled to its own memory. For
    /// a handshake that waits or is done: it may wait long, and the memory that it borrowed says
    /// nothing about the bytes that come next.
    pub(crate) fn compact(&mut self, handshaking: bool) {
        let len = self.len();
        if (1..=IDLE).contains(&len)
            && let Some(mut own) = self.own.take()
        {
            if own.len() < len
                && let Ok(larger) = pool::zeroed(len.max(FIRST))
            {
                own = larger;
            }
            if own.len() < len {
                // There is no memory for it, so it stays where it is.
                self.own = Some(own);
            } else {
                own[..len].copy_from_slice(self.filled());
                pool::give_back(mem::replace(&mut self.bytes, own), self.origin..self.used);
                (self.start, self.end, self.origin, self.used) = (0, len, 0, len);
            }
        }
        self.release();
        self.busy = false;
        self.flights &= handshaking;
    }

    /// As [`release`](Self::release), and shrinks its own memory to its first size.
    pub(crate) fn shrink(&mut self) {
        self.release();
        if self.is_empty() && self.own.is_none() {
            pool::wipe(&mut self.bytes, 0..self.used);
            self.used = 0;
            self.bytes.truncate(FIRST);
            self.bytes.shrink_to_fit();
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        pool::give_back(mem::take(&mut self.bytes), self.origin..self.used);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn fill(buffer: &mut Buffer, n: usize) {
        buffer.append(&vec![7; n]).unwrap();
    }

    fn is_clean(bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| *byte == 0)
    }

    /// In tests `pool::wipe` asserts that nothing lies beyond the range that it wipes.
    #[test]
    fn memory_that_is_left_is_wiped() {
        // It shrinks to its first size.
        let mut buffer = Buffer::default();
        fill(&mut buffer, 400);
        fill(&mut buffer, 1200);
        buffer.take(1600);
        assert!(!is_clean(&buffer.bytes), "it is not wiped while it goes on");
        buffer.shrink();
        assert!(buffer.bytes.len() <= FIRST && is_clean(&buffer.bytes));

        // It sets its own memory aside, borrows twice and gives back.
        fill(&mut buffer, 300);
        fill(&mut buffer, 3000);
        assert!(buffer.own.as_deref().is_some_and(is_clean));
        fill(&mut buffer, 100_000);
        assert_eq!(buffer.filled(), vec![7; 103_300]);
        buffer.take(103_299);
        buffer.compact(true);
        assert!(buffer.own.is_none() && buffer.bytes[0] == 7 && is_clean(&buffer.bytes[1..]));

        // The next borrower has zeros, as has the one after a drop.
        for size in [5000, 60_000] {
            fill(&mut buffer, size);
            drop(mem::take(&mut buffer));
            assert!(is_clean(&pool::borrow(size, false).unwrap().0));
        }
    }

    #[test]
    fn room_that_no_machine_has_is_an_error_and_loses_nothing() {
        let mut buffer = Buffer::default();
        fill(&mut buffer, 100);
        for room in [usize::MAX / 2, usize::MAX] {
            assert!(buffer.space(room).is_err());
            assert!(buffer.space_within(room, room).is_err());
        }
        assert_eq!(buffer.filled(), [7; 100]);
    }

    #[test]
    fn no_more_is_taken_than_is_enough() {
        let mut buffer = Buffer::default();
        fill(&mut buffer, 600);
        buffer.space_within(500, 1300).unwrap();
        assert_eq!(buffer.bytes.len(), 1200);
        buffer.space_within(700, 1300).unwrap();
        assert_eq!(buffer.bytes.len(), 1300);
    }
}
