//! Section 6 of the draft: connection attempts.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use core::time::Duration;

use harness::{A, AAAA, ALT, HTTPS, Play, Race, Said, at, c, failed, ms, start, succeeded};
use mimic_happy_eyeballs::{AddressInfo, AttemptId, Config, End, Failure, ServiceRecord};

fn v6(n: u16) -> Vec<AddressInfo> {
    (1..=n).map(|i| c(&format!("2001:db8::{i:x}"))).collect()
}

fn times(race: &Race) -> Vec<u64> {
    race.starts().iter().map(|start| start.0).collect()
}

fn delays(config: Config) -> Vec<u64> {
    let mut race = Race::to(config, &v6(3));
    race.play(&[]);
    times(&race)
}

/// §6 "Connection attempts SHOULD NOT be made simultaneously": one at a time, and others go on.
#[test]
fn s6_one_attempt_after_the_other() {
    let mut race = Race::to(Config::new(), &v6(3));
    race.expect(&[(0, start(0, "2001:db8::1"))]).until(500).expect(&[(250, start(1, "2001:db8::2"))]);
    assert_eq!(race.machine.attempts().iter().filter(|attempt| attempt.ended.is_none()).count(), 2);
}

/// §6 "All other connection attempts that have not yet succeeded SHOULD be canceled. Any endpoint
/// that was not yet attempted as a connection SHOULD be ignored."
#[test]
fn s6_a_success_cancels_the_others() {
    let mut race = Race::to(Config::new(), &v6(9));
    race.until(600).log.clear();
    race.ok(600, 1).until(9000);
    race.expect(&[(600, Said::Cancel(0)), (600, Said::Cancel(2)), (600, Said::Won(1))]);
    race.answer(9001, AAAA, &["2001:db8::99"]).expect(&[]);
}

/// §6 "All of the endpoints of the first group SHOULD be started before starting attempts using the
/// next group. Attempts across service groups SHOULD be allowed to continue in parallel."
#[test]
fn s6_groups_follow_each_other() {
    let hints = [c("2001:db8::a"), c("2001:db8::b")];
    let first = ServiceRecord { priority: 1, target: Some(ALT), ipv6_hints: &hints, ..ServiceRecord::default() };
    let mut race = Race::asked(Config::new().https());
    race.services(0, HTTPS, &[first]).log.clear();
    race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &["192.0.2.1"]).until(800);
    let expected = [(250, start(1, "2001:db8::b")), (500, start(2, "2001:db8::1")), (750, start(3, "192.0.2.1"))];
    race.expect(&expected).ok(900, 0);
    race.assert_end(End::Won(AttemptId(0)));
}

/// §6 "One recommended value for a default delay is 250 milliseconds."
#[test]
fn s6_default_delay() {
    assert_eq!(delays(Config::new()), [0, 250, 500]);
    assert_eq!(delays(Config::new().attempt_delay(ms(400))), [0, 400, 800]);
}

/// §6 "The Connection Attempt Delay MUST have a lower bound … MUST NOT be started within 10
/// milliseconds of the previous attempt", whatever is configured.
#[test]
fn s6_floor_of_the_delay() {
    assert_eq!(delays(Config::new().attempt_delay(ms(0))), [0, 10, 20]);
    assert_eq!(delays(Config::new().attempt_delay(ms(0)).maximum_attempt_delay(ms(1))), [0, 10, 20]);
    assert_eq!(delays(Config::new().attempt_delay(ms(0)).delay_multiplier(0)), [0, 10, 20]);
}

/// §6 The same when attempts fail at once, or an address comes just then.
#[test]
fn s6_floor_after_failures() {
    let mut race = Race::to(Config::new(), &v6(5));
    race.play(&[Play::Fail(0), Play::Fail(3), Play::Fail(12), Play::Hang]);
    assert_eq!(times(&race), [0, 10, 20, 32, 282]);
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1"]).fail(2, 0).answer(3, A, &["192.0.2.1"]).until(50);
    race.expect(&[(0, start(0, "2001:db8::1")), (10, start(1, "192.0.2.1"))]);
}

/// §6 Only an attempt that surely sent nothing is no "previous attempt"; the one before it still
/// is.
#[test]
fn s6_floor_and_unsent_attempts() {
    let mut race = Race::to(Config::new(), &v6(4));
    race.play(&[Play::Fail(4), Play::Refuse(0), Play::Refuse(3), Play::Hang]);
    assert_eq!(times(&race), [0, 10, 10, 13]);
    let mut race = Race::to(Config::new(), &v6(9));
    race.play(&[Play::Refuse(0); 9]);
    assert_eq!(times(&race), [0; 9]);
    assert_eq!(race.log.back(), Some(&(0, Said::Failed(Failure::AllFailed))));
}

/// §6 "The recommended minimum value is 100 milliseconds", where the delay is computed from
/// history.
#[test]
fn s6_minimum_delay() {
    let list = |rtt| [c("2001:db8::1").rtt(ms(rtt)), c("2001:db8::2").rtt(ms(rtt))];
    let second = |config, rtt| {
        let mut race = Race::to(config, &list(rtt));
        race.play(&[]);
        times(&race)[1]
    };
    assert_eq!(second(Config::new(), 1), 100);
    assert_eq!(second(Config::new().minimum_attempt_delay(ms(40)), 1), 40);
    assert_eq!(second(Config::new().minimum_attempt_delay(ms(0)), 0), 10);
    // "If the client has historical RTT data …, it can use this information": thrice the RTT.
    assert_eq!(second(Config::new(), 60), 180);
    assert_eq!(second(Config::new(), 5000), 2000);
    assert_eq!(second(Config::new().delay_from_rtt(false), 60), 250);
}

/// §6 "The Connection Attempt Delay SHOULD have an upper bound … recommended value is 2 seconds."
#[test]
fn s6_maximum_delay() {
    assert_eq!(delays(Config::new().attempt_delay(ms(9000))), [0, 2000, 4000]);
    assert_eq!(delays(Config::new().attempt_delay(Duration::MAX)), [0, 2000, 4000]);
    assert_eq!(delays(Config::new().attempt_delay(ms(9000)).maximum_attempt_delay(ms(5000))), [0, 5000, 10_000]);
    assert_eq!(delays(Config::new().attempt_delay(ms(1500)).delay_multiplier(2)), [0, 1500, 3500]);
}

/// §6 "In the case of the end of the list being reached, [the timer] is cancelled."
#[test]
fn s6_timer_ends_with_the_list() {
    let mut race = Race::to(Config::new(), &v6(2));
    assert_eq!(race.wake, Some(ms(250)));
    race.until(300);
    assert_eq!(race.wake, None);
}

/// §6 "The delay value can be different for each connection attempt (depending on … the estimated
/// RTT)."
#[test]
fn s6_delay_of_each_attempt() {
    let mut race = Race::to(Config::new(), &[c("2001:db8::1").rtt(ms(50)), c("2001:db8::2"), c("2001:db8::3")]);
    race.play(&[]);
    assert_eq!(times(&race), [0, 150, 400]);
}

/// §6, where the draft is silent: the failure of the most recent attempt starts the next, that of
/// an older one does not.
#[test]
fn s6_failures_hurry() {
    let mut race = Race::to(Config::new(), &v6(4));
    race.fail(100, 0).until(120).fail(130, 0).expect(&[(0, start(0, "2001:db8::1")), (100, start(1, "2001:db8::2"))]);
    let mut race = Race::to(Config::new(), &v6(3));
    race.until(260).fail(300, 0).until(499).log.clear();
    race.until(600).expect(&[(500, start(2, "2001:db8::3"))]);
}

/// §6, where the draft is silent: a limit on attempts holds starts back until one ends.
#[test]
fn s6_limit_in_flight() {
    let mut race = Race::to(Config::new().max_in_flight(2), &v6(4));
    race.until(1000).fail(1000, 0).fail(1100, 1).until(5000);
    assert_eq!(times(&race), [0, 250, 1000, 1250]);
    assert_eq!(delays(Config::new().max_in_flight(0)), [0]);
}

/// §6.1 "Clients SHOULD wait for the TLS handshake to successfully complete before cancelling other
/// connection attempts": progress is no success.
#[test]
fn s6_1_progress_cancels_nothing() {
    let mut race = Race::to(Config::new(), &v6(2));
    race.until(260).progress(270, 0).ok(400, 1);
    race.assert_end(End::Won(AttemptId(1)));
}

/// §6.1 "When the connection establishment makes progress, but has not completed, the timer SHOULD
/// be extended."
#[test]
fn s6_1_progress_extends_the_timer() {
    let mut race = Race::to(Config::new(), &v6(3));
    race.progress(200, 0);
    assert_eq!(race.wake, Some(ms(450)));
    race.progress(210, 0);
    assert_eq!(race.wake, Some(ms(460)));
    // Progress is no reason to wait for an attempt that fails.
    race.fail(220, 0).expect(&[(0, start(0, "2001:db8::1")), (220, start(1, "2001:db8::2"))]);
    // The option: to tell of none.
    let mut race = Race::to(Config::new(), &v6(2));
    race.until(400).expect(&[(0, start(0, "2001:db8::1")), (250, start(1, "2001:db8::2"))]);
}

/// §6.1 "The client MUST wait for SVCB records before proceeding with the cryptographic handshake";
/// §6.3 "clients MUST pend starting handshakes", "even after the Resolution Delay"; §11 "MUST NOT
/// send any unencrypted data after the TCP handshake completes unless they have received a valid
/// HTTPS response".
#[test]
fn s6_1_handshakes_wait_for_services() {
    let mut race = Race::asked(Config::new().https().wait_for_services(true));
    race.answer(10, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(10, A, &[]).until(61);
    race.expect(&[(60, start(0, "2001:db8::1"))]);
    assert!(!race.machine.may_handshake());
    // Connected is not won yet; nothing else is needed meanwhile.
    race.ok(80, 0).until(3000).expect(&[]);
    race.services(3000, HTTPS, &[]);
    assert!(race.machine.may_handshake());
    race.expect(&[(3000, Said::Won(0))]);
    // Over protected DNS it is the default, which may be taken back; the option alone is not taken
    // back by DNS that is not.
    let waits = |config: Config| !Race::asked(config.https()).machine.may_handshake();
    assert!(waits(Config::new().protected(true)));
    assert!(!waits(Config::new().protected(true).wait_for_services(false)));
    assert!(waits(Config::new().wait_for_services(true).protected(false)));
    assert!(!waits(Config::new().protected(false)));
    // Without the option nothing waits.
    let mut race = Race::asked(Config::new().https());
    race.answer(10, AAAA, &["2001:db8::1"]).until(61);
    assert!(race.machine.may_handshake());
    race.ok(80, 0);
    race.assert_end(End::Won(AttemptId(0)));
}

/// §6.1 One that waits for records would not be helped by another that does: no other starts while
/// it lasts. Attempts that are not as far, or have ended, hold nothing up.
#[test]
fn s6_1_others_start_unless_one_waits() {
    let race = || {
        let mut race = Race::asked(Config::new().https().wait_for_services(true));
        race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]).answer(0, A, &[]);
        race
    };
    assert_eq!(times(race().until(400)), [50, 300]);
    assert_eq!(times(race().progress(100, 0).until(9000)), [50]);
    let mut lost = race();
    assert_eq!(times(lost.progress(100, 0).fail(200, 0).until(500)), [50, 200, 450]);
}

/// §6.1 A connection that is lost while it waits for the services is a failure.
#[test]
fn s6_1_lost_while_waiting() {
    let mut race = Race::asked(Config::new().https().wait_for_services(true));
    race.answer(10, AAAA, &["2001:db8::1", "2001:db8::2"]).until(61).ok(80, 0).fail(200, 0);
    race.expect(&[(60, start(0, "2001:db8::1")), (200, start(1, "2001:db8::2"))]);
    race.services(250, HTTPS, &[]).expect(&[]).ok(260, 1).expect(&[(260, Said::Won(1))]);
}

/// §6.1 An alias does not end the wait.
#[test]
fn s6_1_handshakes_wait_for_aliases() {
    let mut race = Race::asked(Config::new().https().wait_for_services(true));
    race.services(10, HTTPS, &[ServiceRecord { target: Some(ALT), ..ServiceRecord::default() }]);
    assert!(!race.machine.may_handshake());
    race.services(20, at(ALT, HTTPS), &[]);
    assert!(race.machine.may_handshake());
}

const TCP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// §6.2 "It SHOULD perform the procedure specified in Section 7.1.2 of SVCB"; "The client SHOULD
/// NOT attempt to make a connection to a service endpoint whose SVCB ALPN set does not contain any
/// protocols that the client supports." With the draft's example.
#[test]
fn s6_2_services_without_a_common_protocol() {
    let hints = [c("2001:db8::2")];
    let h3 = ServiceRecord {
        priority: 1,
        target: Some(ALT),
        alpn: &[b"h3"],
        no_default_alpn: true,
        ipv6_hints: &hints,
        ..ServiceRecord::default()
    };
    let config = Config::new().https().protocols(TCP).default_protocol(b"http/1.1");
    let mut race = Race::asked(config);
    // Its addresses are not even asked for.
    race.services(10, HTTPS, &[h3]).expect(&[]).answer(20, AAAA, &["2001:db8::1"]).until(5000);
    race.expect(&[(20, start(0, "2001:db8::1"))]);
    // Nor is the name tried, if the record is about it.
    let mut race = Race::asked(config);
    race.services(10, HTTPS, &[ServiceRecord { target: None, ..h3 }]).answer(20, AAAA, &["2001:db8::1"]);
    race.answer(30, A, &["192.0.2.1"]).expect(&[(30, Said::Failed(Failure::NoService))]);
    assert_eq!(race.machine.dropped().protocols, 1);
    // With the default protocol it is; and for a client that names none.
    let default = ServiceRecord { no_default_alpn: false, ..h3 };
    for (config, service) in [(config, default), (Config::new().https(), h3)] {
        let mut race = Race::asked(config);
        race.services(10, HTTPS, &[service]);
        assert_eq!(race.starts(), [(10, harness::ip("2001:db8::2"))]);
    }
}

/// §6.2 A record with a mandatory key that the client does not know is ignored (RFC 9460 §8).
#[test]
fn s6_2_incompatible_records_are_ignored() {
    let mut race = Race::asked(Config::new().https());
    let record = ServiceRecord { priority: 1, unsupported: true, port: Some(1), ..ServiceRecord::default() };
    race.services(10, HTTPS, &[record]).answer(20, AAAA, &["2001:db8::1"]).expect(&[(20, start(0, "2001:db8::1"))]);
    assert_eq!((race.endpoints[0].port, race.endpoints[0].service), (None, None));
}

/// §6.3 "If SVCB resolution fails when using cryptographic protection, clients SHOULD abandon
/// connection attempts altogether."
#[test]
fn s6_3_protected_failures_abandon() {
    let mut race = Race::asked(Config::new().https().protected(true));
    race.answer(10, AAAA, &["2001:db8::1"]).until(61).servfail(100, HTTPS);
    race.expect(&[(60, start(0, "2001:db8::1")), (100, Said::Cancel(0)), (100, Said::Failed(Failure::Services))]);
    // A connection that waited for them is none.
    let mut race = Race::asked(Config::new().https().protected(true).wait_for_services(true));
    race.answer(10, AAAA, &["2001:db8::1"]).until(61).ok(70, 0).log.clear();
    race.servfail(100, HTTPS).expect(&[(100, Said::Cancel(0)), (100, Said::Failed(Failure::Services))]);
    // Unprotected, or negative: the race goes on.
    let mut race = Race::asked(Config::new().https());
    race.servfail(10, HTTPS).answer(10, AAAA, &["2001:db8::1"]).expect(&[(10, start(0, "2001:db8::1"))]);
    let mut race = Race::asked(Config::new().https().protected(true));
    race.services(10, HTTPS, &[]).answer(10, AAAA, &["2001:db8::1"]).expect(&[(10, start(0, "2001:db8::1"))]);
    // A failed query for addresses is no downgrade.
    race.servfail(11, A).expect(&[]);
}

/// One instant: successes first, of those the earliest started; then answers, failures and timers.
#[test]
fn s6_simultaneous_events() {
    let mut race = Race::to(Config::new(), &v6(4));
    race.until(740).log.clear();
    race.inputs(750, &[failed(0), succeeded(2), succeeded(1)]).expect(&[(750, Said::Cancel(2)), (750, Said::Won(1))]);
    // An answer at the time of the timer is sorted in before the timer starts an attempt.
    let mut race = Race::asked(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(250, A, &["192.0.2.1"]);
    race.expect(&[(0, start(0, "2001:db8::1")), (250, start(1, "192.0.2.1"))]);
    // And one at the time of the resolution delay, before it ends.
    let mut race = Race::asked(Config::new());
    race.answer(0, A, &["192.0.2.1"]).answer(50, AAAA, &["2001:db8::1"]).expect(&[(50, start(0, "2001:db8::1"))]);
}

/// §6.2 An address that such records leave out may be tried last, at the caller's own port (RFC
/// 9460 §3); not where records are relied on (§3.1).
#[test]
fn s6_2_the_origin_may_be_fallen_back_to() {
    let h3 = ServiceRecord { priority: 1, alpn: &[b"h3"], no_default_alpn: true, ..ServiceRecord::default() };
    let moved = ServiceRecord { priority: 1, port: Some(99), ech: true, ..ServiceRecord::default() };
    let config = Config::new().https().protocols(&[b"h2"]).default_protocol(b"h2").fall_back_to_origin(true);
    let ports = |config: Config, list: &[ServiceRecord<'_>]| {
        let mut race = Race::asked(config);
        race.services(0, HTTPS, list).answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &[]);
        race.order();
        race.endpoints.iter().map(|endpoint| endpoint.port).collect::<Vec<_>>()
    };
    assert_eq!(ports(config, &[h3]), [None]);
    assert_eq!(ports(config, &[h3, moved]), [Some(99), None]);
    // An endpoint that a record gives is not tried twice, for whichever protocol it was.
    let plain = ServiceRecord { priority: 1, alpn: &[b"h2"], ..ServiceRecord::default() };
    assert_eq!(ports(config.group_by_protocol(true), &[plain]), [None]);
    assert_eq!(ports(config.port(99), &[moved]), [None]);
    for config in [config.fall_back_to_origin(false), config.protected(true), config.wait_for_services(true)] {
        assert!(ports(config, &[h3]).is_empty());
        assert_eq!(ports(config, &[h3, moved]), [Some(99)]);
    }
    assert_eq!(ports(config.prefer_ech(true), &[moved]), [Some(99)]);
    assert_eq!(ports(config.prefer_ech(true), &[ServiceRecord { ech: false, ..moved }]), [Some(99), None]);
}
