//! Section 4 of the draft, hostname resolution: queries, and waiting for their answers.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use harness::{A, AAAA, ALT, HTTPS, Race, Said, at, c, ms, start};
use mimic_happy_eyeballs::{Config, Failure, Family, Kind, Name, Prefix, Query, RaceInput, ServiceRecord};

const V6: &[&str] = &["2001:db8::1", "2001:db8::2"];
const V4: &[&str] = &["192.0.2.1", "192.0.2.2"];

fn queries(config: Config) -> Vec<(u64, Said)> {
    Race::new(config).log.into_iter().collect()
}

fn ask(query: Query) -> (u64, Said) {
    (0, Said::Query(query))
}

fn service() -> ServiceRecord<'static> {
    ServiceRecord { priority: 1, ..ServiceRecord::default() }
}

/// §4.1 "When there is IPv6 connectivity, the client MUST include a query for AAAA records."
#[test]
fn s4_1_aaaa_is_asked_with_ipv6() {
    assert_eq!(queries(Config::new().connectivity(false, true)), [ask(AAAA)]);
    assert_eq!(queries(Config::new().connectivity(true, true)), [ask(AAAA), ask(A)]);
    assert_eq!(queries(Config::new().connectivity(false, false)), [ask(AAAA), ask(A)]);
}

/// §4.1 "When there is IPv4 connectivity, the client MUST include a query for A records."
#[test]
fn s4_1_a_is_asked_with_ipv4() {
    assert_eq!(queries(Config::new().connectivity(true, false)), [ask(A)]);
    assert_eq!(queries(Config::new().connectivity(true, false).ask_both()), [ask(AAAA), ask(A)]);
    assert_eq!(queries(Config::new().connectivity(false, true).ask_both()), [ask(AAAA), ask(A)]);
}

/// §4.1 "If the client has detected a NAT64 prefix … the client MUST include a query for A
/// records"; also §8.1.
#[test]
fn s4_1_a_is_asked_with_nat64() {
    let only_v6 = Config::new().connectivity(false, true);
    assert_eq!(queries(only_v6.nat64(Prefix::WELL_KNOWN)), [ask(AAAA), ask(A)]);
    let mut race = Race::asked(only_v6);
    race.input(20, RaceInput::Prefix(Prefix::WELL_KNOWN)).expect(&[(20, Said::Query(A))]);
    race.input(30, RaceInput::Prefix(Prefix::WELL_KNOWN)).expect(&[]);
}

/// §4.1 "For applications using HTTP or HTTPS …, the client SHOULD send a query for HTTPS records."
/// "All of the DNS queries SHOULD be made as soon after one another as possible. The order … SHOULD
/// be as follows."
#[test]
fn s4_1_queries_go_out_at_once_and_in_order() {
    assert_eq!(queries(Config::new().https()), [ask(HTTPS), ask(AAAA), ask(A)]);
    let svcb = Query { name: Name::ORIGINAL, kind: Kind::Svcb };
    assert_eq!(queries(Config::new().svcb()), [ask(svcb), ask(AAAA), ask(A)]);
}

/// §4.2 "Implementations SHOULD NOT wait for all answers to return", "the client SHOULD treat DNS
/// resolution as asynchronous": the preferred family and the services are enough.
#[test]
fn s4_2_not_all_answers_are_waited_for() {
    let mut race = Race::asked(Config::new().https());
    race.answer(20, AAAA, V6).expect(&[]).services(25, HTTPS, &[service()]).expect(&[(25, start(0, V6[0]))]);
    // The option: as long as it takes.
    let mut race = Race::asked(Config::new().resolution_delay(core::time::Duration::MAX));
    race.answer(20, A, V4).expect(&[]);
    assert_eq!(race.wake, None);
    race.answer(9000, AAAA, V6).expect(&[(9000, start(0, V6[0]))]);
}

/// §4.2 The first condition set needs all three: an address, the preferred family's answer, and the
/// services.
#[test]
fn s4_2_first_condition_set() {
    let race = || Race::asked(Config::new().https());
    race().answer(1, AAAA, V6).services(2, HTTPS, &[]).expect(&[(2, start(0, V6[0]))]);
    race().answer(1, AAAA, &[]).services(2, HTTPS, &[]).expect(&[]).answer(3, A, V4).expect(&[(3, start(0, V4[0]))]);
    race().answer(1, AAAA, V6).answer(2, A, V4).expect(&[]).servfail(3, HTTPS).expect(&[(3, start(0, V6[0]))]);
    race().services(1, HTTPS, &[]).answer(2, A, V4).expect(&[]).servfail(3, AAAA).expect(&[(3, start(0, V4[0]))]);
}

/// §4.2 The second: an address, "and a resolution time delay has passed".
#[test]
fn s4_2_second_condition_set() {
    let mut race = Race::asked(Config::new().https());
    race.answer(30, AAAA, V6).until(79).expect(&[]);
    race.until(81).expect(&[(80, start(0, V6[0]))]);
    // Without an address the delay does not run.
    let mut race = Race::asked(Config::new().https());
    race.services(30, HTTPS, &[service()]).answer(40, AAAA, &[]).until(5000).expect(&[]);
    assert_eq!(race.wake, None);
    race.answer(5000, A, V4).expect(&[(5000, start(0, V4[0]))]);
}

/// §4.2 "If all answers come back with negative answers, the connection establishment will fail or
/// need to wait until other answers are received."
#[test]
fn s4_2_negative_answers_fail() {
    let mut race = Race::asked(Config::new().https());
    race.answer(10, AAAA, &[]).answer(11, A, &[]).expect(&[]);
    race.services(12, HTTPS, &[]).expect(&[(12, Said::Failed(Failure::NoAddresses))]);
}

/// §4.2 "If only one of IPv6 or IPv4 has a default route, that address family should be considered
/// the preferred."
#[test]
fn s4_2_preferred_family() {
    let mut race = Race::asked(Config::new().connectivity(true, false).ask_both());
    race.answer(10, A, V4).expect(&[(10, start(0, V4[0]))]);
    let mut race = Race::asked(Config::new().connectivity(true, false));
    race.answer(10, A, V4).expect(&[(10, start(0, V4[0]))]);
    let mut race = Race::asked(Config::new().wait_for_family(Family::Ipv4));
    race.answer(10, AAAA, V6).expect(&[]);
    assert_eq!(race.wake, Some(ms(60)));
    // Of two, or none, it is IPv6.
    for config in [Config::new().connectivity(true, true), Config::new().connectivity(false, false)] {
        let mut race = Race::asked(config);
        race.answer(10, A, V4).expect(&[]).answer(20, AAAA, V6).expect(&[(20, start(0, V6[0]))]);
    }
    // Waiting for a family that is not asked would be in vain.
    let mut race = Race::asked(Config::new().connectivity(false, true).wait_for_family(Family::Ipv4));
    race.answer(10, AAAA, V6).expect(&[(10, start(0, V6[0]))]);
}

/// §4.2 "The RECOMMENDED value for the Resolution Delay is 50 milliseconds."
#[test]
fn s4_2_resolution_delay() {
    Race::asked(Config::new()).answer(7, A, V4).until(500).expect(&[(57, start(0, V4[0])), (307, start(1, V4[1]))]);
    let config = Config::new().resolution_delay(ms(0));
    Race::asked(config).answer(7, A, V4).expect(&[(7, start(0, V4[0]))]);
}

/// §4.2.1 "The algorithm … does not consider service information to be received until ServiceMode
/// records are available": an alias asks on, and addresses of the alias come before those of the
/// name.
#[test]
fn s4_2_1_aliases_are_followed() {
    let alias = ServiceRecord { target: Some(ALT), ..ServiceRecord::default() };
    let mut race = Race::asked(Config::new().https());
    race.answer(5, AAAA, &["2001:db8::1"]).services(10, HTTPS, &[alias]);
    race.expect(&[HTTPS, AAAA, A].map(|query| (10, Said::Query(at(ALT, query)))));
    race.answer(12, at(ALT, AAAA), &["2001:db8::a"]).expect(&[]);
    race.services(20, at(ALT, HTTPS), &[service()]).expect(&[(20, start(0, "2001:db8::a"))]);
    race.until(300).expect(&[(270, start(1, "2001:db8::1"))]);
    assert_eq!(race.endpoints[0].service.map(|id| id.owner), Some(ALT));
}

/// §4.2.1 Aliases in a circle come to an end, and count as no service information.
#[test]
fn s4_2_1_alias_circles_end() {
    let to = |name| [ServiceRecord { target: Some(name), ..ServiceRecord::default() }];
    let mut race = Race::asked(Config::new().https());
    race.answer(5, AAAA, &["2001:db8::1"]).services(10, HTTPS, &to(ALT)).log.clear();
    race.services(20, at(ALT, HTTPS), &to(Name::ORIGINAL)).expect(&[(20, start(0, "2001:db8::1"))]);
    assert_eq!(race.machine.dropped().aliases, 1);
    // And so do those without end.
    let mut race: Race<32, 4, 64> = Race::sized(Config::new().https());
    race.log.clear();
    for hop in 0..20 {
        race.services(30, at(Name(hop), HTTPS), &to(Name(hop + 1)));
    }
    assert_eq!(race.log.iter().filter(|(_, said)| matches!(said, Said::Query(_))).count(), 8 * 3);
    assert_eq!(race.machine.dropped().aliases, 1);
}

/// §4.2.1 "When these are received, they SHOULD be considered as positive non-empty answers."
#[test]
fn s4_2_1_hints_count_as_answers() {
    let (v6, v4) = ([c("2001:db8::a")], [c("192.0.2.10")]);
    let both = [ServiceRecord { ipv6_hints: &v6, ipv4_hints: &v4, ..service() }];
    Race::asked(Config::new().https())
        .services(30, HTTPS, &both)
        .until(300)
        .expect(&[(30, start(0, "2001:db8::a")), (280, start(1, "192.0.2.10"))]);
    // Of the other family they are addresses, but not the preferred family's answer.
    let ipv4 = [ServiceRecord { ipv4_hints: &v4, ..service() }];
    Race::asked(Config::new().https()).services(30, HTTPS, &ipv4).until(100).expect(&[(80, start(0, "192.0.2.10"))]);
    // The option.
    Race::asked(Config::new().https().hints(false)).services(30, HTTPS, &both).until(300).expect(&[]);
}

/// §4.2.1 Hints count "when A and AAAA records corresponding to the TargetName are not available
/// yet".
#[test]
fn s4_2_1_hints_after_addresses_are_ignored() {
    let hints = [c("2001:db8::a")];
    let mut race = Race::asked(Config::new().https());
    race.answer(10, AAAA, &["2001:db8::1"]).answer(10, A, &[]);
    race.services(20, HTTPS, &[ServiceRecord { ipv6_hints: &hints, ..service() }]).until(2000);
    race.expect(&[(20, start(0, "2001:db8::1"))]);
}

/// §4.2.1 "Clients are still required to issue A and AAAA queries for those TargetNames." With the
/// example of two service names (§4.2.2).
#[test]
fn s4_2_1_targets_are_asked() {
    let mut race = Race::asked(Config::new().https());
    let list = [service(), ServiceRecord { priority: 2, target: Some(ALT), ..ServiceRecord::default() }];
    race.services(30, HTTPS, &list).expect(&[(30, Said::Query(at(ALT, AAAA))), (30, Said::Query(at(ALT, A)))]);
    race.answer(30, AAAA, V6).answer(30, A, V4).expect(&[(30, start(0, V6[0]))]);
    race.answer(60, at(ALT, AAAA), &["2001:db8::a"]).answer(60, at(ALT, A), &["192.0.2.10"]);
    assert_eq!(race.order(), [V4[0], V6[1], V4[1], "2001:db8::a", "192.0.2.10"]);
}

/// §4.2.1 "When those records are received, they replace the hints", each family its own. A failed
/// query brings no records, and leaves them.
#[test]
fn s4_2_1_records_replace_hints() {
    let (v6, v4) = ([c("2001:db8::a"), c("2001:db8::b")], [c("192.0.2.10")]);
    let both = [ServiceRecord { ipv6_hints: &v6, ipv4_hints: &v4, ..service() }];
    let mut race = Race::asked(Config::new().https());
    race.services(10, HTTPS, &both).answer(20, AAAA, &["2001:db8::1"]);
    assert_eq!(race.order(), ["2001:db8::a", "192.0.2.10", "2001:db8::1"]);
    let mut race = Race::asked(Config::new().https());
    race.services(10, HTTPS, &both).answer(20, AAAA, &[]);
    assert_eq!(race.order(), ["2001:db8::a", "192.0.2.10"]);
    let mut race = Race::asked(Config::new().https());
    race.services(10, HTTPS, &both).servfail(20, AAAA);
    assert_eq!(race.order(), ["2001:db8::a", "192.0.2.10", "2001:db8::b"]);
}

/// §4.2.2 "A simple dual-stack case where AAAA answers return slight before A answers."
#[test]
fn s4_2_2_example_dual_stack() {
    let mut race = Race::asked(Config::new().https());
    race.services(30, HTTPS, &[service()]).answer(30, AAAA, V6).expect(&[(30, start(0, V6[0]))]);
    race.answer(32, A, V4);
    assert_eq!(race.order(), [V4[0], V6[1], V4[1]]);
}

/// §4.2.2 "A case in which A answers return before AAAA answers, but AAAA answers do arrive after a
/// short delay."
#[test]
fn s4_2_2_example_aaaa_shortly_after() {
    let mut race = Race::asked(Config::new().https());
    race.services(30, HTTPS, &[service()]).answer(30, A, V4).expect(&[]);
    assert_eq!(race.wake, Some(ms(80)));
    race.answer(40, AAAA, V6).expect(&[(40, start(0, V6[0]))]);
    assert_eq!(race.order(), [V4[0], V6[1], V4[1]]);
}

/// §4.2.2 "A case in which A answers return significantly before AAAA answers."
#[test]
fn s4_2_2_example_aaaa_long_after() {
    let mut race = Race::asked(Config::new().https());
    race.services(30, HTTPS, &[service()]).answer(30, A, V4).answer(180, AAAA, V6).until(600);
    race.expect(&[(80, start(0, V4[0])), (330, start(1, V6[0])), (580, start(2, V6[1]))]);
}

/// §4.2.2 "A case in which SVCB/HTTPS answers are slightly delayed", and "significantly delayed, or
/// never arrive"; and on a network with IPv4 only.
#[test]
fn s4_2_2_example_services_late() {
    let mut race = Race::asked(Config::new().https());
    race.answer(30, AAAA, V6).answer(30, A, V4).services(40, HTTPS, &[service()]).expect(&[(40, start(0, V6[0]))]);
    let mut race = Race::asked(Config::new().https());
    race.answer(30, AAAA, V6).answer(30, A, V4).until(81).expect(&[(80, start(0, V6[0]))]);
    let mut race = Race::asked(Config::new().https().connectivity(true, false));
    race.answer(30, A, V4).services(40, HTTPS, &[service()]).expect(&[(40, start(0, V4[0]))]);
}

/// §4.3 New endpoints "are incorporated into the list … and the process … will continue".
#[test]
fn s4_3_new_answers_are_incorporated() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1"]).fail(100, 0).expect(&[(0, start(0, "2001:db8::1"))]);
    // Nothing runs: it starts at once.
    race.answer(150, A, &["192.0.2.1"]).expect(&[(150, start(1, "192.0.2.1"))]);
    // The delay has passed: at once, too; and not before.
    race.answer(300, AAAA, &["2001:db8::1", "2001:db8::2"]).until(399).expect(&[]);
    race.until(401).expect(&[(400, start(2, "2001:db8::2"))]);
    race.answer(900, A, &["192.0.2.1", "192.0.2.2"]).expect(&[(900, start(3, "192.0.2.2"))]);
}

/// §4.4 "Ongoing connection attempts will not be cancelled, but any endpoint for which a connection
/// attempt had not yet been started that is no longer in the resolved endpoint list will be
/// removed."
#[test]
fn s4_4_expired_answers() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(0, A, &[]).answer(100, AAAA, &["2001:db8::3"]);
    race.until(5000).expect(&[(0, start(0, "2001:db8::1")), (250, start(1, "2001:db8::3"))]);
    // A query made again that fails takes nothing away.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).servfail(100, AAAA).until(5000);
    race.expect(&[(0, start(0, "2001:db8::1")), (250, start(1, "2001:db8::2"))]);
}
