//! Dialers: from a target to an output, decided beforehand.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
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
    role: Id,
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
    pub fn dial(&self, target: R::Target) -> impl Future<Output = Result<R::Output<M>, Error>> {
        let from = match &self.origin {
            Origin::Alone => From::Alone,
            Origin::Kept(kept) => From::Kept(kept),
            Origin::Below(scope) => From::Below(scope),
        };
        Dial::new(&self.role, target, Course::new(&self.node, from, None))
    }
}

impl<R: Role, M: Mode> Debug for Dialer<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.node.unit)
    }
}

/// See [`Ctx::resolve`].
pub(crate) async fn resolve<R: Role, M: Mode>(ctx: &Ctx<M>, role: R, target: R::Target) -> Result<R::Output<M>, Error> {
    let mut engine = Engine::new(ctx);
    let plan = plan(&mut engine, Id::role(&role)).await?;
    engine.open_scope(&plan.node, plan.deadline.as_ref());
    Dial::new(&role, target, Course::new(&plan.node, From::Resolve(&engine, Id::role(&role)), plan.alarm)).await
}

/// See [`Ctx::dialer`].
pub(crate) async fn keep<R: Role, M: Mode>(ctx: &Ctx<M>, role: R) -> Result<Dialer<R, M>, Error> {
    let mut engine = Engine::new(ctx);
    let Plan { node, deadline, .. } = plan(&mut engine, Id::role(&role)).await?;
    close(engine.scope());
    let kept = Kept { ctx: ctx.clone(), role: Id::role(&role), memo: engine.memo(), deadline };
    Ok(Dialer { role, node, origin: Origin::Kept(Arc::new(kept)) })
}

/// Who dials, and until when.
struct Plan<M: Mode> {
    node: Arc<Node<M>>,
    deadline: Option<Sleeper<M>>,
    alarm: Option<Alarm<M>>,
}

/// Decides who fills `role`, before the deadline of the context, which is none if it is `Sleep` itself that is wanted.
async fn plan<M: Mode>(engine: &mut Engine<'_, M>, role: Id) -> Result<Plan<M>, Error> {
    let (sleep, mut deadline, mut alarm) = (Id::role(&Sleep), None, None);
    if let Some(duration) = engine.ctx.get(Deadline)
        && role != sleep
    {
        if !engine.ctx.registry.contains_key(&sleep) {
            return Err(PlanError::NoSleep.into());
        }
        let node = engine.run(sleep).await.map_err(|error| failed(engine, sleep, error, None))?;
        alarm = Some(Alarm::new(duration, timer(&node)?.await?));
        deadline = Some((duration, node));
    }
    let result = {
        let mut work = pin!(engine.run(role));
        poll_fn(|cx| match (work.as_mut().poll(cx), &mut alarm) {
            (Poll::Pending, Some(alarm)) => alarm.poll(cx).map(Err),
            (poll, _) => poll,
        })
        .await
    };
    match result {
        Ok(node) => Ok(Plan { node, deadline, alarm }),
        Err(error) => Err(failed(engine, role, error, alarm.as_ref())),
    }
}

/// The error of a plan, with its report.
#[cold]
fn failed<M: Mode>(engine: &Engine<'_, M>, role: Id, error: Error, alarm: Option<&Alarm<M>>) -> Error {
    let computing = engine.computing();
    let mut error = error.at_layer(computing.clone().unwrap_or_else(|| role.to_string()));
    let plan = for_report(engine.ctx, role, &engine.memo());
    let deadline = alarm.map(|alarm| alarm.duration);
    error.set_report(Report { plan, computing, attempts: close(engine.scope()), deadline, inner: None });
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
            Error::deadline(format!("the deadline of {} passed", Brief(self.duration)))
                .advise("raise the key Deadline, or find out why the peer does not answer")
        })
    }
}

/// A timer that is being made.
type Timing<M> = <M as Mode>::Future<Result<<M as Mode>::Timer, Error>>;

fn timer<M: Mode>(sleep: &Node<M>) -> Result<Timing<M>, Error> {
    connect(&Sleep, sleep, (), None)
}

/// Begins to dial, with the inputs of the plan.
fn connect<R: Role, M: Mode>(
    _role: &R,
    node: &Node<M>,
    target: R::Target,
    scope: Option<&Scope<M>>,
) -> Result<M::Future<Result<R::Output<M>, Error>>, Error> {
    let mut inputs = Inputs::new(&node.slots, node.below.as_ref(), scope);
    let dialled = match &node.unit.run {
        Run::Connect(erased) => M::restore::<R>(erased).and_then(|connect| connect(target, &mut inputs)),
        Run::Derive(_) => None,
    };
    dialled.ok_or_else(misfit)
}

/// The future of a dial: what depends on the role. The rest is its [`Course`], which is there once for all roles.
struct Dial<'a, R: Role, M: Mode> {
    role: &'a R,
    target: R::Target,
    dialled: Option<M::Future<Result<R::Output<M>, Error>>>,
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
        let mut work = Work { role: *role, target, dialled, output: None };
        ready!(course.poll(cx, &mut work))?;
        Poll::Ready(work.output.ok_or_else(misfit))
    }
}

impl<R: Role, M: Mode> Drop for Dial<'_, R, M> {
    fn drop(&mut self) {
        self.course.cancel(&self.target);
    }
}

/// A dial for the time of one poll.
struct Work<'a, R: Role, M: Mode> {
    role: &'a R,
    target: &'a R::Target,
    dialled: &'a mut Option<M::Future<Result<R::Output<M>, Error>>>,
    output: Option<R::Output<M>>,
}

/// What a [`Course`] asks of a dial.
trait Dialled<M: Mode> {
    /// Dials, until there is an output that keeps what the role promises.
    fn poll(&mut self, cx: &mut Context<'_>, node: &Node<M>, scope: Option<&Scope<M>>) -> Poll<Result<(), Error>>;
    fn stop(&mut self);
    fn target(&self) -> &dyn Debug;
}

impl<R: Role, M: Mode> Dialled<M> for Work<'_, R, M> {
    fn poll(&mut self, cx: &mut Context<'_>, node: &Node<M>, scope: Option<&Scope<M>>) -> Poll<Result<(), Error>> {
        let dialled = match self.dialled {
            Some(dialled) => dialled,
            None => self.dialled.insert(connect(self.role, node, self.target.clone(), scope)?),
        };
        let output = ready!(Pin::new(dialled).poll(cx))?;
        self.role.accept::<M>(self.target, &output)?;
        self.output = Some(output);
        Poll::Ready(Ok(()))
    }

    fn stop(&mut self) {
        *self.dialled = None;
    }

    fn target(&self) -> &dyn Debug {
        self.target
    }
}

/// Who asked for a dial.
enum From<'a, M: Mode> {
    /// A dialer made of a function, or one whose connect is over.
    Alone,
    /// A kept dialer.
    Kept(&'a Kept<M>),
    /// A resolve, which has set the alarm.
    Resolve(&'a Engine<'a, M>, Id),
    /// Another dial, above.
    Below(&'a Scope<M>),
}

enum State<M: Mode> {
    New,
    /// The timer of the deadline is being made.
    Timing(Timing<M>),
    Running,
    Done,
}

/// A dial on its way: before the alarm and with a report, if nothing is above it; otherwise it leaves an entry in the
/// record above, unless it succeeds.
struct Course<'a, M: Mode> {
    node: &'a Node<M>,
    from: From<'a, M>,
    state: State<M>,
    /// The number of a dial that is below another.
    id: u32,
    deadline: Option<&'a Sleeper<M>>,
    alarm: Option<Alarm<M>>,
    /// For what it dials below.
    scope: Option<Scope<M>>,
}

impl<'a, M: Mode> Course<'a, M> {
    fn new(node: &'a Node<M>, from: From<'a, M>, alarm: Option<Alarm<M>>) -> Self {
        Self { node, from, state: State::New, id: 0, deadline: None, alarm, scope: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>, work: &mut dyn Dialled<M>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.state {
                State::New => self.begin()?,
                State::Timing(timing) => {
                    let timer = ready!(Pin::new(timing).poll(cx))?;
                    self.alarm = self.deadline.map(|(duration, _)| Alarm::new(*duration, timer));
                    self.state = State::Running;
                }
                State::Running => {
                    let result = match (work.poll(cx, self.node, self.scope()), &mut self.alarm) {
                        (Poll::Pending, Some(alarm)) => Err(ready!(alarm.poll(cx))),
                        (poll, _) => ready!(poll),
                    };
                    self.state = State::Done;
                    // Before the record is closed: what a deadline cuts off says so.
                    work.stop();
                    return Poll::Ready(self.end(result.err(), work.target()).map_or(Ok(()), Err));
                }
                State::Done => return Poll::Ready(Err(misfit())),
            }
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.state = State::Running;
        match &self.from {
            From::Alone | From::Resolve(..) => {}
            From::Kept(kept) => self.deadline = kept.deadline.as_ref(),
            From::Below(above) => match above.with(Record::start).flatten() {
                Some(id) => {
                    self.id = id;
                    self.scope = Some(above.under(id));
                    return Ok(());
                }
                None => {
                    self.deadline = above.deadline.as_ref();
                    self.from = From::Alone;
                }
            },
        }
        if let Some((_, sleep)) = self.deadline {
            self.state = State::Timing(timer(sleep)?);
        }
        if !matches!(self.from, From::Resolve(..)) && !self.node.is_leaf() {
            self.scope = Some(Scope::open(self.deadline.cloned()));
        }
        Ok(())
    }

    fn scope(&self) -> Option<&Scope<M>> {
        match &self.from {
            From::Resolve(engine, _) => engine.scope(),
            _ => self.scope.as_ref(),
        }
    }

    /// It has ended: says where an error happened, and what was tried.
    fn end(&self, error: Option<Error>, target: &dyn Debug) -> Option<Error> {
        if let From::Below(above) = &self.from {
            return Some(self.failed_below(above, error?, target));
        }
        let attempts = close(self.scope());
        let mut error = locate(error?, self.node, target, &attempts);
        let plan = match &self.from {
            From::Kept(kept) => for_report(&kept.ctx, kept.role, &kept.memo),
            From::Resolve(engine, role) => for_report(engine.ctx, *role, &engine.memo()),
            From::Alone | From::Below(_) => Explanation::default(),
        };
        let deadline = self.alarm.as_ref().map(|alarm| alarm.duration);
        error.set_report(Report { plan, computing: None, attempts, deadline, inner: None });
        Some(error)
    }

    #[cold]
    fn failed_below(&self, above: &Scope<M>, error: Error, target: &dyn Debug) -> Error {
        // An error from a dial below has an entry of its own.
        let below = above.with(|record| record.has_below(self.id)).unwrap_or_default() && error.has_layer();
        let outcome = if below { Outcome::FailedBelow } else { Outcome::Failed(error.why()) };
        let Attempt { layer, target, .. } = self.enter(above, target, outcome);
        error.at_layer(layer).toward(&target)
    }

    /// It is dropped.
    fn cancel(&self, target: &dyn Debug) {
        if let (From::Below(above), State::Running) = (&self.from, &self.state) {
            self.enter(above, target, Outcome::Cancelled);
        }
    }

    /// Leaves an entry in the record above.
    #[cold]
    fn enter(&self, above: &Scope<M>, target: &dyn Debug, outcome: Outcome) -> Attempt {
        let (layer, target) = (self.node.unit.to_string(), show(target));
        let attempt = Attempt { id: self.id, parent: above.parent, layer, target, outcome };
        above.with(|record| record.end(attempt.clone()));
        attempt
    }
}

fn close<M: Mode>(scope: Option<&Scope<M>>) -> Vec<Attempt> {
    scope.and_then(|scope| scope.with(Record::close)).unwrap_or_default()
}

/// Says where an error happened, if nobody below has: for a deadline, in the innermost dial that it cut off.
fn locate<M: Mode>(error: Error, node: &Node<M>, target: &dyn Debug, attempts: &[Attempt]) -> Error {
    if error.has_layer() {
        return error;
    }
    let cut = attempts.iter().rev().find(|attempt| attempt.outcome == Outcome::Cancelled);
    match cut {
        Some(attempt) if error.is_deadline() => error.at_layer(attempt.layer.clone()).toward(&attempt.target),
        _ => error.at_layer(node.unit.to_string()).toward(&show(target)),
    }
}

/// How a target is printed; roots have none.
fn show(target: &dyn Debug) -> String {
    let text = format!("{target:?}");
    if text == "()" { String::new() } else { text }
}
