//! Bytes on their way: one growing buffer with a front that is taken and a back that is filled.

use alloc::vec::Vec;

/// What a buffer keeps when it is idle.
pub(crate) const IDLE: usize = 2 * 1024;

/// What a buffer begins with.
pub(crate) const FIRST: usize = IDLE / 4;

#[derive(Default)]
pub(crate) struct Buffer {
    /// All of it is initialised; what counts is between `start` and `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// What it had when it was last released: a connection that needed it once does so again.
    before: usize,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// The free space, in front of what is filled and behind it.
    pub(crate) fn free(&self) -> usize {
        self.bytes.len() - self.len()
    }

    pub(crate) fn filled(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// The free space behind what is filled, at least `room` bytes of it, which takes moving or growing if need be.
    pub(crate) fn space(&mut self, room: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < room {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let wanted = self.end + room;
            if self.bytes.len() < wanted {
                let twice = self.bytes.len().saturating_mul(2);
                self.bytes.resize(wanted.max(twice).max(FIRST).max(self.before), 0);
            }
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `n` bytes of the space were filled.
    pub(crate) fn fill(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
    }

    /// `n` bytes were taken from the front.
    pub(crate) fn take(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
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

    /// Gives memory back, if nothing is in it, down to `keep` bytes.
    pub(crate) fn release(&mut self, keep: usize) {
        if self.is_empty() && self.bytes.len() > keep {
            self.before = self.bytes.len();
            self.bytes.truncate(keep);
            self.bytes.shrink_to(keep);
        }
    }
}
