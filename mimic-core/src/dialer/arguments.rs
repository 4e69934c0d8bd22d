//! The arguments of one call of a function, a candidate or a layer.
//!
//! ```text
//! Plan                       one call: Arguments   needs, in their order
//!   inputs  "example.org" ──►  inputs ── value ──►   req(Host)        Text
//!           7             ──►         ── value ──►   req(Port)        u16
//!           Plan          ──►         ── dialer ─►   over(Transport)  Dialer, nested
//!   below   Plan          ──►  below  ── dialer ─►   of what a layer wraps
//! dial_with(target, …)    ──►  handshake ────────►   handshake()   Option<Handshake>
//! ```

use core::fmt::{self, Debug};
use core::marker::PhantomData;
use core::slice::Iter;

use super::Dialer;
use super::attempts::AttemptScope;
use super::handshake::Handshake;
use crate::mode::Input;
use crate::registry::plan::{Plan, Resolved};
use crate::sync::Arc;
use crate::{Key, Mode, Role};

/// The inputs of one call, taken in the order of the needs. A `None` says that they do not fit.
pub struct Arguments<'a, M: Mode> {
    inputs: Iter<'a, Resolved<M>>,
    below: Option<&'a Arc<Plan<M>>>,
    scope: Option<&'a AttemptScope<M>>,
    handshake: Option<&'a Handshake<M>>,
}

/// The input of a candidate or a layer: its target and its arguments.
#[derive(Debug)]
pub(crate) struct Connecting<R, M>(PhantomData<(R, M)>);

impl<R: Role, M: Mode> Input for Connecting<R, M> {
    type At<'a> = (R::Target, Arguments<'a, M>);
}

/// The input of a function: its arguments.
#[derive(Debug)]
pub(crate) struct Computing<M>(PhantomData<M>);

impl<M: Mode> Input for Computing<M> {
    type At<'a> = Arguments<'a, M>;
}

impl<'a, M: Mode> Arguments<'a, M> {
    pub(crate) fn of_function(inputs: &'a [Resolved<M>], scope: Option<&'a AttemptScope<M>>) -> Self {
        Self { inputs: inputs.iter(), below: None, scope, handshake: None }
    }

    pub(crate) fn of_plan(
        plan: &'a Plan<M>,
        scope: Option<&'a AttemptScope<M>>,
        handshake: Option<&'a Handshake<M>>,
    ) -> Self {
        Self { inputs: plan.inputs.iter(), below: plan.below.as_ref(), scope, handshake }
    }

    /// Returns the dialer of what a layer wraps.
    pub(crate) fn below<R: Role>(&self, role: &R) -> Option<Dialer<R, M>> {
        Some(Dialer::nested(role.clone(), self.below?, self.scope, true))
    }

    /// Takes the next input, which is a dialer.
    pub(crate) fn dialer<R: Role>(&mut self, role: &R) -> Option<Dialer<R, M>> {
        Some(Dialer::nested(role.clone(), self.inputs.next()?.plan()?, self.scope, false))
    }

    /// Takes the next input: a value, or that there is none.
    pub(crate) fn value<K: Key>(&mut self) -> Option<Option<K::Value>> {
        match self.inputs.next()? {
            Resolved::Value(value) => value.downcast_ref().cloned().map(Some),
            Resolved::Nothing => Some(None),
            Resolved::Plan(_) => None,
        }
    }

    /// Returns the handshake that the target came with.
    pub(crate) fn handshake(&self) -> Option<Handshake<M>> {
        self.handshake.cloned()
    }
}

impl<M: Mode> Debug for Arguments<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("left", &self.inputs.len()).finish_non_exhaustive()
    }
}
