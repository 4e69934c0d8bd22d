//! The record of one connect: what was tried below it. It lives outside the future, so that a
//! deadline or a drop leaves it behind.

use alloc::string::String;

use crate::error::{Attempt, Attempts, FIRST};

/// How many attempts are kept of one connect. [`FIRST`] of them are its first.
const KEPT: usize = 32;

/// What the dials of one connect have written. Successes leave no entry, but for the
/// [hops](Attempts::hops) of layers.
#[derive(Debug, Default)]
pub(crate) struct Record {
    started: u32,
    closed: bool,
    /// The deadline has expired. It cuts off each attempt that is dropped from now on.
    pub(crate) timed_out: bool,
    tried: Attempts,
}

impl Record {
    /// The number of a new attempt; `None` once the connect is over, and then the dial is one of
    /// its own.
    pub(crate) fn start(&mut self) -> Option<u32> {
        if self.closed {
            return None;
        }
        self.started += 1;
        Some(self.started)
    }

    /// Inserts the attempt in start order. Beyond [`KEPT`] entries it drops the oldest after the
    /// first [`FIRST`], so that a retry loop stays bounded.
    pub(crate) fn end(&mut self, attempt: Attempt) {
        if !self.closed {
            let Attempts { attempts, omitted, .. } = &mut self.tried;
            let later = attempts.iter().rev().take_while(|other| other.id > attempt.id).count();
            attempts.insert(attempts.len() - later, Attempt { timed_out: self.timed_out, ..attempt });
            if attempts.len() > KEPT {
                // Not the one that the deadline cut off, which may have begun long before the
                // others.
                let later = attempts.iter().skip(FIRST).position(|attempt| !attempt.timed_out);
                attempts.remove(FIRST + later.unwrap_or_default());
                *omitted += 1;
            }
        }
    }

    /// Keeps what the layer `id` has dialled below, in place of what it had dialled before.
    pub(crate) fn reached(&mut self, id: u32, target: String) {
        if !self.closed {
            self.forget(id);
            self.tried.hops.push((id, target));
        }
    }

    /// The layer `id` has ended. Returns what it had dialled below; empty if nothing.
    pub(crate) fn forget(&mut self, id: u32) -> String {
        let hops = &mut self.tried.hops;
        let place = hops.iter().position(|(layer, _)| *layer == id);
        place.map(|place| hops.swap_remove(place).1).unwrap_or_default()
    }

    /// Whether a dial below attempt `id` has an entry.
    pub(crate) fn has_below(&self, id: u32) -> bool {
        self.tried.attempts.iter().any(|attempt| attempt.parent == id)
    }

    /// Ends the record.
    pub(crate) fn close(&mut self) -> Attempts {
        self.closed = true;
        core::mem::take(&mut self.tried)
    }
}
