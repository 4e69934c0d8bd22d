//! Bytes on their way: one buffer with a front that is taken and a back that is filled.
//!
//! Small messages come and go in memory of its own. What is larger borrows from the
//! [pool](crate::pool), until the buffer is released. Memory that it leaves, in either way, is
//! wiped.

use alloc::vec::Vec;
use core::mem;

use crate::pool::{self, NoMemory};

/// What a buffer keeps when it is idle, at most.
pub(crate) const IDLE: usize = 2 * 1024;

/// What a buffer begins with.
const FIRST: usize = IDLE / 4;

#[derive(Default)]
pub(crate) struct Buffer {
    /// All of it is initialised; what counts is between `start` and `end`, and neither lies before
    /// `origin`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    origin: usize,
    /// Its own memory, wiped and set aside while `bytes` is borrowed.
    own: Option<Vec<u8>>,
    /// How far `bytes` was ever filled, from `origin` on. Beyond, it is zero.
    used: usize,
    /// Whether it receives a handshake: then what it borrows has room for a flight.
    flights: bool,
    /// Whether it last borrowed for good reason: then the next bytes are likely to be many, too.
    busy: bool,
}

impl Buffer {
    /// Receives a handshake, until it [compacts](Self::compact) after it.
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

    /// The free space behind what is filled, at least `room` bytes of it, which takes moving or
    /// growing if need be.
    #[inline]
    pub(crate) fn space(&mut self, room: usize) -> Result<&mut [u8], NoMemory> {
        // Twice as much as it had: what is filled in small steps is not copied at each.
        self.space_within(room, usize::MAX)
    }

    /// As [`space`](Self::space), but `most` bytes are enough for all there will be.
    #[inline]
    pub(crate) fn space_within(&mut self, room: usize, most: usize) -> Result<&mut [u8], NoMemory> {
        if self.bytes.len() - self.end < room || (self.busy && self.own.is_none()) {
            self.make_space(room, most)?;
        }
        Ok(self.bytes.get_mut(self.end..).unwrap_or_default())
    }

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

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), NoMemory> {
        self.space(bytes.len())?[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
        Ok(())
    }

    /// Gives back what was borrowed, if nothing is in it.
    pub(crate) fn release(&mut self) {
        if self.is_empty()
            && let Some(own) = self.own.take()
        {
            self.busy = self.used - self.origin > IDLE;
            pool::give_back(mem::replace(&mut self.bytes, own), self.origin..self.used);
            (self.start, self.end, self.origin, self.used) = (0, 0, 0, 0);
        }
    }

    /// As [`release`](Self::release), and what little is in it goes to its own memory. For whoever
    /// may wait long, and for whom what was borrowed says nothing about what comes next: a
    /// handshake, which may be over.
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
                // Without memory for it, it stays where it is.
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

    /// As [`release`](Self::release), and shrinks its own memory to what it began with.
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

    /// Whatever way a buffer goes, `pool::wipe` asserts in tests that nothing lies beyond what it
    /// is told to wipe.
    #[test]
    fn memory_that_is_left_is_wiped() {
        // It shrinks to what it began with.
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
