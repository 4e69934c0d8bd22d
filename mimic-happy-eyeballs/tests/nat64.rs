//! RFC 6052: IPv4 addresses in IPv6 addresses.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use core::net::{Ipv4Addr, Ipv6Addr};

use mimic_happy_eyeballs::Prefix;

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// RFC 6052 §2.4, tables 1 and 2.
#[test]
fn rfc6052_2_4() {
    let rows = [
        ("2001:db8::", 32, "2001:db8:c000:221::"),
        ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
        ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b::", 96, "64:ff9b::192.0.2.33"),
    ];
    for (prefix, bits, expected) in rows {
        let prefix = Prefix::new(v6(prefix), bits).unwrap();
        assert_eq!(prefix.synthesise(v4("192.0.2.33")), Some(v6(expected)), "{prefix}");
        assert_eq!(prefix.extract(v6(expected)), Some(v4("192.0.2.33")), "{prefix}");
    }
    assert_eq!(Prefix::new(v6("64:ff9b::"), 96), Some(Prefix::WELL_KNOWN));
    assert_eq!(Prefix::WELL_KNOWN.to_string(), "64:ff9b::/96");
}

#[test]
fn prefixes_that_are_none() {
    for bits in (0..=128).filter(|bits| ![32, 40, 48, 56, 64, 96].contains(bits)) {
        assert_eq!(Prefix::new(v6("2001:db8::"), bits), None);
    }
    // Bits 64 to 71 are zero.
    assert_eq!(Prefix::new(v6("2001:db8:0:0:100::"), 96), None);
    // Bits beyond the length do not matter.
    assert_eq!(Prefix::new(v6("2001:db8::1"), 32), Prefix::new(v6("2001:db8::"), 32));
}

#[test]
fn addresses_of_other_networks() {
    let prefix = Prefix::new(v6("2001:db8:122::"), 48).unwrap();
    assert_eq!(prefix.extract(v6("2001:db8:123:c000:2:2100::")), None);
    // Reserved bits, and a suffix that no DNS64 writes.
    assert_eq!(prefix.extract(v6("2001:db8:122:c000:102:2100::")), None);
    assert_eq!(prefix.extract(v6("2001:db8:122:c000:2:2100::1")), None);
}

#[test]
fn local_addresses() {
    let own = Prefix::new(v6("2001:db8::"), 96).unwrap();
    for address in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.1.2", "224.0.0.1", "255.255.255.255"] {
        assert_eq!(own.synthesise(v4(address)), None, "{address}");
        let inside = u128::from(v6("2001:db8::")) | u128::from(u32::from(v4(address)));
        assert_eq!(own.extract(inside.into()), None, "an answer must not lead to {address}");
    }
    // RFC 6052 §3.1: the well-known prefix is not for private addresses.
    for address in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"] {
        assert!(own.synthesise(v4(address)).is_some());
        assert_eq!(Prefix::WELL_KNOWN.synthesise(v4(address)), None);
    }
}
