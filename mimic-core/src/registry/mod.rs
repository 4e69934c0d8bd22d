//! What a context holds, as data: its values, and what was registered.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use crate::id::Id;
use crate::sync::Arc;
use crate::{ChoiceKind, Key, Mode};

pub(crate) mod need;
pub(crate) mod plan;
pub(crate) mod table;
pub(crate) mod value;

use plan::{Plan, Registration};
use table::Table;
use value::Value;

/// Values and registrations. Both are shared between clones, and copied by the first change.
#[derive(Clone, Default)]
pub(crate) struct Registry<M: Mode> {
    pub(crate) values: Arc<Table<Value>>,
    /// By key and role, sorted so that the engine only walks.
    pub(crate) entries: Arc<Table<Entry<M>>>,
}

/// What was registered for one key or role.
#[derive(Clone, Default)]
pub(crate) struct Entry<M: Mode> {
    /// Replaces the candidates.
    pub(crate) given: Option<Arc<Plan<M>>>,
    /// Functions or candidates in the order of trying.
    pub(crate) registrations: Vec<Arc<Registration<M>>>,
    /// Oldest (innermost) first.
    pub(crate) layers: Vec<Arc<Registration<M>>>,
}

impl<M: Mode> Registry<M> {
    /// Returns the value that was given for `key`.
    pub(crate) fn value<K: Key>(&self, key: &K) -> Option<K::Value> {
        self.values.get(&Id::of(key))?.downcast_ref().cloned()
    }

    /// Gives a key a value, or takes its value away. Not generic, so that it is there once.
    pub(crate) fn set(&mut self, id: Id, value: Option<Value>) {
        match value {
            Some(value) => Arc::make_mut(&mut self.values).insert(id, value),
            None if self.values.get(&id).is_some() => Arc::make_mut(&mut self.values).remove(&id),
            None => {}
        }
    }

    /// Adds a registration as the newest of its kind.
    pub(crate) fn add(&mut self, registration: Registration<M>) {
        Arc::make_mut(&mut self.entries).entry(registration.id, Entry::default()).add(Arc::new(registration));
    }

    /// Puts a plan in the place of everything registered for a role.
    pub(crate) fn give(&mut self, role: Id, plan: Arc<Plan<M>>) {
        Arc::make_mut(&mut self.entries).insert(role, Entry { given: Some(plan), ..Entry::default() });
    }

    /// Adds what `other` has. Its values and given plans win.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (id, value) in other.values.iter() {
            Arc::make_mut(&mut self.values).insert(id, value.clone());
        }
        if Arc::ptr_eq(&self.entries, &other.entries) {
            return;
        }
        let entries = Arc::make_mut(&mut self.entries);
        for (id, entry) in other.entries.iter() {
            let own = entries.entry(id, Entry::default());
            if let Some(given) = &entry.given {
                *own = Entry { given: Some(given.clone()), ..Entry::default() };
            }
            // Each is added as the newest, so the last in the order of trying goes first.
            let all = entry.registrations.iter().rev().chain(&entry.layers);
            all.for_each(|registration| own.add(registration.clone()));
        }
    }
}

impl<M: Mode> Entry<M> {
    /// Adds a registration as the newest of its kind, unless it is there.
    fn add(&mut self, registration: Arc<Registration<M>>) {
        let is_layer = registration.kind == ChoiceKind::Layer;
        let all = if is_layer { &mut self.layers } else { &mut self.registrations };
        if !all.iter().any(|other| Arc::ptr_eq(other, &registration)) {
            let newer = |other: &Arc<Registration<M>>| is_layer || other.priority < registration.priority;
            all.insert(all.partition_point(newer), registration);
        }
    }
}

/// Names only: values may be secrets.
impl<M: Mode> fmt::Debug for Registry<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entry(&"values", &self.values.iter().map(|(id, _)| id).collect::<Vec<_>>());
        for (id, entry) in self.entries.iter() {
            let registrations = entry.registrations.iter().chain(&entry.layers);
            map.entry(&id, &registrations.map(|registration| registration.to_string()).collect::<Vec<_>>());
        }
        map.finish()
    }
}
