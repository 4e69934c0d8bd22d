//! The report of a failed resolve: the dials that did not succeed, in the order
//! in which they started, and the plan.
//!
//! ```text
//! tried:                                                      id parent
//!   Transport "in-order" to example.org:7: failed below        1   0
//!     Tcp "tcp" to 192.0.2.1:7: connect failed: refused        2   1
//!     Tcp "tcp" to 192.0.2.2:7: cancelled while it ran         3   1
//! plan:
//!   Connect                                                    see `explanation.rs`
//! ```

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::explanation::{Explanation, TreePrinter};

/// Says what a failed resolve had tried and decided. Part of an [`Error`](crate::Error).
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) plan: Explanation,
    pub(crate) computing: Option<String>,
    pub(crate) tried: Attempts,
    pub(crate) deadline: Option<Duration>,
    pub(crate) inner: Option<Box<Report>>,
}

impl Report {
    /// Returns every candidate of every role that was considered, and why it was taken or not.
    /// Empty without the feature `reports`.
    #[must_use]
    pub fn plan(&self) -> &Explanation {
        &self.plan
    }

    /// Returns the function that was running when the resolve ended, if it ended there.
    #[must_use]
    pub fn computing(&self) -> Option<&str> {
        self.computing.as_deref()
    }

    /// Returns the dials below the root that did not succeed, in the order in which they started.
    /// Of more than 32, the first 8 and the last 24 of them.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.tried.attempts
    }

    /// Returns how many more there were between those.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.tried.omitted
    }

    /// Returns the deadline that the resolve had.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Returns what the resolve within had tried, if the error came from one (a look-up over
    /// HTTPS, a pool).
    #[must_use]
    pub fn inner(&self) -> Option<&Report> {
        self.inner.as_deref()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = TreePrinter::new(f);
        for (depth, report) in self.told().enumerate() {
            if depth > 0 {
                printer.line(2, 0, format_args!("and in the resolve within:"))?;
            }
            report.print(&mut printer)?;
        }
        Ok(())
    }
}

impl Report {
    /// Returns this report and those of the resolves within, without any that has nothing to tell.
    pub(super) fn told(&self) -> impl Iterator<Item = &Self> {
        let all = core::iter::successors(Some(self), |report| report.inner());
        all.filter(|report| report.computing.is_some() || !report.attempts().is_empty() || report.has_plan())
    }

    fn has_plan(&self) -> bool {
        cfg!(feature = "reports") && !self.plan.goals().is_empty()
    }

    fn print(&self, printer: &mut TreePrinter<'_, '_>) -> fmt::Result {
        if let Some(function) = &self.computing {
            printer.line(1, 0, format_args!("running: {function}"))?;
        }
        if !self.attempts().is_empty() {
            printer.line(1, 0, format_args!("tried:"))?;
        }
        // The attempts that the next one may be below. A parent starts, and stands, before its
        // children; a dial that succeeded is not listed.
        let mut path: Vec<u32> = Vec::new();
        for (number, attempt) in self.attempts().iter().enumerate() {
            if number == FIRST && self.omitted() > 0 {
                printer.line(1, 1, format_args!("({} more)", self.omitted()))?;
            }
            while path.pop_if(|id| *id != attempt.parent).is_some() {}
            printer.line(1, path.len() + 1, format_args!("{attempt}"))?;
            path.push(attempt.id);
        }
        if self.has_plan() {
            printer.line(1, 0, format_args!("plan:"))?;
            self.plan.print(printer, 2)?;
        }
        Ok(())
    }
}

/// How many of the first attempts of a connect are always kept.
pub(crate) const FIRST: usize = 8;

/// The attempts of one connect, in the order in which they started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) attempts: Vec<Attempt>,
    /// The number of attempts that were dropped, between the first and the last.
    pub(crate) omitted: usize,
    /// The last target that each unfinished layer has dialled successfully, by the layer's id; 0
    /// is the connect itself. An error of the layer names it, because the proxy may be at fault.
    pub(crate) hops: Vec<(u32, String)>,
}

impl Attempts {
    /// Returns the hop that the layer `id` has dialled below; empty if there is none.
    pub(crate) fn hop(&self, id: u32) -> &str {
        self.hops.iter().find(|(layer, _)| *layer == id).map_or("", |(_, target)| target)
    }
}

/// One dial that did not succeed.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) at: String,
    pub(crate) target: String,
    /// Empty unless the attempt is a layer's and the hop is not the target.
    pub(crate) via: String,
    pub(crate) outcome: Outcome,
    /// Whether a deadline cut it off.
    pub(crate) timed_out: bool,
}

impl Attempt {
    /// Returns the candidate or layer, as role and name: `Tcp "tcp"`.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Returns what was being reached; empty for roots.
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

    /// Returns how it ended.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, [&self.at, &self.target, &self.via])?;
        f.write_str(match &self.outcome {
            Outcome::Failed(reason) => reason,
            Outcome::FailedBelow => "failed below",
            Outcome::Cancelled => "cancelled while it ran",
        })
    }
}

/// Prints `AT to TARGET via HOP: `, as far as they are known.
pub(super) fn write_place(f: &mut fmt::Formatter<'_>, parts: [&str; 3]) -> fmt::Result {
    let mut first = true;
    for (word, part) in ["", " to ", " via "].into_iter().zip(parts) {
        if !part.is_empty() {
            f.write_str(if first { "" } else { word })?;
            f.write_str(part)?;
            first = false;
        }
    }
    f.write_str(if first { "" } else { ": " })
}

/// Says how a dial ended that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It failed, for this reason.
    Failed(String),
    /// Something that it dialled failed, which has an attempt of its own.
    FailedBelow,
    /// It was dropped before it ended: a deadline expired, or another attempt won.
    Cancelled,
}
