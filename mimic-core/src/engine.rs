//! The engine: decides what fills a role, and computes what that needs.
//!
//! ```text
//!   resolve(Stream)                        the stack, once "tcp" needs a dialer of Transport
//!
//!   Stream     candidates tcp, unix        Transport  "happy-eyeballs", its need number 2   ◄── decided next
//!   Transport  candidate happy-eyeballs    Stream     "tcp", its need number 2: waits
//!   Host       given: "example.org"
//! ```
//!
//! A goal is a key or a role that is asked for. It tries its registrations in order: for each need
//! it takes what is given or decided, and otherwise puts a goal for that on the stack and waits. A
//! function with all inputs is called; a candidate with all inputs becomes a plan, and so does each
//! layer around it. A goal is decided once. The stack is explicit, so nothing recurses however long
//! a chain of functions is, and a goal that is needed while it is on the stack is a circle.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::plan_mismatch;
use crate::key::Id;
use crate::plan::{Memo, Node, Run, Scope, Sleeper, Unit};
use crate::registry::{Entry, Registry};
use crate::spec::{How, Inputs, Slot, Spec, unknown};
use crate::sync::Arc;
use crate::table::Table;
use crate::values::Value;
use crate::{ChoiceKind, Endpoint, Error, Host, Listen, Mode, Path, Phase, PlanError, Port, Scheme, Stream};

pub(crate) struct Engine<'a, M: Mode> {
    pub(crate) registry: &'a Registry<M>,
    /// The keys and roles that were asked for, without those that have a given value. `None` is
    /// still on the stack.
    decided: Table<Option<Slot<M>>>,
    /// The goals that are being decided, each for the one below it.
    stack: Vec<Goal<'a, M>>,
    /// The attempt log that functions share with the dial, if they dial.
    pub(crate) scope: Option<Scope<M>>,
    pub(crate) deadline: Option<Sleeper<M>>,
}

/// Seals the attempt log even if planning is dropped half-way. A function that kept a dialer then
/// dials on its own, with its own deadline.
impl<M: Mode> Drop for Engine<'_, M> {
    fn drop(&mut self) {
        Scope::close(self.scope.as_ref());
    }
}

/// A key or role that is being decided.
struct Goal<'a, M: Mode> {
    id: Id,
    entry: &'a Entry<M>,
    /// The candidate, with the layers so far; `None` while functions or candidates are tried.
    plan: Option<Arc<Node<M>>>,
    /// The number of the function, candidate or layer that is tried.
    at: usize,
    /// The number of the need to go on with. After the last, the registration runs.
    need: usize,
    /// What the needs before that came to.
    inputs: Vec<Slot<M>>,
}

impl<'a, M: Mode> Goal<'a, M> {
    /// The registration that is tried.
    fn unit(&self) -> Option<&'a Arc<Unit<M>>> {
        let units = if self.plan.is_some() { &self.entry.layers } else { &self.entry.units };
        units.get(self.at)
    }

    /// Moves on to the next function, candidate or layer.
    fn next(&mut self) {
        self.go_to(self.at + 1);
    }

    fn go_to(&mut self, at: usize) {
        (self.at, self.need) = (at, 0);
        self.inputs.clear();
    }
}

/// A function that was called.
type Call<M> = <M as Mode>::Future<Result<Option<Value>, Error>>;

impl<'a, M: Mode> Engine<'a, M> {
    pub(crate) fn new(registry: &'a Registry<M>) -> Self {
        Self { registry, decided: Table::default(), stack: Vec::new(), scope: None, deadline: None }
    }

    /// Decides what fills `role`.
    ///
    /// After an error, or when the future was dropped, [`computing`](Engine::computing) says what
    /// was going on.
    pub(crate) async fn run(&mut self, role: Id) -> Result<Arc<Node<M>>, Error> {
        if self.decided.get(&role).is_none() {
            self.push(role);
        }
        while let Some(call) = self.advance()? {
            match call.await.map_err(|error| error.in_phase(Phase::Plan))? {
                Some(value) => self.decide(Slot::Value(value)),
                None => self.goal()?.next(),
            }
        }
        match self.decided.get(&role) {
            Some(Some(Slot::Below(plan))) => Ok(plan.clone()),
            _ => Err(self.no_candidate(role)),
        }
    }

    /// What the functions answered, for reports: nothing without them.
    pub(crate) fn memo(&self) -> Memo {
        let mut memo = Memo::default();
        for (id, decided) in self.decided.iter().filter(|_| cfg!(feature = "reports")) {
            match decided {
                Some(Slot::Value(value)) => memo.insert(id, Some(value.clone())),
                Some(Slot::Empty) => memo.insert(id, None),
                Some(Slot::Below(_)) | None => {}
            }
        }
        memo
    }

    /// The function that was called last and has not answered.
    pub(crate) fn computing(&self) -> Option<String> {
        let goal = self.stack.last()?;
        let unit = goal.unit()?;
        let called = unit.kind == ChoiceKind::Function && goal.need == unit.needs.specs.len();
        called.then(|| match unit.name.is_empty() {
            true => format!("the function #{} for {}", goal.at + 1, unit.id),
            false => unit.to_string(),
        })
    }

    /// Goes on until all is decided, or there is a function to be awaited.
    fn advance(&mut self) -> Result<Option<Call<M>>, Error> {
        while let Some(goal) = self.stack.last_mut() {
            let Some(unit) = goal.unit() else {
                let found = goal.plan.take().map_or(Slot::Empty, Slot::Below);
                self.decide(found);
                continue;
            };
            let Some(spec) = unit.needs.specs.get(goal.need) else {
                if let Some(call) = self.inputs_ready(unit)? {
                    return Ok(Some(call));
                }
                continue;
            };
            let Some(found) = self.find(&spec.id)? else {
                self.push(spec.id);
                continue;
            };
            let goal = self.goal()?;
            if found.below().is_some() || spec.is_met(found.value()) {
                goal.need += 1;
                // A gate passes no argument.
                goal.inputs.extend(Some(found).filter(|_| !spec.is_gate()));
            } else if unit.is_committed() && !spec.is_gate() {
                return Err(missing(spec, unit));
            } else {
                goal.next();
            }
        }
        Ok(None)
    }

    /// What is given or decided for a key or role; `None` if it has yet to be decided.
    fn find(&self, id: &Id) -> Result<Option<Slot<M>>, Error> {
        if let Some(value) = self.registry.values.get(id) {
            return Ok(Some(Slot::Value(value.clone())));
        }
        match self.decided.get(id) {
            Some(Some(found)) => Ok(Some(found.clone())),
            Some(None) => Err(self.cycle(*id)),
            None if self.registry.entries.get(id).is_none() => Ok(Some(Slot::Empty)),
            None => Ok(None),
        }
    }

    /// The registration on top of the stack has all inputs: calls a function, or makes a plan.
    fn inputs_ready(&mut self, unit: &Arc<Unit<M>>) -> Result<Option<Call<M>>, Error> {
        match &unit.run {
            Run::Derive(derive) => {
                if unit.needs.has_over {
                    self.scope.get_or_insert_with(|| Scope::open(None)).deadline = self.deadline.clone();
                }
                let inputs = self.stack.last().map(|goal| goal.inputs.as_slice()).unwrap_or_default();
                derive(&mut Inputs::new(inputs, None, self.scope.as_ref())).ok_or_else(plan_mismatch).map(Some)
            }
            Run::Connect(_) => {
                let goal = self.goal()?;
                let (slots, below) = (core::mem::take(&mut goal.inputs), goal.plan.take());
                let next = if below.is_some() { goal.at + 1 } else { 0 };
                goal.plan = Some(Arc::new(Node { unit: unit.clone(), slots, below }));
                goal.go_to(next);
                Ok(None)
            }
        }
    }

    /// Puts a goal on the stack. Where nothing is registered there is nothing to decide.
    fn push(&mut self, id: Id) {
        let Some(entry) = self.registry.entries.get(&id) else { return };
        self.decided.insert(id, None);
        self.stack.push(Goal { id, entry, plan: entry.given.clone(), at: 0, need: 0, inputs: Vec::new() });
    }

    /// Takes the decided goal off the stack.
    fn decide(&mut self, found: Slot<M>) {
        if let Some(goal) = self.stack.pop() {
            self.decided.insert(goal.id, Some(found));
        }
    }

    fn goal(&mut self) -> Result<&mut Goal<'a, M>, Error> {
        self.stack.last_mut().ok_or_else(plan_mismatch)
    }

    /// The circle that closes at `again`, which is on the stack.
    #[cold]
    fn cycle(&self, again: Id) -> Error {
        let around = || self.stack.iter().map(|goal| goal.id).skip_while(|id| *id != again);
        let path = around().chain([again]).map(|id| id.to_string()).collect();
        let key = around().find(|id| !id.is_role()).map(|id| id.to_string());
        PlanError::Cycle { path, key }.into()
    }

    #[cold]
    fn no_candidate(&self, role: Id) -> Error {
        let units = self.registry.entries.get(&role).map_or(&[][..], |entry| &entry.units);
        let known = |id: &Id| match (self.registry.values.get(id), self.decided.get(id)) {
            (Some(value), _) => Some(Some(value)),
            (None, Some(decided)) => decided.as_ref().map(Slot::value),
            (None, None) => self.registry.entries.get(id).is_none().then_some(None),
        };
        let error = unknown(role, units, known).unwrap_or_else(|| PlanError::NoCandidate { role: role.to_string() });
        // The roots are decided by the endpoint.
        let is_root = [Id::role(&Stream), Id::role(&Listen)].contains(&role);
        match self.registry.value(&Scheme).filter(|_| is_root) {
            Some(scheme) => {
                let (host, port) = (self.registry.value(&Host), self.registry.value(&Port));
                let path = self.registry.value(&Path).filter(|_| host.is_none());
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
