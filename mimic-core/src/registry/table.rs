//! A map from keys and roles, for contexts of a few entries and of thousands: a list, and an index
//! once it is long.

use alloc::vec;
use alloc::vec::Vec;

use crate::id::Id;

/// How many ids are searched one by one. More have an index.
const FEW: usize = 8;

/// Keys and roles, numbered in the order in which they came. Not generic, so that it is there once.
#[derive(Clone, Default)]
struct Ids {
    ids: Vec<Id>,
    /// Open addressing: where a hash leads, a number plus one. At most half full.
    index: Vec<u32>,
}

impl Ids {
    #[inline]
    fn find(&self, id: &Id) -> Option<usize> {
        match self.ids.len() <= FEW {
            true => self.ids.iter().position(|other| other == id),
            false => self.find_by_index(id),
        }
    }

    fn find_by_index(&self, id: &Id) -> Option<usize> {
        let mask = self.index.len().wrapping_sub(1);
        let mut at = id.spread() & mask;
        loop {
            let number = self.index.get(at)?.checked_sub(1)? as usize;
            if self.ids.get(number)? == id {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    fn push(&mut self, id: Id) {
        self.ids.push(id);
        if self.ids.len() <= FEW {
            return;
        }
        let mut from = self.ids.len() - 1;
        if self.index.len() < 2 * self.ids.len() {
            self.index = vec![0; 4 * self.ids.len().next_power_of_two()];
            from = 0;
        }
        let mask = self.index.len() - 1;
        for (before, id) in self.ids.iter().enumerate().skip(from) {
            let mut at = id.spread() & mask;
            while self.index.get(at).is_some_and(|number| *number > 0) {
                at = (at + 1) & mask;
            }
            if let (Some(place), Ok(number)) = (self.index.get_mut(at), u32::try_from(before + 1)) {
                *place = number;
            }
        }
    }
}

/// A map from [`Id`], in the order of insertion.
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
    /// Returns a table with room for a few entries.
    pub(crate) fn with_room() -> Self {
        let ids = Ids { ids: Vec::with_capacity(FEW), index: Vec::new() };
        Self { ids, values: Vec::with_capacity(FEW) }
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&T> {
        self.values.get(self.ids.find(id)?)
    }

    /// Returns what there is for `id`, after putting `default` there if there is nothing.
    pub(crate) fn entry(&mut self, id: Id, default: T) -> &mut T {
        let number = self.ids.find(&id).unwrap_or_else(|| {
            self.ids.push(id);
            self.values.push(default);
            self.values.len() - 1
        });
        &mut self.values[number]
    }

    pub(crate) fn insert(&mut self, id: Id, value: T) {
        match self.ids.find(&id).and_then(|number| self.values.get_mut(number)) {
            Some(old) => *old = value,
            None => {
                self.ids.push(id);
                self.values.push(value);
            }
        }
    }

    /// Takes out what there is for `id`: rare, so the rest is inserted anew.
    pub(crate) fn remove(&mut self, id: &Id) {
        if self.ids.find(id).is_some() {
            let Self { ids, values } = core::mem::take(self);
            let rest = ids.ids.into_iter().zip(values).filter(|(other, _)| other != id);
            rest.for_each(|(other, value)| self.insert(other, value));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.ids.ids.iter().copied().zip(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Host, Key};

    #[test]
    fn the_index_is_at_most_half_full_and_no_larger_than_need_be() {
        #[derive(Clone, Copy)]
        struct Nth(u32);
        impl Key for Nth {
            type Value = ();
            const NAME: &'static str = "Nth";
            fn instance(&self) -> u32 {
                self.0
            }
        }
        let mut ids = Ids::default();
        for n in 0..1000 {
            ids.push(Id::of(&Nth(n)));
            let (len, room) = (ids.ids.len(), ids.index.len());
            let fits = room.is_power_of_two() && 2 * len <= room && room < 8 * len;
            assert!(fits || (len <= FEW && room == 0), "{room} for {len}");
            assert_eq!(ids.find(&Id::of(&Nth(n))), Some(len - 1));
        }
        assert_eq!(ids.find(&Id::of(&Host)), None);
    }
}
