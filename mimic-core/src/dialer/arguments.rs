//! The arguments of one call of a function, a candidate or a layer.

use alloc::vec::Vec;
use core::fmt::{self, Debug};

use super::Dialer;
use super::attempts::AttemptScope;
use super::handshake::Handshake;
use crate::registry::plan::{Plan, Resolved};
use crate::sync::Arc;
use crate::{Key, Mode, Role};

/// The inputs of one call, taken in the order of the needs. A `None` says that they do not fit.
pub struct Arguments<M: Mode> {
    inputs: Inputs<M>,
    /// The number of the next input.
    next: usize,
    scope: Option<AttemptScope<M>>,
    handshake: Option<Handshake<M>>,
}

enum Inputs<M: Mode> {
    OfFunction(Vec<Resolved<M>>),
    OfPlan(Arc<Plan<M>>),
}

impl<M: Mode> Arguments<M> {
    pub(crate) fn of_function(inputs: Vec<Resolved<M>>, scope: Option<AttemptScope<M>>) -> Self {
        Self { inputs: Inputs::OfFunction(inputs), next: 0, scope, handshake: None }
    }

    pub(crate) fn of_plan(
        plan: &Arc<Plan<M>>,
        scope: Option<&AttemptScope<M>>,
        handshake: Option<&Handshake<M>>,
    ) -> Self {
        Self { inputs: Inputs::OfPlan(plan.clone()), next: 0, scope: scope.cloned(), handshake: handshake.cloned() }
    }

    fn next(&mut self) -> Option<&Resolved<M>> {
        let inputs = match &self.inputs {
            Inputs::OfFunction(inputs) => inputs,
            Inputs::OfPlan(plan) => &plan.inputs,
        };
        self.next += 1;
        inputs.get(self.next - 1)
    }

    /// Returns the dialer of what a layer wraps.
    pub(crate) fn below<R: Role>(&self, role: &R) -> Option<Dialer<R, M>> {
        match &self.inputs {
            Inputs::OfPlan(plan) => Some(Dialer::nested(role.clone(), plan.below.as_ref()?, self.scope.as_ref(), true)),
            Inputs::OfFunction(_) => None,
        }
    }

    /// Takes the next input, which is a dialer.
    pub(crate) fn dialer<R: Role>(&mut self, role: &R) -> Option<Dialer<R, M>> {
        let plan = self.next()?.plan()?.clone();
        Some(Dialer::nested(role.clone(), &plan, self.scope.as_ref(), false))
    }

    /// Takes the next input: a value, or that there is none.
    pub(crate) fn value<K: Key>(&mut self) -> Option<Option<K::Value>> {
        match self.next()? {
            Resolved::Value(value) => value.downcast_ref().cloned().map(Some),
            Resolved::Nothing => Some(None),
            Resolved::Plan(_) => None,
        }
    }

    /// Takes the handshake that the target came with.
    pub(crate) fn handshake(&mut self) -> Option<Handshake<M>> {
        self.handshake.take()
    }
}

impl<M: Mode> Debug for Arguments<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("next", &self.next).finish_non_exhaustive()
    }
}
