//! Distinguishes the TLS of one dial of `Secure` from that of a layer below, which may be a
//! proxy's.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use mimic_core::{Flow, FlowExt, key};

/// Identifies one dial, and counts the flows that there are with its handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialId(Arc<AtomicUsize>);

key! {
    /// Attribute of a flow: the dial that its topmost TLS belongs to.
    pub(crate) TlsDial: DialId;
}

impl DialId {
    /// Returns whether the topmost TLS of the flow belongs to this dial.
    pub(crate) fn is_on(&self, flow: &impl Flow) -> bool {
        flow.attribute(TlsDial).is_some_and(|id| Arc::ptr_eq(&id.0, &self.0))
    }

    /// Returns whether there is a flow with the handshake, for a dial whose flow does not show it.
    /// A second handshake inside that TLS would wait for a peer that does not expect it.
    ///
    /// A flow that was dropped does not count: the layer below has given it up for another.
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// The id of a dial, on a flow whose handshake is done.
#[derive(Debug)]
pub(crate) struct OnFlow(DialId);

impl OnFlow {
    pub(crate) fn new(id: DialId) -> Self {
        id.0.fetch_add(1, Ordering::Relaxed);
        Self(id)
    }

    pub(crate) fn id(&self) -> DialId {
        self.0.clone()
    }
}

impl Drop for OnFlow {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
