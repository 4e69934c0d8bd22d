//! RFC 6724: destination address selection.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use core::cmp::Ordering;
use core::time::Duration;

use harness::{c, from, ip};
use mimic_happy_eyeballs::select::{Policy, compare};
use mimic_happy_eyeballs::{AddressInfo, Config, Source};

#[track_caller]
fn first(better: AddressInfo, worse: AddressInfo) {
    assert_eq!(compare(&better, &worse), Ordering::Less);
    assert_eq!(compare(&worse, &better), Ordering::Greater);
    // And so it is attempted, whatever the order of the answers.
    for list in [[better, worse], [worse, better]] {
        assert_eq!(harness::Race::to(Config::new(), &list).order()[0], better.address.to_string());
    }
}

#[track_caller]
fn undecided(a: AddressInfo, b: AddressInfo) {
    assert_eq!(compare(&a, &b), Ordering::Equal);
    assert_eq!(compare(&b, &a), Ordering::Equal);
}

/// RFC 6724 §10.2, the first example: prefer matching scope.
#[test]
fn rfc6724_10_2_a() {
    first(from("2001:db8:1::1", "2001:db8:1::2"), from("198.51.100.121", "169.254.13.78"));
}

/// The second: prefer matching scope.
#[test]
fn rfc6724_10_2_b() {
    first(from("198.51.100.121", "198.51.100.117"), from("2001:db8:1::1", "fe80::1"));
}

/// The third: prefer higher precedence.
#[test]
fn rfc6724_10_2_c() {
    first(from("2001:db8:1::1", "2001:db8:1::2"), from("10.1.2.3", "10.1.2.4"));
}

/// The fourth: prefer smaller scope.
#[test]
fn rfc6724_10_2_d() {
    first(from("fe80::1", "fe80::2"), from("2001:db8:1::1", "2001:db8:1::2"));
}

/// The seventh: longest matching prefix. (The fifth and sixth are rules 4 and 3, which are left
/// undecided.)
#[test]
fn rfc6724_10_2_g() {
    first(from("2001:db8:1::1", "2001:db8:1::2"), from("2001:db8:3ffe::1", "2001:db8:3f44::2"));
}

/// The eighth: prefer matching label.
#[test]
fn rfc6724_10_2_h() {
    first(from("2002:c633:6401::1", "2002:c633:6401::2"), from("2001:db8:1::1", "2002:c633:6401::2"));
}

/// The ninth: prefer higher precedence.
#[test]
fn rfc6724_10_2_i() {
    first(from("2001:db8:1::1", "2001:db8:1::2"), from("2002:c633:6401::1", "2002:c633:6401::2"));
}

/// Rule 1.
#[test]
fn unusable_destinations_come_last() {
    first(c("192.0.2.1"), c("2001:db8::1").source(Source::Unreachable));
    undecided(c("192.0.2.1").source(Source::Unreachable), c("192.0.2.2").source(Source::Unreachable));
}

/// Rules that need a source decide nothing without one.
#[test]
fn unknown_sources_leave_rules_undecided() {
    undecided(c("2001:db8::1"), from("2001:db8::2", "fd00::1"));
    undecided(c("2001:db8:1::1"), from("2001:db8:2::1", "2001:db8:2::2"));
    first(c("2001:db8::1"), c("192.0.2.1"));
    first(c("fe80::1"), c("2001:db8::1"));
    first(c("127.0.0.1"), c("192.0.2.1"));
    first(c("::1"), c("127.0.0.1"));
}

/// RFC 6724 §3.1 and rule 8: "the scope of a multicast address is given by its scope field",
/// whatever its flags, and compares with those of unicast addresses.
#[test]
fn scopes() {
    for (smaller, greater) in [
        ("ff01::1", "fe80::1"),
        ("fe80::1", "ff05::1"),
        ("ff02::1", "ff15::1"),
        ("ff12::1", "ff05::1"),
        ("ff15::1", "2001:db8::1"),
        ("fec0::1", "3ffe::1"),
        ("169.254.1.1", "10.1.2.3"),
    ] {
        assert_eq!(compare(&c(smaller), &c(greater)), Ordering::Less, "{smaller} {greater}");
        assert_eq!(compare(&c(greater), &c(smaller)), Ordering::Greater, "{greater} {smaller}");
    }
    undecided(c("ff12::1"), c("fe80::1"));
    undecided(c("ff0e::1"), c("2001:db8::1"));
}

/// However long an expected time, it "sorts before unknown ones".
#[test]
fn times_beyond_all_measure() {
    first(c("2001:db8::1").rtt(Duration::MAX), c("2001:db8::2"));
    first(c("2001:db8::1").rtt(Duration::from_secs(3600)), c("2001:db8::2").rtt(Duration::MAX));
}

/// Rule 9 is for one family, and counts no more than the 64 bits of a source's prefix.
#[test]
fn prefixes_are_compared_within_ipv6() {
    undecided(from("2001:db8::1", "2001:db8::2"), from("2001:db8::ffff:1", "2001:db8::2"));
    undecided(from("192.0.2.1", "192.0.2.2"), from("198.51.100.1", "192.0.2.2"));
}

/// RFC 6724 §2.1.
#[test]
fn policy_table() {
    let rows = [
        ("::1", 50, 0),
        ("2003::1", 40, 1),
        ("2600::1", 40, 1),
        ("fe80::1", 40, 1),
        ("::ffff:192.0.2.1", 35, 4),
        ("192.0.2.1", 35, 4),
        ("2002:c633:6401::1", 30, 2),
        ("2001:0:1::1", 5, 5),
        ("2001:1::1", 40, 1),
        ("fc00::1", 3, 13),
        ("fdff::1", 3, 13),
        ("::192.0.2.1", 1, 3),
        ("fec0::1", 1, 11),
        ("feff::1", 1, 11),
        ("3ffe::1", 1, 12),
        ("3fff::1", 40, 1),
    ];
    for (address, precedence, label) in rows {
        assert_eq!(Policy::of(ip(address)), Policy { precedence, label }, "{address}");
    }
}
