//! An address that might be connected to, and what the caller knows about the way there.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

/// An address to connect to, as an answer gave it.
///
/// IPv4-mapped IPv6 addresses are taken as the IPv4 address in them. Unspecified, multicast and
/// broadcast addresses are never attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressInfo {
    /// The address.
    pub address: IpAddr,
    /// The zone of a link-local IPv6 address, as in `SocketAddrV6`; 0 where there is none.
    pub scope_id: u32,
    /// The address it would be connected from.
    pub source: Source,
    /// The round-trip time to expect, from earlier connections on this network (draft §5.3). Sorts
    /// before unknown ones, and sets the delay after an attempt to it.
    pub rtt: Option<Duration>,
    /// Whether the address was connected to before, on this network (draft §5.3). Sorts before
    /// unused ones.
    pub used: bool,
}

impl AddressInfo {
    /// An address that nothing else is known about.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address, scope_id: 0, source: Source::Unknown, rtt: None, used: false }
    }

    /// With the zone of a link-local address.
    #[must_use]
    pub const fn scope_id(self, scope_id: u32) -> Self {
        Self { scope_id, ..self }
    }

    /// With what is known of the source address.
    #[must_use]
    pub const fn source(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// With the round-trip time that history lets expect.
    #[must_use]
    pub const fn rtt(self, rtt: Duration) -> Self {
        Self { rtt: Some(rtt), ..self }
    }

    /// As an address that was connected to before.
    #[must_use]
    pub const fn used(self) -> Self {
        Self { used: true, ..self }
    }

    /// With mapped addresses as IPv4; none if connecting to it means nothing.
    pub(crate) fn usable(self) -> Option<Self> {
        let address = self.address.to_canonical();
        let source = match self.source {
            Source::Address(source) => Source::Address(source.to_canonical()),
            other => other,
        };
        // No address of IPv4 has a zone.
        let scope_id = if address.is_ipv4() { 0 } else { self.scope_id };
        let useless = address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
        (!useless).then_some(Self { address, scope_id, source, ..self })
    }
}

impl From<IpAddr> for AddressInfo {
    fn from(address: IpAddr) -> Self {
        Self::new(address)
    }
}

/// What source address selection says of one destination. The caller finds it, for instance as the
/// local address of a connected UDP socket, which sends nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// Nobody asked. Rules that need it stay undecided.
    #[default]
    Unknown,
    /// There is no route to the destination, or no address to use on it.
    Unreachable,
    /// The address that would be used.
    Address(IpAddr),
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}
