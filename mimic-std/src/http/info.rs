//! The attributes of a flow, kept for those that see the flow no more.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use mimic_core::keys::{AlpnProtocol, LocalAddr, PeerAddr, Protection, TlsVersion, Via};
use mimic_core::{Flow, FlowExt, Key};

/// The attributes of a connection: an extension of each response that it carried, and the
/// `ConnectInfo` of each request that an axum server gets by it.
///
/// It has [`PeerAddr`], [`LocalAddr`], [`TlsVersion`], [`AlpnProtocol`], [`Protection`], [`Via`]
/// and, with the feature `rustls`, `PeerCertificates`; and what [`Attributes::with`] adds. It is
/// cheap to clone.
#[derive(Clone)]
pub struct ConnectionInfo(Arc<[Box<dyn Any + Send + Sync>]>);

impl ConnectionInfo {
    /// Returns the attribute `key` of the connection's flow, as it was once the flow was connected.
    pub fn attribute<K: Key>(&self, key: K) -> Option<K::Value> {
        let values = self.0.iter().filter_map(|value| value.downcast_ref::<Value<K>>());
        values.filter(|value| value.instance == key.instance()).map(|value| value.value.clone()).next()
    }

    /// Returns [`PeerAddr`]: the address of the socket's peer. A Unix socket has none.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.attribute(PeerAddr)
    }
}

impl fmt::Debug for ConnectionInfo {
    /// Prints the address of the peer: other values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo").field("peer_addr", &self.peer_addr()).finish_non_exhaustive()
    }
}

struct Value<K: Key> {
    instance: u32,
    value: K::Value,
}

type Ask = dyn Fn(&dyn Flow) -> Option<Box<dyn Any + Send + Sync>> + Send + Sync;

/// Which attributes a [`ConnectionInfo`] has.
#[derive(Clone)]
pub struct Attributes(Arc<[Arc<Ask>]>);

impl Attributes {
    /// Adds an attribute: that of a layer, for instance.
    #[must_use]
    pub fn with<K: Key + Clone + Send + Sync>(&self, key: K) -> Self {
        let ask = move |flow: &dyn Flow| -> Option<Box<dyn Any + Send + Sync>> {
            let value = flow.attribute(key.clone())?;
            Some(Box::new(Value::<K> { instance: key.instance(), value }))
        };
        Self(self.0.iter().cloned().chain([Arc::new(ask) as Arc<Ask>]).collect())
    }

    /// Asks a flow for them.
    #[must_use]
    pub fn of(&self, flow: &dyn Flow) -> ConnectionInfo {
        ConnectionInfo(self.0.iter().filter_map(|ask| ask(flow)).collect())
    }
}

impl Default for Attributes {
    /// The attributes that every [`ConnectionInfo`] has.
    fn default() -> Self {
        static ALL: LazyLock<Attributes> = LazyLock::new(|| {
            let all = Attributes(Arc::default()).with(PeerAddr).with(LocalAddr).with(TlsVersion);
            let all = all.with(AlpnProtocol).with(Protection).with(Via);
            #[cfg(feature = "rustls")]
            let all = all.with(mimic_rustls::PeerCertificates);
            all
        });
        ALL.clone()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributes").field("count", &self.0.len()).finish_non_exhaustive()
    }
}
