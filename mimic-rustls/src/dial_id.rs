//! Distinguishes the TLS of one dial of `Secure` from that of a layer below, which may be a
//! proxy's.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use mimic_core::{Flow, FlowExt, key};

/// Identifies one dial, and remembers whether its handshake was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialId(Arc<AtomicBool>);

key! {
    /// Attribute of a flow: the dial that its topmost TLS belongs to.
    pub(crate) TlsDial: DialId;
}

impl DialId {
    /// Remembers that the handshake of this dial was done on some flow.
    pub(crate) fn set_done(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether the topmost TLS of the flow belongs to this dial.
    pub(crate) fn is_on(&self, flow: &impl Flow) -> bool {
        flow.attribute(TlsDial).is_some_and(|id| Arc::ptr_eq(&id.0, &self.0))
    }

    /// Returns whether the handshake was done, for a dial whose flow does not show it. A second
    /// handshake inside that TLS would wait for a peer that does not expect it.
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
