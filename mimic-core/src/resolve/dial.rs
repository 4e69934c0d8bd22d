//! The future of a dial.
//!
//! ```text
//! Dial<R>          one per role, thin: target, handshake, the running call, its check
//!   └ DialState    compiled once:      New ─► Timing ─► Running ─► Done
//!                                             └ makes the timer of its own deadline
//!
//! dialled from                   deadline                  a failure becomes
//!   Ctx::resolve                 began with deciding       an error with a report
//!   a dialer of Ctx::dialer      its own, for each dial    an error with a report
//!   a dialer of `over`, `below`  that of the dial above    an entry in the log above
//!     after that connect         its own, for each dial    an error with a report
//!   Dialer::from_fn              none                      an error with a report
//! ```
//!
//! Only a dial with a deadline of its own passes through `Timing`. A nested dial (third line)
//! shares deadline and log with the dial above, and adds one entry to the log if it fails or is
//! cancelled; its error goes up to the dial above, which may try something else. `Dial` passes
//! `DialState` a function that polls the call once, so that the state is compiled once and not for
//! every role.

use alloc::string::{String, ToString};
use core::fmt::Debug;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::deadline::ArmedDeadline;
use super::engine::Engine;
use super::explain::explain_for_report;
use crate::dialer::arguments::{Arguments, Connecting};
use crate::dialer::attempts::{AttemptLog, AttemptScope};
use crate::dialer::{Dialer, Origin};
use crate::error::{Attempts, plan_mismatch};
use crate::escape::clean;
use crate::id::Id;
use crate::registry::plan::{DeadlinePlan, Plan, Registration};
use crate::sync::Arc;
use crate::{Attempt, ChoiceKind, Error, Explanation, Handshake, Mode, Outcome, Report, Role, Sleep};

impl<R: Role, M: Mode> Dialer<R, M> {
    /// Dials `target`.
    ///
    /// Within a connect (as `below`, or an argument from `over`) it shares that connect's deadline
    /// and report. After that connect, and from [`Ctx::dialer`](crate::Ctx::dialer), each dial has
    /// the deadline of the context and a report of its own. A dialer made of a function has no
    /// deadline. A dial that has begun within a connect and outlives it, because it was spawned,
    /// has no deadline any more.
    ///
    /// # Errors
    /// As [`Ctx::resolve`](crate::Ctx::resolve).
    ///
    /// # Cancellation
    /// Dropping the future closes all it had opened.
    pub fn dial(&self, target: R::Target) -> impl Future<Output = Result<R::Output<M>, Error>> {
        self.dial_with(target, None)
    }

    /// Dials `target`, and passes a handshake down with it. See [`Handshake`] for what the receiver
    /// may do; the caller finds out from the output whether the handshake was done.
    ///
    /// # Errors
    /// As [`dial`](Self::dial); also those of the handshake, if it was run below.
    pub fn dial_with(
        &self,
        target: R::Target,
        handshake: impl Into<Option<Handshake<M>>>,
    ) -> impl Future<Output = Result<R::Output<M>, Error>> {
        Dial::new(&self.role, target, handshake.into(), DialState::new(&self.plan, &self.origin))
    }
}

/// The call of a candidate or layer, which runs.
type Dialling<R, M> = <M as Mode>::Future<Result<<R as Role>::Output<M>, Error>>;

/// Calls the candidate or layer of a plan with its inputs.
pub(super) fn connect<R: Role, M: Mode>(
    plan: &Arc<Plan<M>>,
    target: R::Target,
    scope: Option<&AttemptScope<M>>,
    handshake: Option<&Handshake<M>>,
) -> Result<Dialling<R, M>, Error> {
    let arguments = Arguments::of_plan(plan, scope, handshake);
    let function = M::restore::<Connecting<R, M>, Option<Dialling<R, M>>>(&plan.registration.run);
    function.and_then(|function| function((target, arguments))).ok_or_else(plan_mismatch)
}

/// Polls a dial: the part that depends on the role.
pub(super) struct Dial<'a, R: Role, M: Mode> {
    role: &'a R,
    target: R::Target,
    handshake: Option<Handshake<M>>,
    dialled: Option<Dialling<R, M>>,
    pub(super) state: DialState<'a, M>,
}

impl<'a, R: Role, M: Mode> Dial<'a, R, M> {
    pub(super) fn new(
        role: &'a R,
        target: R::Target,
        handshake: Option<Handshake<M>>,
        state: DialState<'a, M>,
    ) -> Self {
        Self { role, target, handshake, dialled: None, state }
    }
}

/// Nothing in it is pinned.
impl<R: Role, M: Mode> Unpin for Dial<'_, R, M> {}

impl<R: Role, M: Mode> Future for Dial<'_, R, M> {
    type Output = Result<R::Output<M>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { role, target, handshake, dialled, state } = self.get_mut();
        let mut output = None;
        let result = ready!(state.poll(cx, &mut |cx, plan, scope| {
            let dialled = match dialled {
                Some(dialled) => dialled,
                None => dialled.insert(connect::<R, M>(plan, target.clone(), scope, handshake.as_ref())?),
            };
            let dialled = ready!(Pin::new(dialled).poll(cx))?;
            role.verify::<M>(target, &dialled)?;
            output = Some(dialled);
            Poll::Ready(Ok(()))
        }));
        // Before the log is sealed: a dial that the deadline cuts off below adds its entry.
        *dialled = None;
        state.end(result, target)?;
        Poll::Ready(output.ok_or_else(plan_mismatch))
    }
}

impl<R: Role, M: Mode> Drop for Dial<'_, R, M> {
    fn drop(&mut self) {
        self.state.cancel(&self.target);
    }
}

/// Polls the call of a dial once, for its plan and the scope of the dials below. Ready when there
/// is an output that the role has verified, or an error.
type Work<'w, M> = dyn FnMut(&mut Context<'_>, &Arc<Plan<M>>, Option<&AttemptScope<M>>) -> Poll<Result<(), Error>> + 'w;

/// The progress of a dial.
enum Stage<M: Mode> {
    /// Not polled yet.
    New,
    /// The timer of the deadline is being made.
    Timing(Dialling<Sleep, M>),
    Running,
    Done,
}

/// The role-independent half of a dial. A top-level dial owns the deadline and builds the report. A
/// nested dial shares both, and adds one entry to the log if it fails or is cancelled.
pub(super) struct DialState<'a, M: Mode> {
    plan: &'a Arc<Plan<M>>,
    origin: &'a Origin<M>,
    /// Set by a resolve, which has armed the deadline, and opened the scope if functions may dial.
    pub(super) engine: Option<(&'a Engine<'a, M>, Id)>,
    stage: Stage<M>,
    /// The number of a nested dial in the log above; 0 for a dial with a report of its own.
    id: u32,
    pub(super) deadline: Option<ArmedDeadline<M>>,
    /// The log, and this dial's place in it, for the dials below. None if it cannot dial below.
    pub(super) scope: Option<AttemptScope<M>>,
}

impl<'a, M: Mode> DialState<'a, M> {
    pub(super) fn new(plan: &'a Arc<Plan<M>>, origin: &'a Origin<M>) -> Self {
        Self { plan, origin, engine: None, stage: Stage::New, id: 0, deadline: None, scope: None }
    }

    /// Returns the deadline that this dial has of its own, if the dial above is over.
    fn deadline_plan(&self) -> Option<&'a DeadlinePlan<M>> {
        match (self.engine, self.origin) {
            (Some((engine, _)), _) => engine.deadline.as_ref(),
            (_, Origin::Standalone) => None,
            (_, Origin::Prepared(prepared)) => prepared.deadline.as_ref(),
            (_, Origin::Nested(above)) => above.deadline.as_ref(),
        }
    }

    /// Goes from stage to stage. While the dial runs, the deadline is asked after the work.
    fn poll(&mut self, cx: &mut Context<'_>, work: &mut Work<'_, M>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.stage {
                Stage::New => self.begin()?,
                Stage::Timing(timing) => {
                    let timer = ready!(Pin::new(timing).poll(cx))?;
                    self.deadline = self.deadline_plan().map(|plan| ArmedDeadline::new(plan.after, timer));
                    self.stage = Stage::Running;
                }
                Stage::Running => {
                    return match (work(cx, self.plan, self.scope.as_ref()), &mut self.deadline) {
                        // The attempts below are dropped after this. Their entries then say that
                        // the deadline cut them off.
                        (Poll::Pending, Some(deadline)) => deadline.poll(cx).map(|error| {
                            if let Some(scope) = &self.scope {
                                scope.with(|log| log.timed_out = true);
                            }
                            Err(error)
                        }),
                        (poll, _) => poll,
                    };
                }
                Stage::Done => return Poll::Ready(Err(plan_mismatch())),
            }
        }
    }

    /// Enters the attempt log of the dial above, or opens one, and starts the deadline.
    fn begin(&mut self) -> Result<(), Error> {
        self.stage = Stage::Running;
        // While the dial above runs, its deadline and its log are shared.
        if let Origin::Nested(above) = self.origin
            && let Some(id) = above.with(AttemptLog::start).flatten()
        {
            self.id = id;
            self.scope = (!self.plan.is_leaf()).then(|| above.under(id));
            return Ok(());
        }
        // Otherwise this dial has its own. A resolve has started the deadline already.
        let deadline = self.deadline_plan();
        if let Some(deadline) = deadline.filter(|_| self.engine.is_none()) {
            self.stage = Stage::Timing(connect::<Sleep, M>(&deadline.timer, (), None, None)?);
        }
        match &mut self.scope {
            Some(opened) => opened.deadline = deadline.cloned(),
            None if self.plan.is_leaf() => {}
            None => self.scope = Some(AttemptScope::open(deadline.cloned())),
        }
        Ok(())
    }

    /// Ends the dial: completes an error with the place where it happened and the report.
    fn end(&mut self, result: Result<(), Error>, target: &dyn Debug) -> Result<(), Error> {
        let stage = core::mem::replace(&mut self.stage, Stage::Done);
        // Nested: the dial above has the report, and gets an entry in its log.
        if let (Origin::Nested(above), 1..) = (self.origin, self.id) {
            let Err(error) = result else {
                if above.wrapped || self.is_layer() {
                    self.succeeded_below(above, target);
                }
                return Ok(());
            };
            return Err(self.failed_below(above, error, target));
        }
        // At the top: the log is complete, also after a success, for dialers that outlive it.
        let tried = self.scope.as_ref().map(AttemptScope::seal);
        let Err(error) = result else { return Ok(()) };
        let tried = tried.unwrap_or_default();
        match (stage, self.deadline_plan()) {
            (Stage::Running, _) => Err(self.failed(error, &self.plan.registration, tried, target)),
            (Stage::Timing(_), Some(deadline)) => Err(self.failed(error, &deadline.timer.registration, tried, target)),
            _ => Err(error),
        }
    }

    fn is_layer(&self) -> bool {
        self.plan.registration.kind == ChoiceKind::Layer
    }

    /// Records the hop for the enclosing layer: if the layer fails later, its error says that it
    /// went `via` this target. A successful dial leaves no other trace.
    fn succeeded_below(&self, above: &AttemptScope<M>, target: &dyn Debug) {
        let target = if above.wrapped { show(target) } else { String::new() };
        above.with(|log| {
            log.forget(self.id);
            if above.wrapped {
                log.reached(above.parent, target);
            }
        });
    }

    /// Completes the error of a dial at the top with its place and its report.
    #[cold]
    fn failed(&self, error: Error, registration: &Registration<M>, tried: Attempts, target: &dyn Debug) -> Error {
        let mut error = locate(error, registration, target, &tried);
        let plan = match (self.engine, self.origin) {
            (Some((engine, role)), _) => explain_for_report(engine.registry, role, &engine.answers()),
            (_, Origin::Prepared(prepared)) => explain_for_report(&prepared.registry, prepared.role, &prepared.answers),
            (_, Origin::Standalone | Origin::Nested(_)) => Explanation::default(),
        };
        let deadline = self.deadline.as_ref().map(|deadline| deadline.after);
        error.set_report(Report { plan, computing: None, tried, deadline, inner: None });
        error
    }

    /// Completes the error of a nested dial with its place, and adds an entry to the log above.
    #[cold]
    fn failed_below(&self, above: &AttemptScope<M>, error: Error, target: &dyn Debug) -> Error {
        // An error from a dial below has an entry of its own.
        let below = above.with(|log| log.has_below(self.id)).unwrap_or_default() && error.is_located();
        let outcome = if below { Outcome::FailedBelow } else { Outcome::Failed(error.why()) };
        let own = !error.is_located();
        let attempt = self.attempt(above, target, outcome);
        let mut error = error.located_at(attempt.at.clone()).to_target(&attempt.target);
        if own {
            error = error.passing(&attempt.via);
        }
        above.with(|log| log.end(attempt));
        error
    }

    /// Records that the dial was dropped before it ended.
    fn cancel(&self, target: &dyn Debug) {
        if let (Origin::Nested(above), 1.., Stage::Running) = (self.origin, self.id, &self.stage) {
            let attempt = self.attempt(above, target, Outcome::Cancelled);
            above.with(|log| log.end(attempt));
        } else if let (0, Some(scope)) = (self.id, &self.scope) {
            scope.seal();
        }
    }

    /// Returns the entry of this dial for the log above.
    #[cold]
    fn attempt(&self, above: &AttemptScope<M>, target: &dyn Debug, outcome: Outcome) -> Attempt {
        let (at, target) = (self.plan.registration.to_string(), show(target));
        let mut via = above.with(|log| log.forget(self.id)).unwrap_or_default();
        if outcome == Outcome::FailedBelow || via == target {
            via.clear();
        }
        Attempt { id: self.id, parent: above.parent, at, target, via, outcome, timed_out: false }
    }
}

/// Names the place where an error happened, unless a dial below has: for a deadline, the innermost
/// dial that it cut off.
fn locate<M: Mode>(error: Error, registration: &Registration<M>, target: &dyn Debug, tried: &Attempts) -> Error {
    if error.is_located() {
        return error;
    }
    let attempts = &tried.attempts;
    let cut = attempts.iter().rev().find(|attempt| attempt.timed_out);
    match cut {
        Some(attempt) if error.is_deadline() => {
            // A timer has no target; the dial that waits for it has.
            let above = attempts.iter().find(|above| above.id == attempt.parent).map_or("", Attempt::target);
            let error = error.located_at(attempt.at.clone()).to_target(&attempt.target).to_target(above);
            error.to_target(show(target)).passing(&attempt.via)
        }
        _ => error.located_at(registration.to_string()).to_target(show(target)).passing(tried.hop(0)),
    }
}

/// Prints a target. Roots have none.
fn show(target: &dyn Debug) -> String {
    let text = clean(format_args!("{target:?}"));
    if text == "()" { String::new() } else { text }
}
