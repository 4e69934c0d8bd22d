//! Section 5 of the draft: grouping and sorting endpoints.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use core::net::{IpAddr, Ipv6Addr};

use harness::{A, AAAA, ALT, HTTPS, Race, at, c, from, ms};
use mimic_happy_eyeballs::{AddressInfo, Config, Name, ServiceId, ServiceRecord};

const OTHER: Name = Name(2);
const PROTOCOLS: &[&[u8]] = &[b"h3", b"h2"];

const fn v6(last: u16) -> [AddressInfo; 1] {
    [AddressInfo::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)))]
}

const ALT_HINT: &[AddressInfo] = &v6(0xa);
const OTHER_HINT: &[AddressInfo] = &v6(0xb);

/// A record for `ALT` at 2001:db8::a or `OTHER` at 2001:db8::b.
fn to(priority: u16, target: Name) -> ServiceRecord<'static> {
    let ipv6_hints = if target == ALT { ALT_HINT } else { OTHER_HINT };
    ServiceRecord { priority, target: Some(target), ipv6_hints, ..ServiceRecord::default() }
}

/// A race with these records and the name at 2001:db8::1, all known before the first attempt.
fn race(config: Config, services: &[ServiceRecord<'_>]) -> Race {
    let mut race = Race::new(config.https());
    race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &[]).services(10, HTTPS, services).until(60_000);
    race
}

fn sorted(config: Config, services: &[ServiceRecord<'_>]) -> Vec<(String, Option<u8>)> {
    let race = race(config, services);
    race.endpoints.iter().map(|endpoint| (endpoint.address.to_string(), endpoint.protocol)).collect()
}

fn addresses(list: &[(String, Option<u8>)]) -> Vec<&str> {
    list.iter().map(|(address, _)| address.as_str()).collect()
}

/// §5.1 "The client SHOULD separate these endpoints into different groups": the draft's example,
/// where an address is in both groups. §6 "the application SHOULD start with connection attempts to
/// the most preferred option".
#[test]
fn s5_1_groups_by_protocol() {
    let hints = [[c("2001:db8::2")], [c("2001:db8::4")]];
    let list = [
        ServiceRecord { alpn: &[b"h2"], ipv6_hints: &hints[1], ..to(1, OTHER) },
        ServiceRecord { alpn: &[b"h3", b"h2"], ipv6_hints: &hints[0], ..to(2, ALT) },
    ];
    let tried = |config: Config| {
        let mut race = Race::asked(config.https().protocols(PROTOCOLS));
        race.services(0, HTTPS, &list).until(60_000);
        race.endpoints.iter().map(|e| (e.address.to_string(), e.protocol)).collect::<Vec<_>>()
    };
    let (two, four) = ("2001:db8::2".to_owned(), "2001:db8::4".to_owned());
    let by_protocol = tried(Config::new().group_by_protocol(true));
    assert_eq!(by_protocol, [(two.clone(), Some(0)), (four.clone(), Some(1)), (two.clone(), Some(1))]);
    // §5.1.1 "Clients SHOULD avoid grouping … separately in cases where their use of an application
    // protocol or feature is non-critical": the default respects the priorities of the service.
    assert_eq!(tried(Config::new()), [(four, None), (two, None)]);
}

/// §5.1.1 "Clients ought not to arbitrarily group ECH-containing answers and sort them first"; "the
/// client MAY".
#[test]
fn s5_1_1_ech_first_is_an_option() {
    let list = [to(1, ALT), ServiceRecord { ech: true, ..to(2, OTHER) }];
    assert_eq!(addresses(&sorted(Config::new(), &list)), ["2001:db8::a", "2001:db8::b", "2001:db8::1"]);
    let ech = sorted(Config::new().prefer_ech(true), &list);
    assert_eq!(addresses(&ech), ["2001:db8::b", "2001:db8::a", "2001:db8::1"]);
}

/// §5.2 "These service-based groups SHOULD then be sorted using the service priority", whatever the
/// order of records.
#[test]
fn s5_2_services_go_by_priority() {
    let list = [to(2, ALT), to(1, OTHER)];
    assert_eq!(addresses(&sorted(Config::new(), &list)), ["2001:db8::b", "2001:db8::a", "2001:db8::1"]);
    // The option: one group, in which RFC 6724 leaves all as they came.
    let flat = sorted(Config::new().group_by_service(false), &list);
    assert_eq!(addresses(&flat), ["2001:db8::a", "2001:db8::b", "2001:db8::1"]);
}

/// §5.2 "A SVCB record with the TargetName "." applies to the owner name."
#[test]
fn s5_2_dot_is_the_owner() {
    let list = [to(2, ALT), ServiceRecord { priority: 1, port: Some(8443), ..ServiceRecord::default() }];
    let race = race(Config::new(), &list);
    assert_eq!(addresses(&sorted(Config::new(), &list)), ["2001:db8::1", "2001:db8::a"]);
    assert_eq!(race.endpoints[0].port, Some(8443));
    assert_eq!(race.endpoints[0].service, Some(ServiceId { owner: Name::ORIGINAL, index: 1 }));
}

/// §5.2 "All endpoints received from a particular SVCB service …, either by an associated AAAA or A
/// record or address hints, SHOULD be separated into a group": families take turns within each.
#[test]
fn s5_2_a_group_is_interleaved_alone() {
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[to(1, ALT), ServiceRecord { priority: 2, ..ServiceRecord::default() }]);
    race.answer(0, at(ALT, A), &["192.0.2.10"]).answer(0, at(ALT, AAAA), &["2001:db8::a", "2001:db8::b"]);
    race.log.clear();
    race.answer(0, A, &["192.0.2.1"]).answer(0, AAAA, &["2001:db8::1"]);
    assert_eq!(race.order(), ["192.0.2.10", "2001:db8::b", "2001:db8::1", "192.0.2.1"]);
}

/// §5.2 An address of two names is in the group of each, and is tried for both where their ports
/// differ.
#[test]
fn s5_2_an_address_of_two_names_is_in_both_groups() {
    let list =
        [ServiceRecord { port: Some(8443), ..to(1, ALT) }, ServiceRecord { priority: 2, ..ServiceRecord::default() }];
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &list).answer(0, at(ALT, AAAA), &["2001:db8::1"]).answer(0, at(ALT, A), &[]);
    race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &[]).until(60_000);
    let tried = |port| {
        let mut of_port = race.endpoints.iter().filter(|endpoint| endpoint.port == port);
        of_port.any(|endpoint| endpoint.address == harness::ip("2001:db8::1"))
    };
    assert!(tried(Some(8443)) && tried(None), "{:?}", race.endpoints);
}

/// §5.2 "When there are multiple services … with the same priority, the client SHOULD shuffle these
/// groups randomly."
#[test]
fn s5_2_equal_priorities_are_shuffled() {
    let list = [to(1, ALT), to(1, OTHER)];
    let first = |seed| sorted(Config::new().seed(seed), &list)[0].0.clone();
    let alt = (0..100).filter(|seed| first(*seed) == "2001:db8::a").count();
    assert!((30..=70).contains(&alt), "{alt} of 100");
    assert_eq!(first(7), first(7));
}

/// §5.2 "The unassociated addresses SHOULD be put in a group of endpoints that is prioritized at
/// the end of the list."
#[test]
fn s5_2_unassociated_addresses_come_last() {
    assert_eq!(addresses(&sorted(Config::new(), &[to(1, ALT)])), ["2001:db8::a", "2001:db8::1"]);
    assert_eq!(addresses(&sorted(Config::new(), &[])), ["2001:db8::1"]);
}

/// §5.3 "The client MUST sort the endpoints using Destination Address Selection." More in
/// `select.rs`.
#[test]
fn s5_3_rfc_6724_sorts() {
    let list = [
        from("192.0.2.1", "192.0.2.200"),
        from("2001:db8:1::1", "fd00::1"),
        from("2001:db8:3ffe::1", "2001:db8:3fff::2"),
    ];
    let mut race = Race::to(Config::new().interleave(false), &list);
    assert_eq!(race.order(), ["2001:db8:3ffe::1", "192.0.2.1", "2001:db8:1::1"]);
}

/// §5.3 "It SHOULD add a Destination Address Selection rule between rules 8 and 9 that prefers
/// addresses with lower RTTs": after the scope, before the prefix. The option is to give no
/// history.
#[test]
fn s5_3_lower_rtt_first() {
    let source = "2001:db8:1::2";
    let far = from("2001:db8:9::1", source);
    let near = from("2001:db8:1::1", source);
    let order = |list: &[AddressInfo]| Race::to(Config::new(), list).order();
    assert_eq!(order(&[far, near]), ["2001:db8:1::1", "2001:db8:9::1"]);
    assert_eq!(order(&[near.rtt(ms(80)), far.rtt(ms(20))]), ["2001:db8:9::1", "2001:db8:1::1"]);
    assert_eq!(order(&[near, far.rtt(ms(20))]), ["2001:db8:9::1", "2001:db8:1::1"]);
    let local = from("fe80::1", "fe80::2");
    assert_eq!(order(&[far.rtt(ms(1)), local.rtt(ms(9))])[0], "fe80::1");
}

/// §5.3 "It SHOULD add another … rule between the RTT rule and rule 9, which prefers used
/// addresses."
#[test]
fn s5_3_used_addresses_first() {
    let source = "2001:db8:1::2";
    let far = from("2001:db8:9::1", source);
    let near = from("2001:db8:1::1", source);
    let order = |list: &[AddressInfo]| Race::to(Config::new(), list).order();
    assert_eq!(order(&[near, far.used()]), ["2001:db8:9::1", "2001:db8:1::1"]);
    assert_eq!(order(&[near.rtt(ms(20)), far.rtt(ms(80)).used()]), ["2001:db8:1::1", "2001:db8:9::1"]);
}

/// §5.3 "The client SHOULD modify the ordered list to interleave address families."
#[test]
fn s5_3_families_take_turns() {
    let list = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"].map(c);
    let turns = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"];
    assert_eq!(Race::to(Config::new(), &list).order(), turns);
    let straight = list.map(|candidate| candidate.address.to_string());
    assert_eq!(Race::to(Config::new().interleave(false), &list).order(), straight);
    // "An implementation MAY choose to favor one address family more."
    let many = Config::new().preferred_family_count(9);
    assert_eq!(Race::to(many, &list).order(), straight);
    assert_eq!(Race::to(Config::new().preferred_family_count(0), &list).order(), turns);
}

/// §5.3 "Whichever address family is first in the list should be followed by an endpoint of the
/// other."
#[test]
fn s5_3_ipv4_may_be_first() {
    let v4 = ["192.0.2.1", "192.0.2.2"].map(|to| from(to, "192.0.2.200"));
    let v6 = ["2001:db8::1", "2001:db8::2"].map(|to| from(to, "fd00::1"));
    let list = [v6[0], v6[1], v4[0], v4[1]];
    assert_eq!(Race::to(Config::new(), &list).order(), ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"]);
}

/// §5.3 Rule 1 of RFC 6724: a family without connectivity is unreachable where nothing else is
/// known of an address.
#[test]
fn s5_3_families_without_connectivity_come_last() {
    let hints = [c("2001:db8::1")];
    let (config, record) =
        (Config::new().https(), ServiceRecord { priority: 1, ipv6_hints: &hints, ..ServiceRecord::default() });
    let order = |config: Config, found: &[AddressInfo]| {
        let mut race = Race::asked(config);
        race.services(0, HTTPS, &[record]).found(0, A, found);
        race.order()
    };
    let v4 = [c("192.0.2.1")];
    assert_eq!(order(config, &v4), ["2001:db8::1", "192.0.2.1"]);
    assert_eq!(order(config.connectivity(true, false), &v4), ["192.0.2.1", "2001:db8::1"]);
    // A known source decides before the connectivity.
    let hints = [from("2001:db8::1", "2001:db8::9")];
    let record = ServiceRecord { ipv6_hints: &hints, ..record };
    let mut race = Race::asked(config.connectivity(true, false));
    race.services(0, HTTPS, &[record]).answer(0, A, &["192.0.2.1"]);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1"]);
}

/// §5.2 A record that spells the caller's own port out gives no second endpoint: the first attempt
/// drops everything, and the record comes late.
#[test]
fn s5_2_a_port_that_is_the_caller_s_own() {
    let record = ServiceRecord { priority: 1, port: Some(443), ..ServiceRecord::default() };
    let starts = |config: Config| {
        let mut race = Race::asked(config.https());
        race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &["192.0.2.1"]).services(100, HTTPS, &[record]);
        race.until(1000).starts().into_iter().map(|(at, address)| (at, address.is_ipv4())).collect::<Vec<_>>()
    };
    assert_eq!(starts(Config::new().port(443)), [(50, false), (300, true)]);
    // If the caller's port is unknown or another, these are more endpoints.
    let more = [(50, false), (300, false), (550, true)];
    assert_eq!((starts(Config::new()), starts(Config::new().port(80))), (more.into(), more.into()));
}
