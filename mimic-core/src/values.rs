//! The values of a context: a map that is cheap to clone and to extend.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::any::Any;

use crate::key::Id;
use crate::sync::Arc;

pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// How many changes a context keeps beside the map it shares with its clones before it gets a map of its own.
///
/// The first change after a clone copies the changes, a look-up searches them, which is faster than in the map: few
/// enough for both to stay in the tens of nanoseconds.
const CHANGES: usize = 12;

/// A map shared between clones, and the changes since. A change of `None` hides what is in the map.
#[derive(Clone, Default)]
pub(crate) struct Values {
    map: Arc<BTreeMap<Id, Value>>,
    changes: Arc<Vec<(Id, Option<Value>)>>,
}

impl Values {
    pub(crate) fn get(&self, id: &Id) -> Option<&Value> {
        match self.changes.iter().find(|(changed, _)| changed == id) {
            Some((_, value)) => value.as_ref(),
            None => self.map.get(id),
        }
    }

    pub(crate) fn set(&mut self, id: Id, value: Option<Value>) {
        let changes = Arc::make_mut(&mut self.changes);
        match changes.iter_mut().find(|(changed, _)| *changed == id) {
            Some((_, changed)) => *changed = value,
            None => changes.push((id, value)),
        }
        if changes.len() > CHANGES {
            let map = Arc::make_mut(&mut self.map);
            for (id, value) in changes.drain(..) {
                match value {
                    Some(value) => map.insert(id, value),
                    None => map.remove(&id),
                };
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Value)> {
        let added = self.changes.iter().filter_map(|(id, value)| value.as_ref().map(|value| (*id, value)));
        let kept = self.map.iter().map(|(id, value)| (*id, value));
        added.chain(kept.filter(|(id, _)| !self.changes.iter().any(|(changed, _)| changed == id)))
    }
}
