//! What a resolve has decided so far.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::key::Id;
use crate::mode::Mode;
use crate::plan::Node;
use crate::sync::Arc;
use crate::values::Value;

/// What has been decided, so that nothing is decided twice. Values given in the context are not in it.
pub(crate) struct Memo<M: Mode> {
    pub(crate) keys: Decisions<Value>,
    pub(crate) roles: Decisions<Arc<Node<M>>>,
}

impl<M: Mode> Default for Memo<M> {
    fn default() -> Self {
        Self { keys: Decisions::default(), roles: Decisions::default() }
    }
}

pub(crate) enum State<T> {
    /// On the stack: to need it again is a cycle.
    Open,
    /// Decided; `None` if nobody had it.
    Done(Option<T>),
}

/// A map that is a list while it is short, which it mostly is: a list is half the cost of a tree then.
pub(crate) struct Decisions<T> {
    few: Vec<(Id, State<T>)>,
    many: BTreeMap<Id, State<T>>,
}

impl<T> Decisions<T> {
    const FEW: usize = 8;

    pub(crate) fn get(&self, id: Id) -> Option<&State<T>> {
        match self.few.iter().find(|(known, _)| *known == id) {
            Some((_, state)) => Some(state),
            None if self.many.is_empty() => None,
            None => self.many.get(&id),
        }
    }

    pub(crate) fn set(&mut self, id: Id, state: State<T>) {
        if let Some((_, known)) = self.few.iter_mut().find(|(known, _)| *known == id) {
            *known = state;
        } else if self.few.len() < Self::FEW {
            self.few.push((id, state));
        } else {
            self.many.insert(id, state);
        }
    }
}

impl<T> Default for Decisions<T> {
    fn default() -> Self {
        Self { few: Vec::new(), many: BTreeMap::new() }
    }
}
