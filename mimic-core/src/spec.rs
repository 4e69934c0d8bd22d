//! Needs as data: drawn, checked and explained without running anything. And what the engine finds
//! for them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::marker::PhantomData;

use crate::escape::{HIDDEN, debug};
use crate::key::Id;
use crate::plan::{Node, Scope, Unit};
use crate::sync::Arc;
use crate::values::Value;
use crate::{Dialer, Key, Mode, Needs, PlanError, Role, Scheme};

/// A need as data, and what the engine does about it.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) id: Id,
    pub(crate) how: How,
}

#[derive(Clone)]
pub(crate) enum How {
    Req,
    Opt,
    OrDefault,
    Over,
    Given,
    Is(Arc<dyn Gate + Send + Sync>),
}

impl Spec {
    pub(crate) fn is_gate(&self) -> bool {
        matches!(self.how, How::Given | How::Is(_))
    }

    /// Whether it can do with this value, or with none.
    pub(crate) fn is_met(&self, value: Option<&Value>) -> bool {
        match &self.how {
            How::Req | How::Over | How::Given => value.is_some(),
            How::Opt | How::OrDefault => true,
            How::Is(gate) => value.is_some_and(|value| gate.matches(value)),
        }
    }
}

impl Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Req => write!(f, "req {}", self.id),
            How::Opt => write!(f, "opt {}", self.id),
            How::OrDefault => write!(f, "or_default {}", self.id),
            How::Over => write!(f, "over {}", self.id),
            How::Given => write!(f, "given {}", self.id),
            How::Is(gate) => write!(f, "{} is {}", self.id, gate.wanted()),
        }
    }
}

pub(crate) trait Gate {
    fn matches(&self, value: &Value) -> bool;
    fn wanted(&self) -> String;
    fn found(&self, value: &Value) -> String;
}

/// The gate of [`is`](crate::is).
pub(crate) struct Equals<K, V> {
    wanted: V,
    key: PhantomData<fn() -> K>,
}

impl<K, V> Equals<K, V> {
    pub(crate) fn new(wanted: V) -> Self {
        Self { wanted, key: PhantomData }
    }
}

impl<K: Key, V: Debug + 'static> Gate for Equals<K, V>
where
    K::Value: PartialEq<V> + Debug,
{
    fn matches(&self, value: &Value) -> bool {
        value.downcast_ref::<K::Value>().is_some_and(|value| *value == self.wanted)
    }

    fn wanted(&self) -> String {
        if K::SECRET { HIDDEN.into() } else { debug(&self.wanted) }
    }

    fn found(&self, value: &Value) -> String {
        match value.downcast_ref::<K::Value>() {
            Some(_) if K::SECRET => HIDDEN.into(),
            value => value.map_or_else(String::new, debug),
        }
    }
}

/// Returns [`UnknownValue`](PlanError::UnknownValue) if one key shuts every unit by a gate. `value`
/// returns `None` while the key is undecided.
#[cold]
pub(crate) fn unknown<'a, M: Mode>(
    role: Id,
    units: &'a [Arc<Unit<M>>],
    value: impl Fn(&Id) -> Option<Option<&'a Value>>,
) -> Option<PlanError> {
    let (first, others) = units.split_first()?;
    first.needs.specs.iter().find_map(|Spec { id, .. }| {
        let value = value(id)?;
        let shut = |unit: &'a Unit<M>| {
            let mut gates = unit.needs.specs.iter().filter(|spec| spec.id == *id && !spec.is_met(value));
            gates.find_map(|spec| if let How::Is(gate) = &spec.how { Some(gate) } else { None })
        };
        let gate = shut(first)?;
        let mut known = Vec::from([gate.wanted()]);
        for other in others {
            known.push(shut(other)?.wanted());
        }
        known.sort_unstable();
        known.dedup();
        let found = value.map(|value| gate.found(value));
        let is_scheme = *id == Id::of(&Scheme);
        Some(PlanError::UnknownValue { role: role.to_string(), key: id.to_string(), found, known, is_scheme })
    })
}

/// The needs of one registration in evaluation order: gates first, then the rest as declared. A
/// gate decides whether the registration applies and passes no argument, so argument *n* is the
/// *n*-th need that is not a gate.
#[derive(Debug, Default)]
pub struct Declared {
    pub(crate) specs: Vec<Spec>,
    gates: usize,
    /// Whether something may be dialled below.
    pub(crate) has_over: bool,
}

impl Declared {
    pub(crate) fn new<M: Mode>(needs: &impl Needs<M>) -> Self {
        let mut declared = Self::default();
        needs.declare(&mut declared);
        declared
    }

    pub(crate) fn has_gates(&self) -> bool {
        self.gates > 0
    }

    // Once, and not in every need.
    #[inline(never)]
    pub(crate) fn add(&mut self, id: Id, how: How) {
        let spec = Spec { id, how };
        self.has_over |= matches!(spec.how, How::Over);
        if spec.is_gate() {
            self.specs.insert(self.gates, spec);
            self.gates += 1;
        } else {
            self.specs.push(spec);
        }
    }
}

/// What was found for a need.
#[derive(Clone)]
pub(crate) enum Slot<M: Mode> {
    Empty,
    Value(Value),
    Below(Arc<Node<M>>),
}

impl<M: Mode> Slot<M> {
    pub(crate) fn value(&self) -> Option<&Value> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn below(&self) -> Option<&Arc<Node<M>>> {
        if let Self::Below(node) = self { Some(node) } else { None }
    }
}

/// The evaluated inputs of one call, taken in the order of the needs. What gives `None` does not
/// fit them.
pub struct Inputs<'a, M: Mode> {
    inputs: core::slice::Iter<'a, Slot<M>>,
    below: Option<&'a Arc<Node<M>>>,
    scope: Option<&'a Scope<M>>,
}

impl<M: Mode> Debug for Inputs<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("left", &self.inputs.len()).finish_non_exhaustive()
    }
}

impl<'a, M: Mode> Inputs<'a, M> {
    pub(crate) fn new(inputs: &'a [Slot<M>], below: Option<&'a Arc<Node<M>>>, scope: Option<&'a Scope<M>>) -> Self {
        Self { inputs: inputs.iter(), below, scope }
    }

    /// The dialer of what a layer wraps.
    pub(crate) fn below<R: Role>(&self, role: &R) -> Option<Dialer<R, M>> {
        Some(Dialer::below(role.clone(), self.below?, self.scope, true))
    }

    /// The next input: a dialer.
    pub(crate) fn dialer<R: Role>(&mut self, role: &R) -> Option<Dialer<R, M>> {
        Some(Dialer::below(role.clone(), self.inputs.next()?.below()?, self.scope, false))
    }

    /// The next input: a value, or that there is none.
    pub(crate) fn value<K: Key>(&mut self) -> Option<Option<K::Value>> {
        match self.inputs.next()? {
            Slot::Value(value) => value.downcast_ref().cloned().map(Some),
            Slot::Empty => Some(None),
            Slot::Below(_) => None,
        }
    }
}
