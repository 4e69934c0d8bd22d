//! Dialers: a role, its plan, and the origin that decides on deadline and report.
//!
//! ```text
//!   Ctx::dialer(Connect)              Prepared    dial it: a connect of its own
//!     its call: over(Transport)         Nested    dial it: part of that connect
//!       its call: over(Tcp)               Nested  and so on
//!   Dialer::from_fn(Transport, …)     Standalone  dial it: no deadline
//! ```
//!
//! `resolve/dial.rs` dials, `attempts.rs` is the log that nested dials share.

use core::fmt::{self, Debug};

pub(crate) mod arguments;
pub(crate) mod attempts;
pub(crate) mod handshake;
pub(crate) mod needs;

use attempts::AttemptScope;

use crate::id::Id;
use crate::registry::Registry;
use crate::registry::plan::{Answers, DeadlinePlan, Plan};
use crate::sync::Arc;
use crate::{Mode, Role};

/// Dials targets. Cheap to clone.
///
/// [`Ctx::dialer`](crate::Ctx::dialer) prepares one. A candidate receives one for each need
/// [`over`](crate::over), a layer also one of what it wraps. `Dialer::<_, Shared>::from_fn` makes
/// one of a function. The call names the mode, as closures differ in their bounds.
#[derive(Clone)]
pub struct Dialer<R: Role, M: Mode> {
    pub(crate) role: R,
    pub(crate) plan: Arc<Plan<M>>,
    pub(crate) origin: Origin<M>,
}

/// Decides which deadline and which report the dials of a dialer have.
#[derive(Clone)]
pub(crate) enum Origin<M: Mode> {
    /// No deadline, and a report of its own: a dialer made of a function.
    Standalone,
    /// The deadline of the context and a report of its own, for each dial.
    Prepared(Arc<Prepared<M>>),
    /// The deadline and the attempt log of the dial above. Once that is over, as `Prepared`, but
    /// without a plan in the report.
    Nested(AttemptScope<M>),
}

/// What the dials of a prepared dialer need beside the plan.
pub(crate) struct Prepared<M: Mode> {
    pub(crate) registry: Registry<M>,
    pub(crate) role: Id,
    pub(crate) answers: Answers,
    pub(crate) deadline: Option<DeadlinePlan<M>>,
}

impl<R: Role, M: Mode> Dialer<R, M> {
    /// Returns the dialer that a function, a candidate or a layer receives. `wrapped` is for the
    /// dialer of what a layer wraps.
    pub(crate) fn nested(role: R, plan: &Arc<Plan<M>>, scope: Option<&AttemptScope<M>>, wrapped: bool) -> Self {
        let nested = |scope: &AttemptScope<M>| Origin::Nested(AttemptScope { wrapped, ..scope.clone() });
        Self { role, plan: plan.clone(), origin: scope.map_or(Origin::Standalone, nested) }
    }
}

impl<R: Role, M: Mode> Debug for Dialer<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.plan.registration)
    }
}
