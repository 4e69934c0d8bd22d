//! The attempt log of one connect. It lives outside the future, so that it is complete after a
//! deadline or a drop.
//!
//! ```text
//! 1  Secure "tls" to example.org:443                      the log after the deadline:
//! 2    Transport "happy-eyeballs" to example.org:443      1, 2, 4: cancelled
//! 3      Lookup "system" to example.org                   3: succeeded, no entry
//! 4      Tcp "tcp" to 192.0.2.1:443                       5: refused
//! 5      Tcp "tcp" to [2001:db8::1]:443
//! ```

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::explanation::Lines;
use crate::registry::plan::DeadlinePlan;
use crate::sync::Arc;
use crate::{Cell, Explanation, Mode};

/// How many attempts are kept of one connect, and how many of them are its first.
const KEPT: usize = 32;
const FIRST: usize = 8;

/// The attempt log that one connect shares with the dials below it, and the place in it.
pub(crate) struct AttemptScope<M: Mode> {
    pub(super) log: Arc<M::Cell<AttemptLog>>,
    /// The attempt that dials in this scope; 0 is the connect itself.
    pub(crate) parent: u32,
    /// Whether the dial in this scope is of what the layer `parent` wraps.
    pub(crate) wrapped: bool,
    /// For dials after the connect is over.
    pub(crate) deadline: Option<DeadlinePlan<M>>,
}

impl<M: Mode> AttemptScope<M> {
    pub(crate) fn open(deadline: Option<DeadlinePlan<M>>) -> Self {
        Self { log: Arc::new(M::Cell::new(AttemptLog::default())), parent: 0, wrapped: false, deadline }
    }

    pub(crate) fn under(&self, parent: u32) -> Self {
        Self { parent, wrapped: false, ..self.clone() }
    }

    /// Seals the log and returns it. A dialer of the connect dials on its own from now on.
    pub(crate) fn seal(scope: Option<&Self>) -> Tried {
        scope.and_then(|scope| scope.with(AttemptLog::seal)).unwrap_or_default()
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

/// What the dials of one connect have written. Successes leave no entry, but for the
/// [hops](Tried::hops) of layers.
#[derive(Debug, Default)]
pub(crate) struct AttemptLog {
    started: u32,
    sealed: bool,
    /// The deadline has struck: whatever is dropped now is cut off by it.
    pub(crate) struck: bool,
    tried: Tried,
}

/// Attempts, in the order in which they started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) attempts: Vec<Attempt>,
    /// How many more there were, between the first and the last.
    pub(crate) omitted: usize,
    /// The last target that each unfinished layer has dialled successfully, by the layer's number;
    /// 0 is the connect itself. An error of the layer's own names it, because it may be the proxy's
    /// fault.
    pub(crate) hops: Vec<(u32, String)>,
}

impl Tried {
    /// What the layer `id` had dialled below; empty if nothing.
    pub(crate) fn hop(&self, id: u32) -> &str {
        self.hops.iter().find(|(layer, _)| *layer == id).map_or("", |(_, target)| target)
    }
}

impl AttemptLog {
    /// The number of a new attempt; `None` once the connect is over, and then the dial is one of
    /// its own.
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
            let Tried { attempts, omitted, .. } = &mut self.tried;
            let later = attempts.iter().rev().take_while(|other| other.id > attempt.id).count();
            attempts.insert(attempts.len() - later, Attempt { struck: self.struck, ..attempt });
            if attempts.len() > KEPT {
                // Not the one that the deadline cut off, which may have begun long before the
                // others.
                let later = attempts.iter().skip(FIRST).position(|attempt| !attempt.struck);
                attempts.remove(FIRST + later.unwrap_or_default());
                *omitted += 1;
            }
        }
    }

    /// Keeps what the layer `id` has dialled below, in place of what it had dialled before.
    pub(crate) fn reached(&mut self, id: u32, target: String) {
        if !self.sealed {
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

    /// Seals the log: no entry is added any more.
    pub(crate) fn seal(&mut self) -> Tried {
        self.sealed = true;
        core::mem::take(&mut self.tried)
    }
}

/// One dial that did not succeed.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) layer: String,
    pub(crate) target: String,
    /// Empty unless it is a layer's, and another than the target.
    pub(crate) via: String,
    pub(crate) outcome: Outcome,
    /// Whether a deadline cut it off.
    pub(crate) struck: bool,
}

impl Attempt {
    /// Role and name: `Link "tcp"`.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// What was being reached; empty for roots.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the hop that a layer had dialled below, if that is another than the target; see
    /// [`Error::via`](crate::Error::via). `None` for an attempt that failed below.
    #[must_use]
    pub fn via(&self) -> Option<&str> {
        Some(&*self.via).filter(|via| !via.is_empty())
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.layer)?;
        if !self.target.is_empty() {
            write!(f, " to {}", self.target)?;
        }
        if let Some(via) = self.via() {
            write!(f, " via {via}")?;
        }
        match &self.outcome {
            Outcome::Failed(reason) => write!(f, ": {reason}"),
            Outcome::FailedBelow => f.write_str(": failed below"),
            Outcome::Cancelled => f.write_str(": cancelled while it ran"),
        }
    }
}

/// How a dial that did not succeed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It failed, for this reason.
    Failed(String),
    /// Something it dialled failed; that has an attempt of its own.
    FailedBelow,
    /// It was dropped before it ended: a deadline struck, or another attempt won.
    Cancelled,
}

/// What a failed resolve had tried and had decided: part of an [`Error`](crate::Error).
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) plan: Explanation,
    pub(crate) computing: Option<String>,
    pub(crate) tried: Tried,
    pub(crate) deadline: Option<Duration>,
    pub(crate) inner: Option<Box<Report>>,
}

impl Report {
    /// Every candidate of every role that was considered, and why it was taken or not. Empty
    /// without the feature `reports`.
    #[must_use]
    pub fn plan(&self) -> &Explanation {
        &self.plan
    }

    /// The function that was running when the resolve ended, if it ended there.
    #[must_use]
    pub fn computing(&self) -> Option<&str> {
        self.computing.as_deref()
    }

    /// The dials below the root that did not succeed, in the order in which they started. Of more
    /// than 32, the first 8 and the last 24 of them.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.tried.attempts
    }

    /// How many more there were between those.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.tried.omitted
    }

    /// The deadline that the resolve had.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// What the resolve within had tried, if the error came from one (a look-up over HTTPS, a
    /// pool).
    #[must_use]
    pub fn inner(&self) -> Option<&Report> {
        self.inner.as_deref()
    }

    fn print(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        if let Some(function) = &self.computing {
            lines.line(1, 0, format_args!("running: {function}"))?;
        }
        let Tried { attempts, omitted, .. } = &self.tried;
        if !attempts.is_empty() {
            lines.line(1, 0, format_args!("tried:"))?;
        }
        // Attempts come in starting order, so a parent stands before its children; one that
        // succeeded is not listed.
        let mut path: Vec<u32> = Vec::new();
        for (at, attempt) in attempts.iter().enumerate() {
            if at == FIRST && *omitted > 0 {
                lines.line(1, 1, format_args!("({omitted} more)"))?;
            }
            while path.last().is_some_and(|&id| id != attempt.parent) {
                path.pop();
            }
            lines.line(1, path.len() + 1, format_args!("{attempt}"))?;
            path.push(attempt.id);
        }
        #[cfg(feature = "reports")]
        if !self.plan.goals().is_empty() {
            lines.line(1, 0, format_args!("plan:"))?;
            self.plan.print(lines, 2)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines { to: f, any: false };
        let mut report = Some(self);
        while let Some(this) = report {
            this.print(&mut lines)?;
            report = this.inner();
            if report.is_some() {
                lines.line(2, 0, format_args!("and in the resolve within:"))?;
            }
        }
        Ok(())
    }
}
