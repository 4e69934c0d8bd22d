//! Attributes of a flow as extensions of the responses that it carried.

use std::fmt;
use std::sync::Arc;

use hyper_util::client::legacy::connect::{Connected, Connection as PooledConnection};
use mimic_core::keys::AlpnProtocol;
use mimic_core::{Flow, FlowExt, Key};

use crate::Connection;

/// An attribute of the flow that carried a response, as an extension of the response:
/// `response.extensions().get::<Attribute<PeerAddr>>()`.
pub struct Attribute<K: Key>(pub K::Value);

impl<K: Key> Clone for Attribute<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Key> fmt::Debug for Attribute<K> {
    /// Prints the name of the key: a value may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({})", K::NAME)
    }
}

type Extend = fn(&dyn Flow, Connected) -> Connected;

/// The attributes that responses get as extensions.
#[derive(Clone, Debug, Default)]
pub struct Extensions(Arc<Vec<Extend>>);

impl Extensions {
    /// Adds the attribute of a key that is a unit struct, as those of `key!` are.
    #[must_use]
    pub fn with<K: Key + Default>(mut self) -> Self {
        Arc::make_mut(&mut self.0).push(|flow, connected| match flow.attribute(K::default()) {
            Some(value) => connected.extra(Attribute::<K>(value)),
            None => connected,
        });
        self
    }
}

impl<F: Flow> Connection<F> {
    /// Makes a connection of a flow, some attributes of which become extensions of each response.
    pub fn with_extensions(flow: F, extensions: Extensions) -> Self {
        Self { extensions, ..Self::new(flow) }
    }
}

impl<F: Flow> PooledConnection for Connection<F> {
    /// Tells the pool that HTTP/2 was agreed on, and the extensions.
    fn connected(&self) -> Connected {
        let flow: &dyn Flow = self.get_ref();
        let connected = self.extensions.0.iter().fold(Connected::new(), |connected, extend| extend(flow, connected));
        match flow.attribute(AlpnProtocol).is_some_and(|protocol| protocol == b"h2") {
            true => connected.negotiated_h2(),
            false => connected,
        }
    }
}
