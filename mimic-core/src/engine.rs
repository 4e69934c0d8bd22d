//! The engine: decides who fills a role, and computes what that one needs.
//!
//! One loop with an explicit stack; nothing recurses, however long the chains of functions are.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::context::Ctx;
use crate::dialer::misfit;
use crate::error::{Error, Phase, PlanError};
use crate::key::Id;
use crate::memo::{Memo, State};
use crate::mode::Mode;
use crate::needs::{How, Inputs, Slot, Spec};
use crate::plan::{Kind, Node, Run, Scope, Unit};
use crate::role;
use crate::standard::{Listen, Scheme, Stream};
use crate::sync::Arc;
use crate::values::Value;

pub(crate) struct Engine<'a, M: Mode> {
    pub(crate) ctx: &'a Ctx<M>,
    stack: Vec<Frame<'a, M>>,
    /// The inputs of the units on the stack, one behind the other.
    slots: Vec<Slot<M>>,
    memo: Memo<M>,
    /// What functions and connects share if they dial; opened when first needed.
    scope: Option<Scope<M>>,
}

/// A key or role that is being decided.
struct Frame<'a, M: Mode> {
    goal: Id,
    is_role: bool,
    /// Functions or candidates still to be tried, the current one first.
    units: &'a [Arc<Unit<M>>],
    /// Layers still to be wrapped around `below`, the current one first.
    layers: &'a [Arc<Unit<M>>],
    /// The candidate, once it is decided, and the layers so far.
    below: Option<Arc<Node<M>>>,
    /// Position in the evaluation order of the current unit.
    step: usize,
    /// Where the inputs of the current unit begin.
    base: usize,
}

impl<'a, M: Mode> Frame<'a, M> {
    /// The unit being tried: a function, a candidate, or, once there is something below, a layer.
    fn unit(&self) -> Option<&'a Arc<Unit<M>>> {
        if self.below.is_some() { self.layers.first() } else { self.units.first() }
    }
}

/// An input that has been decided.
enum Found<M: Mode> {
    Missing,
    Value(Value),
    Below(Arc<Node<M>>),
}

/// What the loop does next.
enum Step<M: Mode> {
    Go,
    Call(M::Future<Result<Option<Value>, Error>>),
    Done(Node<M>),
}

impl<'a, M: Mode> Engine<'a, M> {
    pub(crate) fn new(ctx: &'a Ctx<M>) -> Self {
        Self { ctx, stack: Vec::new(), slots: Vec::new(), memo: Memo::default(), scope: None }
    }

    /// Decides who fills `role`.
    ///
    /// After an error, or when the future was dropped, [`computing`](Engine::computing) says what was going on.
    pub(crate) async fn run(&mut self, role: Id) -> Result<Node<M>, Error> {
        if let Some(State::Done(Some(node))) = self.memo.roles.get(role) {
            return Ok((**node).clone());
        }
        self.enter_role(role);
        loop {
            match self.step()? {
                Step::Go => {}
                Step::Call(future) => {
                    let value = future.await.map_err(|error| error.in_phase(Phase::Plan))?;
                    self.computed(value);
                }
                Step::Done(node) => return Ok(node),
            }
        }
    }

    pub(crate) fn memo(&self) -> &Memo<M> {
        &self.memo
    }

    pub(crate) fn into_memo(self) -> Memo<M> {
        self.memo
    }

    /// The scope of everything this engine's resolve dials.
    pub(crate) fn scope(&mut self) -> Scope<M> {
        let scope = self.scope.get_or_insert_with(Scope::open);
        scope.under(scope.parent)
    }

    pub(crate) fn opened_scope(&self) -> Option<&Scope<M>> {
        self.scope.as_ref()
    }

    /// The function that was called last and has not answered.
    pub(crate) fn computing(&self) -> Option<String> {
        let frame = self.stack.last().filter(|frame| !frame.is_role)?;
        let unit = frame.unit()?;
        (frame.step == unit.needs.order.len()).then(|| format!("{unit}"))
    }

    fn step(&mut self) -> Result<Step<M>, Error> {
        let Some(frame) = self.stack.last() else { return Err(misfit()) };
        let Some(unit) = frame.unit() else { return self.no_unit_left() };
        let Some(&index) = unit.needs.order.get(frame.step) else { return self.inputs_ready(unit) };
        let spec = &unit.needs.specs[index];
        let found = match spec.how {
            How::Over => match self.memo.roles.get(spec.id) {
                Some(State::Done(Some(node))) => Found::Below(node.clone()),
                Some(State::Done(None)) => Found::Missing,
                Some(State::Open) => return Err(self.cycle(spec.id, true)),
                None if self.is_root(spec.id) => return Err(self.cycle(spec.id, true)),
                None => {
                    self.enter_role(spec.id);
                    return Ok(Step::Go);
                }
            },
            _ => match self.ctx.values.get(spec.id) {
                Some(value) => Found::Value(value.clone()),
                None => match self.memo.keys.get(spec.id) {
                    Some(State::Done(Some(value))) => Found::Value(value.clone()),
                    Some(State::Done(None)) => Found::Missing,
                    Some(State::Open) => return Err(self.cycle(spec.id, false)),
                    None => match self.ctx.functions(spec.id) {
                        [] => Found::Missing,
                        functions => {
                            self.enter_key(spec.id, functions);
                            return Ok(Step::Go);
                        }
                    },
                },
            },
        };
        self.judge(unit, index, spec, found)?;
        Ok(Step::Go)
    }

    /// Takes an input for the current unit, or gives the unit up.
    fn judge(&mut self, unit: &Unit<M>, index: usize, spec: &Spec, found: Found<M>) -> Result<(), Error> {
        let slot = match (&spec.how, found) {
            (How::Is(gate), Found::Value(value)) if gate.matches(&value) => Slot::Empty,
            (How::Is(_), _) | (How::Given, Found::Missing) => {
                self.next_unit();
                return Ok(());
            }
            (How::Given, _) | (How::Opt | How::OrDefault, Found::Missing) => Slot::Empty,
            (How::Req | How::Over, Found::Missing) => {
                if unit.is_committed() {
                    let need = if matches!(spec.how, How::Over) {
                        format!("over {}", spec.id)
                    } else {
                        format!("{}", spec.id)
                    };
                    return Err(PlanError::Missing { need, of: format!("{unit}") }.into());
                }
                self.next_unit();
                return Ok(());
            }
            (_, Found::Value(value)) => Slot::Value(value),
            (_, Found::Below(node)) => Slot::Below(node),
        };
        if let Some(frame) = self.stack.last_mut() {
            frame.step += 1;
            self.slots[frame.base + index] = slot;
        }
        Ok(())
    }

    /// The current unit has all it asked for.
    fn inputs_ready(&mut self, unit: &'a Arc<Unit<M>>) -> Result<Step<M>, Error> {
        let Some(frame) = self.stack.last() else { return Err(misfit()) };
        let base = frame.base;
        match &unit.run {
            Run::Derive(derive) => {
                if unit.has_over() && self.scope.is_none() {
                    self.scope = Some(Scope::open());
                }
                let mut inputs = Inputs::new(&self.slots[base..], None, self.scope.as_ref());
                Ok(Step::Call(derive(&mut inputs)))
            }
            Run::Connect(_) => {
                let last = self.stack.len() == 1;
                let Some(frame) = self.stack.last_mut() else { return Err(misfit()) };
                let slots = if base == 0 { core::mem::take(&mut self.slots) } else { self.slots.split_off(base) };
                let node = Node { unit: unit.clone(), slots, below: frame.below.take(), given: false };
                if unit.kind == Kind::Layer {
                    frame.layers = &frame.layers[1..];
                }
                if last && frame.layers.is_empty() {
                    self.stack.pop();
                    return Ok(Step::Done(node));
                }
                frame.below = Some(Arc::new(node));
                self.open_unit();
                Ok(Step::Go)
            }
        }
    }

    /// The function that was called has answered.
    fn computed(&mut self, value: Option<Value>) {
        match value {
            Some(value) => self.leave(Some(value), None),
            None => self.next_unit(),
        }
    }

    /// Moves on from the current unit: to the next function, candidate or layer.
    fn next_unit(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            let units = if frame.below.is_some() { &mut frame.layers } else { &mut frame.units };
            *units = units.get(1..).unwrap_or_default();
        }
        self.open_unit();
    }

    /// Makes room for the inputs of the current unit.
    fn open_unit(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.step = 0;
            let inputs = frame.unit().map_or(0, |unit| unit.needs.specs.len());
            if self.slots.capacity() == 0 && inputs > 0 {
                // Enough for most plans as a whole.
                self.slots.reserve(inputs.max(8));
            }
            self.slots.truncate(frame.base);
            self.slots.resize(frame.base + inputs, Slot::Empty);
        }
    }

    /// Nothing more to try for the current goal: it is decided.
    fn no_unit_left(&mut self) -> Result<Step<M>, Error> {
        let last = self.stack.len() == 1;
        let Some(frame) = self.stack.last_mut() else { return Err(misfit()) };
        match (frame.below.take(), last) {
            (Some(node), true) => {
                self.stack.pop();
                Ok(Step::Done((*node).clone()))
            }
            (None, true) => {
                let error = Error::from(PlanError::NoCandidate { role: format!("{}", frame.goal) });
                // The roots are decided by the scheme first of all.
                Err(match self.ctx.get(Scheme) {
                    Some(scheme) if frame.goal == role::id(&Stream) || frame.goal == role::id(&Listen) => {
                        error.to_target(format!("{scheme}:…"))
                    }
                    _ => error,
                })
            }
            (node, false) => {
                self.leave(None, node);
                Ok(Step::Go)
            }
        }
    }

    fn enter_key(&mut self, key: Id, functions: &'a [Arc<Unit<M>>]) {
        self.memo.keys.set(key, State::Open);
        self.enter(Frame {
            goal: key,
            is_role: false,
            units: functions,
            layers: &[],
            below: None,
            step: 0,
            base: self.slots.len(),
        });
    }

    fn enter_role(&mut self, role: Id) {
        // The root is known by its place, which saves an allocation.
        if !self.stack.is_empty() {
            self.memo.roles.set(role, State::Open);
        }
        let entry = self.ctx.registry.roles.get(&role);
        self.enter(Frame {
            goal: role,
            is_role: true,
            units: entry.map_or(&[], |entry| &entry.candidates),
            layers: entry.map_or(&[], |entry| &entry.layers),
            below: entry.and_then(|entry| entry.given.clone()),
            step: 0,
            base: self.slots.len(),
        });
    }

    fn enter(&mut self, frame: Frame<'a, M>) {
        self.stack.push(frame);
        self.open_unit();
    }

    /// The current goal is decided: back to who asked.
    fn leave(&mut self, value: Option<Value>, node: Option<Arc<Node<M>>>) {
        if let Some(frame) = self.stack.pop() {
            self.slots.truncate(frame.base);
            if frame.is_role {
                self.memo.roles.set(frame.goal, State::Done(node));
            } else {
                self.memo.keys.set(frame.goal, State::Done(value));
            }
        }
    }

    fn is_root(&self, role: Id) -> bool {
        self.stack.first().is_some_and(|root| root.is_role && root.goal == role)
    }

    /// The circle that closes at `again`, which is on the stack.
    fn cycle(&self, again: Id, is_role: bool) -> Error {
        let start = self.stack.iter().position(|frame| frame.goal == again && frame.is_role == is_role).unwrap_or(0);
        let around = self.stack[start..].iter().map(|frame| frame.goal).chain([again]);
        PlanError::Cycle { path: around.map(|id| format!("{id}")).collect() }.into()
    }
}

impl<M: Mode> Clone for Node<M> {
    fn clone(&self) -> Self {
        Self { unit: self.unit.clone(), slots: self.slots.clone(), below: self.below.clone(), given: self.given }
    }
}
