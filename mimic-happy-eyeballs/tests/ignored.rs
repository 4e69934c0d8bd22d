//! Inputs without effect: reports of attempts that are over or never were, answers of another kind,
//! and waiting for a family that is not asked for. Each was a change in the code that no other test
//! noticed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use harness::{A, AAAA, HTTPS, Race, c, start};
use mimic_happy_eyeballs::{Config, Family, ServiceRecord};

#[test]
fn progress_of_an_attempt_that_is_over_or_never_was() {
    let mut race = Race::to(Config::new(), &[c("2001:db8::1"), c("2001:db8::2"), c("2001:db8::3")]);
    race.progress(100, 7).until(300).expect(&[(0, start(0, "2001:db8::1")), (250, start(1, "2001:db8::2"))]);
    // The older one fails, which changes nothing, and then is said to go on.
    race.fail(310, 0).progress(320, 0).until(600).expect(&[(500, start(2, "2001:db8::3"))]);
}

#[test]
fn services_where_addresses_were_asked() {
    let mut race = Race::asked(Config::new());
    race.services(10, AAAA, &[ServiceRecord::default()]).answer(20, A, &[]).expect(&[]);
    race.answer(30, AAAA, &["2001:db8::1"]).expect(&[(30, start(0, "2001:db8::1"))]);
}

#[test]
fn addresses_where_services_were_asked() {
    let mut race = Race::asked(Config::new().https());
    race.answer(10, HTTPS, &["2001:db8::1"]).until(1000).expect(&[]);
    race.answer(1000, AAAA, &["2001:db8::2"]).until(1100).expect(&[(1050, start(0, "2001:db8::2"))]);
}

/// Hints of the family that is not asked for do not stand for the answer of the other, which is.
#[test]
fn hints_of_a_family_that_is_not_asked_for() {
    let (v6, v4) = ([c("2001:db8::1")], [c("192.0.2.1")]);
    let six = ServiceRecord { priority: 1, ipv6_hints: &v6, ..ServiceRecord::default() };
    let four = ServiceRecord { priority: 1, ipv4_hints: &v4, ..ServiceRecord::default() };
    let mut race = Race::asked(Config::new().https().connectivity(true, false).wait_for_family(Family::Ipv6));
    race.services(0, HTTPS, &[six]).until(49).expect(&[]);
    assert!(race.until(60).starts().first().is_some_and(|(at, _)| *at == 50));
    let mut race = Race::asked(Config::new().https().connectivity(false, true).wait_for_family(Family::Ipv4));
    race.services(0, HTTPS, &[four]).until(49).expect(&[]);
    assert!(race.until(60).starts().first().is_some_and(|(at, _)| *at == 50));
}

/// Neither resolution delay nor anything else for a family that was not asked for.
#[test]
fn a_family_that_is_not_asked_for_is_not_waited_for() {
    let mut race = Race::asked(Config::new().connectivity(true, false).wait_for_family(Family::Ipv6));
    race.answer(10, A, &["192.0.2.1"]).expect(&[(10, start(0, "192.0.2.1"))]);
    let mut race = Race::asked(Config::new().connectivity(false, true).wait_for_family(Family::Ipv4));
    race.answer(10, AAAA, &["2001:db8::1"]).expect(&[(10, start(0, "2001:db8::1"))]);
}
