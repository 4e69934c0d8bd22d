//! Destination address selection (RFC 6724 §6).
//!
//! ```text
//!   destination     source           precedence   decided by
//!   2001:db8::1     2001:db8::9      40           rule 6: highest precedence, so first
//!   192.0.2.1       192.0.2.9        35
//!   fd00::1         2001:db8::9      3            rule 5: the source has another label
//!   2001:db8:1::1   unreachable      40           rule 1: always last
//! ```

use core::cmp::{Ordering, Reverse};
use core::net::{IpAddr, Ipv6Addr};

use crate::{AddressInfo, Family, Source};

/// Compares two destinations by RFC 6724 §6: `Less` if it prefers `a`, `Equal` if it keeps the
/// given order.
///
/// A rule that needs the source addresses of both decides nothing if one is unknown. Rules 3
/// (deprecated source), 4 (home address) and 7 (native transport) never decide: no system tells
/// these facts portably. Rule 9 does not decide for IPv4, since the prefix length of the source is
/// unknown; for IPv6 it is taken as 64. The draft adds two rules between 8 and 9 (§5.3): the lower
/// expected round-trip time, then addresses used before.
#[must_use]
pub fn compare(a: &AddressInfo, b: &AddressInfo) -> Ordering {
    SortKey::of(a).compare(&SortKey::of(b))
}

/// The entry of RFC 6724's default policy table (§2.1) for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The precedence. The higher one is preferred as destination.
    pub precedence: u8,
    /// The label. A source and a destination with the same label are preferred.
    pub label: u8,
}

impl Policy {
    /// Returns the entry with the longest prefix that matches `address`.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let (precedence, label) = match address {
            IpAddr::V4(_) => (35, 4),
            IpAddr::V6(Ipv6Addr::LOCALHOST) => (50, 0),
            IpAddr::V6(v6) => match v6.segments() {
                [0, 0, 0, 0, 0, 0xffff, ..] => (35, 4),
                [0, 0, 0, 0, 0, 0, ..] => (1, 3),
                [0x2001, 0, ..] => (5, 5),
                [0x2002, ..] => (30, 2),
                [0x3ffe, ..] => (1, 12),
                [0xfc00..=0xfdff, ..] => (3, 13),
                [0xfec0..=0xfeff, ..] => (1, 11),
                _ => (40, 1),
            },
        };
        Self { precedence, label }
    }
}

/// The facts that the rules need of one destination, computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SortKey {
    unreachable: bool,
    /// The source is known.
    sourced: bool,
    /// The source has another scope.
    other_scope: bool,
    /// The source has another label.
    other_label: bool,
    precedence: u8,
    scope: u8,
    /// In microseconds; `u32::MAX` if unknown.
    rtt: u32,
    used: bool,
    family: Family,
    /// The length of the common prefix of source and destination, in bits.
    common: u32,
}

impl SortKey {
    pub(crate) fn of(info: &AddressInfo) -> Self {
        let to = info.address;
        let policy = Policy::of(to);
        let mut key = Self {
            unreachable: info.source == Source::Unreachable,
            sourced: false,
            other_scope: false,
            other_label: false,
            precedence: policy.precedence,
            scope: scope(to),
            rtt: info.rtt.map_or(u32::MAX, |rtt| u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX - 1)),
            used: info.used,
            family: Family::of(to),
            common: 0,
        };
        if let Source::Address(from) = info.source {
            key.sourced = true;
            key.other_scope = scope(from) != key.scope;
            key.other_label = Policy::of(from).label != policy.label;
            if let (IpAddr::V6(from), IpAddr::V6(to)) = (from, to) {
                key.common = (from.to_bits() ^ to.to_bits()).leading_zeros().min(64);
            }
        }
        key
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let sourced = self.sourced && other.sourced;
        // The order of the rules; less is preferred.
        let rules = |key: &Self| {
            let (scope, label) = (sourced && key.other_scope, sourced && key.other_label);
            (key.unreachable, scope, label, Reverse(key.precedence), key.scope, key.rtt, !key.used)
        };
        rules(self).cmp(&rules(other)).then_with(|| match sourced && self.family == other.family {
            true => other.common.cmp(&self.common),
            false => Ordering::Equal,
        })
    }
}

/// Returns the scope of an address (RFC 6724 §3.1 and §3.2), as a number of RFC 4291 §2.7.
fn scope(address: IpAddr) -> u8 {
    const LINK_LOCAL: u8 = 0x2;
    const SITE_LOCAL: u8 = 0x5;
    const GLOBAL: u8 = 0xe;
    match address {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_link_local() => LINK_LOCAL,
        IpAddr::V4(_) => GLOBAL,
        IpAddr::V6(Ipv6Addr::LOCALHOST) => LINK_LOCAL,
        IpAddr::V6(v6) => match v6.octets() {
            [0xff, flags, ..] => flags & 0xf,
            [0xfe, 0x80..=0xbf, ..] => LINK_LOCAL,
            [0xfe, 0xc0..=0xff, ..] => SITE_LOCAL,
            _ => GLOBAL,
        },
    }
}
