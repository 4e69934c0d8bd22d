//! Dialers: from a target to an output, decided beforehand.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::pin::pin;
use core::time::Duration;

use embedded_io_async::ErrorKind;

use crate::context::Ctx;
use crate::engine::Engine;
use crate::error::{Error, PlanError};
use crate::explain::explain;
use crate::key::Id;
use crate::memo::Memo;
use crate::mode::Mode;
use crate::needs::Inputs;
use crate::plan::{Node, Run, Scope};
use crate::record::{Attempt, Outcome, Record, Report};
use crate::role::{self, Role};
use crate::standard::{Deadline, Sleep};
use crate::sync::Arc;
use crate::timer::{Instant, Timer, race};

/// The value of a role: dials targets. Cheap to clone.
///
/// [`Ctx::dialer`] plans one; a protocol receives one for each role it is [`over`](crate::over), a layer one for what
/// it wraps; [`Dialer::shared`] and [`Dialer::local`] make one of a function.
pub struct Dialer<R: Role, M: Mode> {
    role: R,
    node: Arc<Node<M>>,
    origin: Origin<M>,
}

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
    memo: Memo<M>,
    deadline: Option<(Duration, Node<M>)>,
}

impl<R: Role, M: Mode> Dialer<R, M> {
    pub(crate) fn alone(role: R, node: Node<M>) -> Self {
        Self { role, node: Arc::new(node), origin: Origin::Alone }
    }

    pub(crate) fn below(role: R, node: &Arc<Node<M>>, scope: Option<&Scope<M>>) -> Self {
        let origin = scope.map_or(Origin::Alone, |scope| Origin::Below(scope.under(scope.parent)));
        Self { role, node: node.clone(), origin }
    }

    /// What `with_dialer` keeps: the plan alone, since deadline and record are those of the dials to come.
    pub(crate) fn into_given(self) -> Arc<Node<M>> {
        Arc::new(Node {
            unit: self.node.unit.clone(),
            slots: self.node.slots.clone(),
            below: self.node.below.clone(),
            given: true,
        })
    }

    /// Dials `target`.
    ///
    /// Within a connect (as `below`, or an argument from `over`) it shares that connect's deadline and report;
    /// otherwise it has its own.
    ///
    /// # Errors
    /// As [`Ctx::resolve`].
    ///
    /// # Cancellation
    /// Dropping the future closes all it had opened.
    pub async fn dial(&self, target: R::Target) -> Result<R::Output<M>, Error> {
        let kept = match &self.origin {
            Origin::Below(scope) => {
                if let Some(id) = scope.with(Record::start).flatten() {
                    return attempt(self.role.clone(), &self.node, target, scope, id).await;
                }
                None
            }
            Origin::Kept(kept) => Some(&**kept),
            Origin::Alone => None,
        };
        let mut alarm = Alarm::set(kept.and_then(|kept| kept.deadline.as_ref())).await?;
        let scope = (!self.node.is_leaf()).then(Scope::open);
        let shown = target.clone();
        let work = connect(self.role.clone(), &self.node, target, scope.as_ref());
        let result = Alarm::bound(&mut alarm, work).await;
        let attempts = close(scope.as_ref());
        result.map_err(|error| {
            let mut error = locate(error, &self.node, &shown, &attempts);
            if let Some(kept) = kept {
                let plan = explain(&kept.ctx, role::id(&self.role), Some(&kept.memo));
                let deadline = alarm.map(|alarm| alarm.duration);
                error.set_report(Report { plan, computing: None, attempts, deadline });
            }
            error
        })
    }
}

impl<R: Role, M: Mode> Clone for Dialer<R, M> {
    fn clone(&self) -> Self {
        let origin = match &self.origin {
            Origin::Alone => Origin::Alone,
            Origin::Kept(kept) => Origin::Kept(kept.clone()),
            Origin::Below(scope) => Origin::Below(scope.under(scope.parent)),
        };
        Self { role: self.role.clone(), node: self.node.clone(), origin }
    }
}

impl<R: Role, M: Mode> fmt::Debug for Dialer<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.node.unit)
    }
}

/// See [`Ctx::resolve`].
pub(crate) async fn resolve<R: Role, M: Mode>(ctx: &Ctx<M>, role: R, target: R::Target) -> Result<R::Output<M>, Error> {
    let id = role::id(&role);
    let mut engine = Engine::new(ctx);
    let sleep = sleep_plan(&mut engine, id).await?;
    let mut alarm = Alarm::set(sleep.as_ref()).await?;
    let mut planned = None;
    let shown = target.clone();
    let work = async {
        let node = planned.insert(engine.run(id).await?);
        let scope = (!node.is_leaf()).then(|| engine.scope());
        connect(role, node, target, scope.as_ref()).await
    };
    let result = Alarm::bound(&mut alarm, work).await;
    let attempts = close(engine.opened_scope());
    result.map_err(|error| match &planned {
        Some(node) => engine.report(locate(error, node, &shown, &attempts), id, attempts, alarm),
        None => engine.report(error, id, attempts, alarm),
    })
}

/// See [`Ctx::dialer`].
pub(crate) async fn keep<R: Role, M: Mode>(ctx: &Ctx<M>, role: R) -> Result<Dialer<R, M>, Error> {
    let id = role::id(&role);
    let mut engine = Engine::new(ctx);
    let deadline = sleep_plan(&mut engine, id).await?;
    let mut alarm = Alarm::set(deadline.as_ref()).await?;
    let result = Alarm::bound(&mut alarm, engine.run(id)).await;
    let attempts = close(engine.opened_scope());
    match result {
        Ok(node) => {
            let kept = Kept { ctx: ctx.clone(), memo: engine.into_memo(), deadline };
            Ok(Dialer { role, node: Arc::new(node), origin: Origin::Kept(Arc::new(kept)) })
        }
        Err(error) => Err(engine.report(error, id, attempts, alarm)),
    }
}

/// The deadline of a context and the plan of what tells the time, unless it is `Sleep` itself that is wanted.
async fn sleep_plan<M: Mode>(engine: &mut Engine<'_, M>, wanted: Id) -> Result<Option<(Duration, Node<M>)>, Error> {
    let sleep = role::id(&Sleep);
    match engine.ctx.get(Deadline) {
        Some(duration) if wanted != sleep => {
            if !engine.ctx.registry.roles.contains_key(&sleep) {
                return Err(PlanError::NoSleep.into());
            }
            match engine.run(sleep).await {
                Ok(node) => Ok(Some((duration, node))),
                Err(error) => Err(engine.report(error, sleep, Default::default(), None)),
            }
        }
        _ => Ok(None),
    }
}

/// A deadline that is being waited for.
struct Alarm<M: Mode> {
    timer: M::Timer,
    at: Instant,
    duration: Duration,
}

impl<M: Mode> Alarm<M> {
    async fn set(deadline: Option<&(Duration, Node<M>)>) -> Result<Option<Self>, Error> {
        let Some((duration, sleep)) = deadline else { return Ok(None) };
        let timer = connect(Sleep, sleep, (), None).await?;
        Ok(Some(Self { at: timer.now() + *duration, timer, duration: *duration }))
    }

    /// Runs `work` until the alarm, and drops it.
    async fn bound<T>(alarm: &mut Option<Self>, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(Self { timer, at, duration }) = alarm else { return work.await };
        match race(pin!(work), timer, *at).await {
            Some(result) => result,
            None => Err(Error::new(ErrorKind::TimedOut, format!("the deadline of {duration:?} passed"))
                .advise("raise the key Deadline, or find out why the peer does not answer")),
        }
    }
}

impl<M: Mode> Engine<'_, M> {
    /// Adds what is known about a failure.
    fn report(&self, error: Error, root: Id, attempts: Vec<Attempt>, alarm: Option<Alarm<M>>) -> Error {
        let computing = self.computing();
        let mut error = error.at_layer(computing.clone().unwrap_or_else(|| format!("{root}")));
        let plan = explain(self.ctx, root, Some(self.memo()));
        error.set_report(Report { plan, computing, attempts, deadline: alarm.map(|alarm| alarm.duration) });
        error
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
        Some(attempt) if error.is_timeout() => error.at_layer(attempt.layer.clone()).toward(&attempt.target),
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
    role: R,
    node: &Node<M>,
    target: R::Target,
    scope: &Scope<M>,
    id: u32,
) -> Result<R::Output<M>, Error> {
    let mut entry = Entry::<R, M> { node, scope, id, target: Some(target.clone()) };
    let inner = scope.under(id);
    match connect(role, node, target, Some(&inner)).await {
        Ok(output) => {
            entry.target = None;
            Ok(output)
        }
        Err(error) => Err(entry.fail(error)),
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
    fn fail(&mut self, error: Error) -> Error {
        let Some(target) = self.target.take() else { return error };
        let (layer, target) = (format!("{}", self.node.unit), show(&target));
        let reason = Outcome::Failed(error.why());
        let below = error.has_layer();
        self.write(layer.clone(), target.clone(), reason, below);
        error.at_layer(layer).toward(&target)
    }

    /// `below` says that the error may have come from a dial below, which then has an entry of its own.
    fn write(&self, layer: String, target: String, outcome: Outcome, below: bool) {
        let mut attempt = Attempt { id: self.id, parent: self.scope.parent, layer, target, outcome };
        self.scope.with(|record| {
            if below && record.has_below(attempt.id) {
                attempt.outcome = Outcome::FailedBelow;
            }
            record.end(attempt);
        });
    }
}

impl<R: Role, M: Mode> Drop for Entry<'_, R, M> {
    fn drop(&mut self) {
        if let Some(target) = self.target.take() {
            self.write(format!("{}", self.node.unit), show(&target), Outcome::Cancelled, false);
        }
    }
}

/// Dials with the inputs of the plan, and checks what the role promises.
async fn connect<R: Role, M: Mode>(
    role: R,
    node: &Node<M>,
    target: R::Target,
    scope: Option<&Scope<M>>,
) -> Result<R::Output<M>, Error> {
    let dialled = match &node.unit.run {
        Run::Connect(erased) => M::restore::<R>(erased)
            .map(|connect| connect(target, &mut Inputs::new(&node.slots, node.below.as_ref(), scope))),
        Run::Derive(_) => None,
    };
    let output = dialled.ok_or_else(misfit)?.await?;
    role.accept::<M>(&output)?;
    Ok(output)
}

/// A plan that does not fit the function it was made for: a fault of this crate, reported rather than a panic.
pub(crate) fn misfit() -> Error {
    Error::new(ErrorKind::Other, "internal: the plan does not fit the registration; please report this")
}
