//! Attributes: typed facts about a flow, such as its peer, its protocol and its certificates.
//!
//! ```text
//! flow.attribute(PeerAddr)                flow.attribute(AlpnProtocol)
//!   TLS          no such attribute          TLS  provide_final: None, an answer
//!    │ inner                                 │
//!   SOCKS layer  no such attribute          (not asked: the ALPN of a TLS connection
//!    │ inner                                to the proxy is not that of this flow)
//!   TCP          provide_value: 192.0.2.1:1080
//! ```

use core::any::Any;
use core::fmt;

use crate::Key;
use crate::id::Id;

/// A request for one attribute, passed down the layers of a flow until one of them provides it.
pub struct AttributeRequest<'a> {
    id: Id,
    /// An `Option<K::Value>` for the requested key.
    slot: &'a mut dyn Any,
    answered: bool,
}

impl<'a> AttributeRequest<'a> {
    /// Makes a request for `key`. The value goes into `slot`.
    pub(super) fn new<K: Key>(key: &K, slot: &'a mut Option<K::Value>) -> Self {
        Self { id: Id::of(key), slot, answered: false }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// Provides `value` if `key` is requested and has no answer yet; does not call `value`
    /// otherwise. After `None` the layers below are asked.
    pub fn provide_value<K: Key>(&mut self, key: K, value: impl FnOnce() -> Option<K::Value>) -> &mut Self {
        self.provide(key, value, false)
    }

    /// Provides as [`provide_value`](AttributeRequest::provide_value) does, but `None` is the
    /// answer too, and layers below are not asked: what they have is not of this flow (the ALPN of
    /// a proxy's TLS, below one's own).
    pub fn provide_final<K: Key>(&mut self, key: K, value: impl FnOnce() -> Option<K::Value>) -> &mut Self {
        self.provide(key, value, true)
    }

    fn provide<K: Key>(&mut self, key: K, value: impl FnOnce() -> Option<K::Value>, is_final: bool) -> &mut Self {
        if self.is_for(Id::of(&key))
            && let Some(slot) = self.slot.downcast_mut::<Option<K::Value>>()
        {
            *slot = value();
            self.answered = is_final || slot.is_some();
        }
        self
    }

    // Not generic, so that it is compiled once.
    fn is_for(&self, id: Id) -> bool {
        !self.answered && id == self.id
    }
}

impl fmt::Debug for AttributeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributeRequest")
            .field("key", &self.id)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}
