//! Questions of names, and their answers.

use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::Text;
use crate::escape::Clean;

/// The target of [`Lookup`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name to look up. Never an address, but for one: an IPv6 address with a zone by name
    /// (`fe80::1%eth0`), which is answered by itself in that zone ([`Record::Scoped`]).
    pub name: Text,
    /// What is asked of it.
    pub record_type: RecordType,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Clean(f), "{} ({:?})", self.name, self.record_type)
    }
}

/// What to look up.
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

/// One answer of [`Lookup`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// An IPv6 address that means something within a zone alone (RFC 4007): a link-local one, and
    /// the number of the interface that leads to it, as in `SocketAddrV6`. Answers a question for
    /// [`RecordType::Aaaa`] or [`RecordType::Addresses`].
    Scoped(Ipv6Addr, u32),
    /// One way to reach a service.
    Https(Service),
}

/// One way to reach a service: an HTTPS record ([RFC
/// 9460](https://www.rfc-editor.org/rfc/rfc9460)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// Lower comes first; 0 is an alias: another name to ask instead.
    pub priority: u16,
    /// Whose addresses to use, or the alias. Empty: the name that was asked.
    pub target: Text,
    /// The protocols that it speaks, by their ALPN names, beside the scheme's default.
    pub alpn: Vec<Vec<u8>>,
    /// Whether it does not speak the scheme's default.
    pub no_default_alpn: bool,
    /// The port, if it is another.
    pub port: Option<u16>,
    /// Addresses to use until those of the target are known.
    pub hints: Vec<IpAddr>,
    /// Whether it offers Encrypted Client Hello.
    pub ech: bool,
    /// Whether whoever does not know more about it than is told here must not use it.
    pub unsupported: bool,
}

impl Record {
    /// The address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) | Self::Scoped(address, _) => Some(IpAddr::V6(*address)),
            Self::Https(_) => None,
        }
    }

    /// The address with `port`, and with its zone, if it is an address.
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

/// Without the port; with the zone, if it has one.
impl From<SocketAddr> for Record {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(address) if address.scope_id() != 0 => Self::Scoped(*address.ip(), address.scope_id()),
            _ => Self::from(address.ip()),
        }
    }
}
