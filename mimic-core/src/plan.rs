//! Plans: who will dial, with which inputs, over whom. Nothing is dialled and nothing recorded
//! here.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::error::Attempts;
use crate::escape::Escaped;
use crate::key::Id;
use crate::record::Record;
use crate::spec::{Declared, Slot};
use crate::sync::Arc;
use crate::table::Table;
use crate::values::Value;
use crate::{Cell, ChoiceKind, Mode, Priority};

/// One registration: a function for a key, or a candidate or layer for a role.
pub(crate) struct Unit<M: Mode> {
    /// The key or the role.
    pub(crate) id: Id,
    /// A function, a candidate or a layer.
    pub(crate) kind: ChoiceKind,
    /// Empty for a function that was given none.
    pub(crate) name: Cow<'static, str>,
    pub(crate) priority: Priority,
    pub(crate) needs: Declared,
    pub(crate) run: Run<M>,
}

pub(crate) enum Run<M: Mode> {
    Derive(M::Derive),
    Connect(M::Erased),
}

impl<M: Mode> Unit<M> {
    /// Whether a missing need is an error rather than a reason to move on.
    pub(crate) fn is_committed(&self) -> bool {
        match self.kind {
            ChoiceKind::Function => false,
            ChoiceKind::Candidate | ChoiceKind::Given => self.needs.has_gates(),
            ChoiceKind::Layer => true,
        }
    }
}

impl<M: Mode> fmt::Display for Unit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ChoiceKind::Function if self.name.is_empty() => write!(f, "the function for {}", self.id),
            ChoiceKind::Function => write!(f, "the function \"{}\" for {}", Escaped(&self.name), self.id),
            _ => write!(f, "{} \"{}\"", self.id, Escaped(&self.name)),
        }
    }
}

/// A candidate or layer with its inputs evaluated: ready to dial, any number of times.
pub(crate) struct Node<M: Mode> {
    pub(crate) unit: Arc<Unit<M>>,
    pub(crate) slots: Vec<Slot<M>>,
    /// What a layer wraps.
    pub(crate) below: Option<Arc<Node<M>>>,
}

impl<M: Mode> Node<M> {
    /// Whether it dials nothing below, so that no attempt log needs to be shared.
    pub(crate) fn is_leaf(&self) -> bool {
        self.below.is_none() && !self.unit.needs.has_over
    }
}

/// The record that a connect shares with those below it, and who is above.
pub(crate) struct Scope<M: Mode> {
    pub(crate) record: Arc<M::Cell<Record>>,
    pub(crate) parent: u32,
    /// Whether what dials in it is what the layer `parent` wraps.
    pub(crate) wrapped: bool,
    /// For dials after the connect is over.
    pub(crate) deadline: Option<Sleeper<M>>,
}

/// A deadline, and the plan of what tells the time.
pub(crate) type Sleeper<M> = (Duration, Arc<Node<M>>);

impl<M: Mode> Scope<M> {
    /// Ends a connect: a dialer that it was given dials on its own from now on.
    pub(crate) fn close(scope: Option<&Self>) -> Attempts {
        scope.and_then(|scope| scope.with(Record::close)).unwrap_or_default()
    }

    pub(crate) fn open(deadline: Option<Sleeper<M>>) -> Self {
        Self { record: Arc::new(M::Cell::new(Record::default())), parent: 0, wrapped: false, deadline }
    }

    pub(crate) fn under(&self, parent: u32) -> Self {
        Self { record: self.record.clone(), parent, wrapped: false, deadline: self.deadline.clone() }
    }

    /// Calls `f` with the record. Another thread may have it for the few instructions that an entry
    /// takes.
    pub(crate) fn with<O>(&self, f: impl FnOnce(&mut Record) -> O) -> Option<O> {
        let mut f = Some(f);
        loop {
            match self.record.try_with(|record| f.take().map(|f| f(record))) {
                Some(output) => return output,
                None => core::hint::spin_loop(),
            }
        }
    }
}

impl<M: Mode> Clone for Scope<M> {
    fn clone(&self) -> Self {
        Self { wrapped: self.wrapped, ..self.under(self.parent) }
    }
}

/// What the functions of a resolve answered; `None` is "not me".
pub(crate) type Memo = Table<Option<Value>>;
