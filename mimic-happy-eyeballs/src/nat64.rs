//! NAT64: IPv4 addresses written as IPv6 addresses (RFC 6052).

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The well-known prefix `64:ff9b::/96`.
const WELL_KNOWN: [u8; 16] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Bits 64 to 71, which are zero whatever the prefix (RFC 6052 §2.2).
const RESERVED: usize = 8;

/// A network's NAT64 prefix, PREF64.
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

    /// The prefix that is the first `bits` of `prefix`; the others are ignored. None unless `bits`
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

    /// The IPv6 address for `address` behind this prefix. None where that is not to be done:
    /// addresses of the host or the link (0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, multicast,
    /// broadcast), and private ones under the well-known prefix (RFC 6052 §3.1).
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

    /// The IPv4 address that [`synthesise`](Self::synthesise) makes `address` of, if there is one.
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
        // Only what a DNS64 would write: another suffix is an address of its own, and would not be
        // found again.
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
