//! How a candidate of `Secure` tells its own TLS from that of a layer below, which may be a proxy's.

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
}
