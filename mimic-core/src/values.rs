//! The values of a context: a map that is cheap to clone and to extend.

use core::any::Any;

use crate::key::Id;
use crate::sync::Arc;
use crate::table::Table;

pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// How many changes a context keeps beside the map it shares with its clones before it gets a map of its own.
///
/// The first change after a clone copies the changes, a look-up searches them, which is faster than in the map: few
/// enough for both to stay in the tens of nanoseconds.
const CHANGES: usize = 12;

/// A key, and what it was changed to. `None` hides what is in the map.
type Change = (Id, Option<Value>);

/// A map shared between clones, and the changes since.
#[derive(Clone, Default)]
pub(crate) struct Values {
    map: Arc<Table<Option<Value>>>,
    // An array, so that the first change of a clone allocates once.
    changes: Arc<[Option<Change>; CHANGES]>,
}

impl Values {
    pub(crate) fn get(&self, id: &Id) -> Option<&Value> {
        match self.changes.iter().map_while(Option::as_ref).find(|(changed, _)| changed == id) {
            Some((_, value)) => value.as_ref(),
            None => self.map.get(id)?.as_ref(),
        }
    }

    pub(crate) fn set(&mut self, id: Id, value: Option<Value>) {
        let changes = Arc::make_mut(&mut self.changes);
        let place = changes.iter_mut().find(|change| change.as_ref().is_none_or(|(changed, _)| *changed == id));
        match place {
            Some(change) => *change = Some((id, value)),
            None => {
                let map = Arc::make_mut(&mut self.map);
                for (id, value) in changes.iter_mut().filter_map(Option::take).chain([(id, value)]) {
                    map.insert(id, value);
                }
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Value)> {
        let changes = || self.changes.iter().flatten();
        let kept = self.map.iter().filter(move |(id, _)| !changes().any(|(changed, _)| changed == id));
        let all = changes().map(|(id, value)| (*id, value)).chain(kept);
        all.filter_map(|(id, value)| Some((id, value.as_ref()?)))
    }
}
