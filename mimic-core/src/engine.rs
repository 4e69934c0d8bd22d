//! The engine: decides who fills a role, and computes what that one needs.
//!
//! One loop, where each goal knows who asked for it; nothing recurses, however long the chains of functions are.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::context::Entry;
use crate::dialer::close;
use crate::error::misfit;
use crate::explain::Memo;
use crate::key::Id;
use crate::plan::{Chosen, Node, Run, Scope, Sleeper, Source, Unit};
use crate::spec::{Declared, How, Inputs, Slot, Spec, unknown};
use crate::sync::Arc;
use crate::values::Value;
use crate::{ChoiceKind, Ctx, Endpoint, Error, Host, Listen, Mode, Path, Phase, PlanError, Port, Scheme, Stream};

pub(crate) struct Engine<'a, M: Mode> {
    pub(crate) ctx: &'a Ctx<M>,
    /// What is wanted.
    pub(crate) role: Id,
    /// Every key and role that was asked for, in the order of asking. Values given in the context are not among them.
    goals: Vec<Goal<'a, M>>,
    /// Where needs were found, each in the place of its number: a call and a unit that goes on seldom search again.
    recent: [Option<(&'a Spec, Look<'a, M>)>; RECENT],
    /// What was just decided, for the need that asked for it.
    came: Option<usize>,
    /// Once goals are many: for each entry of the registry, its goal, or [`NOBODY`].
    places: Vec<usize>,
    /// The goal that is being decided, or [`NOBODY`].
    current: usize,
    /// The goal that is dialled once and not kept, or [`NOBODY`]: its inputs stay where they are.
    once: usize,
    /// Who fills that goal.
    chosen: Option<&'a Arc<Unit<M>>>,
    /// What functions and connects share if they dial; opened when first needed.
    pub(crate) scope: Option<Scope<M>>,
    pub(crate) deadline: Option<Sleeper<M>>,
}

/// Also a plan that is given up leaves nobody waiting for what nobody times.
impl<M: Mode> Drop for Engine<'_, M> {
    fn drop(&mut self) {
        close(self.scope.as_ref());
    }
}

/// A key or role, so that nothing is decided twice.
struct Goal<'a, M: Mode> {
    /// The number of its entry in the registry.
    number: usize,
    id: &'a Id,
    entry: &'a Entry<M>,
    /// Whether it is being decided: to need it again is a cycle.
    is_open: bool,
    /// What was decided; empty if nobody had it. While it is open: the candidate, and the layers so far.
    found: Slot<M>,
    /// Which function or candidate is being tried, or, once there is something below, which layer.
    at: usize,
    /// The need of the current unit to go on with; after the last, it runs.
    step: usize,
    /// The goal that needs this one, or [`NOBODY`].
    parent: usize,
}

impl<'a, M: Mode> Goal<'a, M> {
    /// The unit being tried.
    fn unit(&self) -> Option<&'a Arc<Unit<M>>> {
        let units = if self.found.below().is_some() { &self.entry.layers } else { &self.entry.units };
        units.get(self.at)
    }
}

/// A function that was called.
type Call<M> = <M as Mode>::Future<Result<Option<Value>, Error>>;

/// No goal: there are never so many.
const NOBODY: usize = usize::MAX;

/// How many goals are searched one by one.
const FEW: usize = 8;

/// For how many needs it is kept where they were found: a power of two.
const RECENT: usize = 4;

/// Where an id leads.
#[derive(Clone, Copy)]
enum Look<'a, M: Mode> {
    Given(&'a Slot<M>),
    /// To a goal that is decided.
    Goal(usize),
    /// It is being decided.
    Open,
    /// To an entry of the registry that was not asked for yet.
    New(usize),
}

impl<'a, M: Mode> Engine<'a, M> {
    pub(crate) fn new(ctx: &'a Ctx<M>, role: Id) -> Self {
        Self {
            ctx,
            role,
            // Enough for most plans.
            goals: Vec::with_capacity(4),
            recent: [None; RECENT],
            came: None,
            places: Vec::new(),
            current: NOBODY,
            once: NOBODY,
            chosen: None,
            scope: None,
            deadline: None,
        }
    }

    /// Decides who fills `role`, last of all if it is for one dial.
    ///
    /// After an error, or when the future was dropped, [`computing`](Engine::computing) says what was going on.
    pub(crate) async fn run(&mut self, role: Id, once: bool) -> Result<(), Error> {
        if let Look::New(number) = self.look(&role) {
            self.once = if once { self.goals.len() } else { NOBODY };
            self.enter(number);
        }
        while let Some(call) = self.step()? {
            match call.await.map_err(|error| error.in_phase(Phase::Plan))? {
                Some(value) => self.leave(Slot::Value(value)),
                None => self.next_unit(),
            }
        }
        if self.chosen.is_none() && self.node(&role).is_none() { Err(self.no_candidate(role)) } else { Ok(()) }
    }

    /// Who was found to fill the role.
    pub(crate) fn chosen(&self) -> Option<Chosen<'_, M>> {
        match self.chosen {
            Some(unit) => {
                let below = self.goals.get(self.once)?.found.below();
                Some(Chosen { unit, below, inputs: Source::Engine(self) })
            }
            None => Some(self.node(&self.role)?.chosen()),
        }
    }

    /// As [`chosen`](Self::chosen), of a role that is not for one dial.
    pub(crate) fn node(&self, role: &Id) -> Option<&Arc<Node<M>>> {
        self.found(role)?.below()
    }

    /// What the functions answered, for reports: nothing without them.
    pub(crate) fn memo(&self) -> Memo {
        let mut memo = Memo::default();
        for goal in self.goals.iter().filter(|goal| cfg!(feature = "reports") && !goal.is_open) {
            match (goal.id, &goal.found) {
                (id, Slot::Value(value)) => memo.insert(*id, Some(value.clone())),
                (id, Slot::Empty) => memo.insert(*id, None),
                _ => {}
            }
        }
        memo
    }

    /// The function that was called last and has not answered.
    pub(crate) fn computing(&self) -> Option<String> {
        let goal = self.goals.get(self.current)?;
        let unit = goal.unit()?;
        let called = unit.kind == ChoiceKind::Function && goal.step == unit.needs.specs.len();
        called.then(|| match unit.name.is_empty() {
            true => format!("the function #{} for {}", goal.at + 1, unit.id),
            false => unit.to_string(),
        })
    }

    /// What there is for a key or role, as far as it is decided.
    fn found(&self, id: &Id) -> Option<&Slot<M>> {
        self.at(self.look(id))
    }

    /// What was found for an argument of a unit.
    pub(crate) fn input(&self, needs: &Declared, number: usize) -> Option<&Slot<M>> {
        let (at, spec) = needs.argument(number)?;
        match self.recent[at % RECENT] {
            Some((recent, look)) if core::ptr::eq(recent, spec) => self.at(look),
            _ => self.found(&spec.id),
        }
    }

    #[inline]
    fn at(&self, look: Look<'a, M>) -> Option<&Slot<M>> {
        match look {
            Look::Given(slot) => Some(slot),
            Look::Goal(goal) => Some(&self.goals.get(goal)?.found),
            Look::Open | Look::New(_) => None,
        }
    }

    /// A given value, or else a goal.
    #[inline]
    fn look(&self, id: &Id) -> Look<'a, M> {
        self.ctx.values.slot(id).map_or_else(|| self.asked(id), Look::Given)
    }

    #[inline(never)]
    fn asked(&self, id: &Id) -> Look<'a, M> {
        let Some(number) = self.ctx.registry.find(id) else { return Look::Given(&Slot::Empty) };
        let search = || self.goals.iter().position(|goal| goal.number == number).unwrap_or(NOBODY);
        let place = self.places.get(number).copied().unwrap_or_else(search);
        match self.goals.get(place) {
            None => Look::New(number),
            Some(goal) if goal.is_open => Look::Open,
            Some(_) => Look::Goal(place),
        }
    }

    /// Goes on until all is decided, or there is a function to be awaited.
    fn step(&mut self) -> Result<Option<Call<M>>, Error> {
        'goals: while let Some(goal) = self.goals.get(self.current) {
            let Some(unit) = goal.unit() else {
                let found = goal.found.clone();
                self.leave(found);
                continue;
            };
            for (at, spec) in unit.needs.specs.iter().enumerate().skip(goal.step) {
                let look = self.came.take().map_or_else(|| self.look(&spec.id), Look::Goal);
                let slot = match look {
                    Look::Given(slot) => slot,
                    Look::Goal(goal) => &self.goals.get(goal).ok_or_else(misfit)?.found,
                    Look::Open => return Err(self.cycle(spec.id)),
                    Look::New(number) => {
                        self.goal()?.step = at;
                        self.enter(number);
                        continue 'goals;
                    }
                };
                if slot.below().is_some() || spec.is_met(slot.value()) {
                    // Nothing is taken for a gate.
                    if !spec.is_gate() {
                        self.recent[at % RECENT] = Some((spec, look));
                    }
                } else if unit.is_committed() && !spec.is_gate() {
                    return Err(missing(spec, unit));
                } else {
                    self.next_unit();
                    continue 'goals;
                }
            }
            if let Some(call) = self.inputs_ready(unit)? {
                return Ok(Some(call));
            }
        }
        Ok(None)
    }

    /// The current unit has all it asked for.
    fn inputs_ready(&mut self, unit: &'a Arc<Unit<M>>) -> Result<Option<Call<M>>, Error> {
        let is_once = self.current == self.once;
        let goal = self.goal()?;
        match &unit.run {
            Run::Derive(derive) => {
                goal.step = unit.needs.specs.len();
                if unit.needs.has_over {
                    self.scope.get_or_insert_with(|| Scope::open(None)).deadline = self.deadline.clone();
                }
                let chosen = Chosen { unit, below: None, inputs: Source::Engine(self) };
                derive(&mut Inputs::new(chosen, self.scope.as_ref())).ok_or_else(misfit).map(Some)
            }
            Run::Connect(_) => {
                goal.at = if goal.found.below().is_some() { goal.at + 1 } else { 0 };
                goal.step = 0;
                if is_once && goal.at == goal.entry.layers.len() {
                    (goal.is_open, self.current, self.chosen) = (false, goal.parent, Some(unit));
                    return Ok(None);
                }
                let below = self.goals.get(self.current).and_then(|goal| goal.found.below());
                let node = Chosen { unit, below, inputs: Source::Engine(self) }.keep();
                self.goal()?.found = Slot::Below(node);
                Ok(None)
            }
        }
    }

    /// Moves on from the current unit: to the next function, candidate or layer.
    fn next_unit(&mut self) {
        if let Some(goal) = self.goals.get_mut(self.current) {
            (goal.at, goal.step) = (goal.at + 1, 0);
        }
    }

    /// Begins to decide a goal: an entry of the registry.
    fn enter(&mut self, number: usize) {
        let Some((id, entry)) = self.ctx.registry.at(number) else { return };
        let found = entry.given.clone().map_or(Slot::Empty, Slot::Below);
        let parent = core::mem::replace(&mut self.current, self.goals.len());
        self.came = None;
        self.goals.push(Goal { number, id, entry, is_open: true, found, at: 0, step: 0, parent });
        if self.goals.len() > FEW {
            let from = if self.places.is_empty() { 0 } else { self.current };
            self.places.resize(self.ctx.registry.len(), NOBODY);
            for (at, goal) in self.goals.iter().enumerate().skip(from) {
                self.places[goal.number] = at;
            }
        }
    }

    /// The current goal is decided: back to who asked.
    fn leave(&mut self, found: Slot<M>) {
        if let Some(goal) = self.goals.get_mut(self.current) {
            self.came = Some(self.current);
            (goal.is_open, goal.found, self.current) = (false, found, goal.parent);
        }
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
            asking = if **id == again { NOBODY } else { *parent };
        }
        path.reverse();
        PlanError::Cycle { path, key }.into()
    }

    #[cold]
    fn no_candidate(&self, role: Id) -> Error {
        let units = self.ctx.registry.get(&role).map_or(&[][..], |entry| &entry.units);
        let error = unknown(role, units, |id| self.found(id).map(Slot::value))
            .unwrap_or_else(|| PlanError::NoCandidate { role: role.to_string() });
        // The roots are decided by the endpoint.
        let is_root = [Id::role(&Stream), Id::role(&Listen)].contains(&role);
        match self.ctx.get(Scheme).filter(|_| is_root) {
            Some(scheme) => {
                let (host, port) = (self.ctx.get(Host), self.ctx.get(Port));
                let path = self.ctx.get(Path).filter(|_| host.is_none());
                let (user, password, query) = (None, None, None);
                Error::from(error).to_target(Endpoint { scheme, user, password, host, port, path, query })
            }
            None => error.into(),
        }
    }
}

#[cold]
fn missing<M: Mode>(spec: &Spec, of: &Unit<M>) -> Error {
    let need = if matches!(spec.how, How::Over) { format!("{spec:?}") } else { spec.id.to_string() };
    PlanError::Missing { need, of: of.to_string() }.into()
}
