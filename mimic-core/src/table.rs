//! A map from keys and roles, for contexts of a few entries and of thousands: a list, with an index once it is long.

use alloc::vec;
use alloc::vec::Vec;

use crate::key::Id;

/// Keys and roles, numbered in the order in which they came. Not generic, so that it is there once.
#[derive(Clone, Default)]
struct Ids {
    ids: Vec<Id>,
    /// Open addressing, for more than [`FEW`]: where a hash leads, a number plus one. At most half full.
    index: Vec<u32>,
}

/// How many are searched one by one, which is faster than the index.
const FEW: usize = 8;

impl Ids {
    fn find(&self, id: &Id) -> Option<usize> {
        if self.index.is_empty() { self.ids.iter().position(|other| other == id) } else { self.probe(id).ok() }
    }

    /// The number of `id`, or its place in the index.
    fn probe(&self, id: &Id) -> Result<usize, usize> {
        let mask = self.index.len() - 1;
        let mut at = id.spread(self.index.len());
        loop {
            match self.index.get(at) {
                Some(0) | None => return Err(at),
                Some(&number) => {
                    let number = number as usize - 1;
                    if self.ids.get(number) == Some(id) {
                        return Ok(number);
                    }
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn push(&mut self, id: Id) {
        self.ids.push(id);
        let count = self.ids.len();
        if count > FEW {
            let mut from = count - 1;
            if self.index.len() < 2 * count {
                self.index = vec![0; (4 * count).next_power_of_two()];
                from = 0;
            }
            for number in from..count {
                if let Some(id) = self.ids.get(number)
                    && let Err(at) = self.probe(id)
                    && let (Some(place), Ok(number)) = (self.index.get_mut(at), u32::try_from(number + 1))
                {
                    *place = number;
                }
            }
        }
    }
}

/// A map from [`Id`]; what was inserted stays, in the order of insertion.
#[derive(Clone)]
pub(crate) struct Table<T> {
    ids: Ids,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ids: Ids::default(), values: Vec::new() }
    }
}

impl<T> Table<T> {
    /// The number of an id, which stays the same.
    pub(crate) fn find(&self, id: &Id) -> Option<usize> {
        self.ids.find(id)
    }

    pub(crate) fn id(&self, number: usize) -> Option<Id> {
        self.ids.ids.get(number).copied()
    }

    /// What has this number.
    pub(crate) fn at(&self, number: usize) -> Option<&T> {
        self.values.get(number)
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&T> {
        self.at(self.find(id)?)
    }

    pub(crate) fn contains_key(&self, id: &Id) -> bool {
        self.find(id).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// What there is for `id`, after putting `default` there if there is nothing.
    pub(crate) fn entry(&mut self, id: Id, default: T) -> &mut T {
        let number = match self.find(&id) {
            Some(number) => number,
            None => {
                self.ids.push(id);
                self.values.push(default);
                self.values.len() - 1
            }
        };
        &mut self.values[number]
    }

    /// Gives what was there before.
    pub(crate) fn insert(&mut self, id: Id, value: T) -> Option<T> {
        match self.find(&id).and_then(|number| self.values.get_mut(number)) {
            Some(old) => Some(core::mem::replace(old, value)),
            None => {
                self.ids.push(id);
                self.values.push(value);
                None
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.ids.ids.iter().copied().zip(&self.values)
    }
}
