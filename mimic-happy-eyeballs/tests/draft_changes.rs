//! Sections 7 and 8 of the draft: changing answers, and NAT64.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use harness::{A, AAAA, ALT, HTTPS, Race, Said, at, c, from, ip, ms, start};
use mimic_happy_eyeballs::{AddressInfo, Config, Prefix, RaceInput, ServiceRecord, Source};

fn service() -> ServiceRecord<'static> {
    ServiceRecord { priority: 1, ..ServiceRecord::default() }
}

/// §7 "Endpoints from SVCB IP hints SHOULD be removed … if the endpoints from the hints are absent
/// from the received records": and stay if they are in them.
#[test]
fn s7_hints_give_way() {
    let hints = ["2001:db8::a", "2001:db8::b", "2001:db8::c"].map(c);
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[ServiceRecord { ipv6_hints: &hints, ..service() }]);
    race.answer(10, AAAA, &["2001:db8::c", "2001:db8::1"]).answer(10, A, &[]);
    assert_eq!(race.order(), ["2001:db8::a", "2001:db8::c", "2001:db8::1"]);
}

/// §7 Records that change take their hints and services with them.
#[test]
fn s7_services_change() {
    let hints = [[c("2001:db8::a"), c("2001:db8::b")], [c("2001:db8::c"), c("2001:db8::d")]];
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[ServiceRecord { ipv6_hints: &hints[0], ..service() }]);
    race.services(10, HTTPS, &[ServiceRecord { ipv6_hints: &hints[1], port: Some(99), ..service() }]);
    assert_eq!(race.order(), ["2001:db8::a", "2001:db8::c", "2001:db8::d"]);
    assert_eq!(race.endpoints.iter().map(|endpoint| endpoint.port).collect::<Vec<_>>(), [None, Some(99), Some(99)]);
}

/// §7 "If an endpoint is removed from the list that already had a connection attempt started, the
/// connection attempt SHOULD NOT be canceled"; "If the removed endpoint had not yet had a
/// connection attempt started, it SHOULD be removed."
#[test]
fn s7_removed_endpoints() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(10, AAAA, &[]).until(900);
    race.expect(&[(0, start(0, "2001:db8::1"))]).ok(900, 0).expect(&[(900, Said::Won(0))]);
}

/// §7 An address that was removed before its attempt has no turn, and takes no room.
#[test]
fn s7_removed_endpoints_leave_no_trace() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]).answer(10, AAAA, &["2001:db8::4"]);
    race.answer(10, A, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1", "2001:db8::4", "192.0.2.2"]);
    let mut race: Race<2, 0, 2> = Race::sized(Config::new());
    race.answer(0, A, &["192.0.2.1", "192.0.2.2"]).answer(10, A, &["192.0.2.3", "192.0.2.4"]);
    assert_eq!(race.machine.dropped().addresses, 0);
}

/// §7 An endpoint that goes and comes back is tried once.
#[test]
fn s7_endpoints_come_back() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &[]).answer(10, AAAA, &[]).fail(20, 0);
    race.expect(&[(0, start(0, "2001:db8::1")), (20, Said::Failed(mimic_happy_eyeballs::Failure::AllFailed))]);
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1"]).answer(10, AAAA, &[]).answer(20, AAAA, &["2001:db8::1", "2001:db8::2"]);
    assert_eq!(race.order(), ["2001:db8::1", "2001:db8::2"]);
}

/// §7 An address that one name loses may stay with another. It is tried at the port that they
/// share, whichever service is preferred.
#[test]
fn s7_endpoints_go_from_one_name_and_stay_with_another() {
    for (own, alternative) in [(1, 2), (2, 1)] {
        let own = ServiceRecord { priority: own, port: Some(99), ..ServiceRecord::default() };
        let alternative =
            ServiceRecord { priority: alternative, target: Some(ALT), port: Some(99), ..ServiceRecord::default() };
        let mut race = Race::asked(Config::new().https());
        race.services(0, HTTPS, &[]).answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(0, A, &[]);
        race.services(10, HTTPS, &[own, alternative]).answer(10, at(ALT, AAAA), &["2001:db8::1"]);
        race.answer(10, at(ALT, A), &[]).answer(10, AAAA, &["2001:db8::2"]).until(60_000);
        let mut tried: Vec<_> = race.endpoints.iter().map(|endpoint| (endpoint.port, endpoint.address)).collect();
        tried.sort_unstable();
        let (one, two) = (ip("2001:db8::1"), ip("2001:db8::2"));
        assert_eq!(tried, [(None, one), (Some(99), one), (Some(99), two)]);
    }
}

/// §7 "If an endpoint is added to the list, its position SHOULD be determined by applying the
/// sorting rules … to the complete list of endpoints": the draft's example.
#[test]
fn s7_added_endpoints_are_sorted_in() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]).answer(100, A, &["192.0.2.1", "192.0.2.2"]);
    race.until(260).expect(&[(0, start(0, "2001:db8::1")), (250, start(1, "192.0.2.1"))]);
    assert_eq!(race.order(), ["2001:db8::2", "192.0.2.2", "2001:db8::3"]);
    // As if they had been there, too, after two of one family.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]).until(251);
    race.log.clear();
    race.answer(300, A, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(race.order(), ["192.0.2.1", "192.0.2.2", "2001:db8::3"]);
}

/// §7 An address that was tried and then removed has had its family's turn.
#[test]
fn s7_turns_count_what_is_gone() {
    let hints = [c("2001:db8::a")];
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[ServiceRecord { ipv6_hints: &hints, ..service() }]);
    race.answer(10, AAAA, &["2001:db8::1"]).answer(10, A, &["192.0.2.1"]);
    assert_eq!(race.order(), ["2001:db8::a", "192.0.2.1", "2001:db8::1"]);
}

/// §7 "A DNS update alone does not justify rescheduling the timer."
#[test]
fn s7_updates_leave_the_timer() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(100, A, &["192.0.2.1"]);
    assert_eq!(race.wake, Some(ms(250)));
}

/// An IPv4 address that nothing leads to.
fn v4_unreachable(text: &str) -> AddressInfo {
    c(text).source(Source::Unreachable)
}

fn v6_only() -> Config {
    Config::new().connectivity(false, true).nat64(Prefix::WELL_KNOWN)
}

/// §8.2 "Synthesized IPv6 addresses … MUST be de-synthesized into IPv4 addresses before being used
/// … for grouping and sorting, and connecting"; "Clients that are aware of the PREF64 value MUST
/// check".
#[test]
fn s8_2_aaaa_answers_are_desynthesised() {
    // Sorted as IPv4: after the IPv6 addresses, and taking turns with them.
    let answer = ["64:ff9b::192.0.2.1", "2001:db8::1", "2001:db8::2"];
    let mut race = Race::asked(v6_only());
    race.answer(0, AAAA, &answer).answer(0, A, &[]);
    assert_eq!(race.order(), ["2001:db8::1", "64:ff9b::c000:201", "2001:db8::2"]);
    assert_eq!(race.endpoints[1].original, ip("192.0.2.1"));
    // With a way for IPv4 it is connected to as such.
    let mut race = Race::asked(Config::new().nat64(Prefix::WELL_KNOWN));
    race.answer(0, AAAA, &answer).answer(0, A, &[]);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1", "2001:db8::2"]);
    // Unaware of the prefix, it is an IPv6 address like others.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &answer).answer(0, A, &[]);
    assert_eq!(race.order(), ["64:ff9b::c000:201", "2001:db8::1", "2001:db8::2"]);
}

/// §8.2 The same address from A and, synthesised, from AAAA is one.
#[test]
fn s8_2_one_attempt_for_both_forms() {
    let mut race = Race::asked(v6_only());
    race.answer(0, AAAA, &["64:ff9b::192.0.2.1"]).answer(0, A, &["192.0.2.1"]);
    assert_eq!(race.order(), ["64:ff9b::c000:201"]);
    // Also if the prefix becomes known in between.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["64:ff9b::192.0.2.1"]).input(10, RaceInput::Prefix(Prefix::WELL_KNOWN));
    race.found(20, A, &[v4_unreachable("192.0.2.1")]);
    assert_eq!(race.order(), ["64:ff9b::c000:201"]);
    // Or the address is not in the A records at all.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["64:ff9b::192.0.2.1"]).input(10, RaceInput::Prefix(Prefix::WELL_KNOWN));
    assert_eq!(race.order(), ["64:ff9b::c000:201"]);
    // Of the two, the A record says more: that there is no way but by NAT64.
    let mut race = Race::asked(Config::new().nat64(Prefix::WELL_KNOWN));
    race.found(0, A, &[v4_unreachable("192.0.2.1")]).answer(10, AAAA, &["64:ff9b::192.0.2.1"]);
    assert_eq!(race.order(), ["64:ff9b::c000:201"]);
}

/// §8.2 The source of the IPv6 address tells nothing about the IPv4 address in it.
#[test]
fn s8_2_sources_of_synthesised_addresses_are_not_of_ipv4() {
    let mut race = Race::asked(v6_only());
    race.found(0, AAAA, &[from("64:ff9b::192.0.2.1", "2001:db8::9")]).expect(&[(0, start(0, "64:ff9b::192.0.2.1"))]);
}

/// §8.3 "If … there is no IPv4 route that applies for that address, then the client MUST synthesize
/// this address": from A records, and with a prefix found late.
#[test]
fn s8_3_a_records_are_synthesised() {
    let mut race = Race::asked(Config::new().nat64(Prefix::WELL_KNOWN));
    race.found(0, A, &[v4_unreachable("192.0.2.1")]).answer(0, AAAA, &[]);
    race.expect(&[(0, start(0, "64:ff9b::192.0.2.1"))]);
    // With an unknown source, the connectivity decides.
    let mut race = Race::asked(v6_only());
    race.answer(0, A, &["192.0.2.1"]).answer(0, AAAA, &[]).expect(&[(0, start(0, "64:ff9b::192.0.2.1"))]);
    let mut race = Race::asked(Config::new());
    race.found(0, A, &[v4_unreachable("192.0.2.1"), v4_unreachable("192.0.2.2")]).answer(0, AAAA, &[]);
    race.input(10, RaceInput::Prefix(Prefix::WELL_KNOWN));
    assert_eq!(race.order(), ["192.0.2.1", "64:ff9b::c000:201", "64:ff9b::c000:202"]);
}

/// §8.3 "… or IPv4 address hints received in SVCB/HTTPS records".
#[test]
fn s8_3_hints_are_synthesised() {
    let hints = [v4_unreachable("192.0.2.1")];
    let mut race = Race::asked(v6_only().https());
    race.services(0, HTTPS, &[ServiceRecord { ipv4_hints: &hints, ..service() }]).answer(0, AAAA, &[]);
    race.expect(&[(0, start(0, "64:ff9b::192.0.2.1"))]);
}

/// §8.3 "… or from IPv4 literal addresses passed by an application"; a literal IPv6 address is left
/// as it is (§8.2 is about answers of DNS).
#[test]
fn s8_3_literals_are_synthesised() {
    Race::to(v6_only(), &[c("192.0.2.1")]).expect(&[(0, start(0, "64:ff9b::192.0.2.1"))]);
    let mut race = Race::to(Config::new().nat64(Prefix::WELL_KNOWN), &[c("64:ff9b::192.0.2.1")]);
    race.expect(&[(0, start(0, "64:ff9b::192.0.2.1"))]);
    assert_eq!(race.endpoints[0].original, ip("64:ff9b::192.0.2.1"));
}

/// §8.3 A route makes it unnecessary.
#[test]
fn s8_3_with_a_route_nothing_is_synthesised() {
    let mut race = Race::to(v6_only(), &[from("192.0.2.1", "192.0.2.9")]);
    race.expect(&[(0, start(0, "192.0.2.1"))]);
}

/// §8.3 "NAT64 address synthesis is not always required or possible … 0.0.0.0/8, 127.0.0.0/8,
/// 169.254.0.0/16, and 255.255.255.255/32."
#[test]
fn s8_3_local_addresses_are_not_synthesised() {
    for address in ["0.1.2.3", "127.0.0.1", "169.254.1.1"] {
        Race::to(v6_only(), &[v4_unreachable(address)]).expect(&[(0, start(0, address))]);
    }
}

/// §8.3 A synthesised address is reachable, and does not sort as unreachable.
#[test]
fn s8_3_synthesised_is_reachable() {
    let mut race = Race::to(v6_only(), &[v4_unreachable("192.0.2.1"), v4_unreachable("127.0.0.1")]);
    assert_eq!(race.order(), ["64:ff9b::c000:201", "127.0.0.1"]);
    let list = [c("2001:db8::1").source(Source::Unreachable), v4_unreachable("192.0.2.1")];
    assert_eq!(Race::to(v6_only(), &list).order(), ["64:ff9b::c000:201", "2001:db8::1"]);
}
