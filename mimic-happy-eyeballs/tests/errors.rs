//! The errors of races without a winner, in texts, reports and observers.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::error::Error as _;
use std::io;

use mimic_core::explain::Outcome;
use mimic_core::roles::{RecordType, Transport};
use mimic_core::{Error, ErrorKind, Phase};
use mimic_happy_eyeballs::{Config, EventKind, Failure, RaceConfig};
use world::*;

#[track_caller]
fn assert_one_line(error: &Error) {
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
}

/// How often `part` is in `text`.
fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

fn advised() -> Error {
    refused().advise("start the server")
}

#[test]
fn the_error_of_the_only_attempt_passes_through() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).fails(V4, 5, advised);
    let error = world.error();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::ConnectionRefused, Some(Phase::Connect)));
    assert_eq!((error.at(), error.target()), (Some("Tcp \"tcp\""), Some(V4)));
    assert_eq!(error.advice(), Some("start the server"));
    assert!(has_source::<io::Error>(&error));
    let io_error = io::Error::from(io::ErrorKind::ConnectionRefused).to_string();
    assert_eq!(error.to_string(), format!("Tcp \"tcp\" to {V4}: connect failed: {io_error}; start the server"));
    let race = race_error(&error);
    assert_eq!(race.failure(), Failure::AllFailed);
    assert_eq!(
        lines(race.timeline())[4..],
        ["0.0 ms  start   192.0.2.1:443", "5.0 ms  fail    192.0.2.1:443: ConnectionRefused"]
    );
    assert_eq!(race.errors().len(), 1);
    assert_eq!(race.errors()[0].0.unwrap().to_string(), V4);
    let tree = format!("{error:#}");
    assert_eq!(count(&tree, &io_error), 2, "in the line and where it happened: {tree}");
    assert_one_line(&error);
}

#[test]
fn an_error_as_text_passes_through_as_text() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).fails(V4, 5, no_route);
    let error = world.error();
    assert_eq!(error.to_string(), format!("Tcp \"tcp\" to {V4}: connect failed: no route to host"));
    assert!(race_error(&error).source().is_none());
}

#[test]
fn an_attempt_tells_more_than_a_look_up_even_without_a_phase() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"]));
    let world = world.no_answer(RecordType::Aaaa, 0, no_name);
    let world = world.fails(V4, 5, || Error::new(ErrorKind::TimedOut, "nobody answers"));
    let error = world.error();
    assert_eq!((error.kind(), error.target()), (ErrorKind::TimedOut, Some(V4)), "{error}");
    assert_eq!(error.to_string(), format!("Tcp \"tcp\" to {V4}: nobody answers"));
}

#[test]
fn several_attempts_are_told_each_with_its_address_and_reason() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).fails(V6, 0, no_route);
    let error = world.fails(V4, 30, advised).error();
    let io_error = io::Error::from(io::ErrorKind::ConnectionRefused).to_string();
    let text = error.to_string();
    assert!(
        text.contains(&format!("every connection attempt failed; {V6}: no route to host; {V4}: {io_error}")),
        "{text}"
    );
    assert_eq!((count(&text, V4), count(&text, V6), count(&text, &io_error)), (1, 1, 1), "{text}");
    assert_eq!(error.target(), Some("example.org:443"));
    assert_eq!(error.phase(), Some(Phase::Connect));
    assert_one_line(&error);
    let attempts: Vec<_> = error.report().unwrap().attempts().iter().map(ToString::to_string).collect();
    assert_eq!(
        attempts,
        [
            format!("Tcp \"tcp\" to {V6}: connect failed: no route to host"),
            format!("Tcp \"tcp\" to {V4}: connect failed: {io_error}"),
        ]
    );
}

#[test]
fn several_errors_are_at_the_layer_that_tried_them_all() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).fails(V6, 0, no_route);
    let error = world.fails(V4, 30, refused).error();
    assert_eq!(error.at(), Some("Transport \"happy-eyeballs\""), "{error}");
}

#[test]
fn a_name_that_does_not_exist() {
    let world = World::new().no_answer(RecordType::Aaaa, 10, no_name).no_answer(RecordType::A, 20, no_name);
    let error = world.error();
    assert_eq!(world.now(), ms(20));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Lookup)));
    assert_eq!(race_error(&error).failure(), Failure::NoAddresses);
    assert_eq!(count(&error.to_string(), "example.org"), 1, "{error}");
    assert_eq!(count(&error.to_string(), "no such name"), 1, "{error}");
    assert_one_line(&error);
}

#[test]
fn look_ups_that_fail_for_different_reasons_are_told_each() {
    let world = World::new().no_answer(RecordType::Aaaa, 10, no_name).no_answer(RecordType::A, 20, server_failure);
    let error = world.error();
    assert_eq!(error.kind(), ErrorKind::Other, "the name may exist");
    assert_eq!(
        error.to_string(),
        "Transport \"happy-eyeballs\" to example.org:443: lookup failed: no usable address in the answers; \
         example.org (Aaaa): no such name; example.org (A): the server failed"
    );
}

#[test]
fn service_records_that_fail_over_protected_dns_say_so() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).fails(V4, 1, refused);
    let world = world.no_answer(RecordType::Https, 20, server_failure);
    let ctx = world.shared().with(RaceConfig, Config::new().https().protected(true));
    let error = world.connect_secure(&ctx, 443).unwrap_err();
    assert_eq!(race_error(&error).failure(), Failure::Services);
    let text = error.to_string();
    assert!(text.contains("service records failed over protected DNS"), "{text}");
    assert!(text.contains("example.org (Https): the server failed"), "{text}");
}

#[test]
fn no_addresses() {
    let world = World::new().name((10, &[]), (20, &[]));
    let error = world.error();
    assert_eq!(world.now(), ms(20));
    assert_eq!((error.kind(), error.phase()), (ErrorKind::NotFound, Some(Phase::Lookup)));
    assert_eq!(
        error.to_string(),
        "Transport \"happy-eyeballs\" to example.org:443: lookup failed: no usable address in the answers"
    );
    assert!(matches!(race_error(&error).timeline().last().unwrap().kind(), EventKind::Answer(_, 0)));
}

#[test]
fn only_unusable_addresses() {
    let world = World::new().name((0, &["::", "ff02::1"]), (0, &["0.0.0.0", "255.255.255.255", "224.0.0.1"]));
    assert!(world.error().to_string().contains("no usable address in the answers"));
    assert_eq!(world.alive("attempts"), 0);
}

#[test]
fn a_failing_resolver_and_an_empty_answer() {
    let world = World::new().name((10, &[]), (20, &[])).no_answer(RecordType::A, 20, server_failure);
    let error = world.error();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Other, Some(Phase::Lookup)));
    assert!(error.to_string().contains("the server failed"), "{error}");
    assert_one_line(&error);
}

#[test]
fn a_failing_resolver_beside_a_failing_attempt_is_kept() {
    let world = World::new().name((0, &[]), (10, &["192.0.2.1"])).no_answer(RecordType::Aaaa, 0, server_failure);
    let error = world.fails(V4, 5, refused).error();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let race = race_error(&error);
    assert_eq!(race.errors().len(), 2);
    assert!(race.errors()[0].0.is_none());
    let outcomes: Vec<_> = error.report().unwrap().attempts().iter().map(|attempt| attempt.outcome().clone()).collect();
    assert!(matches!(outcomes[..], [Outcome::Failed(_), Outcome::Failed(_)]), "{outcomes:?}");
}

#[test]
fn the_earliest_of_those_that_got_as_far_gives_kind_and_advice() {
    let world = World::new().name((0, &["2001:db8::1", "2001:db8::2"]), (0, &[]));
    let late = || Error::new(ErrorKind::TimedOut, "too late").in_phase(Phase::Connect);
    let error = world.fails(V6, 5, advised).fails(V6B, 5, late).error();
    assert_eq!((error.kind(), error.advice()), (ErrorKind::ConnectionRefused, Some("start the server")));
    assert!(has_source::<io::Error>(&error));
}

#[test]
fn of_a_hundred_failures_some_are_kept_and_the_others_counted() {
    let many: Vec<_> = (1..=100).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let world = many.iter().fold(World::new().name((0, &[]), (0, &many)), |world, address| {
        world.fails(&format!("{address}:443"), 1, refused)
    });
    // The one that tells most is kept wherever it is.
    let world = world.fails("192.0.2.50:443", 1, || Error::new(ErrorKind::TimedOut, "late").in_phase(Phase::Handshake));
    let error = world.error();
    assert_eq!(world.now(), ms(99 * 10 + 1));
    let race = race_error(&error);
    let peers: Vec<_> = race.errors().iter().filter_map(|(peer, _)| Some(peer.as_ref()?.to_string())).collect();
    let kept: Vec<_> = (1..=8).chain([50]).chain(78..=100).map(|n| format!("192.0.2.{n}:443")).collect();
    assert_eq!(peers, kept);
    assert_eq!((race.omitted(), race.untried(), error.kind()), (68, 0, ErrorKind::TimedOut));
    assert!(error.to_string().contains("; 68 more errors"), "{error}");
    assert_one_line(&error);
}

#[test]
fn a_single_error_of_a_kept_dialer_is_as_good() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).fails(V4, 5, refused);
    let ctx = world.shared();
    let dialer = world.run(ctx.dialer(Transport)).unwrap();
    for _ in 0..2 {
        let error = world.run(dialer.dial(host())).unwrap_err();
        assert_eq!(error.target(), Some(V4));
        assert!(error.report().unwrap().attempts().len() == 1 && has_source::<io::Error>(&error));
    }
}
