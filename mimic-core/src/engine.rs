//! The engine: decides who fills a role, and computes what that one needs.
//!
//! One loop, where each goal knows who asked for it; nothing recurses, however long the chains of functions are.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::context::Entry;
use crate::error::misfit;
use crate::explain::Memo;
use crate::key::Id;
use crate::plan::{Node, Run, Scope, Sleeper, Unit};
use crate::spec::{How, Inputs, Slot, Spec};
use crate::sync::Arc;
use crate::values::Value;
use crate::{ChoiceKind, Ctx, Error, Listen, Mode, Phase, PlanError, Scheme, Stream};

pub(crate) struct Engine<'a, M: Mode> {
    pub(crate) ctx: &'a Ctx<M>,
    /// Every key and role that was asked for, in the order of asking. Values given in the context are not among them.
    goals: Vec<Goal<'a, M>>,
    /// Where the goals after the first few are: a short list is half the cost of a tree.
    later: Option<BTreeMap<Id, usize>>,
    /// The goal that is being decided.
    current: Option<usize>,
    /// What was found for the goals being decided, one behind the other.
    slots: Vec<Slot<M>>,
    /// What functions and connects share if they dial; opened when first needed.
    scope: Option<Scope<M>>,
}

/// A key or role, so that nothing is decided twice.
struct Goal<'a, M: Mode> {
    id: Id,
    state: State<'a, M>,
}

enum State<'a, M: Mode> {
    /// Being decided: to need it again is a cycle.
    Open(Frame<'a, M>),
    /// Decided; empty if nobody had it.
    Done(Slot<M>),
}

/// What there is to know of a goal that is being decided.
struct Frame<'a, M: Mode> {
    entry: &'a Entry<M>,
    /// Which function or candidate is being tried, or, once there is something below, which layer.
    at: usize,
    /// The candidate, once it is decided, and the layers so far.
    below: Option<Arc<Node<M>>>,
    /// The need of the current unit to go on with; after the last, it runs.
    step: usize,
    /// Where its inputs begin.
    base: usize,
    /// The goal that needs this one.
    parent: Option<usize>,
}

impl<'a, M: Mode> Frame<'a, M> {
    /// The unit being tried.
    fn unit(&self) -> Option<&'a Arc<Unit<M>>> {
        let units = if self.below.is_some() { &self.entry.layers } else { &self.entry.units };
        units.get(self.at)
    }
}

/// A function that was called.
type Call<M> = <M as Mode>::Future<Result<Option<Value>, Error>>;

impl<'a, M: Mode> Engine<'a, M> {
    /// How many goals are searched one by one.
    const FEW: usize = 8;

    pub(crate) fn new(ctx: &'a Ctx<M>) -> Self {
        // Enough for most plans.
        let (goals, slots) = (Vec::with_capacity(4), Vec::with_capacity(4));
        Self { ctx, goals, later: None, current: None, slots, scope: None }
    }

    /// Decides who fills `role`.
    ///
    /// After an error, or when the future was dropped, [`computing`](Engine::computing) says what was going on.
    pub(crate) async fn run(&mut self, role: Id) -> Result<Arc<Node<M>>, Error> {
        if self.find(&role).is_none() {
            self.enter(role);
        }
        while self.current.is_some() {
            if let Some(call) = self.step()? {
                match call.await.map_err(|error| error.in_phase(Phase::Plan))? {
                    Some(value) => self.leave(Slot::Value(value)),
                    None => self.next_unit()?,
                }
            }
        }
        match self.find(&role).and_then(|at| self.goals.get(at)) {
            Some(Goal { state: State::Done(Slot::Below(node)), .. }) => Ok(node.clone()),
            _ => Err(self.no_candidate(role)),
        }
    }

    /// What the functions answered.
    pub(crate) fn memo(&self) -> Memo {
        let decided = self.goals.iter().filter_map(|goal| match &goal.state {
            State::Done(Slot::Value(value)) => Some((goal.id, Some(value.clone()))),
            State::Done(Slot::Empty) if !goal.id.is_role => Some((goal.id, None)),
            State::Done(_) | State::Open(_) => None,
        });
        decided.collect()
    }

    /// What everything this engine's resolve dials has in common, if it has dialled or `node` may.
    pub(crate) fn open_scope(&mut self, node: &Node<M>, deadline: Option<&Sleeper<M>>) {
        if !node.is_leaf() {
            self.scope.get_or_insert_with(|| Scope::open(None)).deadline = deadline.cloned();
        }
    }

    pub(crate) fn scope(&self) -> Option<&Scope<M>> {
        self.scope.as_ref()
    }

    /// The function that was called last and has not answered.
    pub(crate) fn computing(&self) -> Option<String> {
        let (_, frame) = self.open(self.current?)?;
        let unit = frame.unit()?;
        let called = unit.kind == ChoiceKind::Function && frame.step == unit.needs.specs.len();
        called.then(|| unit.to_string())
    }

    /// Goes on with the current goal until another is needed, or it is decided, or there is a function to be awaited.
    fn step(&mut self) -> Result<Option<Call<M>>, Error> {
        let frame = self.frame()?;
        let Some(unit) = frame.unit() else {
            let found = frame.below.take().map_or(Slot::Empty, Slot::Below);
            self.leave(found);
            return Ok(None);
        };
        for (at, spec) in unit.needs.specs.iter().enumerate().skip(frame.step) {
            let given = if spec.id.is_role { None } else { self.ctx.values.get(&spec.id) };
            let asked = if given.is_none() { self.find(&spec.id) } else { None };
            if given.is_none() && asked.is_none() {
                self.frame()?.step = at;
                if self.enter(spec.id) {
                    return Ok(None);
                }
            }
            let input = match asked.and_then(|at| self.goals.get(at)).map(|goal| &goal.state) {
                None => input(spec, given),
                Some(State::Done(Slot::Below(node))) => Some(Slot::Below(node.clone())),
                Some(State::Done(Slot::Value(value))) => input(spec, Some(value)),
                Some(State::Done(Slot::Empty)) => input(spec, None),
                Some(State::Open(_)) => return Err(self.cycle(spec.id)),
            };
            match input {
                Some(_) if spec.is_gate() => {}
                Some(slot) => self.slots.push(slot),
                None if unit.is_committed() && !spec.is_gate() => return Err(missing(spec, unit)),
                None => return self.next_unit().map(|()| None),
            }
        }
        self.inputs_ready(unit)
    }

    /// The current unit has all it asked for.
    fn inputs_ready(&mut self, unit: &'a Arc<Unit<M>>) -> Result<Option<Call<M>>, Error> {
        let frame = self.frame()?;
        frame.step = unit.needs.specs.len();
        let base = frame.base;
        match &unit.run {
            Run::Derive(derive) => {
                if unit.needs.has_over {
                    self.scope.get_or_insert_with(|| Scope::open(None));
                }
                let mut inputs = Inputs::new(&self.slots[base..], None, self.scope.as_ref());
                derive(&mut inputs).map(Some)
            }
            Run::Connect(_) => {
                let slots = if base == 0 { core::mem::take(&mut self.slots) } else { self.slots.split_off(base) };
                let frame = self.frame()?;
                let below = frame.below.take();
                frame.at = if below.is_some() { frame.at + 1 } else { 0 };
                frame.below = Some(Arc::new(Node { unit: unit.clone(), slots, below }));
                frame.step = 0;
                Ok(None)
            }
        }
    }

    /// Moves on from the current unit: to the next function, candidate or layer.
    fn next_unit(&mut self) -> Result<(), Error> {
        let frame = self.frame()?;
        frame.at += 1;
        frame.step = 0;
        let base = frame.base;
        self.slots.truncate(base);
        Ok(())
    }

    /// Begins to decide a goal, if anything is registered for it.
    fn enter(&mut self, id: Id) -> bool {
        let Some(entry) = self.ctx.registry.get(&id) else { return false };
        let at = self.goals.len();
        if at >= Self::FEW {
            self.later.get_or_insert_default().insert(id, at);
        }
        let (below, base, parent) = (entry.given.clone(), self.slots.len(), self.current);
        let frame = Frame { entry, at: 0, below, step: 0, base, parent };
        self.goals.push(Goal { id, state: State::Open(frame) });
        self.current = Some(at);
        true
    }

    /// The current goal is decided: back to who asked.
    fn leave(&mut self, found: Slot<M>) {
        if let Some(goal) = self.current.and_then(|at| self.goals.get_mut(at))
            && let State::Open(Frame { base, parent, .. }) = goal.state
        {
            goal.state = State::Done(found);
            self.slots.truncate(base);
            self.current = parent;
        }
    }

    /// Where a goal is that was asked for before.
    fn find(&self, id: &Id) -> Option<usize> {
        let few = self.goals.iter().take(Self::FEW).position(|goal| goal.id == *id);
        few.or_else(|| self.later.as_ref()?.get(id).copied())
    }

    fn frame(&mut self) -> Result<&mut Frame<'a, M>, Error> {
        match self.current.and_then(|at| self.goals.get_mut(at)) {
            Some(Goal { state: State::Open(frame), .. }) => Ok(frame),
            _ => Err(misfit()),
        }
    }

    fn open(&self, at: usize) -> Option<(Id, &Frame<'a, M>)> {
        match self.goals.get(at)? {
            Goal { id, state: State::Open(frame) } => Some((*id, frame)),
            _ => None,
        }
    }

    /// The circle that closes at `again`, which is being decided.
    #[cold]
    fn cycle(&self, again: Id) -> Error {
        let mut path = vec![again.to_string()];
        let mut key = None;
        let mut asking = self.current;
        while let Some((id, frame)) = asking.and_then(|at| self.open(at)) {
            path.push(id.to_string());
            key = if id.is_role { key } else { Some(id.to_string()) };
            asking = frame.parent.filter(|_| id != again);
        }
        path.reverse();
        PlanError::Cycle { path, key }.into()
    }

    #[cold]
    fn no_candidate(&self, role: Id) -> Error {
        let error = Error::from(PlanError::NoCandidate { role: role.to_string() });
        // The roots are decided by the scheme first of all.
        match self.ctx.get(Scheme) {
            Some(scheme) if [Id::role(&Stream), Id::role(&Listen)].contains(&role) => {
                error.to_target(format!("{scheme}:…"))
            }
            _ => error,
        }
    }
}

/// What a need, or a gate, gets of the value that was found. `None` if it cannot do with it.
fn input<M: Mode>(spec: &Spec, value: Option<&Value>) -> Option<Slot<M>> {
    spec.is_met(value).then(|| match value {
        Some(value) if !spec.is_gate() => Slot::Value(value.clone()),
        _ => Slot::Empty,
    })
}

#[cold]
fn missing<M: Mode>(spec: &Spec, of: &Unit<M>) -> Error {
    let need = if matches!(spec.how, How::Over) { format!("{spec:?}") } else { spec.id.to_string() };
    PlanError::Missing { need, of: of.to_string() }.into()
}
