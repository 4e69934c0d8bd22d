//! Typed facts about a flow: its peer, its protocol, its certificates.

use core::any::Any;
use core::fmt;

use crate::key::Id;
use crate::{Flow, Key};

/// A question for one attribute, passed down the layers of a flow until one [gives](Ask::give) the
/// answer.
pub struct Ask<'a> {
    id: Id,
    /// An `Option<K::Value>` for the key asked for.
    slot: &'a mut dyn Any,
    answered: bool,
}

impl Ask<'_> {
    /// Answers if `key` is what is asked for and nobody has answered; `value` is not called
    /// otherwise. `None` leaves the question to the layers below.
    pub fn give<K: Key>(&mut self, key: K, value: impl FnOnce() -> Option<K::Value>) -> &mut Self {
        self.settle(key, value, false)
    }

    /// As [`give`](Ask::give), but `None` is an answer too: there is no such thing here, and what a
    /// layer below has is not of this flow (the ALPN of a proxy's TLS, below one's own).
    pub fn know<K: Key>(&mut self, key: K, value: impl FnOnce() -> Option<K::Value>) -> &mut Self {
        self.settle(key, value, true)
    }

    // Not generic, so that it is there once.
    fn is_for(&self, id: Id) -> bool {
        !self.answered && id == self.id
    }

    fn settle<K: Key>(&mut self, key: K, value: impl FnOnce() -> Option<K::Value>, known: bool) -> &mut Self {
        if self.is_for(Id::of(&key))
            && let Some(slot) = self.slot.downcast_mut::<Option<K::Value>>()
        {
            *slot = value();
            self.answered = known || slot.is_some();
        }
        self
    }
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("key", &self.id).field("answered", &self.answered).finish_non_exhaustive()
    }
}

/// Asks `flow`, then the flow below it, and so on; the first that knows answers.
pub(crate) fn ask<K: Key, F: Flow + ?Sized>(flow: &F, key: &K) -> Option<K::Value> {
    let mut slot: Option<K::Value> = None;
    let mut ask = Ask { id: Id::of(key), slot: &mut slot, answered: false };
    flow.answer(&mut ask);
    let mut below = flow.lower();
    while let Some(flow) = below {
        if ask.answered {
            break;
        }
        flow.answer(&mut ask);
        below = flow.lower();
    }
    slot
}
