//! One small error for everything, in both modes.

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
pub use report::{Attempt, Outcome, Report};
pub(crate) use report::{Attempts, FIRST};

/// Why a flow could not be had, or broke.
///
/// It is one pointer wide, `Send + Sync` in both modes, and says what was tried
/// ([`target`](Error::target)), where ([`at`](Error::at)), in which
/// [`phase`](Error::phase), why ([`kind`](Error::kind), [`source`](core::error::Error::source)),
/// and what to do.
///
/// `{}` prints one line. `{:#}` and `{:?}` add, for an error from `resolve`, the whole tree: which
/// connect failed and why, where a deadline struck, and, with the feature `reports`, every
/// candidate, what was missing and who said "not me"; see [`report`](Error::report).
///
/// Escapes control characters and bidirectional overrides in every name and error that it prints.
/// The line feeds of the tree are its own.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    phase: Option<Phase>,
    at: Option<Cow<'static, str>>,
    target: Option<String>,
    /// What was being dialled below, or had been, if it is another.
    via: Option<String>,
    cause: Cause,
    advice: Option<Cow<'static, str>>,
    report: Option<Report>,
}

enum Cause {
    Text(Cow<'static, str>),
    Source(Box<dyn core::error::Error + Send + Sync>),
    Deadline(String),
}

/// What was going on when an error happened.
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

impl Phase {
    fn name(self) -> &'static str {
        match self {
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
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error {
    // This and what is below stays out of line: errors are made in many places, and seldom.
    #[inline(never)]
    fn from_cause(kind: ErrorKind, cause: Cause) -> Self {
        let cause = match cause {
            Cause::Text(reason) => Cause::Text(cleaned(reason)),
            other => other,
        };
        let inner = Inner { kind, phase: None, at: None, target: None, via: None, cause, advice: None, report: None };
        Self(Box::new(inner))
    }

    /// An error that `reason` explains: lower case, without a full stop.
    #[must_use]
    #[inline(never)]
    pub fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::from_cause(kind, Cause::Text(reason.into()))
    }

    /// An error with another one as its source.
    #[must_use]
    pub fn with_source(kind: ErrorKind, source: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self::from_cause(kind, Cause::Source(Box::new(source)))
    }

    /// An error of an `embedded-io` device. It need not be `Send`, so its text is kept and the
    /// error itself is not.
    #[must_use]
    pub fn from_device(error: &impl embedded_io_async::Error) -> Self {
        Self::new(error.kind(), format!("{error}"))
    }

    /// Says in which phase it happened, unless that was said before.
    #[must_use]
    #[inline(never)]
    pub fn in_phase(mut self, phase: Phase) -> Self {
        self.0.phase.get_or_insert(phase);
        self
    }

    /// Says at which layer it happened, unless that was said before.
    #[must_use]
    #[inline(never)]
    pub fn located_at(mut self, place: impl Into<Cow<'static, str>>) -> Self {
        self.0.at.get_or_insert_with(|| cleaned(place.into()));
        self
    }

    /// Says what was being reached, unless that was said before.
    #[must_use]
    #[inline(never)]
    pub fn to_target(mut self, target: impl fmt::Display) -> Self {
        self.set_target(&target);
        self
    }

    /// Says what to do about it, unless that was said before.
    #[must_use]
    #[inline(never)]
    pub fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice.get_or_insert_with(|| cleaned(advice.into()));
        self
    }

    #[inline(never)]
    fn set_target(&mut self, target: &dyn fmt::Display) {
        if self.0.target.is_none() {
            self.0.target = Some(clean(format_args!("{target}")));
        }
    }

    pub(crate) fn set_report(&mut self, report: Report) {
        // An error of a resolve within has its own, which must not be lost.
        let inner = self.0.report.take().map(Box::new);
        self.0.report = Some(Report { inner, ..report });
    }

    /// A deadline of this side has passed.
    pub(crate) fn deadline(reason: String) -> Self {
        Self::from_cause(ErrorKind::TimedOut, Cause::Deadline(reason))
    }

    pub(crate) fn is_located(&self) -> bool {
        self.0.at.is_some()
    }

    /// The kind, as `embedded-io` sorts them. [`InvalidInput`](ErrorKind::InvalidInput) says that
    /// the endpoint or the context is at fault, before anything was dialled.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether something took too long: a deadline or [`timeout`](crate::timeout), or the system
    /// gave up.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::TimedOut
    }

    /// Whether it was the [`Deadline`](crate::Deadline) or a [`timeout`](crate::timeout) of this
    /// side that passed.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        matches!(self.0.cause, Cause::Deadline(_))
    }

    /// The phase, if it is known.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The layer, if it is known: role and name, as in `Transport "in-order"`.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        self.0.at.as_deref()
    }

    /// What was being reached, if it is known: `example.org:443`.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.0.target.as_deref()
    }

    /// Returns the hop that the layer had dialled below when it failed, if that is another than the
    /// target: the address of a proxy, `proxy.example:1080`.
    #[must_use]
    pub fn via(&self) -> Option<&str> {
        self.0.via.as_deref()
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// What was tried, for an error from `resolve` or a dialer.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    /// As `to_target`, but an empty text says nothing.
    pub(crate) fn toward(self, target: &str) -> Self {
        if target.is_empty() { self } else { self.to_target(target) }
    }

    /// Says what the layer had dialled below, unless that is empty, or the target.
    pub(crate) fn passing(mut self, via: &str) -> Self {
        if !via.is_empty() && self.target() != Some(via) {
            self.0.via.get_or_insert_with(|| via.into());
        }
        self
    }

    /// Phase and reason, without layer and target.
    pub(crate) fn why(&self) -> String {
        match self.0.phase {
            Some(phase) => [phase.name(), ": ", &self.reason()].concat(),
            None => self.reason(),
        }
    }

    /// Why, in one line, with its sources: what [`Display`](fmt::Display) prints without layer,
    /// target, phase and advice.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut next: Option<&dyn core::error::Error> = match &self.0.cause {
            Cause::Text(reason) => return reason.clone().into_owned(),
            Cause::Deadline(reason) => return reason.clone(),
            Cause::Source(source) => Some(&**source),
        };
        let mut text = String::new();
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        // `LAYER to TARGET via HOP: `, as far as they are known.
        let places = [("", self.at()), (" to ", self.target()), (" via ", self.via())];
        let mut any = false;
        for (word, place) in places {
            if let Some(place) = place {
                f.write_str(if any { word } else { "" })?;
                f.write_str(place)?;
                any = true;
            }
        }
        if any {
            f.write_str(": ")?;
        }
        f.write_str(&self.why())?;
        if let Some(advice) = &inner.advice {
            write!(f, "; {advice}")?;
        }
        match &inner.report {
            Some(report) if f.alternate() => write!(f, "\n{report}"),
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
        match &self.0.cause {
            Cause::Text(_) | Cause::Deadline(_) => None,
            Cause::Source(source) => Some(&**source),
        }
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

/// A plan that does not fit the function it was made for: a fault of this crate, reported rather
/// than a panic.
#[cold]
pub(crate) fn plan_mismatch() -> Error {
    Error::new(ErrorKind::Other, "internal: the plan does not fit the registration; please report this")
}
