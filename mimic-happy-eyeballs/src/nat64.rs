//! NAT64: IPv4 addresses written as IPv6 addresses (RFC 6052).
//!
//! ```text
//!   bits      0              32       64  72       96     128
//!   prefix    2001:0db8      0122:0344                            /64
//!   192.0.2.33                        00  c0 00 02 21 000000
//!   address   2001:0db8:0122:0344:    00c0:0002:2100:0000
//! ```

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The well-known prefix `64:ff9b::/96`.
const WELL_KNOWN: [u8; 16] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The octet of bits 64 to 71, which is zero with every prefix (RFC 6052 §2.2).
const RESERVED: usize = 8;

/// The NAT64 prefix of a network, PREF64.
///
/// ```
/// use mimic_happy_eyeballs::Prefix;
///
/// let prefix = Prefix::new("2001:db8:122:344::".parse()?, 96).ok_or("not a NAT64 prefix")?;
/// let address = prefix.synthesise("192.0.2.33".parse()?).ok_or("not for NAT64")?;
/// assert_eq!(address.to_string(), "2001:db8:122:344::c000:221");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    octets: [u8; 16],
    bytes: usize,
}

impl Prefix {
    /// The well-known prefix, `64:ff9b::/96`.
    pub const WELL_KNOWN: Self = Self { octets: WELL_KNOWN, bytes: 12 };

    /// Makes a prefix of the first `bits` of `prefix`, and ignores the others. None unless `bits`
    /// is 32, 40, 48, 56, 64 or 96, and bits 64 to 71 are zero (RFC 6052 §2.2).
    #[must_use]
    pub fn new(prefix: Ipv6Addr, bits: u8) -> Option<Self> {
        let bytes = match bits {
            32 | 40 | 48 | 56 | 64 | 96 => usize::from(bits / 8),
            _ => return None,
        };
        let mut octets = prefix.octets();
        octets.iter_mut().skip(bytes).for_each(|octet| *octet = 0);
        (octets.get(RESERVED) == Some(&0)).then_some(Self { octets, bytes })
    }

    /// Returns the IPv6 address for `address` behind this prefix. None for addresses of the host or
    /// the link (0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, multicast, broadcast), and for private
    /// ones under the well-known prefix (RFC 6052 §3.1).
    #[must_use]
    pub fn synthesise(&self, address: Ipv4Addr) -> Option<Ipv6Addr> {
        if !self.covers(address) {
            return None;
        }
        let mut octets = self.octets;
        let places = octets.iter_mut().enumerate().skip(self.bytes).filter(|(place, _)| *place != RESERVED);
        for ((_, octet), byte) in places.zip(address.octets()) {
            *octet = byte;
        }
        Some(octets.into())
    }

    /// Returns the IPv4 address of which [`synthesise`](Self::synthesise) makes `address`; none if
    /// it makes it of none.
    #[must_use]
    pub fn extract(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        if octets.iter().zip(&self.octets).take(self.bytes).any(|(a, b)| a != b) {
            return None;
        }
        let mut inner = [0; 4];
        let places = octets.iter().enumerate().skip(self.bytes).filter(|(place, _)| *place != RESERVED);
        for (byte, (_, octet)) in inner.iter_mut().zip(places) {
            *byte = *octet;
        }
        let inner = inner.into();
        // Only an address that a DNS64 would write. One with another suffix is a host of its own,
        // and synthesis would not give it back.
        (self.synthesise(inner) == Some(address)).then_some(inner)
    }

    fn covers(&self, address: Ipv4Addr) -> bool {
        let local = matches!(address.octets(), [0 | 127, ..] | [169, 254, ..])
            || address.is_multicast()
            || address.is_broadcast();
        let private = address.is_private() || matches!(address.octets(), [100, 64..=127, ..]);
        !(local || private && *self == Self::WELL_KNOWN)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from(self.octets), self.bytes * 8)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
