//! Dialers: from a target to an output, decided beforehand.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Debug};
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;

use crate::engine::Engine;
use crate::error::{Attempts, plan_mismatch};
use crate::escape::{ShortDuration, clean};
use crate::explain::for_report;
use crate::key::Id;
use crate::plan::{Memo, Node, Run, Scope, Sleeper, Unit};
use crate::record::Record;
use crate::registry::Registry;
use crate::spec::Inputs;
use crate::sync::Arc;
use crate::{
    Attempt, ChoiceKind, Deadline, Error, Explanation, Instant, Mode, Outcome, PlanError, Report, Role, Sleep, Timer,
};

/// The value of a role: dials targets. Cheap to clone.
///
/// [`Ctx::dialer`](crate::Ctx::dialer) plans one; a protocol receives one for each role it is
/// [`over`](crate::over), a layer one for what it wraps; [`Dialer::shared`] and [`Dialer::local`]
/// make one of a function.
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
    registry: Registry<M>,
    role: Id,
    memo: Memo,
    deadline: Option<Sleeper<M>>,
}

impl<R: Role, M: Mode> Dialer<R, M> {
    pub(crate) fn new(role: R, node: Arc<Node<M>>) -> Self {
        Self { role, node, origin: Origin::Alone }
    }

    /// `wrapped`: for the layer that wraps it.
    pub(crate) fn below(role: R, node: &Arc<Node<M>>, scope: Option<&Scope<M>>, wrapped: bool) -> Self {
        let below = |scope: &Scope<M>| Origin::Below(Scope { wrapped, ..scope.clone() });
        let origin = scope.map_or(Origin::Alone, below);
        Self { role, node: node.clone(), origin }
    }

    /// What `with_dialer` keeps: the plan alone, since deadline and record are those of the dials
    /// to come.
    pub(crate) fn into_node(self) -> Arc<Node<M>> {
        self.node
    }

    /// Dials `target`.
    ///
    /// Within a connect (as `below`, or an argument from `over`) it shares that connect's deadline
    /// and report. After that connect, and from [`Ctx::dialer`](crate::Ctx::dialer), each dial has
    /// the deadline of the context and a report of its own; made of a function, it has no deadline.
    /// One that has begun within a connect and outlives it, because it was spawned, has no deadline
    /// any more.
    ///
    /// # Errors
    /// As [`Ctx::resolve`](crate::Ctx::resolve).
    ///
    /// # Cancellation
    /// Dropping the future closes all it had opened.
    pub fn dial(&self, target: R::Target) -> impl Future<Output = Result<R::Output<M>, Error>> {
        Dial::new(&self.role, target, Course::new(&self.node, &self.origin))
    }
}

impl<R: Role, M: Mode> Debug for Dialer<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.node.unit)
    }
}

/// See [`Ctx::resolve`](crate::Ctx::resolve).
pub(crate) async fn resolve<R: Role, M: Mode>(
    registry: &Registry<M>,
    role: R,
    target: R::Target,
) -> Result<R::Output<M>, Error> {
    let mut engine = Engine::new(registry);
    let mut alarm = None;
    let id = Id::role(&role);
    let node = plan(&mut engine, id, &mut alarm).await?;
    let opened = engine.scope.take();
    // By reference, so that it is made where it stays.
    let mut dial = Dial::new(&role, target, Course::new(&node, &Origin::Alone));
    (dial.course.engine, dial.course.alarm, dial.course.scope) = (Some((&engine, id)), alarm, opened);
    (&mut dial).await
}

/// See [`Ctx::dialer`](crate::Ctx::dialer).
pub(crate) async fn keep<R: Role, M: Mode>(registry: &Registry<M>, role: R) -> Result<Dialer<R, M>, Error> {
    let mut engine = Engine::new(registry);
    let id = Id::role(&role);
    let node = plan(&mut engine, id, &mut None).await?;
    let kept = Kept { registry: registry.clone(), role: id, memo: engine.memo(), deadline: engine.deadline.take() };
    Ok(Dialer { role, node, origin: Origin::Kept(Arc::new(kept)) })
}

/// Decides what fills the role, before the deadline of the context. If it is `Sleep` itself that
/// is wanted, there is none.
async fn plan<M: Mode>(
    engine: &mut Engine<'_, M>,
    role: Id,
    alarm: &mut Option<Alarm<M>>,
) -> Result<Arc<Node<M>>, Error> {
    let sleep = Id::role(&Sleep);
    if let Some(duration) = engine.registry.value(&Deadline)
        && role != sleep
    {
        if engine.registry.entries.get(&sleep).is_none() {
            return Err(PlanError::NoSleep.into());
        }
        let node = engine.run(sleep).await.map_err(|error| failed(engine, sleep, error, None))?;
        let timer = connect::<Sleep, M>(&node, (), None)?.await;
        let timer = timer.map_err(|error| failed(engine, sleep, error.located_at(node.unit.to_string()), None))?;
        *alarm = Some(Alarm::new(duration, timer));
        engine.deadline = Some((duration, node));
    }
    let result = {
        let mut work = pin!(engine.run(role));
        poll_fn(|cx| match (work.as_mut().poll(cx), &mut *alarm) {
            (Poll::Pending, Some(alarm)) => alarm.poll(cx).map(Err),
            (poll, _) => poll,
        })
        .await
    };
    result.map_err(|error| failed(engine, role, error, alarm.as_ref()))
}

/// The error of a plan, with its report.
#[cold]
fn failed<M: Mode>(engine: &Engine<'_, M>, role: Id, error: Error, alarm: Option<&Alarm<M>>) -> Error {
    let computing = engine.computing();
    let mut error = error.located_at(computing.clone().unwrap_or_else(|| role.to_string()));
    let plan = for_report(engine.registry, role, &engine.memo());
    let deadline = alarm.map(|alarm| alarm.duration);
    error.set_report(Report { plan, computing, tried: Scope::close(engine.scope.as_ref()), deadline, inner: None });
    error
}

/// A deadline that is being waited for.
struct Alarm<M: Mode> {
    timer: M::Timer,
    at: Instant,
    duration: Duration,
}

impl<M: Mode> Alarm<M> {
    fn new(duration: Duration, timer: M::Timer) -> Self {
        Self { at: timer.now() + duration, timer, duration }
    }

    /// Waits for the error that it is.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.timer.poll_until(cx, self.at).map(|()| {
            Error::deadline(format!("the deadline of {} passed", ShortDuration(self.duration)))
                .advise("raise the key Deadline, or find out why the peer does not answer")
        })
    }
}

/// A connect that was called.
type Dialling<R, M> = <M as Mode>::Future<Result<<R as Role>::Output<M>, Error>>;

/// A timer that is being made.
type Timing<M> = Dialling<Sleep, M>;

/// Begins to dial, with the inputs of the plan.
fn connect<R: Role, M: Mode>(
    node: &Node<M>,
    target: R::Target,
    scope: Option<&Scope<M>>,
) -> Result<Dialling<R, M>, Error> {
    let mut inputs = Inputs::new(&node.slots, node.below.as_ref(), scope);
    let dialled = match &node.unit.run {
        Run::Connect(erased) => M::restore::<R>(erased).and_then(|connect| connect(target, &mut inputs)),
        Run::Derive(_) => None,
    };
    dialled.ok_or_else(plan_mismatch)
}

/// The future of a dial: what depends on the role. The rest is its [`Course`], which is there once
/// for all roles.
struct Dial<'a, R: Role, M: Mode> {
    role: &'a R,
    target: R::Target,
    dialled: Option<Dialling<R, M>>,
    course: Course<'a, M>,
}

impl<'a, R: Role, M: Mode> Dial<'a, R, M> {
    fn new(role: &'a R, target: R::Target, course: Course<'a, M>) -> Self {
        Self { role, target, dialled: None, course }
    }
}

/// Nothing in it is pinned.
impl<R: Role, M: Mode> Unpin for Dial<'_, R, M> {}

impl<R: Role, M: Mode> Future for Dial<'_, R, M> {
    type Output = Result<R::Output<M>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { role, target, dialled, course } = self.get_mut();
        let mut output = None;
        let result = ready!(course.poll(cx, &mut |cx, node, scope| {
            let dialled = match dialled {
                Some(dialled) => dialled,
                None => dialled.insert(connect::<R, M>(node, target.clone(), scope)?),
            };
            let dialled = ready!(Pin::new(dialled).poll(cx))?;
            role.accept::<M>(target, &dialled)?;
            output = Some(dialled);
            Poll::Ready(Ok(()))
        }));
        // Before the record is closed: what a deadline cuts off says so.
        *dialled = None;
        course.end(result, target)?;
        Poll::Ready(output.ok_or_else(plan_mismatch))
    }
}

impl<R: Role, M: Mode> Drop for Dial<'_, R, M> {
    fn drop(&mut self) {
        self.course.cancel(&self.target);
    }
}

/// Goes on with a dial, until there is an output that keeps what the role promises.
type Work<'w, M> = dyn FnMut(&mut Context<'_>, &Node<M>, Option<&Scope<M>>) -> Poll<Result<(), Error>> + 'w;

enum State<M: Mode> {
    New,
    /// The timer of the deadline is being made.
    Timing(Timing<M>),
    Running,
    Done,
}

/// The role-independent half of a dial. A top-level dial owns the deadline and builds the report. A
/// nested dial shares both, and adds one entry to the log if it fails or is cancelled.
struct Course<'a, M: Mode> {
    node: &'a Node<M>,
    origin: &'a Origin<M>,
    /// Of a resolve, which has set the alarm and opened the scope.
    engine: Option<(&'a Engine<'a, M>, Id)>,
    state: State<M>,
    /// The number of a dial that is below another; 0 if its connect is over, or nothing is above.
    id: u32,
    alarm: Option<Alarm<M>>,
    /// For what it dials below.
    scope: Option<Scope<M>>,
}

impl<'a, M: Mode> Course<'a, M> {
    fn new(node: &'a Node<M>, origin: &'a Origin<M>) -> Self {
        Self { node, origin, engine: None, state: State::New, id: 0, alarm: None, scope: None }
    }

    fn deadline(&self) -> Option<&'a Sleeper<M>> {
        match (self.engine, self.origin) {
            (Some((engine, _)), _) => engine.deadline.as_ref(),
            (_, Origin::Alone) => None,
            (_, Origin::Kept(kept)) => kept.deadline.as_ref(),
            (_, Origin::Below(above)) => above.deadline.as_ref(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, work: &mut Work<'_, M>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.state {
                State::New => self.begin()?,
                State::Timing(timing) => {
                    let timer = ready!(Pin::new(timing).poll(cx))?;
                    self.alarm = self.deadline().map(|(duration, _)| Alarm::new(*duration, timer));
                    self.state = State::Running;
                }
                State::Running => {
                    return match (work(cx, self.node, self.scope.as_ref()), &mut self.alarm) {
                        (Poll::Pending, Some(alarm)) => alarm.poll(cx).map(|error| {
                            if let Some(scope) = &self.scope {
                                scope.with(|record| record.timed_out = true);
                            }
                            Err(error)
                        }),
                        (poll, _) => poll,
                    };
                }
                State::Done => return Poll::Ready(Err(plan_mismatch())),
            }
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.state = State::Running;
        if let Origin::Below(above) = self.origin
            && let Some(id) = above.with(Record::start).flatten()
        {
            self.id = id;
            self.scope = Some(above.under(id));
            return Ok(());
        }
        if let Some((_, sleep)) = self.deadline()
            && self.engine.is_none()
        {
            self.state = State::Timing(connect::<Sleep, M>(sleep, (), None)?);
        }
        let deadline = self.deadline();
        match &mut self.scope {
            Some(opened) => opened.deadline = deadline.cloned(),
            None if self.node.is_leaf() => {}
            None => self.scope = Some(Scope::open(deadline.cloned())),
        }
        Ok(())
    }

    /// The work has ended: says where an error happened, and what was tried.
    fn end(&mut self, result: Result<(), Error>, target: &dyn Debug) -> Result<(), Error> {
        let state = core::mem::replace(&mut self.state, State::Done);
        if let (Origin::Below(above), 1..) = (self.origin, self.id) {
            let Err(error) = result else {
                if above.wrapped || self.is_layer() {
                    self.succeeded_below(above, target);
                }
                return Ok(());
            };
            return Err(self.failed_below(above, error, target));
        }
        let tried = Scope::close(self.scope.as_ref());
        let Err(error) = result else { return Ok(()) };
        match (state, self.deadline()) {
            (State::Running, _) => Err(self.failed(error, &self.node.unit, tried, target)),
            (State::Timing(_), Some((_, sleep))) => Err(self.failed(error, &sleep.unit, tried, target)),
            _ => Err(error),
        }
    }

    fn is_layer(&self) -> bool {
        self.node.unit.kind == ChoiceKind::Layer
    }

    /// Records the hop for the enclosing layer. A successful dial leaves no other trace.
    fn succeeded_below(&self, above: &Scope<M>, target: &dyn Debug) {
        let target = if above.wrapped { show(target) } else { String::new() };
        above.with(|record| {
            record.forget(self.id);
            if above.wrapped {
                record.reached(above.parent, target);
            }
        });
    }

    #[cold]
    fn failed(&self, error: Error, unit: &Unit<M>, tried: Attempts, target: &dyn Debug) -> Error {
        let mut error = locate(error, unit, target, &tried);
        let plan = match (self.engine, self.origin) {
            (Some((engine, role)), _) => for_report(engine.registry, role, &engine.memo()),
            (_, Origin::Kept(kept)) => for_report(&kept.registry, kept.role, &kept.memo),
            (_, Origin::Alone | Origin::Below(_)) => Explanation::default(),
        };
        let deadline = self.alarm.as_ref().map(|alarm| alarm.duration);
        error.set_report(Report { plan, computing: None, tried, deadline, inner: None });
        error
    }

    #[cold]
    fn failed_below(&self, above: &Scope<M>, error: Error, target: &dyn Debug) -> Error {
        // An error from a dial below has an entry of its own.
        let below = above.with(|record| record.has_below(self.id)).unwrap_or_default() && error.is_located();
        let outcome = if below { Outcome::FailedBelow } else { Outcome::Failed(error.why()) };
        let own = !error.is_located();
        let Attempt { at, target, via, .. } = self.enter(above, target, outcome);
        let error = error.located_at(at).to_target(&target);
        if own { error.passing(&via) } else { error }
    }

    /// It is dropped.
    fn cancel(&self, target: &dyn Debug) {
        if let (Origin::Below(above), 1.., State::Running) = (self.origin, self.id, &self.state) {
            self.enter(above, target, Outcome::Cancelled);
        } else if self.id == 0 {
            Scope::close(self.scope.as_ref());
        }
    }

    /// Leaves an entry in the record above.
    #[cold]
    fn enter(&self, above: &Scope<M>, target: &dyn Debug, outcome: Outcome) -> Attempt {
        let (at, target) = (self.node.unit.to_string(), show(target));
        let mut via = above.with(|record| record.forget(self.id)).unwrap_or_default();
        if outcome == Outcome::FailedBelow || via == target {
            via.clear();
        }
        let attempt = Attempt { id: self.id, parent: above.parent, at, target, via, outcome, timed_out: false };
        above.with(|record| record.end(attempt.clone()));
        attempt
    }
}

/// Says where an error happened, if nobody below has: for a deadline, in the innermost dial that it
/// cut off.
fn locate<M: Mode>(error: Error, unit: &Unit<M>, target: &dyn Debug, tried: &Attempts) -> Error {
    if error.is_located() {
        return error;
    }
    let attempts = &tried.attempts;
    let cut = attempts.iter().rev().find(|attempt| attempt.timed_out);
    match cut {
        Some(attempt) if error.is_deadline() => {
            // A timer has no target, but whoever waits for it has.
            let above = attempts.iter().find(|above| above.id == attempt.parent).map_or("", Attempt::target);
            let error = error.located_at(attempt.at.clone()).to_target(&attempt.target).to_target(above);
            error.to_target(&show(target)).passing(&attempt.via)
        }
        _ => error.located_at(unit.to_string()).to_target(&show(target)).passing(tried.hop(0)),
    }
}

/// How a target is printed; roots have none.
fn show(target: &dyn Debug) -> String {
    let text = clean(format_args!("{target:?}"));
    if text == "()" { String::new() } else { text }
}
