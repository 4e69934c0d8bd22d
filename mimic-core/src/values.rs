//! The values of a context: a map that is cheap to clone and to extend.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::any::Any;

use crate::key::Id;
use crate::sync::Arc;

pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// How many changes a context keeps beside the map it shares with its clones before it gets a map of its own.
///
/// A clone copies the changes, a look-up searches them: few enough for both to stay in the tens of nanoseconds.
const CHANGES: usize = 24;

/// A map shared between clones, and the changes since. A change of `None` hides what is shared.
#[derive(Clone, Default)]
pub(crate) struct Values {
    shared: Arc<BTreeMap<Id, Value>>,
    changes: Vec<(Id, Option<Value>)>,
}

impl Values {
    pub(crate) fn get(&self, id: Id) -> Option<&Value> {
        match self.changes.iter().find(|(changed, _)| *changed == id) {
            Some((_, value)) => value.as_ref(),
            None => self.shared.get(&id),
        }
    }

    pub(crate) fn set(&mut self, id: Id, value: Option<Value>) {
        if let Some((_, changed)) = self.changes.iter_mut().find(|(changed, _)| *changed == id) {
            *changed = value;
            return;
        }
        if value.is_none() && !self.shared.contains_key(&id) {
            return;
        }
        if self.changes.is_empty()
            && let Some(map) = Arc::get_mut(&mut self.shared)
        {
            apply(map, id, value);
            return;
        }
        if self.changes.len() < CHANGES {
            self.changes.push((id, value));
            return;
        }
        let map = Arc::make_mut(&mut self.shared);
        for (id, value) in self.changes.drain(..) {
            apply(map, id, value);
        }
        apply(map, id, value);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Value)> {
        let added = self.changes.iter().filter_map(|(id, value)| value.as_ref().map(|value| (*id, value)));
        let kept = self.shared.iter().map(|(id, value)| (*id, value));
        added.chain(kept.filter(|(id, _)| !self.changes.iter().any(|(changed, _)| changed == id)))
    }
}

fn apply(map: &mut BTreeMap<Id, Value>, id: Id, value: Option<Value>) {
    match value {
        Some(value) => {
            map.insert(id, value);
        }
        None => {
            map.remove(&id);
        }
    }
}
