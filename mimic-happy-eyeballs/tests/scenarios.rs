//! The scenarios of the reference behaviour, by their numbers. Times are in milliseconds.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use harness::{A, AAAA, HTTPS, Play, Race, Said, at, c, from, ip, ms, start};
use mimic_happy_eyeballs::{
    AttemptId, AttemptState, Config, End, Failure, Name, Prefix, RaceInput, ServiceRecord, Source,
};

use Play::{Fail, Hang, Ok, Refuse};

/// `n` addresses of one family.
fn v6(n: u16) -> Vec<mimic_happy_eyeballs::AddressInfo> {
    (1..=n).map(|i| c(&format!("2001:db8::{i:x}"))).collect()
}

/// Sources that sort these IPv4 addresses before an IPv6 one (RFC 6724 rule 5).
const OWN_V4: &str = "192.0.2.200";
const ULA: &str = "fd00::1";

#[test]
fn scenario_01() {
    let mut race = Race::asked(Config::new());
    race.answer(30, AAAA, &["2001:db8::1"]).answer(32, A, &["192.0.2.1"]);
    race.expect(&[(30, start(0, "2001:db8::1"))]);
    assert_eq!(race.wake, Some(ms(280)));
}

#[test]
fn scenario_02() {
    let mut race = Race::asked(Config::new());
    race.answer(30, A, &["192.0.2.1"]).expect(&[]);
    assert_eq!(race.wake, Some(ms(80)));
    race.answer(40, AAAA, &["2001:db8::1"]).expect(&[(40, start(0, "2001:db8::1"))]);
}

#[test]
fn scenario_03() {
    let mut race = Race::asked(Config::new());
    race.answer(30, A, &["192.0.2.1"]).answer(180, AAAA, &["2001:db8::1"]).until(1000);
    race.expect(&[(80, start(0, "192.0.2.1")), (330, start(1, "2001:db8::1"))]);
}

#[test]
fn scenario_04() {
    let mut race = Race::asked(Config::new());
    race.answer(10, A, &["192.0.2.1"]).until(1000).expect(&[(60, start(0, "192.0.2.1"))]);
}

#[test]
fn scenario_05() {
    let mut race = Race::asked(Config::new());
    race.answer(20, AAAA, &[]).answer(30, A, &["192.0.2.1"]).expect(&[(30, start(0, "192.0.2.1"))]);
}

#[test]
fn scenario_06() {
    let mut race = Race::asked(Config::new());
    race.answer(20, AAAA, &[]).expect(&[]).answer(30, A, &[]);
    race.expect(&[(30, Said::Failed(Failure::NoAddresses))]);
    assert_eq!(race.wake, None);
}

#[test]
fn scenario_07() {
    let mut race = Race::to(Config::new(), &[c("2001:db8::1"), c("192.0.2.1")]);
    race.play(&[Hang, Ok(20)]).expect(&[
        (0, start(0, "2001:db8::1")),
        (250, start(1, "192.0.2.1")),
        (270, Said::Cancel(0)),
        (270, Said::Won(1)),
    ]);
}

#[test]
fn scenario_08() {
    let mut race = Race::to(Config::new(), &v6(4));
    race.play(&[Fail(100), Fail(200), Ok(10_000), Ok(250)]).expect(&[
        (0, start(0, "2001:db8::1")),
        (100, start(1, "2001:db8::2")),
        (300, start(2, "2001:db8::3")),
        (550, start(3, "2001:db8::4")),
        (800, Said::Cancel(2)),
        (800, Said::Won(3)),
    ]);
}

#[test]
fn scenario_09() {
    let mut race = Race::to(Config::new(), &v6(3));
    race.play(&[Ok(1000), Ok(1000), Ok(200)]).expect(&[
        (0, start(0, "2001:db8::1")),
        (250, start(1, "2001:db8::2")),
        (500, start(2, "2001:db8::3")),
        (700, Said::Cancel(0)),
        (700, Said::Cancel(1)),
        (700, Said::Won(2)),
    ]);
}

#[test]
fn scenario_10() {
    let mut race = Race::to(Config::new(), &v6(3));
    race.play(&[Ok(1000), Ok(100), Ok(200)]).expect(&[
        (0, start(0, "2001:db8::1")),
        (250, start(1, "2001:db8::2")),
        (350, Said::Cancel(0)),
        (350, Said::Won(1)),
    ]);
}

#[test]
fn scenario_11() {
    let mut race = Race::to(Config::new().attempt_delay(ms(450)), &v6(3));
    race.play(&[Ok(1000), Ok(1000), Ok(200)]).expect(&[
        (0, start(0, "2001:db8::1")),
        (450, start(1, "2001:db8::2")),
        (900, start(2, "2001:db8::3")),
        (1000, Said::Cancel(1)),
        (1000, Said::Cancel(2)),
        (1000, Said::Won(0)),
    ]);
}

#[test]
fn scenario_12() {
    let list = [from("192.0.2.1", OWN_V4), from("192.0.2.2", OWN_V4), from("2001:db8::1", ULA)];
    let mut race = Race::to(Config::new().attempt_delay(ms(1000)), &list);
    race.play(&[Fail(10_000), Ok(500)]).expect(&[
        (0, start(0, "192.0.2.1")),
        (1000, start(1, "2001:db8::1")),
        (1500, Said::Cancel(0)),
        (1500, Said::Won(1)),
    ]);
}

#[test]
fn scenario_13() {
    let mut race = Race::to(Config::new(), &v6(4));
    race.play(&[Fail(100), Fail(200), Fail(10_000), Fail(250)]);
    assert_eq!(race.log.back(), Some(&(10_300, Said::Failed(Failure::AllFailed))));
    let reasons: Vec<_> = race.machine.attempts().iter().map(|attempt| attempt.state).collect();
    let failed = |reason| AttemptState::Failed { reason, sent: true };
    assert_eq!(reasons, [failed(0), failed(1), failed(2), failed(3)]);
    let times: Vec<_> = race.machine.attempts().iter().map(|a| (a.started, a.ended.unwrap())).collect();
    assert_eq!(times, [(0, 100), (100, 300), (300, 10_300), (550, 800)].map(|(a, b)| (ms(a), ms(b))));
}

#[test]
fn scenario_14() {
    let mut race = Race::to(Config::new(), &v6(2));
    race.ok(300, 1).log.clear();
    race.ok(301, 0).fail(302, 0).expect(&[]);
    race.assert_end(End::Won(AttemptId(1)));
    assert_eq!(race.machine.attempts()[0].state, AttemptState::Cancelled);
}

#[test]
fn scenario_15() {
    let mut race = Race::to(Config::new(), &v6(2));
    race.play(&[Ok(300), Hang]).expect(&[
        (0, start(0, "2001:db8::1")),
        (250, start(1, "2001:db8::2")),
        (300, Said::Cancel(1)),
        (300, Said::Won(0)),
    ]);
}

#[test]
fn scenario_16() {
    let mut race = Race::asked(Config::new().https());
    let hints = [c("2001:db8::1")];
    race.services(10, HTTPS, &[ServiceRecord { priority: 1, ipv6_hints: &hints, ..ServiceRecord::default() }]);
    race.answer(20, AAAA, &["2001:db8::1"]).answer(20, A, &[]).until(5000);
    race.expect(&[(10, start(0, "2001:db8::1"))]);
}

#[test]
fn scenario_17() {
    let mut race = Race::to(Config::new().delay_multiplier(2), &v6(4));
    race.play(&[]);
    assert_eq!(race.starts().iter().map(|start| start.0).collect::<Vec<_>>(), [0, 250, 750, 1750]);
    // A failure does not grow the delay.
    let mut race = Race::to(Config::new().delay_multiplier(2), &v6(4));
    race.play(&[Fail(100), Fail(100)]);
    assert_eq!(race.starts().iter().map(|start| start.0).collect::<Vec<_>>(), [0, 100, 200, 450]);
    // Nor does one while another runs.
    let mut race = Race::to(Config::new().delay_multiplier(2), &v6(4));
    race.play(&[Hang, Fail(50)]);
    assert_eq!(race.starts().iter().map(|start| start.0).collect::<Vec<_>>(), [0, 250, 300, 800]);
}

#[test]
fn scenario_18() {
    let mut race = Race::asked(Config::new().https());
    let hints = [c("2001:db8::a"), c("2001:db8::b")];
    race.services(10, HTTPS, &[ServiceRecord { priority: 1, ipv6_hints: &hints, ..ServiceRecord::default() }]);
    race.answer(20, AAAA, &["2001:db8::1"]).answer(20, A, &[]).until(1000);
    race.expect(&[(10, start(0, "2001:db8::a")), (260, start(1, "2001:db8::1"))]);
    race.ok(1001, 0).expect(&[(1001, Said::Cancel(1)), (1001, Said::Won(0))]);
}

#[test]
fn scenario_19() {
    let mut race = Race::asked(Config::new().https());
    race.answer(10, AAAA, &["2001:db8::1"]).answer(10, A, &[]);
    let other = Name(7);
    race.services(20, HTTPS, &[ServiceRecord { target: Some(other), ..ServiceRecord::default() }]);
    race.expect(&[
        (20, Said::Query(at(other, HTTPS))),
        (20, Said::Query(at(other, AAAA))),
        (20, Said::Query(at(other, A))),
    ]);
    assert_eq!(race.wake, Some(ms(60)));
    race.services(30, at(other, HTTPS), &[]).expect(&[(30, start(0, "2001:db8::1"))]);
}

#[test]
fn scenario_20() {
    let config = Config::new().nat64(Prefix::WELL_KNOWN);
    let mut race = Race::to(config, &[c("192.0.2.33").source(Source::Unreachable)]);
    race.expect(&[(0, start(0, "64:ff9b::192.0.2.33"))]);
    assert_eq!(race.endpoints[0].original, ip("192.0.2.33"));
}

#[test]
fn scenario_21() {
    let mut race = Race::to(Config::new(), &[c("2001:db8::1"), c("192.0.2.1")]);
    race.progress(200, 0).until(1000);
    race.expect(&[(0, start(0, "2001:db8::1")), (450, start(1, "192.0.2.1"))]);
}

#[test]
fn scenario_22() {
    let mut race = Race::to(Config::new(), &v6(4));
    race.until(5000).log.clear();
    race.input(5000, RaceInput::Cancel);
    race.expect(&[0, 1, 2, 3].map(|attempt| (5000, Said::Cancel(attempt))));
    race.assert_end(End::Cancelled);
    assert!(race.machine.attempts().iter().all(|a| a.state == AttemptState::Cancelled && a.ended == Some(ms(5000))));
}

#[test]
fn scenario_23() {
    let list = [c("2001:db8::a"), c("192.0.2.1"), c("2001:db8::b"), c("192.0.2.2")];
    let mut race = Race::to(Config::new().attempt_delay(ms(1000)), &list);
    race.play(&[Refuse(0), Fail(10_000), Refuse(0), Ok(100)]).expect(&[
        (0, start(0, "2001:db8::a")),
        (0, start(1, "192.0.2.1")),
        (1000, start(2, "2001:db8::b")),
        (1000, start(3, "192.0.2.2")),
        (1100, Said::Cancel(1)),
        (1100, Said::Won(3)),
    ]);
}

#[test]
fn scenario_24() {
    let list = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"];
    let mut race = Race::to(Config::new().preferred_family_count(2), &list.map(c));
    let expected = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3", "192.0.2.2"];
    assert_eq!(race.order(), expected);
}

#[test]
fn scenario_25() {
    let mut race = Race::to(Config::new(), &[]);
    race.expect(&[(0, Said::Failed(Failure::NoAddresses))]);
}

#[test]
fn scenario_26() {
    let mut list = v6(8);
    list.push(c("192.0.2.1"));
    let mut race = Race::to(Config::new().attempt_delay(ms(20)).max_in_flight(6), &list);
    race.play(&[Fail(500); 9]);
    let times: Vec<_> = race.starts().iter().map(|start| start.0).collect();
    assert_eq!(times, [0, 20, 40, 60, 80, 100, 500, 520, 540]);
    assert_eq!(race.log.back(), Some(&(1040, Said::Failed(Failure::AllFailed))));
}

#[test]
fn scenario_27() {
    let mut list = v6(3);
    list.push(c("192.0.2.1"));
    let mut race = Race::to(Config::new().attempt_delay(ms(50)), &list);
    race.play(&[Fail(400); 4]);
    assert_eq!(race.log.back(), Some(&(550, Said::Failed(Failure::AllFailed))));
}
