//! Resolving: decide which plan fills a role, then dial it.
//!
//! ```text
//! resolve(Connect, ())
//!   │ timer   mod.rs     if the context has a deadline: plans and calls Sleep
//!   │ decide  engine.rs  goals on a stack, functions are awaited
//!   │                      error: no candidate, a missing need, a cycle
//!   │ dial    dial.rs    the plan is called, and dials what is below
//!   ▼                      error: refused, timed out, the role's check
//! a flow                 explain.rs writes the plan into the report of an error
//! ```
//!
//! One deadline covers deciding and dialling. Making its timer is not covered, as there is nothing
//! yet to measure it.

use alloc::string::ToString;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

mod deadline;
mod dial;
mod engine;
mod explain;
mod outcomes;

use deadline::ArmedDeadline;
use dial::{Dial, DialState, connect};
use engine::Engine;
pub(crate) use explain::explain;
use explain::explain_for_report;

use crate::dialer::attempts::AttemptScope;
use crate::dialer::{Dialer, Origin, Prepared};
use crate::id::Id;
use crate::registry::Registry;
use crate::registry::plan::{DeadlinePlan, Plan, Resolved};
use crate::sync::Arc;
use crate::{Deadline, Error, Key, Mode, PlanError, Report, Role, Sleep};

/// Implements [`Ctx::resolve`](crate::Ctx::resolve).
pub(crate) async fn resolve<R: Role, M: Mode>(
    registry: &Registry<M>,
    role: R,
    target: R::Target,
) -> Result<R::Output<M>, Error> {
    let mut engine = Engine::new(registry);
    let id = Id::role(&role);
    let (plan, deadline) = decide_plan(&mut engine, id).await?;
    let opened = engine.scope.take();
    // The dial goes on with the deadline, which runs, and with the log that functions have begun.
    // By reference, so that it is made where it stays.
    let mut dial = Dial::new(&role, target, None, DialState::new(&plan, &Origin::Standalone));
    (dial.state.engine, dial.state.deadline, dial.state.scope) = (Some((&engine, id)), deadline, opened);
    (&mut dial).await
}

/// Implements [`Ctx::dialer`](crate::Ctx::dialer).
pub(crate) async fn prepare<R: Role, M: Mode>(registry: &Registry<M>, role: R) -> Result<Dialer<R, M>, Error> {
    let mut engine = Engine::new(registry);
    let id = Id::role(&role);
    let (plan, _) = decide_plan(&mut engine, id).await?;
    let (answers, deadline) = (engine.answers(), engine.deadline.take());
    let prepared = Prepared { registry: registry.clone(), role: id, answers, deadline };
    Ok(Dialer { role, plan, origin: Origin::Prepared(Arc::new(prepared)) })
}

/// Implements [`Ctx::value`](crate::Ctx::value).
pub(crate) async fn value<K: Key, M: Mode>(registry: &Registry<M>, key: K) -> Result<Option<K::Value>, Error> {
    let id = Id::of(&key);
    if registry.values.get(&id).is_some() || registry.entries.get(&id).is_none() {
        return Ok(registry.value(&key));
    }
    let (resolved, _) = decide(&mut Engine::new(registry), id).await?;
    Ok(resolved.value().and_then(|value| value.downcast_ref().cloned()))
}

/// Decides which plan fills a role; that nothing does is an error here. The deadline, if there is
/// one, goes on.
async fn decide_plan<M: Mode>(engine: &mut Engine<'_, M>, role: Id) -> Decided<Arc<Plan<M>>, M> {
    match decide(engine, role).await? {
        (Resolved::Plan(plan), deadline) => Ok((plan, deadline)),
        (_, deadline) => Err(failed(engine, role, engine.no_candidate(role), deadline.as_ref())),
    }
}

/// What was decided, and the deadline of the context, which runs.
type Decided<T, M> = Result<(T, Option<ArmedDeadline<M>>), Error>;

/// Makes the timer of the context's deadline, then decides a key or a role before it expires.
/// Deciding [`Sleep`] itself has no deadline.
// Not generic over the role, so that it is there once.
async fn decide<M: Mode>(engine: &mut Engine<'_, M>, id: Id) -> Decided<Resolved<M>, M> {
    let sleep = Id::role(&Sleep);
    let mut deadline = None;
    if let Some(after) = engine.registry.value(&Deadline).filter(|_| id != sleep) {
        if engine.registry.entries.get(&sleep).is_none() {
            return Err(PlanError::NoSleep.into());
        }
        let plan = engine.plan(sleep).await.map_err(|error| failed(engine, sleep, error, None))?;
        // The deadline begins when its timer is there.
        let timer = connect::<Sleep, M>(&plan, (), None, None)?.await;
        let timer =
            timer.map_err(|error| failed(engine, sleep, error.located_at(plan.registration.to_string()), None))?;
        deadline = Some(ArmedDeadline::new(after, timer));
        engine.deadline = Some(DeadlinePlan { after, timer: plan });
    }
    // The work is polled first, so that what is ready in time never fails. The block ends the
    // borrow of the engine, whose state the report of an error needs.
    let result = {
        let mut work = pin!(engine.run(id));
        poll_fn(|cx| match (work.as_mut().poll(cx), &mut deadline) {
            (Poll::Pending, Some(deadline)) => deadline.poll(cx).map(Err),
            (poll, _) => poll,
        })
        .await
    };
    match result {
        Ok(resolved) => Ok((resolved, deadline)),
        Err(error) => Err(failed(engine, id, error, deadline.as_ref())),
    }
}

/// Completes an error of a decision with its report.
#[cold]
fn failed<M: Mode>(engine: &Engine<'_, M>, id: Id, error: Error, deadline: Option<&ArmedDeadline<M>>) -> Error {
    let computing = engine.computing();
    let mut error = error.located_at(computing.clone().unwrap_or_else(|| id.to_string()));
    let plan = explain_for_report(engine.registry, id, &engine.answers());
    let (tried, deadline) =
        (engine.scope.as_ref().map(AttemptScope::seal).unwrap_or_default(), deadline.map(|deadline| deadline.after));
    error.set_report(Report { plan, computing, tried, deadline, inner: None });
    error
}
