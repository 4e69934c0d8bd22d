//! Input that should not be, and none of which may panic, hang or be attempted.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use core::net::IpAddr;
use core::time::Duration;

use harness::{A, AAAA, ALT, HTTPS, Race, Said, at, c, failed, from, ip, ms, start, succeeded};
use mimic_happy_eyeballs::{
    Answer, AttemptId, AttemptState, Config, End, Failure, Machine, Name, Query, RaceInput, RaceOutput, RaceTarget,
    ServiceRecord,
};

#[test]
fn nxdomain() {
    let mut race = Race::asked(Config::new());
    race.answer(10, AAAA, &[]).answer(10, A, &[]).expect(&[(10, Said::Failed(Failure::NoAddresses))]);
}

#[test]
fn servfail() {
    let mut race = Race::asked(Config::new());
    race.servfail(10, AAAA).servfail(20, A).expect(&[(20, Said::Failed(Failure::NoAddresses))]);
    // Of one family only.
    let mut race = Race::asked(Config::new());
    race.servfail(10, AAAA).answer(20, A, &["192.0.2.1"]).expect(&[(20, start(0, "192.0.2.1"))]);
    // And records after all.
    let mut race = Race::asked(Config::new());
    race.servfail(10, AAAA).answer(20, AAAA, &["2001:db8::1"]).expect(&[(20, start(0, "2001:db8::1"))]);
}

#[test]
fn a_resolver_that_never_answers() {
    let mut race = Race::asked(Config::new().https());
    race.until(1_000_000).expect(&[]);
    assert_eq!(race.wake, None);
    race.input(1_000_000, RaceInput::Cancel).expect(&[]);
    race.assert_end(End::Cancelled);
    // Running out of addresses is no failure while it may still answer.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1"]).fail(10, 0).until(1_000_000).expect(&[(0, start(0, "2001:db8::1"))]);
    race.servfail(1_000_000, A).expect(&[(1_000_000, Said::Failed(Failure::AllFailed))]);
}

fn many(n: u16) -> Vec<mimic_happy_eyeballs::AddressInfo> {
    (0..n).map(|i| c(&format!("2001:db8::{i:x}"))).collect()
}

#[test]
fn a_thousand_addresses() {
    let mut race = Race::asked(Config::new());
    race.found(0, AAAA, &many(1000)).found(0, A, &[c("192.0.2.1")]);
    assert_eq!(race.machine.dropped().addresses, 968);
    // The other family has found a place: that of the first, which is being tried.
    race.until(60_000);
    assert_eq!(race.machine.attempts().len(), 32);
    assert_eq!(race.starts()[1], (250, ip("192.0.2.1")));
    for attempt in 0..33 {
        race.fail(60_000 + u64::from(attempt), attempt);
    }
    race.assert_end(End::Failed(Failure::AllFailed));
    assert_eq!((race.starts().len(), race.machine.untried()), (33, 968));
    let race = Race::to(Config::new(), &many(1000));
    assert_eq!(race.machine.dropped().addresses, 968);
}

#[test]
fn a_thousand_answers() {
    let mut race = Race::asked(Config::new());
    for (n, candidate) in many(1000).into_iter().enumerate() {
        race.found(n as u64 * 300, AAAA, &[candidate]);
    }
    // As many are tried at once as there is room for, and the last answer when one of them ends.
    assert_eq!(race.machine.attempts().len(), 32);
    assert_eq!(race.machine.dropped().addresses, 0);
    race.answer(400_000, A, &[]);
    assert_eq!(race.machine.untried(), 1);
    for attempt in 0..33 {
        race.fail(400_000 + u64::from(attempt), attempt);
    }
    assert_eq!((race.starts().len(), race.machine.untried()), (33, 0));
    race.assert_end(End::Failed(Failure::AllFailed));
}

#[test]
fn too_many_services_and_queries() {
    let list: Vec<_> = (0..100)
        .map(|n| ServiceRecord { priority: 100 - n, target: Some(Name(n)), ..ServiceRecord::default() })
        .collect();
    let mut race: Race<4, 2, 6> = Race::sized(Config::new().https());
    race.log.clear();
    race.services(0, HTTPS, &list);
    // The best priorities stay.
    assert_eq!(race.machine.dropped().services, 98);
    let asked: Vec<_> = race.log.iter().map(|(_, said)| said.clone()).collect();
    let query = |name, query| Said::Query(at(Name(name), query));
    assert_eq!(asked, [query(98, AAAA), query(98, A), query(99, AAAA)]);
    assert_eq!(race.machine.dropped().queries, 1);
    let race: Race<4, 0, 0> = Race::sized(Config::new().https());
    race.assert_end(End::Failed(Failure::NoAddresses));
    let mut race: Race<0, 0, 3> = Race::sized(Config::new().https());
    race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &[]).services(0, HTTPS, &list);
    race.assert_end(End::Failed(Failure::NoAddresses));
}

#[test]
fn duplicates_are_attempted_once() {
    let mut race = Race::asked(Config::new());
    race.answer(0, A, &["192.0.2.1", "192.0.2.1", "192.0.2.1"]).answer(0, AAAA, &["::ffff:192.0.2.1"]);
    assert_eq!(race.order(), ["192.0.2.1"]);
    assert_eq!(race.machine.dropped(), mimic_happy_eyeballs::Dropped::default());
}

#[test]
fn mapped_addresses_are_ipv4() {
    let mut race = Race::to(Config::new(), &[c("::ffff:192.0.2.1"), c("2001:db8::1"), c("2001:db8::2")]);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1", "2001:db8::2"]);
}

/// Also as the source of one.
#[test]
fn mapped_sources_are_ipv4() {
    // RFC 6724, rule 2: the source of the first has the scope of the destination, and rule 8: which
    // is the smaller one.
    let list = [from("198.51.100.1", "198.51.100.2"), from("::ffff:169.254.1.1", "::ffff:169.254.1.2")];
    assert_eq!(Race::to(Config::new(), &list).order(), ["169.254.1.1", "198.51.100.1"]);
}

/// An address in the answers of both families belongs to the later answer.
#[test]
fn mapped_addresses_stay_as_long_as_an_answer_has_them() {
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "::ffff:192.0.2.1"]).answer(10, A, &["192.0.2.1"]);
    race.answer(20, AAAA, &["2001:db8::1"]);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1"]);
}

#[test]
fn link_local_addresses_keep_their_scope() {
    let list = [c("fe80::1").scope_id(2), c("fe80::1").scope_id(3), c("169.254.1.1")];
    let mut race = Race::to(Config::new(), &list);
    assert_eq!(race.order(), ["fe80::1", "169.254.1.1", "fe80::1"]);
    assert_eq!(race.endpoints.iter().map(|endpoint| endpoint.scope_id).collect::<Vec<_>>(), [2, 0, 3]);
}

/// The zone that a resolver gives an IPv4 address, written as one of IPv6, means nothing.
#[test]
fn mapped_addresses_have_no_scope() {
    let mut race = Race::to(Config::new(), &[c("::ffff:192.0.2.1").scope_id(2), c("192.0.2.1")]);
    assert_eq!(race.order(), ["192.0.2.1"]);
    assert_eq!(race.endpoints[0].scope_id, 0);
}

#[test]
fn addresses_that_nobody_has() {
    let list = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:0.0.0.0", "::ffff:239.1.1.1"];
    let mut race = Race::to(Config::new(), &list.map(c));
    race.expect(&[(0, Said::Failed(Failure::NoAddresses))]);
    assert_eq!(race.machine.dropped().unusable, 7);
    // Nor do they count as an answer, from which a delay runs.
    let mut race = Race::asked(Config::new());
    race.answer(0, A, &["0.0.0.0"]).until(90).expect(&[]);
    race.answer(90, A, &["0.0.0.0", "192.0.2.1"]).until(200).expect(&[(140, start(0, "192.0.2.1"))]);
}

#[test]
fn a_clock_that_jumps() {
    type Race = Machine<Duration, u8>;
    let list = many(4);
    // Back: the time that has passed until then counts, and it goes on from there.
    let mut race = Race::new(Config::new(), RaceTarget::Addresses(&list), ms(1_000_000));
    assert!(matches!(race.output(ms(1_000_000)), Some(RaceOutput::Start { .. })));
    assert_eq!(race.output(ms(1_000_100)), Some(RaceOutput::Wake(ms(1_000_250))));
    assert_eq!(race.output(ms(5)), None);
    assert_eq!(race.output(ms(5)), Some(RaceOutput::Wake(ms(155))));
    assert_eq!(race.output(ms(154)), None);
    assert!(matches!(race.output(ms(155)), Some(RaceOutput::Start { .. })));
    assert_eq!(race.elapsed(), ms(250));
    // Forth: one attempt, and not all that would have been started meanwhile.
    assert!(matches!(race.output(ms(9_000_000)), Some(RaceOutput::Start { .. })));
    assert_eq!(race.output(ms(9_000_000)), Some(RaceOutput::Wake(ms(9_000_250))));
    // As far as it goes.
    assert!(matches!(race.output(Duration::MAX), Some(RaceOutput::Start { .. })));
    assert_eq!(race.output(Duration::MAX), None);
    race.input(succeeded(3), ms(0));
    assert_eq!((0..3).filter_map(|_| race.output(ms(0))).count(), 3);
    assert_eq!(race.output(ms(0)), Some(RaceOutput::Won { attempt: AttemptId(3) }));
}

#[test]
fn a_machine_that_is_asked_too_often() {
    let mut race: Machine<Duration, u8> = Machine::new(Config::new(), RaceTarget::Addresses(&many(2)), ms(0));
    let starts = (0..1000).filter(|n| matches!(race.output(ms(n / 100)), Some(RaceOutput::Start { .. }))).count();
    assert_eq!(starts, 1);
}

#[test]
fn input_after_the_end() {
    for end in [succeeded(0), failed(0), RaceInput::Cancel] {
        let mut race = Race::to(Config::new(), &[c("2001:db8::1")]);
        race.input(10, end).log.clear();
        let ended = race.machine.end();
        let found = [c("2001:db8::2")];
        let answer = RaceInput::Answer { query: AAAA, answer: Answer::Addresses(&found) };
        let prefix = RaceInput::Prefix(mimic_happy_eyeballs::Prefix::WELL_KNOWN);
        let progress = RaceInput::Progress { attempt: AttemptId(0) };
        race.inputs(20, &[answer, prefix, succeeded(0), failed(0), progress, RaceInput::Cancel]);
        race.until(10_000).inputs(10_000, &[]).expect(&[]);
        assert_eq!(race.machine.end(), ended);
        assert_eq!((race.wake, race.machine.attempts().len()), (None, 1));
    }
}

#[test]
fn unknown_attempts_and_queries() {
    let mut race = Race::asked(Config::new());
    for attempt in [0, 1, 77, u16::MAX] {
        race.inputs(1, &[succeeded(attempt), failed(attempt), RaceInput::Progress { attempt: AttemptId(attempt) }]);
    }
    for query in [HTTPS, at(ALT, A), at(Name(u16::MAX), AAAA), Query { name: Name(3), ..HTTPS }] {
        race.answer(2, query, &["2001:db8::1"]).servfail(2, query).services(2, query, &[ServiceRecord::default()]);
    }
    // Nor is the answer to another kind of question one.
    race.services(3, AAAA, &[ServiceRecord { priority: 1, ..ServiceRecord::default() }]).until(100).expect(&[]);
    assert!(race.machine.end().is_none());
}

#[test]
fn an_answer_before_its_query() {
    let mut race: Machine<Duration, u8> = Machine::new(Config::new(), RaceTarget::Name, ms(0));
    let found = [c("2001:db8::1")];
    race.input(RaceInput::Answer { query: AAAA, answer: Answer::Addresses(&found) }, ms(0));
    assert_eq!(race.output(ms(0)), Some(RaceOutput::Query(AAAA)));
    assert_eq!(race.output(ms(0)), Some(RaceOutput::Query(A)));
    assert_eq!(race.output(ms(0)), None);
}

#[test]
fn outcomes_that_come_twice() {
    let mut race = Race::to(Config::new(), &many(3));
    race.fail(100, 0).fail(101, 0).ok(102, 0).progress(103, 0).until(349);
    race.expect(&[(0, start(0, "2001:db8::")), (100, start(1, "2001:db8::1"))]);
    assert_eq!(race.machine.attempts()[0].ended, Some(ms(100)));
    // A success that is lost before it counts; one told twice.
    race.inputs(349, &[succeeded(1), failed(1)]).expect(&[(349, start(2, "2001:db8::2"))]);
    race.inputs(350, &[succeeded(2), succeeded(2)]).expect(&[(350, Said::Won(2))]);
    assert!(matches!(race.machine.attempts()[1].state, AttemptState::Failed { .. }));
}

#[test]
fn odd_services() {
    let mut race = Race::asked(Config::new().https().protocols(&[b"h2"]).default_protocol(b"h2"));
    let hints = [c("0.0.0.0"), c("::ffff:192.0.2.7"), c("192.0.2.7")];
    let list = [
        ServiceRecord { priority: u16::MAX, ipv4_hints: &hints, ipv6_hints: &hints, ..ServiceRecord::default() },
        ServiceRecord { priority: 5, target: Some(Name::ORIGINAL), alpn: &[b""], ..ServiceRecord::default() },
    ];
    race.services(0, HTTPS, &list).answer(1, AAAA, &[]).answer(1, A, &["192.0.2.8"]).until(9000);
    assert!(race.machine.dropped().unusable > 0);
    let tried: Vec<IpAddr> = race.machine.attempts().iter().map(|attempt| attempt.endpoint.address).collect();
    assert!(tried.contains(&ip("192.0.2.7")) && tried.iter().all(|address| !address.is_unspecified()));
    // No service listens on port 0.
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[ServiceRecord { priority: 1, port: Some(0), ..ServiceRecord::default() }]);
    race.answer(1, AAAA, &[]).answer(1, A, &["192.0.2.8"]).until(9000);
    assert!(race.machine.attempts().is_empty());
    // An alias to nowhere, among others: there is no service.
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[list[0], ServiceRecord::default(), list[1]]).answer(1, AAAA, &["2001:db8::1"]);
    race.expect(&[(1, start(0, "2001:db8::1"))]);
}
