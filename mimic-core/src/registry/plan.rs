//! Registrations, and the plans that are made of them. A plan dials nothing and records nothing.
//!
//! ```text
//! Plan  Secure "tls"                inputs: TlsConfig, None, None, ─┐
//!                                                                   ▼ over Transport
//!                           Plan  Transport "socks5"                inputs: Proxy
//!                                   │ below
//!                                   ▼
//!                           Plan  Transport "happy-eyeballs"        inputs: …
//! ```

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::need::{Found, NeedList};
use super::table::Table;
use super::value::Value;
use crate::escape::Escaped;
use crate::id::Id;
use crate::sync::Arc;
use crate::{ChoiceKind, Mode, Priority};

/// One registration: a function for a key, or a candidate or a layer for a role.
pub(crate) struct Registration<M: Mode> {
    /// The key or the role.
    pub(crate) id: Id,
    /// A function, a candidate or a layer.
    pub(crate) kind: ChoiceKind,
    /// Empty for a function that was given none.
    pub(crate) name: Cow<'static, str>,
    pub(crate) priority: Priority,
    pub(crate) needs: NeedList,
    /// What it calls: a [`Function`](Mode::Function) of the arguments, and of the target if it
    /// dials.
    pub(crate) run: M::Erased,
}

impl<M: Mode> Registration<M> {
    pub(crate) fn is_function(&self) -> bool {
        self.kind == ChoiceKind::Function
    }

    /// Returns whether a missing need is an error. Otherwise the registration is skipped.
    pub(crate) fn is_committed(&self) -> bool {
        match self.kind {
            ChoiceKind::Function => false,
            ChoiceKind::Candidate | ChoiceKind::Given => self.needs.has_gates(),
            ChoiceKind::Layer => true,
        }
    }
}

impl<M: Mode> fmt::Display for Registration<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ChoiceKind::Function if self.name.is_empty() => write!(f, "the function for {}", self.id),
            ChoiceKind::Function => write!(f, "the function \"{}\" for {}", Escaped(&self.name), self.id),
            _ => write!(f, "{} \"{}\"", self.id, Escaped(&self.name)),
        }
    }
}

/// A candidate or layer with its inputs. It can be dialled any number of times.
pub(crate) struct Plan<M: Mode> {
    pub(crate) registration: Arc<Registration<M>>,
    /// One for each argument.
    pub(crate) inputs: Vec<Resolved<M>>,
    /// The plan that a layer wraps.
    pub(crate) below: Option<Arc<Plan<M>>>,
}

impl<M: Mode> Plan<M> {
    /// Returns whether it dials nothing below, so that no attempt log needs to be shared.
    pub(crate) fn is_leaf(&self) -> bool {
        self.below.is_none() && !self.registration.needs.has_over
    }
}

/// What a key or a role has come to.
#[derive(Clone)]
pub(crate) enum Resolved<M: Mode> {
    Nothing,
    Value(Value),
    Plan(Arc<Plan<M>>),
}

impl<M: Mode> Resolved<M> {
    pub(crate) fn found(&self) -> Found<'_> {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Value(value) => Found::Value(value),
            Self::Plan(_) => Found::Something,
        }
    }

    pub(crate) fn value(&self) -> Option<&Value> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn plan(&self) -> Option<&Arc<Plan<M>>> {
        if let Self::Plan(plan) = self { Some(plan) } else { None }
    }
}

/// A deadline, and the plan of the timer that measures it.
pub(crate) struct DeadlinePlan<M: Mode> {
    pub(crate) after: Duration,
    pub(crate) timer: Arc<Plan<M>>,
}

impl<M: Mode> Clone for DeadlinePlan<M> {
    fn clone(&self) -> Self {
        Self { after: self.after, timer: self.timer.clone() }
    }
}

/// What the functions of a resolve answered; `None` is "not me".
pub(crate) type Answers = Table<Option<Value>>;
