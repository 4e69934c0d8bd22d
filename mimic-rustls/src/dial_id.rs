//! Distinguishes the TLS of one dial of `Secure` from that of a layer below, which may be a
//! proxy's.

use alloc::sync::Arc;

use mimic_core::{Flow, FlowExt, key};

/// Identifies one dial.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialId(Arc<()>);

key! {
    /// Attribute of a flow: the dial that its topmost TLS belongs to.
    pub(crate) TlsDial: DialId;
}

impl DialId {
    /// Returns whether the topmost TLS of the flow belongs to this dial.
    pub(crate) fn is_on(&self, flow: &impl Flow) -> bool {
        flow.attribute(TlsDial).is_some_and(|id| Arc::ptr_eq(&id.0, &self.0))
    }

    /// Returns whether some flow carries this id although the returned flow does not show it. A
    /// second handshake inside that TLS would wait for a peer that does not expect it.
    ///
    /// Call it after the dial, on the first id, while one handshake holds another.
    pub(crate) fn is_hidden(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}
