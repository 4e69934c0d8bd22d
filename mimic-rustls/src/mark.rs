//! How a candidate of `Secure` tells its own TLS from that of a layer below, which may be a
//! proxy's.

use alloc::sync::Arc;

use mimic_core::{Flow, FlowExt, key};

/// Belongs to one dial.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mark(Arc<()>);

key! {
    /// Attribute of a flow: the dial that its topmost TLS belongs to.
    pub(crate) MarkOf: Mark;
}

impl Mark {
    pub(crate) fn is_on(&self, flow: &impl Flow) -> bool {
        flow.attribute(MarkOf).is_some_and(|mark| Arc::ptr_eq(&mark.0, &self.0))
    }

    /// Whether a flow bears it, though the one that came back does not show it. TLS within that TLS
    /// would reach nobody who expects it, and each side would wait for the other.
    ///
    /// To be asked after the dial, by the first to have the mark, while one handshake has it too.
    pub(crate) fn is_hidden(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}
