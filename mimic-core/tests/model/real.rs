//! The graphs in mimic itself, in both modes, through its public interface alone.

use std::fmt;
use std::sync::{Arc, Mutex};

use futures_lite::future::{block_on, yield_now};
use mimic_core::explain::{Explanation, PlanError};
use mimic_core::needs::{Gate, Needs, given, has, is, map, opt, or_default, over, req, when};
use mimic_core::{Ctx, Dialer, Error, ErrorKind, Key, Local, Mode, Phase, Priority, Role, Shared};

use super::graph::{Does, Graph, Kind, Need, Of, Op, Unit, both};
use super::seen::{Got, Seen};

#[derive(Clone, Copy, Debug)]
pub struct K(pub u32);

impl Key for K {
    type Value = u32;
    const NAME: &'static str = "K";

    fn instance(&self) -> u32 {
        self.0
    }
}

#[derive(Clone, Copy, Debug)]
pub struct R(pub u32);

/// What was called, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, call: String) {
        self.0.lock().unwrap().push(call);
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Where to: a number, which everything on the way changes in its own manner.
#[derive(Clone)]
pub struct To(pub u32, pub Log);

impl fmt::Debug for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {}", self.0)
    }
}

impl Role for R {
    type Target = To;
    type Output<M: Mode> = Got;
    const NAME: &'static str = "R";

    fn instance(&self) -> u32 {
        self.0
    }

    fn verify<M: Mode>(&self, To(to, log): &To, got: &Got) -> Result<(), Error> {
        log.add(format!("verify {to}: {}", got.by));
        if got.refused { Err(Error::new(ErrorKind::InvalidData, "refused")) } else { Ok(()) }
    }
}

/// One argument of a function or connect.
pub enum Input<M: Mode> {
    Value(Option<u32>),
    Below(u32, Dialer<R, M>),
}

/// An argument as it is; the number is of the role, which a dialer does not tell.
trait Argument<M: Mode> {
    fn input(self, role: u32) -> Input<M>;
}

impl<M: Mode> Argument<M> for u32 {
    fn input(self, _: u32) -> Input<M> {
        Input::Value(Some(self))
    }
}

impl<M: Mode> Argument<M> for Option<u32> {
    fn input(self, _: u32) -> Input<M> {
        Input::Value(self)
    }
}

impl<M: Mode> Argument<M> for Dialer<R, M> {
    fn input(self, role: u32) -> Input<M> {
        Input::Below(role, self)
    }
}

/// A tuple of arguments.
pub trait Arguments<M: Mode> {
    fn inputs(self, unit: &Unit) -> Vec<Input<M>>;
}

macro_rules! arguments {
    () => { arguments!(@impl); };
    ($head:ident $($tail:ident)*) => { arguments!(@impl $head $($tail)*); arguments!($($tail)*); };
    (@impl $($name:ident)*) => {
        impl<M: Mode, $($name: Argument<M>),*> Arguments<M> for ($($name,)*) {
            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one macro for all lengths")]
            fn inputs(self, unit: &Unit) -> Vec<Input<M>> {
                let ($($name,)*) = self;
                let mut roles = unit.needs.iter().filter(|need| !matches!(need.kind, Kind::Is | Kind::Has));
                vec![$($name.input(roles.next().unwrap().key)),*]
            }
        }
    };
}

arguments!(A B C D E F G H);

fn show<M: Mode>(inputs: &[Input<M>]) -> String {
    let shown = inputs.iter().map(|input| match input {
        Input::Value(Some(value)) => value.to_string(),
        Input::Value(None) => "-".into(),
        Input::Below(role, _) => format!("over {role}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

/// What every function does.
async fn compute<M: Mode>(unit: &Unit, log: &Log, inputs: Vec<Input<M>>) -> Result<Option<u32>, Error> {
    log.add(format!("{}({})", unit.name(), show(&inputs)));
    if unit.waits {
        yield_now().await;
    }
    let sum: u32 = inputs.iter().map(|input| if let Input::Value(Some(value)) = input { *value } else { 0 }).sum();
    match unit.does {
        Does::Little => return Ok(None),
        Does::Fail => return Err(Error::new(ErrorKind::Other, format!("{} fails", unit.name()))),
        Does::Half if sum.is_multiple_of(2) => return Ok(None),
        Does::Half | Does::Work | Does::FirstOk => {}
    }
    for (at, input) in (1..).zip(&inputs) {
        if let Input::Below(_, dialer) = input {
            match dialer.dial(To(at, log.clone())).await {
                // What it does not need may fail.
                Err(_) if unit.does == Does::FirstOk => return Ok(None),
                got => got.map(drop)?,
            }
        }
    }
    Ok(Some(sum % 2))
}

/// What every candidate and layer does.
async fn connect<M: Mode>(
    unit: &Unit,
    To(to, log): To,
    below: Option<Dialer<R, M>>,
    inputs: Vec<Input<M>>,
) -> Result<Got, Error> {
    log.add(format!("{} {to} ({})", unit.name(), show(&inputs)));
    if unit.waits {
        yield_now().await;
    }
    if unit.does == Does::Fail {
        return Err(
            Error::new(ErrorKind::ConnectionRefused, format!("{} refuses", unit.name())).in_phase(Phase::Connect)
        );
    }
    let mut parts = Vec::new();
    let mut last = None;
    if unit.does != Does::Little {
        let below = below.as_ref().into_iter();
        let over =
            inputs.iter().filter_map(|input| if let Input::Below(_, dialer) = input { Some(dialer) } else { None });
        for (at, dialer) in (1..).zip(below.chain(over)) {
            match (dialer.dial(To(to * 3 % 101 + at, log.clone())).await, unit.does) {
                (Ok(got), Does::FirstOk) => return Ok(Got::of(unit, to, &[got.by], false)),
                (Err(error), Does::FirstOk) => last = Some(error),
                (got, _) => parts.push(got?.by),
            }
        }
    }
    match last {
        Some(error) => Err(error),
        None => Ok(Got::of(unit, to, &parts, unit.does == Does::Half)),
    }
}

/// What a dialer of a function does.
fn give(number: usize, fails: bool, To(to, log): &To) -> Result<Got, Error> {
    log.add(format!("g{number} {to}"));
    match fails {
        true => Err(Error::new(ErrorKind::BrokenPipe, format!("g{number} refuses"))),
        false => Ok(Got { by: format!("g{number}@{to}"), refused: false }),
    }
}

/// Registering, which cannot be generic over the mode.
pub trait Build: Mode {
    fn add<N: Needs<Self, Args: Arguments<Self>> + Send + Sync>(
        ctx: Ctx<Self>,
        unit: &Unit,
        log: &Log,
        needs: N,
    ) -> Ctx<Self>;
    fn give(role: u32, number: usize, fails: bool) -> Dialer<R, Self>;
}

macro_rules! build {
    ($mode:ty) => {
        impl Build for $mode {
            fn add<N: Needs<Self, Args: Arguments<Self>> + Send + Sync>(
                ctx: Ctx<Self>,
                unit: &Unit,
                log: &Log,
                needs: N,
            ) -> Ctx<Self> {
                let (of, name, unit, log) = (unit.of, unit.name(), Arc::new(unit.clone()), log.clone());
                let priority = unit.rank().map_or(Priority::NONE, Priority::from);
                match of {
                    Of::Function(key, _) => {
                        let is_plain = unit.is_plain();
                        let function = move |args: N::Args| {
                            let (unit, log, inputs) = (unit.clone(), log.clone(), args.inputs(&unit));
                            async move { compute(&unit, &log, inputs).await }
                        };
                        match is_plain {
                            true => ctx.derive(K(key), needs, function),
                            false => ctx.derive_as(K(key), name, priority, needs, function),
                        }
                    }
                    Of::Candidate(role, _) => ctx.register(R(role), name, priority, needs, move |to, args: N::Args| {
                        let (unit, inputs) = (unit.clone(), args.inputs(&unit));
                        async move { connect(&unit, to, None, inputs).await }
                    }),
                    Of::Layer(role) => ctx.layer(R(role), name, needs, move |to, below, args: N::Args| {
                        let (unit, inputs) = (unit.clone(), args.inputs(&unit));
                        async move { connect(&unit, to, Some(below), inputs).await }
                    }),
                }
            }

            fn give(role: u32, number: usize, fails: bool) -> Dialer<R, Self> {
                Dialer::<_, $mode>::from_fn(R(role), move |to| async move { give(number, fails, &to) })
            }
        }
    };
}

build!(Shared);
build!(Local);

macro_rules! need {
    (Given, $need:expr) => {
        given(K($need.key))
    };
    (Req, $need:expr) => {
        req(K($need.key))
    };
    (Opt, $need:expr) => {
        opt(K($need.key))
    };
    (OrDefault, $need:expr) => {
        or_default(K($need.key), $need.value)
    };
    (Over, $need:expr) => {
        over(R($need.key))
    };
    (Both, $need:expr) => {
        map((req(K($need.key)), opt(K($need.other))), |(a, b)| both(a, b))
    };
    (Inside, $need:expr) => {
        map(when(is(K($need.key), $need.value)).needs((req(K($need.other)),)), |(a,): (u32,)| a)
    };
}

/// The needs of a shape, without its gates.
macro_rules! tuple {
    ($needs:ident [$($done:ident)*]) => {
        ($({ let need = $needs.next().unwrap(); need!($done, need) },)*)
    };
    ($needs:ident [$($done:ident)*] Is $($rest:ident)*) => { tuple!($needs [$($done)*] $($rest)*) };
    ($needs:ident [$($done:ident)*] Has $($rest:ident)*) => { tuple!($needs [$($done)*] $($rest)*) };
    ($needs:ident [$($done:ident)*] $kind:ident $($rest:ident)*) => { tuple!($needs [$($done)* $kind] $($rest)*) };
}

macro_rules! install {
    ($mode:ident $ctx:ident $unit:ident $log:ident $([$($kind:ident)*])*) => {{
        let kinds: Vec<Kind> = $unit.needs.iter().map(|need| need.kind).collect();
        #[allow(unused_mut, unused_variables, reason = "one macro for all lengths")]
        match &kinds[..] {
            $([$(Kind::$kind),*] => {
                let mut needs = $unit.needs.iter().filter(|need| gate(need).is_none());
                add::<$mode, _>($ctx, $unit, $log, tuple!(needs [] $($kind)*))
            })*
            _ => panic!("no such shape: {kinds:?}"),
        }
    }};
}

fn gate(need: &Need) -> Option<Gate> {
    match need.kind {
        Kind::Is => Some(is(K(need.key), need.value)),
        Kind::Has => Some(has(K(need.key))),
        _ => None,
    }
}

/// Registers with the gates before the needs.
fn add<M: Build, N: Needs<M, Args: Arguments<M>> + Send + Sync>(
    ctx: Ctx<M>,
    unit: &Unit,
    log: &Log,
    needs: N,
) -> Ctx<M> {
    let mut gates = unit.needs.iter().filter_map(gate);
    match gates.next() {
        Some(first) => M::add(ctx, unit, log, gates.fold(when(first), mimic_core::needs::When::and).needs(needs)),
        None => M::add(ctx, unit, log, needs),
    }
}

fn install<M: Build>(ctx: Ctx<M>, unit: &Unit, log: &Log) -> Ctx<M> {
    crate::shapes!(install!(M ctx unit log))
}

/// Runs the program; the log tells what it called.
pub fn build<M: Build>(graph: &Graph, log: &Log) -> Ctx<M> {
    let mut contexts = [Ctx::new(), Ctx::new()];
    for (at, op) in &graph.ops {
        let (ctx, other) = (contexts[*at].clone(), &contexts[1 - at]);
        contexts[*at] = match op {
            Op::Register(unit) => install(ctx, unit, log),
            Op::With(key, value) => ctx.with(K(*key), *value),
            Op::Without(key) => ctx.without(K(*key)),
            Op::Give(role, number, fails) => ctx.with_dialer(R(*role), M::give(*role, *number, *fails)),
            Op::Keep(role) => match block_on(ctx.dialer(R(*role))) {
                Ok(dialer) => ctx.with_dialer(R(*role), dialer),
                Err(_) => ctx,
            },
            Op::Clone => other.clone(),
            Op::Merge => ctx.merge(other),
        };
    }
    let [ctx, _] = contexts;
    ctx
}

/// What one resolve came to, and the explanation in its report.
pub fn resolve<M: Mode>(ctx: &Ctx<M>, root: u32, log: &Log) -> (Seen, Option<Explanation>) {
    seen(block_on(ctx.resolve(R(root), To(7, log.clone()))), log)
}

/// What planning once and dialling twice came to.
pub fn keep<M: Mode>(ctx: &Ctx<M>, root: u32, log: &Log) -> Vec<Seen> {
    match block_on(ctx.dialer(R(root))) {
        Ok(dialer) => (0..2).map(|at| seen(block_on(dialer.dial(To(7 + at, log.clone()))), log).0).collect(),
        Err(error) => vec![seen(Err(error), log).0],
    }
}

fn seen(result: Result<Got, Error>, log: &Log) -> (Seen, Option<Explanation>) {
    let calls = log.take();
    let error = match result {
        Ok(got) => return (Seen { calls, result: Ok(got.by), ..Seen::default() }, None),
        Err(error) => error,
    };
    let report = error.report().expect("resolve reports");
    let plan = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<PlanError>());
    let seen = Seen {
        calls,
        result: Err(error.reason()),
        kind: Some(error.kind()),
        layer: error.at().map(Into::into),
        target: error.target().map(Into::into),
        via: error.via().map(Into::into),
        phase: error.phase(),
        attempts: report.attempts().iter().map(ToString::to_string).collect(),
        computing: report.computing().map(Into::into),
        advised: match plan {
            Some(PlanError::Cycle { key: Some(key), path }) => path.contains(key),
            Some(PlanError::Cycle { key: None, path }) => path.iter().all(|name| name.starts_with('R')),
            _ => true,
        },
    };
    let plan = report.plan().clone();
    (seen, Some(plan))
}
