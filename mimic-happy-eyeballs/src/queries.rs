//! The queries of a race, and the chain of aliases between names.
//!
//! ```text
//!   www    HTTPS  answered: alias to cdn      chain: www ─► cdn ─► edge
//!   cdn    HTTPS  answered: alias to edge     the last name has the service records:
//!   edge   HTTPS  asked                       they are heard once edge has answered
//! ```

use heapless::Vec;

use crate::{Kind, Name, Query};

/// The longest chain of aliases. Real zones have shorter ones, and a circle ends here (RFC 9460
/// §3).
pub(crate) const ALIASES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not handed to the caller yet.
    New,
    Asked,
    /// The records are known; there may be none.
    Answered,
    Failed,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) query: Query,
    pub(crate) state: State,
    /// The target of an AliasMode record.
    pub(crate) alias: Option<Name>,
    /// More addresses of the answer follow.
    pub(crate) more: bool,
}

impl Slot {
    pub(crate) fn open(&self) -> bool {
        matches!(self.state, State::New | State::Asked)
    }
}

#[derive(Debug)]
pub(crate) struct Queries<const N: usize> {
    slots: Vec<Slot, N>,
    /// The type of the service records.
    services: Kind,
    new: usize,
}

impl<const N: usize> Queries<N> {
    pub(crate) const fn new(services: Kind) -> Self {
        Self { slots: Vec::new(), services, new: 0 }
    }

    /// Adds a query unless it exists. Returns false if it has no room.
    pub(crate) fn ask(&mut self, name: Name, kind: Kind) -> bool {
        let query = Query { name, kind };
        self.slots.iter().any(|slot| slot.query == query)
            || self.slots.push(Slot { query, state: State::New, alias: None, more: false }).is_ok()
    }

    /// Returns the next query for the caller.
    pub(crate) fn tell(&mut self) -> Option<Query> {
        let slot = self.slots.get_mut(self.new)?;
        self.new += 1;
        slot.state = State::Asked;
        Some(slot.query)
    }

    /// Returns a query that was handed to the caller.
    pub(crate) fn find(&mut self, query: Query) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.query == query && slot.state != State::New)
    }

    pub(crate) fn answered(&self, name: Name, kind: Kind) -> bool {
        self.get(name, kind).is_some_and(|slot| slot.state == State::Answered)
    }

    pub(crate) fn any_open(&self) -> bool {
        self.slots.iter().any(Slot::open)
    }

    /// Returns whether a query of this kind is over; true if none was made.
    pub(crate) fn heard(&self, kind: Kind) -> bool {
        let mut asked = self.slots.iter().filter(|slot| slot.query.kind == kind).peekable();
        asked.peek().is_none() || asked.any(|slot| !slot.open())
    }

    pub(crate) fn asked(&self, kind: Kind) -> bool {
        self.slots.iter().any(|slot| slot.query.kind == kind)
    }

    /// Returns the name of the query at `index`.
    pub(crate) fn name(&self, index: usize) -> Option<Name> {
        self.slots.get(index).map(|slot| slot.query.name)
    }

    /// Yields the original name, its alias, the alias of that, and so on.
    pub(crate) fn chain(&self) -> impl Iterator<Item = Name> {
        core::iter::successors(Some(Name::ORIGINAL), |name| self.get(*name, self.services)?.alias).take(ALIASES + 1)
    }

    /// Returns whether the query for service records of the chain's last name is over, or was not
    /// made.
    pub(crate) fn services_heard(&self) -> bool {
        let last = self.chain().last().and_then(|name| self.get(name, self.services));
        last.is_none_or(|slot| !slot.open())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    pub(crate) fn get(&self, name: Name, kind: Kind) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.query == Query { name, kind })
    }
}
