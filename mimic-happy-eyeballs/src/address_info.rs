//! An address of a host, and what the caller knows about the way there.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use crate::Kind;

/// One address of an answer, with what the caller knows about the way there.
///
/// An IPv4-mapped IPv6 address counts as the IPv4 address in it. Unspecified, multicast and
/// broadcast addresses are never attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressInfo {
    /// The address.
    pub address: IpAddr,
    /// The zone of a link-local IPv6 address, as in `SocketAddrV6`; 0 where there is none.
    pub scope_id: u32,
    /// The source address of a connection to it.
    pub source: Source,
    /// The expected round-trip time, from earlier connections on this network (draft §5.3). A known
    /// one sorts before an unknown one, and sets the delay after an attempt to it.
    pub rtt: Option<Duration>,
    /// Whether earlier connections on this network used the address (draft §5.3). Used ones sort
    /// before unused ones.
    pub used: bool,
}

impl AddressInfo {
    /// Makes an info of an address about which nothing else is known.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address, scope_id: 0, source: Source::Unknown, rtt: None, used: false }
    }

    /// Sets the zone of a link-local address.
    #[must_use]
    pub const fn scope_id(self, scope_id: u32) -> Self {
        Self { scope_id, ..self }
    }

    /// Sets the source address.
    #[must_use]
    pub const fn source(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Sets the round-trip time that history suggests.
    #[must_use]
    pub const fn rtt(self, rtt: Duration) -> Self {
        Self { rtt: Some(rtt), ..self }
    }

    /// Marks the address as used by an earlier connection.
    #[must_use]
    pub const fn used(self) -> Self {
        Self { used: true, ..self }
    }

    /// Returns the info with mapped addresses as IPv4; none if the address names no single host.
    pub(crate) fn usable(self) -> Option<Self> {
        let address = self.address.to_canonical();
        let source = match self.source {
            Source::Address(source) => Source::Address(source.to_canonical()),
            other => other,
        };
        // IPv4 addresses have no zones.
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

/// The result of source address selection for one destination.
///
/// One way for the caller to find it is the local address of a connected UDP socket, which sends
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// Not determined. Rules that need it stay undecided.
    #[default]
    Unknown,
    /// No route leads to the destination, or it has no source address.
    Unreachable,
    /// The source address.
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

    /// Returns the type of the records that have addresses of the family.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Ipv4 => Kind::A,
            Self::Ipv6 => Kind::Aaaa,
        }
    }
}
