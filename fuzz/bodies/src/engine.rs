//! Contexts of every shape: what `resolve` does is what a plain recursive model of the promises says, function by
//! function, and what `explain` foretold without running any.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use mimic_core::{
    Context, Dialer, Error, ErrorKind, Explanation, Key, Mode, Needs, PlanError, Role, Shared, Verdict, given, is, map,
    opt, or_default, over, req,
};

use super::engine_model::{Expected, Failure, Model};
use super::script::Script;
use super::tasks::once;

/// How many keys and roles there are.
pub(super) const KEYS: usize = 6;
pub(super) const ROLES: usize = 5;

/// A way to build a context, and what to ask of it.
pub fn engine(data: &[u8]) {
    let mut script = Script::new(data);
    let log = Log::default();
    let (mut ctx, mut model) = (Context::new(), Model::default());
    let mut other = None;
    let mut count = 0;
    let steps = 1 + script.below(40);
    for _ in 0..steps {
        match script.below(16) {
            0 | 1 => {
                let (key, value) = (script.below(KEYS), script.byte() & 3);
                ctx = ctx.with(Value(key), value);
                model.values.insert(key, value);
            }
            2 => {
                let key = script.below(KEYS);
                ctx = ctx.without(Value(key));
                model.values.remove(&key);
            }
            3 => {
                let role = script.below(ROLES);
                let (id, logged) = (count, log.clone());
                ctx = ctx.with_dialer(
                    Job(role),
                    Dialer::shared(Job(role), move |()| {
                        let logged = logged.clone();
                        async move {
                            logged.add(id);
                            Ok(format!("g{id}"))
                        }
                    }),
                );
                model.give(role, id);
                count += 1;
            }
            // Two contexts go ways of their own, and meet again.
            4 => match other.take() {
                None => other = Some((ctx.clone(), model.clone())),
                Some((other_ctx, other_model)) if script.flag() => {
                    ctx = ctx.merge(&other_ctx);
                    model.merge(&other_model);
                }
                Some((other_ctx, other_model)) => {
                    other = Some((std::mem::replace(&mut ctx, other_ctx), std::mem::replace(&mut model, other_model)))
                }
            },
            kind => {
                let unit = Unit::read(count, kind, &mut script);
                count += 1;
                model.add(&unit);
                ctx = add(ctx, unit, log.clone());
            }
        }
    }
    let role = script.below(ROLES);
    agree(&ctx, &model, role, &log);
    // Given up half-way: nothing panics.
    let mut future = Box::pin(ctx.resolve(Job(role), ()));
    for _ in 0..script.below(4) {
        if once(&mut future).is_some() {
            break;
        }
    }
}

fn agree(ctx: &Context, model: &Model, role: usize, log: &Log) {
    let explained = ctx.explain(Job(role));
    let _ = (explained.to_string(), explained.dot().to_string());
    assert!(log.take().is_empty(), "explaining runs nothing");
    let verdict = explained.goals().first().map_or(Verdict::No(String::new()), |goal| goal.verdict.clone());

    let Expected { result: expected, planned, functions, connects } = model.resolve(role);
    let result = run(ctx.resolve(Job(role), ()));
    assert_eq!(log.take(), [&functions[..], &connects].concat(), "who was called, and in which order: {explained}");
    compare(&result, &expected, &explained);

    let foretold = match (&verdict, &planned) {
        (_, Err(Failure::Function(_))) | (Verdict::Maybe(_), _) | (Verdict::Yes, Ok(())) => true,
        (Verdict::No(_), Err(failure)) => matches!(failure, Failure::NoCandidate),
        (Verdict::Fails(_), Err(failure)) => matches!(failure, Failure::Missing | Failure::Cycle),
        _ => false,
    };
    assert!(foretold, "{verdict} was foretold, and it came to {planned:?}: {explained}");

    // Planned once, dialled twice: functions run while planning, and never again.
    let dialer = run(ctx.dialer(Job(role)));
    assert_eq!(log.take(), functions, "planning calls functions");
    match dialer {
        Ok(dialer) => {
            assert_eq!(planned, Ok(()));
            for _ in 0..2 {
                compare(&run(dialer.dial(())), &expected, &explained);
                assert_eq!(log.take(), connects, "dialling calls no function");
            }
        }
        Err(error) => compare(&Err(error), &planned.map(|()| String::new()), &explained),
    }
}

fn compare(result: &Result<String, Error>, expected: &Result<String, Failure>, what: &Explanation) {
    match (result, expected) {
        (Ok(output), Ok(expected)) => assert_eq!(output, expected, "{what}"),
        (Err(error), Err(failure)) => {
            let _ = format!("{error:#} {error:?}");
            let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
            let same = match (failure, source) {
                (Failure::Function(unit) | Failure::Connect(unit), None) => error.reason() == reason(*unit),
                (Failure::NoCandidate, Some(PlanError::NoCandidate { .. }))
                | (Failure::Missing, Some(PlanError::Missing { .. }))
                | (Failure::Cycle, Some(PlanError::Cycle { .. })) => true,
                _ => false,
            };
            assert!(same, "{error:#} is not {failure:?}: {what}");
        }
        _ => panic!("{result:?} is not {expected:?}: {what}"),
    }
}

/// What is ready after some polls, or hangs.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    for _ in 0..10_000 {
        if let Some(value) = once(&mut future) {
            return value;
        }
    }
    panic!("it hangs");
}

#[derive(Clone, Copy, Debug)]
struct Value(usize);

impl Key for Value {
    type Value = u8;
    const NAME: &'static str = "Value";

    fn instance(&self) -> u32 {
        self.0 as u32
    }
}

#[derive(Clone, Copy, Debug)]
struct Job(usize);

impl Role for Job {
    type Target = ();
    type Output<M: Mode> = String;
    const NAME: &'static str = "Job";

    fn instance(&self) -> u32 {
        self.0 as u32
    }
}

/// Who was called.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    fn add(&self, unit: usize) {
        self.0.lock().unwrap().push(unit);
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Function(usize),
    Candidate(usize, usize),
    Layer(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// A value, or an output made of what is below.
    Answer,
    /// "Not me", or an output without dialling.
    Pass,
    Fail,
}

/// One registration.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) id: usize,
    pub(super) kind: Kind,
    pub(super) shape: usize,
    pub(super) keys: [usize; 3],
    pub(super) roles: [usize; 2],
    pub(super) value: u8,
    pub(super) does: Does,
    /// Is pending once before it answers.
    yields: bool,
}

impl Unit {
    fn read(id: usize, kind: usize, script: &mut Script<'_>) -> Self {
        let kind = match kind {
            5..=9 => Kind::Function(script.below(KEYS)),
            10..=13 => Kind::Candidate(script.below(ROLES), script.below(3)),
            _ => Kind::Layer(script.below(ROLES)),
        };
        let does = script.byte();
        Self {
            id,
            kind,
            shape: script.below(SHAPES),
            keys: [script.below(KEYS), script.below(KEYS), script.below(KEYS)],
            roles: [script.below(ROLES), script.below(ROLES)],
            value: does >> 4 & 3,
            does: match does & 7 {
                0..=4 => Does::Answer,
                5 | 6 => Does::Pass,
                _ => Does::Fail,
            },
            yields: does & 8 != 0,
        }
    }
}

/// What a unit received, as text, and the first dialer among it.
struct Args(String, Option<Dialer<Job, Shared>>);

fn text(value: impl std::fmt::Debug) -> Args {
    Args(format!("{value:?}"), None)
}

pub(super) fn reason(unit: usize) -> String {
    format!("unit {unit} fails")
}

async fn pause(yields: bool) {
    let mut paused = !yields;
    std::future::poll_fn(|cx| match std::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Registers a unit whose needs are known only now.
trait Adder {
    fn add<N: Needs<Shared> + Send + Sync>(self, needs: N, args: fn(N::Args) -> Args) -> Context
    where
        N::Args: Send;
}

struct Add {
    ctx: Context,
    unit: Unit,
    log: Log,
}

impl Adder for Add {
    fn add<N: Needs<Shared> + Send + Sync>(self, needs: N, args: fn(N::Args) -> Args) -> Context
    where
        N::Args: Send,
    {
        let Self { ctx, unit, log } = self;
        let Unit { id, kind, value, does, yields, .. } = unit;
        let fails = move || Error::new(ErrorKind::Other, reason(id));
        match kind {
            Kind::Function(key) => ctx.derive(Value(key), needs, move |given| {
                let (log, Args(_, _dialer)) = (log.clone(), args(given));
                async move {
                    log.add(id);
                    pause(yields).await;
                    match does {
                        Does::Answer => Ok(Some(value)),
                        Does::Pass => Ok(None),
                        Does::Fail => Err(fails()),
                    }
                }
            }),
            Kind::Candidate(role, priority) => {
                ctx.register(Job(role), format!("c{id}"), priority as i32, needs, move |(), given| {
                    let (log, Args(text, dialer)) = (log.clone(), args(given));
                    async move {
                        log.add(id);
                        pause(yields).await;
                        match (does, dialer) {
                            (Does::Answer, Some(dialer)) => Ok(format!("c{id}({text})[{}]", dialer.dial(()).await?)),
                            (Does::Fail, _) => Err(fails()),
                            _ => Ok(format!("c{id}({text})")),
                        }
                    }
                })
            }
            Kind::Layer(role) => ctx.layer(Job(role), format!("l{id}"), needs, move |(), below, given| {
                let (log, Args(text, _dialer)) = (log.clone(), args(given));
                async move {
                    log.add(id);
                    pause(yields).await;
                    match does {
                        Does::Answer => Ok(format!("l{id}({text})<{}>", below.dial(()).await?)),
                        Does::Pass => Ok(format!("l{id}({text})")),
                        Does::Fail => Err(fails()),
                    }
                }
            }),
        }
    }
}

/// How many forms of needs there are; the model has the same.
pub(super) const SHAPES: usize = 14;

fn add(ctx: Context, unit: Unit, log: Log) -> Context {
    let (shape, value) = (unit.shape, unit.value);
    let [a, b, c] = unit.keys.map(Value);
    let [r, s] = unit.roles.map(Job);
    let to = Add { ctx, unit, log };
    match shape {
        0 => to.add((), |()| text(())),
        1 => to.add(req(a), text),
        2 => to.add(opt(a), text),
        3 => to.add(or_default(a, 7), text),
        4 => to.add(is(a, value), text),
        5 => to.add(given(a), text),
        6 => to.add(over(r), |r| Args(String::new(), Some(r))),
        7 => to.add((is(a, value), req(b)), |(b,)| text(b)),
        8 => to.add((given(a), over(r)), |(r,)| Args(String::new(), Some(r))),
        9 => to.add((req(a), opt(b), over(r)), |(a, b, r)| Args(format!("{:?}", (a, b)), Some(r))),
        10 => to.add((opt(a), is(b, value)), |(a,)| text(a)),
        11 => to.add((over(r), over(s)), |(r, _)| Args(String::new(), Some(r))),
        12 => to.add((map((req(a), opt(b)), |pair| pair), given(c)), |(pair,)| text(pair)),
        _ => to.add((is(a, value), given(b), or_default(c, 7), over(r)), |(c, r)| Args(format!("{c:?}"), Some(r))),
    }
}
