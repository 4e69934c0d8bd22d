//! The driver: over roles that follow a script, in virtual time.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::net::SocketAddr;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use mimic_core::explain::Outcome;
use mimic_core::keys::Deadline;
use mimic_core::roles::{HostPort, Tcp, Transport};
use mimic_core::{Context, Ctx, Error, ErrorKind, Flow, FlowExt as _, Install, Local, Mode, Shared};
use mimic_happy_eyeballs::{Config, EventKind, Kind, Observer, Peer, RaceConfig};
use world::*;

/// A name with one address per family, of which IPv6 leads nowhere.
fn black_hole() -> World {
    World::new().name((30, &["2001:db8::1"]), (30, &["192.0.2.1"])).accepts(V4, 20)
}

const BLACK_HOLE: [&str; 7] = [
    "0.0 ms  ask     AAAA",
    "0.0 ms  ask     A",
    "30.0 ms  answer  AAAA: 1",
    "30.0 ms  answer  A: 1",
    "30.0 ms  start   [2001:db8::1]:443",
    "280.0 ms  start   192.0.2.1:443",
    "300.0 ms  cancel  [2001:db8::1]:443",
];

fn black_holed<M: Mode>()
where
    World: Install<M>,
{
    let world = black_hole();
    let ctx: Ctx<M> = world.ctx().with(Observer, observe);
    let flow = world.connect(&ctx, host()).unwrap();
    assert_eq!(peer(&flow), V4);
    assert_eq!(world.now(), ms(300));
    let lines = timeline(&flow);
    assert_eq!(lines[..7], BLACK_HOLE);
    assert_eq!(lines[7..], ["300.0 ms  win     192.0.2.1:443"]);
    assert_eq!(flow_events(&flow), observed());
    assert_eq!(world.log(), ["0 example.org (Aaaa)", "0 example.org (A)"]);
    assert_eq!((world.alive("look-ups"), world.alive("attempts"), world.alive("flows")), (0, 0, 1));
}

fn flow_events(flow: &impl mimic_core::Flow) -> Vec<mimic_happy_eyeballs::Event> {
    mimic_core::FlowExt::attribute(flow, mimic_happy_eyeballs::Timeline).unwrap()
}

#[test]
fn black_holed_ipv6_costs_one_delay_in_both_modes() {
    black_holed::<Shared>();
    black_holed::<Local>();
}

#[test]
fn events_tell_when_and_what_and_print_as_one_line() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).skew(300).accepts(V4, 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    let events = flow_events(&flow);
    let start = events.iter().rfind(|event| matches!(event.kind(), EventKind::Start(_))).unwrap();
    assert_eq!(start.to_string(), "  250.3 ms  start   192.0.2.1:443");
    assert_eq!(start.at(), Duration::from_micros(250_300));
    assert_eq!(start.kind(), EventKind::Start(Peer::from(SocketAddr::from(([192, 0, 2, 1], 443)))));
    assert_eq!(events[0].to_string(), "    0.0 ms  ask     AAAA");
    assert_eq!(events[0].kind(), EventKind::Ask(Kind::Aaaa));
}

#[test]
fn an_observer_is_told_while_it_happens() {
    let world = black_hole();
    let ctx = world.shared().with(Observer, observe);
    let mut connect = Box::pin(ctx.resolve(Transport, host()));
    assert!(world.run_until(connect.as_mut(), ms(29)).is_none());
    assert_eq!(lines(&observed()), BLACK_HOLE[..2]);
    assert!(world.run_until(connect.as_mut(), ms(279)).is_none());
    assert_eq!(lines(&observed()), BLACK_HOLE[2..5]);
    assert!(world.run_until(connect.as_mut(), ms(280)).is_none());
    assert_eq!(lines(&observed()), BLACK_HOLE[5..6]);
}

#[test]
fn dropping_the_connect_drops_every_look_up_and_attempt_at_once() {
    let names: &[&str] = &["2001:db8::1", "2001:db8::2"];
    let world = World::new().name((10, names), (30, &["192.0.2.1", "192.0.2.2"]));
    // At 30 there was an attempt beside a look-up, at the end there are four attempts.
    for (at, look_ups, attempts) in [(0, 2, 0), (9, 2, 0), (20, 1, 1), (31, 0, 1), (300, 0, 2), (5000, 0, 4)] {
        let begun = world.now();
        let ctx = world.shared();
        let mut connect = Box::pin(ctx.resolve(Transport, host()));
        assert!(world.run_until(connect.as_mut(), begun + ms(at)).is_none());
        assert_eq!((world.alive("look-ups"), world.alive("attempts")), (look_ups, attempts), "at {at}");
        drop(connect);
        assert_eq!((world.alive("look-ups"), world.alive("attempts")), (0, 0), "at {at}");
        assert_eq!(world.now(), begun + ms(at));
    }
}

#[test]
fn of_two_that_connect_at_the_same_time_the_earlier_wins_and_the_other_is_closed() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).accepts(V6, 300).accepts(V4, 50);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(300)));
    assert_eq!((world.alive("attempts"), world.alive("flows")), (0, 1));
    assert_eq!(timeline(&flow)[6..], ["300.0 ms  cancel  192.0.2.1:443", "300.0 ms  win     [2001:db8::1]:443"]);
    drop(flow);
    assert_eq!(world.alive("flows"), 0);
}

#[test]
fn a_deadline_covers_it_all_and_its_report_says_where_it_struck() {
    let world = World::new().name((10, &["2001:db8::1"]), (10, &["192.0.2.1"]));
    let ctx = world.shared().with(Deadline, ms(1000)).with(Observer, observe);
    let error = world.connect(&ctx, host()).unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(world.now(), ms(1000));
    assert_eq!((error.at(), error.target()), (Some("Tcp \"tcp\""), Some(V4)));
    let attempts = error.report().unwrap().attempts();
    let struck: Vec<_> = attempts.iter().map(|attempt| (attempt.at(), attempt.target())).collect();
    assert_eq!(struck, [("Tcp \"tcp\"", V6), ("Tcp \"tcp\"", V4)]);
    assert!(attempts.iter().all(|attempt| *attempt.outcome() == Outcome::Cancelled));
    assert_eq!((world.alive("attempts"), world.alive("flows")), (0, 0));
    assert_eq!(observed().len(), 6, "also a race that does not end is observed");
}

#[test]
fn a_resolver_that_never_answers_leaves_it_to_the_deadline() {
    let world = World::new().name((-1, &[]), (-1, &[]));
    let error = world.connect(&world.shared().with(Deadline, ms(1000)), host()).unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!((error.at(), error.target()), (Some("Lookup \"script\""), Some("example.org (A)")));
    assert_eq!(world.alive("look-ups"), 0);
}

#[test]
fn one_family_that_is_never_answered_costs_the_resolution_delay() {
    let world = World::new().name((-1, &[]), (10, &["192.0.2.1"])).accepts(V4, 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V4, ms(80)));
    assert_eq!(world.alive("look-ups"), 0);
    let world = World::new().name((10, &["2001:db8::1"]), (-1, &[])).accepts(V6, 20);
    world.connect(&world.shared(), host()).unwrap();
    assert_eq!(world.now(), ms(30));
}

#[test]
fn a_resolver_that_fails_for_one_family_does_not_hold_up_the_other() {
    let world = World::new().name((10, &[]), (20, &["192.0.2.1"])).accepts(V4, 20);
    let world = world.no_answer(mimic_core::roles::RecordType::Aaaa, 10, server_failure);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!(world.now(), ms(40));
    assert_eq!(timeline(&flow)[2], format!("10.0 ms  answer  AAAA: {}", ErrorKind::Other));
}

#[test]
fn a_late_answer_is_merged_while_attempts_run() {
    let world = World::new().name((200, &["2001:db8::1"]), (10, &["192.0.2.1"])).accepts(V6, 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(330)));
}

#[test]
fn who_fails_without_sending_does_not_pace_and_who_is_refused_does() {
    let name = |fault: fn() -> mimic_core::Error| {
        let names: (i64, &[&str]) = (0, &["2001:db8::1"]);
        World::new().name(names, (0, &["192.0.2.1"])).fails(V6, 0, fault).accepts(V4, 20)
    };
    let local = || mimic_core::Error::new(ErrorKind::AddrNotAvailable, "no address to connect from");
    for (fault, won) in [(no_route as fn() -> _, 20), (local, 20), (refused, 30)] {
        let world = name(fault);
        world.connect(&world.shared(), host()).unwrap();
        assert_eq!(world.now(), ms(won), "{}", fault());
    }
    let reset = World::new()
        .name((0, &["2001:db8::1"]), (0, &["192.0.2.1"]))
        .accepts(V4, 20)
        .fails(V6, 0, || mimic_core::Error::new(ErrorKind::ConnectionReset, "reset"));
    reset.connect(&reset.shared(), host()).unwrap();
    assert_eq!(reset.now(), ms(30));
    // Later than its first poll, it may have sent.
    let world = name(no_route).fails(V6, 1, no_route);
    world.connect(&world.shared(), host()).unwrap();
    assert_eq!(world.now(), ms(30));
}

#[test]
fn a_timer_that_fires_early_or_late_changes_nothing_but_the_times() {
    for (skew, won) in [(-100, 269_900), (-9_000, 261_000), (100, 270_100), (90_000, 360_000)] {
        let names: (i64, &[&str]) = (0, &["2001:db8::1"]);
        let world = World::new().name(names, (0, &["192.0.2.1"])).skew(skew).accepts(V4, 20);
        let flow = world.connect(&world.shared(), host()).unwrap();
        assert_eq!(world.now(), Duration::from_micros(won), "skew {skew}");
        let events = flow_events(&flow);
        assert!(events.is_sorted_by_key(|event| event.at()), "skew {skew}: {events:?}");
    }
}

#[test]
fn what_happens_while_a_timer_is_ahead_of_its_clock_does_not_turn_time_back() {
    let many: &[&str] = &["2001:db8::1", "2001:db8::2", "2001:db8::3"];
    let world = World::new().name((0, many), (0, &[])).skew(-5000).fails(V6B, 1, refused);
    let world = world.accepts("[2001:db8::3]:443", 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    let events = flow_events(&flow);
    assert!(events.is_sorted_by_key(|event| event.at()), "{:?}", timeline(&flow));
    // 10 ms between starts, by the clock too.
    assert_eq!(world.now(), ms(245 + 10 + 20));
}

#[test]
fn a_clock_that_jumps_ahead_starts_one_attempt_at_a_time() {
    let many: &[&str] = &["2001:db8::1", "2001:db8::2", "2001:db8::3"];
    let world = World::new().name((0, many), (0, &[])).accepts("[2001:db8::3]:443", 20);
    let ctx = world.shared();
    let mut connect = Box::pin(ctx.resolve(Transport, host()));
    assert!(world.run_until(connect.as_mut(), ms(100)).is_none());
    // A machine that slept.
    world.jump(Duration::from_secs(3600));
    assert!(world.run_until(connect.as_mut(), ms(101)).is_none());
    assert_eq!(world.alive("attempts"), 2);
    let flow = world.run(connect).unwrap();
    assert_eq!(peer(&flow), "[2001:db8::3]:443");
    assert_eq!(flow_events(&flow).last().unwrap().at(), Duration::from_secs(3600) + ms(370));
}

#[test]
fn nothing_of_a_race_remains_in_a_context_or_a_kept_dialer() {
    let world = black_hole();
    let ctx = world.shared();
    let dialer = world.run(ctx.dialer(Transport)).unwrap();
    for _ in 0..3 {
        let begun = world.now();
        let flow = world.run(dialer.dial(host())).unwrap();
        assert_eq!(world.now() - begun, ms(300));
        assert_eq!(timeline(&flow)[..7], BLACK_HOLE);
    }
    assert_eq!((world.alive("attempts"), world.alive("flows")), (0, 0));
}

#[test]
fn polls_that_nobody_asked_for_change_nothing() {
    let world = black_hole();
    let ctx = world.shared().with(Observer, observe);
    let mut connect = Box::pin(ctx.resolve(Transport, host()));
    for (at, news) in [(0, 2), (100, 3), (290, 1)] {
        for _ in 0..50 {
            assert!(world.run_until(connect.as_mut(), ms(at)).is_none());
        }
        assert_eq!(observed().len(), news, "at {at}");
    }
    assert_eq!(timeline(&world.run(connect).unwrap())[..7], BLACK_HOLE);
}

#[test]
fn the_flow_does_all_that_the_winner_s_does() {
    let world = black_hole();
    let mut flow = world.connect(&world.shared(), host()).unwrap();
    world.log();
    world.run(async {
        assert_eq!(std::future::poll_fn(|cx| flow.poll_write(cx, b"abc")).await.unwrap(), 3);
        assert_eq!(flow.write_vectored(&[b"abc", b"de"]).await.unwrap(), 5);
        assert_eq!(std::future::poll_fn(|cx| flow.poll_read(cx, &mut [0; 8])).await.unwrap(), 0);
        std::future::poll_fn(|cx| flow.poll_flush(cx)).await.unwrap();
        flow.shutdown().await.unwrap();
    });
    assert!(flow.is_write_vectored() && flow.inner().is_some());
    flow.abort();
    assert_eq!(world.log(), [format!("abort {V4}")]);
}

/// A flow of which every call fails, and tells which it was.
#[derive(Debug)]
struct Broken;

impl Broken {
    fn call<T>(call: &'static str) -> Poll<Result<T, Error>> {
        Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, call)))
    }
}

impl Flow for Broken {
    fn poll_read(&mut self, _: &mut Task<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
        Self::call("read")
    }

    fn poll_write(&mut self, _: &mut Task<'_>, _: &[u8]) -> Poll<Result<usize, Error>> {
        Self::call("write")
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Self::call("flush")
    }

    fn poll_shutdown(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Self::call("shutdown")
    }

    fn poll_write_vectored(&mut self, _: &mut Task<'_>, _: &[&[u8]]) -> Poll<Result<usize, Error>> {
        Self::call("write of many")
    }
}

#[test]
fn the_flow_fails_as_the_winner_does() {
    let ctx = black_hole().shared();
    let ctx = ctx.register(Tcp, "broken", 0, (), |_, ()| async { Ok(Box::new(Broken) as <Shared as Mode>::Flow) });
    let mut flow = World::new().connect(&ctx, HostPort::new("192.0.2.1", 443)).unwrap();
    let cx = &mut Task::from_waker(Waker::noop());
    let said = [
        flow.poll_read(cx, &mut [0; 8]).map_ok(drop),
        flow.poll_write(cx, b"abc").map_ok(drop),
        flow.poll_flush(cx),
        flow.poll_shutdown(cx),
        flow.poll_write_vectored(cx, &[b"abc"]).map_ok(drop),
    ];
    let said = said.map(|poll| match poll {
        Poll::Ready(Err(error)) => error.to_string(),
        other => format!("{other:?}"),
    });
    assert_eq!(said, ["read", "write", "flush", "shutdown", "write of many"]);
    assert!(!flow.is_write_vectored());
}

#[test]
fn races_run_side_by_side() {
    let world = black_hole();
    let ctx = world.shared();
    let (a, b) = world
        .run(async { futures_lite::future::zip(ctx.resolve(Transport, host()), ctx.resolve(Transport, host())).await });
    assert_eq!((timeline(&a.unwrap()).len(), timeline(&b.unwrap()).len()), (8, 8));
    assert_eq!(world.now(), ms(300));
}

#[test]
fn its_configuration_is_a_key() {
    let world = black_hole();
    let config = Config::new().attempt_delay(ms(100));
    let flow = world.connect(&world.shared().with(RaceConfig, config), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V4, ms(150)));
}

#[test]
fn a_connect_of_a_shared_context_may_be_spawned() {
    fn assert_send<T: Send>(future: T) -> T {
        future
    }
    async fn generic<M: Mode>(ctx: &Ctx<M>, to: HostPort) -> Result<M::Flow, mimic_core::Error> {
        ctx.resolve(Transport, to).await
    }
    let world = black_hole();
    let ctx: Context = world.ctx();
    world.run(assert_send(ctx.resolve(Transport, host()))).unwrap();
    let spawned = std::thread::spawn(move || {
        let world = black_hole();
        let ctx: Context = world.ctx();
        world.run(assert_send(async move { generic(&ctx, host()).await })).map(|flow| peer(&flow))
    });
    assert_eq!(spawned.join().unwrap().unwrap(), V4);
}

/// Of a race that is given up the observer is told, and of one that is lost the error, how much was
/// never tried.
#[test]
fn what_was_never_tried_is_counted() {
    let many: Vec<_> = (1..=201).map(|n| format!("192.0.2.{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let world = World::new().name((0, &["2001:db8::1"]), (0, &many));
    let ctx = world.shared().with(Deadline, ms(1100)).with(Observer, observe);
    assert!(world.connect(&ctx, host()).unwrap_err().is_deadline());
    assert_eq!(world.dials().len(), 5);
    let told = *observed().last().unwrap();
    assert_eq!(told.kind(), EventKind::Untried(197));
    assert_eq!(told.to_string(), " 1100.0 ms  leave   197 addresses that were never tried");
    // One that wins leaves nothing to tell.
    let world = World::new().name((0, &["2001:db8::1"]), (0, &many)).accepts(V6, 5);
    world.connect(&world.shared().with(Observer, observe), host()).unwrap();
    assert!(matches!(observed().last().unwrap().kind(), EventKind::Win(_)));
}

/// A long race keeps the first events and the latest.
#[test]
fn a_timeline_is_bounded() {
    let many: Vec<_> = (1..=300).map(|n| format!("2001:db8::{n:x}")).collect();
    let world = World::new().name((0, &many.iter().map(String::as_str).collect::<Vec<_>>()), (0, &[]));
    let world = many.iter().fold(world, |world, address| world.fails(&format!("[{address}]:443"), 1, refused));
    let world = world.accepts("[2001:db8::12c]:443", 20);
    let flow = world.connect(&world.shared().with(Observer, observe), host()).unwrap();
    let (events, all) = (flow_events(&flow), observed());
    assert_eq!((events.len(), all.len()), (256, 4 + 2 * 300));
    let EventKind::Skip(skipped) = events[64].kind() else { panic!("{}", events[64]) };
    assert_eq!(skipped as usize + 255, all.len());
    assert_eq!((&events[..64], &events[65..]), (&all[..64], &all[all.len() - 191..]));
}
