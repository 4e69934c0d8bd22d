//! The values of a context: a map that is cheap to clone and to extend.

use core::any::Any;
use core::fmt;

use crate::key::Id;
use crate::spec::Slot;
use crate::sync::Arc;
use crate::table::Table;
use crate::{Mode, Text};

/// A value of any type. What most contexts have is kept in place: an `Arc` costs an allocation and two atomic instructions.
#[derive(Clone)]
pub enum Value {
    Text(Text),
    Number(u16),
    Other(Arc<dyn Any + Send + Sync>),
}

/// No contents: they may be secrets.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

impl Value {
    /// Always a value: what takes an option has no need of another.
    pub(crate) fn new<T: Send + Sync + 'static>(value: T) -> Option<Self> {
        let mut value = Some(value);
        let any: &mut dyn Any = &mut value;
        let text = any.downcast_mut().and_then(Option::take).map(Self::Text);
        let kept = text.or_else(|| any.downcast_mut().and_then(Option::take).map(Self::Number));
        kept.or_else(|| value.map(|value| Self::Other(Arc::new(value))))
    }

    pub(crate) fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        self.any().downcast_ref()
    }

    /// Of its own, so that it is there once and not for every type.
    fn any(&self) -> &dyn Any {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number,
            Self::Other(value) => &**value,
        }
    }
}

/// How many changes a context keeps beside the map it shares with its clones before it gets a map of its own.
///
/// The first change after a clone copies the changes, a look-up searches them, which is faster than in the map: few
/// enough for both to stay in the tens of nanoseconds.
const CHANGES: usize = 8;

/// The latest changes, in an array, so that the first change of a clone allocates once.
type Changes<M> = [Option<(Id, Slot<M>)>; CHANGES];

/// A map shared between clones, and the changes since. An empty slot hides what is in the map.
#[derive(Clone, Default)]
pub(crate) struct Values<M: Mode> {
    /// There is none before there is more than fits the list.
    map: Option<Arc<Table<Slot<M>>>>,
    changes: Arc<Changes<M>>,
    /// With how many entries the map is looked through for empty ones.
    purge: usize,
}

impl<M: Mode> Values<M> {
    pub(crate) fn get(&self, id: &Id) -> Option<&Value> {
        self.slot(id)?.value()
    }

    #[inline]
    pub(crate) fn slot(&self, id: &Id) -> Option<&Slot<M>> {
        if id.is_role() {
            return None;
        }
        for change in self.changes.iter() {
            match change {
                Some((changed, slot)) if changed == id => {
                    return if let Slot::Empty = slot { None } else { Some(slot) };
                }
                Some(_) => {}
                None => break,
            }
        }
        self.kept(id)
    }

    /// Of its own, so that to find a change takes no registers that it would have to save.
    #[inline(never)]
    fn kept(&self, id: &Id) -> Option<&Slot<M>> {
        self.map.as_ref()?.get(id).filter(|slot| !matches!(slot, Slot::Empty))
    }

    pub(crate) fn set(&mut self, id: Id, value: Option<Value>) {
        // To hide what is not there would take a place from what is.
        if value.is_none() && self.slot(&id).is_none() {
            return;
        }
        let slot = value.map_or(Slot::Empty, Slot::Value);
        let changes = Arc::make_mut(&mut self.changes);
        let place = changes.iter().position(|change| change.as_ref().is_none_or(|(changed, _)| *changed == id));
        if place.is_none() {
            let map = Arc::make_mut(self.map.get_or_insert_default());
            for (id, slot) in changes.iter_mut().filter_map(Option::take) {
                map.insert(id, slot);
            }
            // What was taken away is dropped when there is room for no more: keys made at run time come and go.
            if map.len() >= self.purge {
                let mut live = Table::default();
                for (id, slot) in map.iter().filter(|(_, slot)| !matches!(slot, Slot::Empty)) {
                    live.insert(id, slot.clone());
                }
                self.purge = 2 * live.len() + 4 * CHANGES;
                *map = live;
            }
        }
        changes[place.unwrap_or(0)] = Some((id, slot));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Value)> {
        let changed = || self.changes.iter().flatten().map(|(id, _)| *id);
        let kept = self.map.iter().flat_map(|map| map.iter()).map(|(id, _)| id);
        let kept = kept.filter(move |id| !changed().any(|changed| changed == *id));
        changed().chain(kept).filter_map(|id| Some((id, self.get(&id)?)))
    }
}

#[cfg(all(test, target_has_atomic = "ptr"))]
mod tests {
    use super::*;
    use crate::{Host, Password, Path, Port, Query, Scheme, Shared, User};

    #[test]
    fn to_clear_what_is_not_there_takes_no_place() {
        let mut values = Values::<Shared>::default();
        let host = Id::of(&Host);
        values.set(host, Value::new(Text::from("host")));
        for id in [Id::of(&Scheme), Id::of(&Port), Id::of(&Path), Id::of(&User), Id::of(&Password), Id::of(&Query)] {
            values.set(id, None);
        }
        assert_eq!(values.changes.iter().flatten().count(), 1);
        values.set(host, None);
        assert!(values.get(&host).is_none());
    }
}
