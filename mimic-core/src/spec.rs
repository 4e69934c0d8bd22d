//! Needs as data: drawn, checked and explained without running anything. And what the engine finds for them.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::marker::PhantomData;
use core::slice;

use crate::error::misfit;
use crate::key::Id;
use crate::plan::{Node, Scope};
use crate::sync::Arc;
use crate::values::Value;
use crate::{Dialer, Error, Key, Mode, Needs, Role};

/// A need as data, and what the engine does about it.
#[derive(Clone)]
pub struct Spec {
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

impl<K: Key, V: Debug> Gate for Equals<K, V>
where
    K::Value: PartialEq<V> + Debug,
{
    fn matches(&self, value: &Value) -> bool {
        value.downcast_ref::<K::Value>().is_some_and(|value| *value == self.wanted)
    }

    fn wanted(&self) -> String {
        format!("{:?}", self.wanted)
    }

    fn found(&self, value: &Value) -> String {
        value.downcast_ref::<K::Value>().map_or_else(String::new, |value| format!("{value:?}"))
    }
}

/// The needs of a registration, in the order of their evaluation: gates first. They alone take part in the plan
/// without giving an argument, so the order of the arguments is that of the other needs.
pub(crate) struct Declared {
    pub(crate) specs: Box<[Spec]>,
    pub(crate) has_gates: bool,
    /// Whether something may be dialled below.
    pub(crate) has_over: bool,
}

impl Declared {
    pub(crate) fn new<M: Mode>(needs: &impl Needs<M>) -> Self {
        let mut specs = Vec::new();
        needs.specs(&mut specs);
        Self::of(specs)
    }

    // Not generic, so that it is there once.
    fn of(specs: Vec<Spec>) -> Self {
        let (mut specs, needs): (Vec<_>, Vec<_>) = specs.into_iter().partition(Spec::is_gate);
        let has_gates = !specs.is_empty();
        specs.extend(needs);
        let has_over = specs.iter().any(|spec| matches!(spec.how, How::Over));
        Self { specs: specs.into(), has_gates, has_over }
    }
}

/// What was found for a need.
#[derive(Clone)]
pub(crate) enum Slot<M: Mode> {
    Empty,
    Value(Value),
    Below(Arc<Node<M>>),
}

/// The evaluated inputs of one call, taken in the order of the needs.
pub struct Inputs<'a, M: Mode> {
    slots: slice::Iter<'a, Slot<M>>,
    below: Option<&'a Arc<Node<M>>>,
    scope: Option<&'a Scope<M>>,
}

impl<M: Mode> Debug for Inputs<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("left", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<'a, M: Mode> Inputs<'a, M> {
    pub(crate) fn new(slots: &'a [Slot<M>], below: Option<&'a Arc<Node<M>>>, scope: Option<&'a Scope<M>>) -> Self {
        Self { slots: slots.iter(), below, scope }
    }

    /// The dialer of what a layer wraps.
    pub(crate) fn below<R: Role>(&self, role: &R) -> Result<Dialer<R, M>, Error> {
        Ok(Dialer::below(role.clone(), self.below.ok_or_else(misfit)?, self.scope))
    }

    /// The next input: a dialer.
    pub(crate) fn dialer<R: Role>(&mut self, role: &R) -> Result<Dialer<R, M>, Error> {
        match self.slots.next() {
            Some(Slot::Below(node)) => Ok(Dialer::below(role.clone(), node, self.scope)),
            _ => Err(misfit()),
        }
    }

    /// The next input: a value, or that there is none.
    pub(crate) fn value<K: Key>(&mut self) -> Result<Option<K::Value>, Error> {
        match self.slots.next() {
            Some(Slot::Value(value)) => value.downcast_ref().cloned().map(Some).ok_or_else(misfit),
            Some(Slot::Empty) => Ok(None),
            _ => Err(misfit()),
        }
    }
}
