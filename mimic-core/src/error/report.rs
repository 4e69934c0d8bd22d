//! What a failed resolve had tried: attempts in starting order, printed as a tree.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::explanation::{Explanation, TreePrinter};

/// How many of the first attempts of a connect are always kept.
pub(crate) const FIRST: usize = 8;

/// Attempts, in the order in which they started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) attempts: Vec<Attempt>,
    /// How many more there were, between the first and the last.
    pub(crate) omitted: usize,
    /// The last target that each unfinished layer has dialled successfully, by the layer's number;
    /// 0 is the connect itself. An error of the layer's own names it, because it may be the proxy's
    /// fault.
    pub(crate) hops: Vec<(u32, String)>,
}

impl Attempts {
    /// What the layer `id` had dialled below; empty if nothing.
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
    /// Empty unless it is a layer's, and another than the target.
    pub(crate) via: String,
    pub(crate) outcome: Outcome,
    /// Whether a deadline cut it off.
    pub(crate) timed_out: bool,
}

impl Attempt {
    /// Role and name: `Link "tcp"`.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
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
        f.write_str(&self.at)?;
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
    /// It was dropped before it ended: a deadline expired, or another attempt won.
    Cancelled,
}

/// What a failed resolve had tried and had decided: part of an [`Error`](crate::Error).
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) plan: Explanation,
    pub(crate) computing: Option<String>,
    pub(crate) tried: Attempts,
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

    fn print(&self, printer: &mut TreePrinter<'_, '_>) -> fmt::Result {
        if let Some(function) = &self.computing {
            printer.line(1, 0, format_args!("running: {function}"))?;
        }
        let Attempts { attempts, omitted, .. } = &self.tried;
        if !attempts.is_empty() {
            printer.line(1, 0, format_args!("tried:"))?;
        }
        // Attempts come in starting order, so a parent stands before its children; one that
        // succeeded is not listed.
        let mut path: Vec<u32> = Vec::new();
        for (at, attempt) in attempts.iter().enumerate() {
            if at == FIRST && *omitted > 0 {
                printer.line(1, 1, format_args!("({omitted} more)"))?;
            }
            while path.last().is_some_and(|&id| id != attempt.parent) {
                path.pop();
            }
            printer.line(1, path.len() + 1, format_args!("{attempt}"))?;
            path.push(attempt.id);
        }
        #[cfg(feature = "reports")]
        if !self.plan.goals().is_empty() {
            printer.line(1, 0, format_args!("plan:"))?;
            self.plan.print(printer, 2)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = TreePrinter { to: f, any: false };
        let mut report = Some(self);
        while let Some(this) = report {
            this.print(&mut printer)?;
            report = this.inner();
            if report.is_some() {
                printer.line(2, 0, format_args!("and in the resolve within:"))?;
            }
        }
        Ok(())
    }
}
