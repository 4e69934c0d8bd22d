//! Typed facts about a flow: its peer, its protocol, its certificates.

use core::any::Any;
use core::fmt;

use crate::Key;
use crate::key::Id;

/// A question for one attribute, passed down the layers of a flow until one [gives](Ask::give) the
/// answer.
pub struct Ask<'a> {
    id: Id,
    /// An `Option<K::Value>` for the key asked for.
    slot: &'a mut dyn Any,
    answered: bool,
}

impl<'a> Ask<'a> {
    /// A question for `key`, whose answer goes into `slot`.
    pub(crate) fn new<K: Key>(key: &K, slot: &'a mut Option<K::Value>) -> Self {
        Self { id: Id::of(key), slot, answered: false }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered
    }

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
