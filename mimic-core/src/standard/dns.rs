//! Look-ups: the target of `Lookup` and its answers.

use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::Text;
use crate::escape::Clean;

/// The target of [`Lookup`](crate::Lookup).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name to look up. It is an address only if that is an IPv6 address with a zone by name
    /// (`fe80::1%eth0`); the answer is the address in that zone ([`Record::Scoped`]).
    pub name: Text,
    /// The type of the records to look up.
    pub record_type: RecordType,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Clean(f), "{} ({:?})", self.name, self.record_type)
    }
}

/// The type of the records to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordType {
    /// Addresses of both families, in the order in which the system prefers them.
    Addresses,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// How to reach a service over HTTP ([RFC 9460](https://www.rfc-editor.org/rfc/rfc9460)).
    Https,
}

/// One answer of [`Lookup`](crate::Lookup).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// An IPv6 address that has a meaning only within a zone (RFC 4007): a link-local one, with the
    /// number of the interface that leads to it, as in `SocketAddrV6`. Answers a question for
    /// [`RecordType::Aaaa`] or [`RecordType::Addresses`].
    Scoped(Ipv6Addr, u32),
    /// One way to reach a service.
    Https(Service),
}

/// One way to reach a service: an HTTPS record ([RFC
/// 9460](https://www.rfc-editor.org/rfc/rfc9460)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// The priority: lower comes first. 0 is an alias, another name to ask instead.
    pub priority: u16,
    /// The name whose addresses to use, or the alias. Empty for the name that was asked.
    pub target: Text,
    /// The ALPN names of the protocols that it speaks beside the scheme's default.
    pub alpn: Vec<Vec<u8>>,
    /// Whether it lacks the scheme's default protocol.
    pub no_default_alpn: bool,
    /// The port, if it is another than the one asked for.
    pub port: Option<u16>,
    /// Addresses to use until those of the target are known.
    pub hints: Vec<IpAddr>,
    /// Whether it offers Encrypted Client Hello.
    pub ech: bool,
    /// Whether the record has mandatory parameters that this type does not carry. A client that
    /// knows only this type must not use it.
    pub unsupported: bool,
}

impl Record {
    /// Returns the address, if the record is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) | Self::Scoped(address, _) => Some(IpAddr::V6(*address)),
            Self::Https(_) => None,
        }
    }

    /// Returns the address with `port` and its zone, if the record is an address.
    #[must_use]
    pub fn socket_addr(&self, port: u16) -> Option<SocketAddr> {
        match self {
            Self::Scoped(address, scope_id) => Some(SocketAddrV6::new(*address, port, 0, *scope_id).into()),
            _ => Some(SocketAddr::new(self.address()?, port)),
        }
    }
}

impl From<IpAddr> for Record {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::A(address),
            IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

/// Drops the port and keeps the zone.
impl From<SocketAddr> for Record {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(address) if address.scope_id() != 0 => Self::Scoped(*address.ip(), address.scope_id()),
            _ => Self::from(address.ip()),
        }
    }
}
