//! The engine: decides who fills a role, and computes what that one needs.
//!
//! One loop, where each goal knows who asked for it; nothing recurses, however long the chains of functions are.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;

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
    /// Once goals are many: for each entry of the registry, its goal and one.
    places: Vec<usize>,
    /// The goal that is being decided, or [`NOBODY`].
    current: usize,
    /// What was found for the goals being decided, one behind the other.
    slots: Vec<Slot<M>>,
    /// What functions and connects share if they dial; opened when first needed.
    scope: Option<Scope<M>>,
}

/// A key or role, so that nothing is decided twice.
struct Goal<'a, M: Mode> {
    id: Id,
    /// The number of its entry in the registry.
    number: usize,
    entry: &'a Entry<M>,
    /// Whether it is being decided: to need it again is a cycle.
    is_open: bool,
    /// What was decided; empty if nobody had it. While it is open: the candidate, and the layers so far.
    found: Slot<M>,
    /// Which function or candidate is being tried, or, once there is something below, which layer.
    at: usize,
    /// The need of the current unit to go on with; after the last, it runs.
    step: usize,
    /// Where its inputs begin.
    base: usize,
    /// The goal that needs this one, or [`NOBODY`].
    parent: usize,
}

impl<'a, M: Mode> Goal<'a, M> {
    /// The unit being tried.
    fn unit(&self) -> Option<&'a Arc<Unit<M>>> {
        let has_below = matches!(self.found, Slot::Below(_));
        let units = if has_below { &self.entry.layers } else { &self.entry.units };
        units.get(self.at)
    }
}

/// A function that was called.
type Call<M> = <M as Mode>::Future<Result<Option<Value>, Error>>;

/// No goal: there are never so many.
const NOBODY: usize = usize::MAX;

/// How many goals are searched one by one.
const FEW: usize = 8;

impl<'a, M: Mode> Engine<'a, M> {
    pub(crate) fn new(ctx: &'a Ctx<M>) -> Self {
        // Enough for most plans.
        let (goals, slots) = (Vec::with_capacity(4), Vec::with_capacity(4));
        Self { ctx, goals, places: Vec::new(), current: NOBODY, slots, scope: None }
    }

    /// Decides who fills `role`.
    ///
    /// After an error, or when the future was dropped, [`computing`](Engine::computing) says what was going on.
    pub(crate) async fn run(&mut self, role: Id) -> Result<Arc<Node<M>>, Error> {
        let Some(number) = self.ctx.registry.find(&role) else { return Err(self.no_candidate(role)) };
        if self.find(number).is_none() {
            self.enter(role, number);
        }
        while let Some(call) = self.step()? {
            match call.await.map_err(|error| error.in_phase(Phase::Plan))? {
                Some(value) => self.leave(Some(Slot::Value(value))),
                None => self.next_unit(),
            }
        }
        match self.find(number).map(|goal| &goal.found) {
            Some(Slot::Below(node)) => Ok(node.clone()),
            _ => Err(self.no_candidate(role)),
        }
    }

    /// What the functions answered.
    pub(crate) fn memo(&self) -> Memo {
        let mut memo = Memo::default();
        for goal in self.goals.iter().filter(|goal| !goal.is_open) {
            match &goal.found {
                Slot::Value(value) => memo.insert(goal.id, Some(value.clone())),
                Slot::Empty if !goal.id.is_role() => memo.insert(goal.id, None),
                Slot::Empty | Slot::Below(_) => None,
            };
        }
        memo
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
        let goal = self.goals.get(self.current)?;
        let unit = goal.unit()?;
        let called = unit.kind == ChoiceKind::Function && goal.step == unit.needs.specs.len();
        called.then(|| unit.to_string())
    }

    /// Goes on until all is decided, or there is a function to be awaited.
    fn step(&mut self) -> Result<Option<Call<M>>, Error> {
        'goals: while let Some(goal) = self.goals.get(self.current) {
            let Some(unit) = goal.unit() else {
                self.leave(None);
                continue;
            };
            for (at, spec) in unit.needs.specs.iter().enumerate().skip(goal.step) {
                let input = if let Some(given) = self.ctx.values.get(&spec.id) {
                    input(spec, Some(given))
                } else if let Some(number) = self.ctx.registry.find(&spec.id) {
                    match self.find(number) {
                        Some(Goal { is_open: true, .. }) => return Err(self.cycle(spec.id)),
                        Some(Goal { found: Slot::Below(node), .. }) => Some(Slot::Below(node.clone())),
                        Some(Goal { found: Slot::Value(value), .. }) => input(spec, Some(value)),
                        Some(Goal { found: Slot::Empty, .. }) => input(spec, None),
                        None => {
                            self.goal()?.step = at;
                            self.enter(spec.id, number);
                            continue 'goals;
                        }
                    }
                } else {
                    input(spec, None)
                };
                match input {
                    Some(_) if spec.is_gate() => {}
                    Some(slot) => self.slots.push(slot),
                    None if unit.is_committed() && !spec.is_gate() => return Err(missing(spec, unit)),
                    None => {
                        self.next_unit();
                        continue 'goals;
                    }
                }
            }
            if let Some(call) = self.inputs_ready(unit)? {
                return Ok(Some(call));
            }
        }
        Ok(None)
    }

    /// The current unit has all it asked for.
    fn inputs_ready(&mut self, unit: &Arc<Unit<M>>) -> Result<Option<Call<M>>, Error> {
        let goal = self.goal()?;
        let base = goal.base;
        match &unit.run {
            Run::Derive(derive) => {
                goal.step = unit.needs.specs.len();
                if unit.needs.has_over {
                    self.scope.get_or_insert_with(|| Scope::open(None));
                }
                let slots = self.slots.get(base..).unwrap_or_default();
                derive(&mut Inputs::new(slots, None, self.scope.as_ref())).ok_or_else(misfit).map(Some)
            }
            Run::Connect(_) => {
                let below = match core::mem::replace(&mut goal.found, Slot::Empty) {
                    Slot::Below(below) => Some(below),
                    _ => None,
                };
                goal.at = if below.is_some() { goal.at + 1 } else { 0 };
                goal.step = 0;
                let slots = if base == 0 { take(&mut self.slots) } else { self.slots.drain(base..).collect() };
                self.goal()?.found = Slot::Below(Arc::new(Node { unit: unit.clone(), slots, below }));
                Ok(None)
            }
        }
    }

    /// Moves on from the current unit: to the next function, candidate or layer.
    fn next_unit(&mut self) {
        if let Some(goal) = self.goals.get_mut(self.current) {
            goal.at += 1;
            goal.step = 0;
            self.slots.truncate(goal.base);
        }
    }

    /// Begins to decide a goal: an entry of the registry.
    fn enter(&mut self, id: Id, number: usize) {
        let Some(entry) = self.ctx.registry.at(number) else { return };
        let found = entry.given.clone().map_or(Slot::Empty, Slot::Below);
        let (base, parent) = (self.slots.len(), self.current);
        self.current = self.goals.len();
        self.goals.push(Goal { id, number, entry, is_open: true, found, at: 0, step: 0, base, parent });
        if self.goals.len() > FEW {
            let from = if self.places.is_empty() { 0 } else { self.current };
            self.places.resize(self.ctx.registry.len(), 0);
            for (at, goal) in self.goals.iter().enumerate().skip(from) {
                if let Some(place) = self.places.get_mut(goal.number) {
                    *place = at + 1;
                }
            }
        }
    }

    /// The current goal is decided: back to who asked.
    fn leave(&mut self, found: Option<Slot<M>>) {
        if let Some(goal) = self.goals.get_mut(self.current) {
            goal.is_open = false;
            if let Some(found) = found {
                goal.found = found;
            }
            self.slots.truncate(goal.base);
            self.current = goal.parent;
        }
    }

    /// The goal of an entry that was asked for before.
    fn find(&self, number: usize) -> Option<&Goal<'a, M>> {
        if self.places.is_empty() {
            return self.goals.iter().find(|goal| goal.number == number);
        }
        self.goals.get(self.places.get(number)?.checked_sub(1)?)
    }

    fn goal(&mut self) -> Result<&mut Goal<'a, M>, Error> {
        self.goals.get_mut(self.current).ok_or_else(misfit)
    }

    /// The circle that closes at `again`, which is being decided.
    #[cold]
    fn cycle(&self, again: Id) -> Error {
        let mut path = vec![again.to_string()];
        let mut key = None;
        let mut asking = self.current;
        while let Some(Goal { id, parent, .. }) = self.goals.get(asking) {
            path.push(id.to_string());
            key = if id.is_role() { key } else { Some(id.to_string()) };
            asking = if *id == again { NOBODY } else { *parent };
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
