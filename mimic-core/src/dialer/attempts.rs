//! The attempt log of one connect: an entry for each dial that did not succeed. It lives outside
//! the future, so that it is complete after a deadline or a drop.
//!
//! ```text
//! 1  Secure "tls" to example.org:443                      the log after the deadline:
//! 2    Transport "happy-eyeballs" to example.org:443      1, 2, 4: cancelled
//! 3      Lookup "system" to example.org                   3: succeeded, no entry
//! 4      Tcp "tcp" to 192.0.2.1:443                       5: refused
//! 5      Tcp "tcp" to [2001:db8::1]:443
//! ```

use alloc::string::String;

use crate::error::{Attempt, Attempts, FIRST};
use crate::registry::plan::DeadlinePlan;
use crate::sync::Arc;
use crate::{Cell, Mode};

/// How many attempts are kept of one connect. [`FIRST`] of them are its first.
const KEPT: usize = 32;

/// The attempt log that one connect shares with the dials below it, and a place in it: the attempt
/// whose dials it is for.
pub(crate) struct AttemptScope<M: Mode> {
    pub(super) log: Arc<M::Cell<AttemptLog>>,
    /// The attempt that dials in this scope; 0 is the connect itself.
    pub(crate) parent: u32,
    /// Whether the dial in this scope is of what the layer `parent` wraps.
    pub(crate) wrapped: bool,
    /// The deadline of each dial that begins after the connect is over.
    pub(crate) deadline: Option<DeadlinePlan<M>>,
}

impl<M: Mode> AttemptScope<M> {
    /// Opens a log for the dials below a connect.
    pub(crate) fn open(deadline: Option<DeadlinePlan<M>>) -> Self {
        Self { log: Arc::new(M::Cell::new(AttemptLog::default())), parent: 0, wrapped: false, deadline }
    }

    /// Returns the scope of the dials below the attempt `parent`.
    pub(crate) fn under(&self, parent: u32) -> Self {
        Self { parent, wrapped: false, ..self.clone() }
    }

    /// Seals the log and returns it. A dialer of the connect dials on its own from now on.
    pub(crate) fn seal(&self) -> Attempts {
        self.with(AttemptLog::seal).unwrap_or_default()
    }

    /// Calls `f` with the log. Another thread may have it for the few instructions that an entry
    /// takes.
    pub(crate) fn with<O>(&self, f: impl FnOnce(&mut AttemptLog) -> O) -> Option<O> {
        let mut f = Some(f);
        loop {
            match self.log.try_with(|log| f.take().map(|f| f(log))) {
                Some(output) => return output,
                None => core::hint::spin_loop(),
            }
        }
    }
}

impl<M: Mode> Clone for AttemptScope<M> {
    fn clone(&self) -> Self {
        let Self { log, parent, wrapped, deadline } = self;
        Self { log: log.clone(), parent: *parent, wrapped: *wrapped, deadline: deadline.clone() }
    }
}

/// Collects what the dials of one connect have written. Successes leave no entry, but for the
/// [hops](Attempts::hops) of layers.
#[derive(Debug, Default)]
pub(crate) struct AttemptLog {
    started: u32,
    sealed: bool,
    /// The deadline has expired. It cuts off each attempt that is dropped from now on.
    pub(crate) timed_out: bool,
    tried: Attempts,
}

impl AttemptLog {
    /// Returns the number of a new attempt. `None` says that the connect is over: the dial is then
    /// one of its own.
    pub(crate) fn start(&mut self) -> Option<u32> {
        if self.sealed {
            return None;
        }
        self.started += 1;
        Some(self.started)
    }

    /// Inserts the attempt in start order. Beyond [`KEPT`] entries it drops the oldest after the
    /// first [`FIRST`], so that a retry loop stays bounded.
    pub(crate) fn end(&mut self, attempt: Attempt) {
        if !self.sealed {
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

    /// Keeps the target that the layer `id` has dialled below (a hop), in place of the one before.
    pub(crate) fn reached(&mut self, id: u32, target: String) {
        if !self.sealed {
            self.forget(id);
            self.tried.hops.push((id, target));
        }
    }

    /// Forgets what the layer `id` has dialled below, since the layer has ended, and returns it;
    /// empty if nothing.
    pub(crate) fn forget(&mut self, id: u32) -> String {
        let hops = &mut self.tried.hops;
        let place = hops.iter().position(|(layer, _)| *layer == id);
        place.map(|place| hops.swap_remove(place).1).unwrap_or_default()
    }

    /// Returns whether a dial below attempt `id` has an entry.
    pub(crate) fn has_below(&self, id: u32) -> bool {
        self.tried.attempts.iter().any(|attempt| attempt.parent == id)
    }

    /// Seals the log: no entry is added any more.
    pub(crate) fn seal(&mut self) -> Attempts {
        self.sealed = true;
        core::mem::take(&mut self.tried)
    }
}
