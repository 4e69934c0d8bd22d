//! The error type of the crate, in both modes, and the plain data that it carries.
//!
//! ```text
//! Tcp "tcp" to 192.0.2.1:7 via proxy.example:1080: connect failed: refused; start it
//! at           target           via                phase           reason   advice
//!
//! on its way up                     sets, where still empty             attempt log
//!   the candidate "tcp" makes it    kind, reason, phase, advice
//!   the dial of Tcp                 at, target, via                     failed
//!   the dial of Transport           nothing more                        failed below
//!   the dial of Connect, at the top report: the attempt log, the plan
//! ```
//!
//! A setter keeps what is set. So the innermost dial names the place, and a candidate that knows
//! better names it first. Nothing in this folder imports from the rest of the crate, printing
//! aside.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

use embedded_io_async::ErrorKind;

use crate::escape::{clean, cleaned};

mod explanation;
mod plan_error;
mod priority;
mod report;

pub use explanation::{Choice, ChoiceKind, Explanation, Goal, GoalKind, NeedOutcome, Verdict};
pub use plan_error::PlanError;
pub use priority::Priority;
use report::write_place;
pub use report::{Attempt, Outcome, Report};
pub(crate) use report::{Attempts, FIRST};

/// Says why a connect failed or a flow broke.
///
/// It is one pointer wide and `Send + Sync` in both modes. It names the candidate or layer
/// ([`at`](Error::at)), the [`target`](Error::target), the [`phase`](Error::phase), the cause
/// ([`kind`](Error::kind), [`source`](core::error::Error::source)) and what to do
/// ([`advice`](Error::advice)).
///
/// `{}` prints one line. `{:#}` and `{:?}` add, for an error from `resolve`, the whole tree: which
/// connect failed and why, which dials a deadline cut off, and, with the feature `reports`, every
/// candidate, what was missing and which function said "not me"; see [`report`](Error::report).
///
/// Escapes control characters and bidirectional overrides in every name and error that it prints.
/// The line feeds of the tree are its own.
pub struct Error(Box<Inner>);

/// The fields of an error. An empty text stands for one that is not known.
struct Inner {
    kind: ErrorKind,
    phase: Option<Phase>,
    at: Cow<'static, str>,
    target: String,
    via: String,
    /// Empty if there is a source, which is printed instead.
    reason: Cow<'static, str>,
    source: Option<Box<dyn core::error::Error + Send + Sync>>,
    is_deadline: bool,
    advice: Cow<'static, str>,
    report: Option<Report>,
}

/// Names the step in which an error happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Reading an endpoint string.
    Endpoint,
    /// Deciding what to dial: candidates, gates, needs and the functions they call.
    Plan,
    /// Looking a name up.
    Lookup,
    /// Connecting.
    Connect,
    /// Agreeing with the peer on a layer above the connection.
    Handshake,
    /// Binding a listener.
    Bind,
    /// Accepting from a listener.
    Accept,
    /// Reading.
    Read,
    /// Writing or flushing.
    Write,
    /// Closing the writing side.
    Shutdown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "bad endpoint",
            Self::Plan => "planning failed",
            Self::Lookup => "lookup failed",
            Self::Connect => "connect failed",
            Self::Handshake => "handshake failed",
            Self::Bind => "bind failed",
            Self::Accept => "accept failed",
            Self::Read => "read failed",
            Self::Write => "write failed",
            Self::Shutdown => "shutdown failed",
        })
    }
}

impl Error {
    // The setters stay out of line: errors are made in many places, and seldom.
    #[inline(never)]
    fn make(
        kind: ErrorKind,
        reason: Cow<'static, str>,
        source: Option<Box<dyn core::error::Error + Send + Sync>>,
    ) -> Self {
        let (at, target, via, advice) = Default::default();
        let (phase, is_deadline, report) = (None, false, None);
        let reason = cleaned(reason);
        Self(Box::new(Inner { kind, phase, at, target, via, reason, source, is_deadline, advice, report }))
    }

    /// Makes an error that `reason` explains: lower case, without a full stop.
    #[must_use]
    #[inline(never)]
    pub fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::make(kind, reason.into(), None)
    }

    /// Makes an error with another one as its source.
    #[must_use]
    pub fn with_source(kind: ErrorKind, source: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self::make(kind, Cow::default(), Some(Box::new(source)))
    }

    /// Makes an error of that of an `embedded-io` device. Keeps its text and not the error itself,
    /// which need not be `Send`.
    #[must_use]
    pub fn from_device(error: &impl embedded_io_async::Error) -> Self {
        Self::new(error.kind(), format!("{error}"))
    }

    /// Makes the error of a deadline of this side that has passed.
    pub(crate) fn deadline(reason: String) -> Self {
        let mut error = Self::new(ErrorKind::TimedOut, reason);
        error.0.is_deadline = true;
        error
    }

    /// Sets the phase, unless it is set.
    #[must_use]
    #[inline(never)]
    pub fn in_phase(mut self, phase: Phase) -> Self {
        self.0.phase.get_or_insert(phase);
        self
    }

    /// Sets the candidate or layer where it happened, unless it is set.
    #[must_use]
    #[inline(never)]
    pub fn located_at(mut self, place: impl Into<Cow<'static, str>>) -> Self {
        fill(&mut self.0.at, place.into());
        self
    }

    /// Sets what was being reached, unless it is set.
    #[must_use]
    #[inline(never)]
    pub fn to_target(mut self, target: impl fmt::Display) -> Self {
        self.set_target(&target);
        self
    }

    /// Sets what to do about it, unless that is set.
    #[must_use]
    #[inline(never)]
    pub fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        fill(&mut self.0.advice, advice.into());
        self
    }

    #[inline(never)]
    fn set_target(&mut self, target: &dyn fmt::Display) {
        if self.0.target.is_empty() {
            self.0.target = clean(format_args!("{target}"));
        }
    }

    /// Sets the hop that the layer had dialled below, unless that is the target.
    pub(crate) fn passing(mut self, via: &str) -> Self {
        if self.0.via.is_empty() && self.0.target != via {
            self.0.via = via.into();
        }
        self
    }

    /// Sets the report. The report of a resolve within, which a candidate or function did on a
    /// context of its own, moves into it.
    pub(crate) fn set_report(&mut self, report: Report) {
        let inner = self.0.report.take().map(Box::new);
        self.0.report = Some(Report { inner, ..report });
    }

    /// Returns the kind, as `embedded-io` sorts them. [`InvalidInput`](ErrorKind::InvalidInput)
    /// says that the endpoint or the context is at fault, before anything was dialled.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Tells if something took too long: a deadline or [`timeout`](crate::timeout) passed, or the
    /// system gave up.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::TimedOut
    }

    /// Tells if the [`Deadline`](crate::Deadline) or a [`timeout`](crate::timeout) of this side
    /// passed.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        self.0.is_deadline
    }

    /// Returns the phase, if it is known.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// Returns the candidate or layer, if it is known: role and name, as in
    /// `Transport "in-order"`.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        known(&self.0.at)
    }

    /// Returns what was being reached, if it is known: `example.org:443`.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        known(&self.0.target)
    }

    /// Returns the hop that the layer had dialled below when it failed, if that is another than the
    /// target: the address of a proxy, `proxy.example:1080`.
    #[must_use]
    pub fn via(&self) -> Option<&str> {
        known(&self.0.via)
    }

    /// Returns what to do about it, if that is known.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        known(&self.0.advice)
    }

    /// Returns what was tried, for an error from `resolve` or a dialer.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    pub(crate) fn is_located(&self) -> bool {
        self.at().is_some()
    }

    /// Returns phase and reason.
    pub(crate) fn why(&self) -> String {
        match self.0.phase {
            Some(phase) => format!("{phase}: {}", self.reason()),
            None => self.reason(),
        }
    }

    /// Returns the cause in one line, with its sources: what [`Display`](fmt::Display) prints
    /// without place, target, phase and advice.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut text = self.0.reason.clone().into_owned();
        let mut next = core::error::Error::source(self);
        while let Some(source) = next {
            let more = clean(format_args!("{source}"));
            // Some errors print their source themselves. (Not `contains`, whose search is long.)
            let told = |told: &[u8]| told == more.as_bytes();
            if !more.is_empty() && !text.as_bytes().windows(more.len()).any(told) {
                text = if text.is_empty() { more } else { [&text, ": ", &more].concat() };
            }
            next = source.source();
        }
        text
    }
}

/// Sets a text unless it is set.
fn fill(place: &mut Cow<'static, str>, text: Cow<'static, str>) {
    if place.is_empty() {
        *place = cleaned(text);
    }
}

/// Returns a text unless it is empty.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write_place(f, [&inner.at, &inner.target, &inner.via])?;
        f.write_str(&self.why())?;
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        match &inner.report {
            Some(report) if f.alternate() && report.told().next().is_some() => write!(f, "\n{report}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.0.kind)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&**self.0.source.as_ref()?)
    }
}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, format!("{kind}"))
    }
}

/// Returns the error for a plan that does not fit the function it was made for. That is a fault of
/// this crate, reported rather than a panic.
#[cold]
pub(crate) fn plan_mismatch() -> Error {
    Error::new(ErrorKind::Other, "internal: the plan does not fit the registration; please report this")
}
