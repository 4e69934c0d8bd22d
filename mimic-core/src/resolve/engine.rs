//! The engine: decides what fills a role, and computes what that needs.
//!
//! ```text
//! registered                   the stack, once "tcp" needs a plan of Transport
//!   Connect    …, unix, tcp
//!   Transport  in-order          Transport  "in-order", need 0: next
//! given                          Connect    "tcp", need 3: waits
//!   Scheme, Host, Port                      (0 Scheme is "tcp", 1 Host, 2 Port)
//! ```
//!
//! A goal is a key or a role that is asked for. It tries its registrations in order. For each need
//! it takes what is given or decided; otherwise it puts a goal for that need on the stack and
//! waits. A function with all inputs is called. A candidate with all inputs becomes a plan, and
//! ends the search: from then on the goal goes through the layers, and each that applies wraps the
//! plan. A goal is decided once. The stack is explicit, so nothing recurses however long a chain of
//! functions is, and a goal that is needed while it is on the stack is a circle.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::dialer::arguments::{Arguments, Computing};
use crate::dialer::attempts::AttemptScope;
use crate::error::plan_mismatch;
use crate::id::Id;
use crate::registry::need::{Found, Met, NeedKind, NeedSpec};
use crate::registry::plan::{Answers, DeadlinePlan, Plan, Registration, Resolved};
use crate::registry::table::Table;
use crate::registry::value::Value;
use crate::registry::{Entry, Registry};
use crate::sync::Arc;
use crate::{Connect, Endpoint, Error, Host, Listen, Mode, Path, Phase, PlanError, Port, Scheme};

/// Decides goals, for one resolve.
pub(crate) struct Engine<'a, M: Mode> {
    pub(crate) registry: &'a Registry<M>,
    /// The keys and roles that were asked for, without those that have a given value. `None` is
    /// still on the stack.
    decided: Table<Option<Resolved<M>>>,
    /// The goals that are being decided, each for the one before it. The last is the one at work.
    stack: Vec<Goal<'a, M>>,
    /// The attempt log that functions share with the dial, if they dial.
    pub(crate) scope: Option<AttemptScope<M>>,
    pub(crate) deadline: Option<DeadlinePlan<M>>,
}

/// What a function answers: a value, or "not me".
pub(crate) type Answer<M> = <M as Mode>::Future<Result<Option<Value>, Error>>;

impl<'a, M: Mode> Engine<'a, M> {
    pub(crate) fn new(registry: &'a Registry<M>) -> Self {
        Self { registry, decided: Table::with_room(), stack: Vec::new(), scope: None, deadline: None }
    }

    /// Decides a key or role. The result is [`Resolved::Nothing`] if nothing applies.
    ///
    /// After an error, or when the future was dropped, [`computing`](Engine::computing) names the
    /// function that was running.
    pub(crate) async fn run(&mut self, id: Id) -> Result<Resolved<M>, Error> {
        if let Some(found) = self.find(&id)? {
            return Ok(found);
        }
        while let Some(answer) = self.advance()? {
            match answer.await.map_err(|error| error.in_phase(Phase::Plan))? {
                Some(value) => self.decide(Resolved::Value(value)),
                None => self.goal()?.next(),
            }
        }
        Ok(self.decided.get(&id).cloned().flatten().unwrap_or(Resolved::Nothing))
    }

    /// Goes on until all is decided, or there is a function to be awaited.
    fn advance(&mut self) -> Result<Option<Answer<M>>, Error> {
        while let Some(goal) = self.stack.last_mut() {
            // All were tried. A role has a plan by now, or nothing fills it; a key has no value.
            let Some(registration) = goal.registration() else {
                let found = goal.plan.take().map_or(Resolved::Nothing, Resolved::Plan);
                self.decide(found);
                continue;
            };
            // All its needs are met: a function is called, a candidate or layer becomes a plan.
            let Some(spec) = registration.needs.specs.get(goal.need) else {
                if let Some(answer) = self.inputs_ready(registration)? {
                    return Ok(Some(answer));
                }
                continue;
            };
            // A need that is yet undecided is a new goal on top, which is next.
            let Some(found) = self.find(&spec.id)? else { continue };
            let goal = self.goal()?;
            match spec.is_met(found.found(), registration.is_committed()) {
                Met::Yes => goal.keep(spec, found, registration.needs.arguments),
                Met::Skip => goal.next(),
                Met::Missing => return Err(missing(spec, registration)),
            }
        }
        Ok(None)
    }

    /// Returns what is given or decided for a key or role. If it has yet to be decided, puts it on
    /// the stack and returns `None`.
    fn find(&mut self, id: &Id) -> Result<Option<Resolved<M>>, Error> {
        if let Some(value) = self.registry.values.get(id) {
            return Ok(Some(Resolved::Value(value.clone())));
        }
        match self.decided.get(id) {
            Some(Some(found)) => return Ok(Some(found.clone())),
            Some(None) => return Err(self.cycle(*id)),
            None => {}
        }
        let Some(entry) = self.registry.entries.get(id) else { return Ok(Some(Resolved::Nothing)) };
        self.decided.insert(*id, None);
        self.stack.push(Goal { id: *id, entry, plan: entry.given.clone(), at: 0, need: 0, inputs: Vec::new() });
        Ok(None)
    }

    /// Calls the function on top of the stack, whose inputs are complete, or makes a plan.
    fn inputs_ready(&mut self, registration: &Arc<Registration<M>>) -> Result<Option<Answer<M>>, Error> {
        if registration.is_function() {
            // A function that may dial logs its attempts where the dial of the plan will go on.
            if registration.needs.has_over {
                self.scope.get_or_insert_with(|| AttemptScope::open(None)).deadline = self.deadline.clone();
            }
            let inputs = self.stack.last().map(|goal| goal.inputs.as_slice()).unwrap_or_default();
            let arguments = Arguments::of_function(inputs, self.scope.as_ref());
            let function = M::restore::<Computing<M>, Option<Answer<M>>>(&registration.run);
            return function.and_then(|function| function(arguments)).ok_or_else(plan_mismatch).map(Some);
        }
        let goal = self.goal()?;
        let (inputs, below) = (core::mem::take(&mut goal.inputs), goal.plan.take());
        // The first plan is the candidate's: the layers follow, from the oldest.
        let next = if below.is_some() { goal.at + 1 } else { 0 };
        goal.plan = Some(Arc::new(Plan { registration: registration.clone(), inputs, below }));
        goal.go_to(next);
        Ok(None)
    }

    /// Takes the decided goal off the stack.
    fn decide(&mut self, found: Resolved<M>) {
        if let Some(goal) = self.stack.pop() {
            self.decided.insert(goal.id, Some(found));
        }
    }

    fn goal(&mut self) -> Result<&mut Goal<'a, M>, Error> {
        self.stack.last_mut().ok_or_else(plan_mismatch)
    }

    /// Decides which plan fills a role.
    pub(crate) async fn plan(&mut self, role: Id) -> Result<Arc<Plan<M>>, Error> {
        let resolved = self.run(role).await?;
        resolved.plan().cloned().ok_or_else(|| self.no_candidate(role))
    }

    /// Returns what the functions answered. Nothing without the feature `reports`.
    pub(crate) fn answers(&self) -> Answers {
        let mut answers = Answers::default();
        for (id, decided) in self.decided.iter().filter(|_| cfg!(feature = "reports")) {
            match decided {
                Some(Resolved::Value(value)) => answers.insert(id, Some(value.clone())),
                Some(Resolved::Nothing) => answers.insert(id, None),
                Some(Resolved::Plan(_)) | None => {}
            }
        }
        answers
    }

    /// Returns the name of the function that was called last and has not answered.
    pub(crate) fn computing(&self) -> Option<String> {
        let goal = self.stack.last()?;
        let registration = goal.registration()?;
        let called = registration.is_function() && goal.need == registration.needs.specs.len();
        called.then(|| match registration.name.is_empty() {
            true => format!("the function #{} for {}", goal.at + 1, registration.id),
            false => registration.to_string(),
        })
    }

    /// Returns the error of a circle that closes at `again`, which is on the stack.
    #[cold]
    fn cycle(&self, again: Id) -> Error {
        let around = || self.stack.iter().map(|goal| goal.id).skip_while(|id| *id != again);
        let path = around().chain([again]).map(|id| id.to_string()).collect();
        let key = around().find(|id| !id.is_role).map(|id| id.to_string());
        PlanError::Cycle { path, key }.into()
    }

    /// Returns the error of a role that nothing fills.
    #[cold]
    pub(super) fn no_candidate(&self, role: Id) -> Error {
        let all = self.registry.entries.get(&role).map_or(&[][..], |entry| &entry.registrations);
        let known = |id: &Id| match (self.registry.values.get(id), self.decided.get(id)) {
            (Some(value), _) => Some(Some(value)),
            (None, Some(decided)) => decided.as_ref().map(Resolved::value),
            (None, None) => self.registry.entries.get(id).is_none().then_some(None),
        };
        let error =
            unknown_value(role, all, known).unwrap_or_else(|| PlanError::NoCandidate { role: role.to_string() });
        // The roots are decided by the endpoint.
        let is_root = [Id::role(&Connect), Id::role(&Listen)].contains(&role);
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

/// Seals the attempt log even if planning is dropped half-way. A function that kept a dialer then
/// dials on its own, with its own deadline.
impl<M: Mode> Drop for Engine<'_, M> {
    fn drop(&mut self) {
        if let Some(scope) = &self.scope {
            scope.seal();
        }
    }
}

/// A key or role that is being decided.
struct Goal<'a, M: Mode> {
    id: Id,
    entry: &'a Entry<M>,
    /// The plan of the candidate, in those of the layers so far; `None` while functions or
    /// candidates are tried. Its presence is what turns the goal from these to the layers.
    plan: Option<Arc<Plan<M>>>,
    /// The number of the function, candidate or layer that is tried.
    at: usize,
    /// The number of the need to go on with. After the last, the registration runs.
    need: usize,
    /// The inputs so far, one for each argument of the registration.
    inputs: Vec<Resolved<M>>,
}

impl<'a, M: Mode> Goal<'a, M> {
    /// Returns the registration that is tried.
    fn registration(&self) -> Option<&'a Arc<Registration<M>>> {
        let all = if self.plan.is_some() { &self.entry.layers } else { &self.entry.registrations };
        all.get(self.at)
    }

    /// Keeps what was found for a need: as an argument, unless the need is a gate that passes none.
    fn keep(&mut self, need: &NeedSpec, found: Resolved<M>, arguments: usize) {
        self.need += 1;
        let Some(argument) = need.argument else { return };
        self.inputs.reserve_exact(arguments.saturating_sub(self.inputs.len()));
        match self.inputs.get_mut(argument) {
            Some(place) => *place = found,
            // Needs are evaluated in the order of the arguments, but for gates, which come first.
            None => {
                while self.inputs.len() < argument {
                    self.inputs.push(Resolved::Nothing);
                }
                self.inputs.push(found);
            }
        }
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

/// Returns the error of a need that a committed registration misses.
#[cold]
fn missing<M: Mode>(spec: &NeedSpec, of: &Registration<M>) -> Error {
    let need = if matches!(spec.kind, NeedKind::Over) { format!("{spec:?}") } else { spec.id.to_string() };
    PlanError::Missing { need, of: of.to_string() }.into()
}

/// Returns [`UnknownValue`](PlanError::UnknownValue) if one key shuts every candidate by a gate.
/// `value` returns `None` while the key is undecided.
#[cold]
pub(crate) fn unknown_value<'a, M: Mode>(
    role: Id,
    candidates: &'a [Arc<Registration<M>>],
    value: impl Fn(&Id) -> Option<Option<&'a Value>>,
) -> Option<PlanError> {
    let (first, others) = candidates.split_first()?;
    first.needs.specs.iter().find_map(|NeedSpec { id, .. }| {
        let value = value(id)?;
        let found = value.map_or(Found::Nothing, Found::Value);
        // The value that a candidate's gate on this key asks for, if the gate is shut.
        let shut = |candidate: &'a Registration<M>| {
            let mut shut = candidate.needs.specs.iter().filter(|spec| spec.id == *id);
            shut.find_map(|spec| match &spec.kind {
                NeedKind::Is(wanted) if spec.is_met(found, true) == Met::Skip => Some(wanted),
                _ => None,
            })
        };
        let wanted = shut(first)?;
        // Sorted as they come: `sort` takes 2 KiB of flash.
        let mut known = Vec::from([wanted.wanted()]);
        for other in others {
            let other = shut(other)?.wanted();
            if let Err(place) = known.binary_search(&other) {
                known.insert(place, other);
            }
        }
        let found = value.map(|value| wanted.shown(value));
        let is_scheme = *id == Id::of(&Scheme);
        Some(PlanError::UnknownValue { role: role.to_string(), key: id.to_string(), found, known, is_scheme })
    })
}
