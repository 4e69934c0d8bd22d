//! Dialers: from a target to an output, decided beforehand.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::pin::{Pin, pin};
use core::time::Duration;

use crate::engine::Engine;
use crate::error::misfit;
use crate::explain::{Memo, for_report};
use crate::key::Id;
use crate::plan::{Node, Run, Scope, Sleeper};
use crate::record::Record;
use crate::spec::Inputs;
use crate::sync::Arc;
use crate::text::Brief;
use crate::timer::race;
use crate::{
    Attempt, Ctx, Deadline, Error, Explanation, Instant, Mode, Outcome, PlanError, Report, Role, Sleep, Timer,
};

/// The value of a role: dials targets. Cheap to clone.
///
/// [`Ctx::dialer`] plans one; a protocol receives one for each role it is [`over`](crate::over), a layer one for what
/// it wraps; [`Dialer::shared`] and [`Dialer::local`] make one of a function.
#[derive(Clone)]
pub struct Dialer<R: Role, M: Mode> {
    role: R,
    node: Arc<Node<M>>,
    origin: Origin<M>,
}

#[derive(Clone)]
enum Origin<M: Mode> {
    /// Made of a function: no deadline, a report of its own.
    Alone,
    /// Planned by `Ctx::dialer`: each dial has the deadline and a report of its own.
    Kept(Arc<Kept<M>>),
    /// Below another dial: shares its deadline and its record.
    Below(Scope<M>),
}

/// What the dials of a kept dialer need, beside the plan.
struct Kept<M: Mode> {
    ctx: Ctx<M>,
    memo: Memo,
    deadline: Option<Sleeper<M>>,
}

impl<R: Role, M: Mode> Dialer<R, M> {
    pub(crate) fn new(role: R, node: Arc<Node<M>>) -> Self {
        Self { role, node, origin: Origin::Alone }
    }

    pub(crate) fn below(role: R, node: &Arc<Node<M>>, scope: Option<&Scope<M>>) -> Self {
        let origin = scope.map_or(Origin::Alone, |scope| Origin::Below(scope.clone()));
        Self { role, node: node.clone(), origin }
    }

    /// What `with_dialer` keeps: the plan alone, since deadline and record are those of the dials to come.
    pub(crate) fn into_node(self) -> Arc<Node<M>> {
        self.node
    }

    /// Dials `target`.
    ///
    /// Within a connect (as `below`, or an argument from `over`) it shares that connect's deadline and report. After
    /// that connect, and from [`Ctx::dialer`], each dial has the deadline of the context and a report of its own; made
    /// of a function, it has no deadline.
    ///
    /// # Errors
    /// As [`Ctx::resolve`].
    ///
    /// # Cancellation
    /// Dropping the future closes all it had opened.
    pub async fn dial(&self, target: R::Target) -> Result<R::Output<M>, Error> {
        let (kept, deadline) = match &self.origin {
            Origin::Below(scope) => {
                if let Some(id) = scope.with(Record::start).flatten() {
                    return attempt(&self.role, &self.node, target, scope, id).await;
                }
                (None, scope.deadline.as_ref())
            }
            Origin::Kept(kept) => (Some(kept), kept.deadline.as_ref()),
            Origin::Alone => (None, None),
        };
        let mut alarm = Alarm::set(deadline).await?;
        let scope = (!self.node.is_leaf()).then(|| Scope::open(deadline.cloned()));
        let explain = || match kept {
            Some(kept) => for_report(&kept.ctx, Id::role(&self.role), &kept.memo),
            None => Explanation::default(),
        };
        root(&self.role, &self.node, target, scope.as_ref(), &mut alarm, explain).await
    }
}

impl<R: Role, M: Mode> fmt::Debug for Dialer<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.node.unit)
    }
}

/// See [`Ctx::resolve`].
pub(crate) async fn resolve<R: Role, M: Mode>(ctx: &Ctx<M>, role: R, target: R::Target) -> Result<R::Output<M>, Error> {
    let mut engine = Engine::new(ctx);
    let deadline = sleeper(&mut engine, Id::role(&role)).await?;
    let mut alarm = Alarm::set(deadline.as_ref()).await?;
    let node = plan(&mut engine, Id::role(&role), &mut alarm).await?;
    engine.open_scope(&node, deadline.as_ref());
    let explain = || for_report(ctx, Id::role(&role), &engine.memo());
    root(&role, &node, target, engine.scope(), &mut alarm, explain).await
}

/// See [`Ctx::dialer`].
pub(crate) async fn keep<R: Role, M: Mode>(ctx: &Ctx<M>, role: R) -> Result<Dialer<R, M>, Error> {
    let mut engine = Engine::new(ctx);
    let deadline = sleeper(&mut engine, Id::role(&role)).await?;
    let mut alarm = Alarm::set(deadline.as_ref()).await?;
    let node = plan(&mut engine, Id::role(&role), &mut alarm).await?;
    close(engine.scope());
    let kept = Kept { ctx: ctx.clone(), memo: engine.memo(), deadline };
    Ok(Dialer { role, node, origin: Origin::Kept(Arc::new(kept)) })
}

/// The deadline of a context, unless it is `Sleep` itself that is wanted.
async fn sleeper<M: Mode>(engine: &mut Engine<'_, M>, wanted: Id) -> Result<Option<Sleeper<M>>, Error> {
    let sleep = Id::role(&Sleep);
    match engine.ctx.get(Deadline) {
        Some(duration) if wanted != sleep => {
            if !engine.ctx.registry.contains_key(&sleep) {
                return Err(PlanError::NoSleep.into());
            }
            Ok(Some((duration, plan(engine, sleep, &mut None).await?)))
        }
        _ => Ok(None),
    }
}

/// Decides who fills `role`, before the alarm.
async fn plan<M: Mode>(
    engine: &mut Engine<'_, M>,
    role: Id,
    alarm: &mut Option<Alarm<M>>,
) -> Result<Arc<Node<M>>, Error> {
    let result = Alarm::bound(alarm, pin!(engine.run(role))).await;
    result.map_err(|error| {
        let computing = engine.computing();
        let mut error = error.at_layer(computing.clone().unwrap_or_else(|| role.to_string()));
        let plan = for_report(engine.ctx, role, &engine.memo());
        let deadline = alarm.as_ref().map(|alarm| alarm.duration);
        error.set_report(Report { plan, computing, attempts: close(engine.scope()), deadline, inner: None });
        error
    })
}

/// A dial with nothing above it: before the alarm, and with a report.
async fn root<R: Role, M: Mode>(
    role: &R,
    node: &Node<M>,
    target: R::Target,
    scope: Option<&Scope<M>>,
    alarm: &mut Option<Alarm<M>>,
    explain: impl FnOnce() -> Explanation,
) -> Result<R::Output<M>, Error> {
    let shown = target.clone();
    // Dropped before the record is closed: what a deadline cuts off says so.
    let result = { Alarm::bound(alarm, pin!(connect(role, node, target, &shown, scope))).await };
    let attempts = close(scope);
    result.map_err(|error| {
        let mut error = locate(error, node, &shown, &attempts);
        let deadline = alarm.as_ref().map(|alarm| alarm.duration);
        error.set_report(Report { plan: explain(), computing: None, attempts, deadline, inner: None });
        error
    })
}

/// A deadline that is being waited for.
struct Alarm<M: Mode> {
    timer: M::Timer,
    at: Instant,
    duration: Duration,
}

impl<M: Mode> Alarm<M> {
    async fn set(deadline: Option<&Sleeper<M>>) -> Result<Option<Self>, Error> {
        let Some((duration, sleep)) = deadline else { return Ok(None) };
        let timer = connect(&Sleep, sleep, (), &(), None).await?;
        Ok(Some(Self { at: timer.now() + *duration, timer, duration: *duration }))
    }

    /// Runs `work` until the alarm, if there is one.
    async fn bound<T>(
        alarm: &mut Option<Self>,
        work: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        let Some(Self { timer, at, duration }) = alarm else { return work.await };
        match race(work, timer, *at).await {
            Some(result) => result,
            None => Err(Error::deadline(format!("the deadline of {} passed", Brief(*duration)))
                .advise("raise the key Deadline, or find out why the peer does not answer")),
        }
    }
}

fn close<M: Mode>(scope: Option<&Scope<M>>) -> Vec<Attempt> {
    scope.and_then(|scope| scope.with(Record::close)).unwrap_or_default()
}

/// Says where an error happened, if nobody below has: for a deadline, in the innermost dial that it cut off.
fn locate<M: Mode>(error: Error, node: &Node<M>, target: &impl fmt::Debug, attempts: &[Attempt]) -> Error {
    if error.has_layer() {
        return error;
    }
    let cut = attempts.iter().rev().find(|attempt| attempt.outcome == Outcome::Cancelled);
    match cut {
        Some(attempt) if error.is_deadline() => error.at_layer(attempt.layer.clone()).toward(&attempt.target),
        _ => error.at_layer(format!("{}", node.unit)).toward(&show(target)),
    }
}

/// How a target is printed; roots have none.
fn show(target: &impl fmt::Debug) -> String {
    let text = format!("{target:?}");
    if text == "()" { String::new() } else { text }
}

/// One dial below another: leaves an entry in the record unless it succeeds.
async fn attempt<R: Role, M: Mode>(
    role: &R,
    node: &Node<M>,
    target: R::Target,
    scope: &Scope<M>,
    id: u32,
) -> Result<R::Output<M>, Error> {
    let mut entry = Entry::<R, M> { node, scope, id, target: Some(target.clone()) };
    let inner = scope.under(id);
    let result = match &entry.target {
        Some(shown) => connect(role, node, target, shown, Some(&inner)).await,
        None => return Err(misfit()),
    };
    match (result, entry.target.take()) {
        (Err(error), Some(target)) => {
            // An error from a dial below has an entry of its own.
            let below = scope.with(|record| record.has_below(id)).unwrap_or_default() && error.has_layer();
            let outcome = if below { Outcome::FailedBelow } else { Outcome::Failed(error.why()) };
            let (layer, target) = entry.end(&target, outcome);
            Err(error.at_layer(layer).toward(&target))
        }
        (result, _) => result,
    }
}

/// A dial that runs, to be written into the record when it fails or is dropped.
struct Entry<'a, R: Role, M: Mode> {
    node: &'a Node<M>,
    scope: &'a Scope<M>,
    id: u32,
    /// `None` once the dial has ended.
    target: Option<R::Target>,
}

impl<R: Role, M: Mode> Entry<'_, R, M> {
    /// Gives the names of the layer and the target.
    fn end(&self, target: &R::Target, outcome: Outcome) -> (String, String) {
        let (layer, target) = (self.node.unit.to_string(), show(target));
        let attempt = Attempt { id: self.id, parent: self.scope.parent, layer, target, outcome };
        let names = (attempt.layer.clone(), attempt.target.clone());
        self.scope.with(|record| record.end(attempt));
        names
    }
}

impl<R: Role, M: Mode> Drop for Entry<'_, R, M> {
    fn drop(&mut self) {
        if let Some(target) = self.target.take() {
            self.end(&target, Outcome::Cancelled);
        }
    }
}

/// Dials with the inputs of the plan, and checks what the role promises.
async fn connect<R: Role, M: Mode>(
    role: &R,
    node: &Node<M>,
    target: R::Target,
    shown: &R::Target,
    scope: Option<&Scope<M>>,
) -> Result<R::Output<M>, Error> {
    let dialled = match &node.unit.run {
        Run::Connect(erased) => M::restore::<R>(erased).ok_or_else(misfit)?(
            target,
            &mut Inputs::new(&node.slots, node.below.as_ref(), scope),
        )?,
        Run::Derive(_) => return Err(misfit()),
    };
    let output = dialled.await?;
    role.accept::<M>(shown, &output)?;
    Ok(output)
}
