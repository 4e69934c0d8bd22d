//! One deadline over the whole resolve, and the record of where it struck.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use common::*;
use mimic_core::adapter::Instant;
use mimic_core::explain::PlanError;
use mimic_core::keys::Deadline;
use mimic_core::needs::{over, req};
use mimic_core::roles::{Connect, HostPort, Lookup, Record, Sleep, Tcp, Transport};
use mimic_core::{Context, Error, ErrorKind, InOrder, Schemes, Timer as _, timeout};

const LIMIT: Duration = Duration::from_secs(30);

fn timed(clock: &JumpingClock) -> Context {
    clock.install(Context::new()).with(Deadline, LIMIT)
}

fn failed<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("the deadline did not strike"),
        Err(error) => error,
    }
}

#[test]
fn it_names_the_innermost_dial_it_struck_and_keeps_what_had_failed() {
    let clock = JumpingClock::default();
    let slow = clock.clone();
    let ctx = timed(&clock)
        .install(Schemes)
        .install(InOrder)
        .register(Lookup, "fake", 0, (), |_, ()| async {
            Ok(vec![Record::A([192, 0, 2, 1].into()), Record::A([192, 0, 2, 2].into())])
        })
        .register(Tcp, "tcp", 0, (), move |to: std::net::SocketAddr, ()| {
            let slow = slow.clone();
            async move {
                if to.ip().to_string() == "192.0.2.1" {
                    slow.advance(Duration::from_secs(10));
                    return Err(refused());
                }
                pending().await
            }
        })
        .with_url("tcp://example.org:7")
        .unwrap();
    let error = failed(block_on(ctx.connect()));
    assert!(error.is_timeout());
    assert_eq!(error.at(), Some("Tcp \"tcp\""));
    assert_eq!(error.target(), Some("192.0.2.2:7"));
    assert!(error.to_string().contains("the deadline of 30s passed"), "{error}");
    let attempts: Vec<_> = error.report().unwrap().attempts().iter().map(ToString::to_string).collect();
    assert_eq!(
        attempts,
        [
            "Transport \"in-order\" to example.org:7: cancelled while it ran",
            "Tcp \"tcp\" to 192.0.2.1:7: nobody listens",
            "Tcp \"tcp\" to 192.0.2.2:7: cancelled while it ran",
        ]
    );
    assert_eq!(error.report().unwrap().deadline(), Some(LIMIT));
    assert_eq!(clock.now(), LIMIT, "one deadline for all addresses");
}

#[test]
fn it_does_not_name_what_had_been_given_up_before() {
    // A race that was won, and then a peer that says nothing.
    let ctx = timed(&JumpingClock::default())
        .register(Tcp, "tcp", 0, (), |to: std::net::SocketAddr, ()| async move {
            if to.is_ipv6() { pending().await } else { named("fast") }
        })
        .register(Transport, "race", 0, over(Tcp), |_: HostPort, link| async move {
            let slow = link.dial("[2001:db8::1]:1".parse().unwrap());
            let fast = link.dial("192.0.2.1:1".parse().unwrap());
            futures_lite::future::or(slow, fast).await
        })
        .layer(Transport, "socks", (), |to: HostPort, below, ()| async move {
            let _flow = below.dial(to).await?;
            pending().await
        })
        .register(Connect, "root", 0, over(Transport), |(), transport| async move {
            transport.dial(HostPort::new("x", 7)).await
        });
    let error = failed(block_on(ctx.connect()));
    assert_eq!((error.at(), error.target()), (Some("Transport \"socks\""), Some("x:7")), "{error:#}");
    let attempts: Vec<_> = error.report().unwrap().attempts().iter().map(ToString::to_string).collect();
    assert_eq!(
        attempts,
        [
            "Transport \"socks\" to x:7: cancelled while it ran",
            "Tcp \"tcp\" to [2001:db8::1]:1: cancelled while it ran",
        ]
    );

    // Given up by the candidate itself, which then waits for something that is no dial.
    let ctx = timed(&JumpingClock::default())
        .register(Tcp, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>())
        .register(Connect, "root", 0, over(Tcp), |(), link| async move {
            let dial = link.dial("192.0.2.1:1".parse().unwrap());
            assert!(futures_lite::future::poll_once(dial).await.is_none());
            pending().await
        });
    let error = failed(block_on(ctx.connect()));
    assert_eq!((error.at(), error.target()), (Some("Connect \"root\""), None), "{error:#}");
}

#[test]
fn it_names_what_it_cut_off_among_very_many() {
    let ctx = timed(&JumpingClock::default())
        .register(Tcp, "tcp", 0, (), |to: std::net::SocketAddr, ()| async move {
            if to.port() == 10 { pending().await } else { Err::<Boxed, _>(refused()) }
        })
        .register(Connect, "race", 0, over(Tcp), |(), link| async move {
            let dial = |port| link.dial(([192, 0, 2, 1], port).into());
            for port in 1..10 {
                let _ = dial(port).await;
            }
            let later = async {
                for port in 11..50 {
                    let _ = dial(port).await;
                }
                pending().await
            };
            futures_lite::future::or(dial(10), later).await
        });
    let error = failed(block_on(ctx.connect()));
    assert_eq!((error.at(), error.target()), (Some("Tcp \"tcp\""), Some("192.0.2.1:10")), "{error:#}");
    let report = error.report().unwrap();
    assert_eq!((report.attempts().len(), report.omitted()), (32, 17));
    let first: Vec<_> = report.attempts()[..9].iter().map(mimic_core::explain::Attempt::target).collect();
    let ports = [1, 2, 3, 4, 5, 6, 7, 8, 10];
    assert_eq!(first, ports.map(|port| format!("192.0.2.1:{port}")));
}

#[test]
fn it_covers_functions_and_says_which_one_ran() {
    let ctx = timed(&JumpingClock::default()).derive(A, (), |()| pending::<Result<Option<u32>, Error>>()).register(
        Connect,
        "root",
        0,
        req(A),
        |(), _| async { named("root") },
    );
    let error = failed(block_on(ctx.connect()));
    assert!(error.is_timeout());
    assert_eq!(error.report().unwrap().computing(), Some("the function #1 for A"));
    assert_eq!(error.at(), Some("the function #1 for A"));
    assert!(failed(block_on(ctx.dialer(Connect))).is_timeout(), "planning alone is covered too");
}

#[test]
fn each_dial_of_a_kept_dialer_has_its_own() {
    let clock = JumpingClock::default();
    let ctx = timed(&clock).register(Transport, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>());
    let dialer = block_on(ctx.dialer(Transport)).unwrap();
    clock.advance(LIMIT * 10);
    for dials in 1..=3 {
        let error = failed(block_on(dialer.dial(HostPort::new("x", 1))));
        assert!(error.is_timeout());
        assert_eq!(error.to_string().split(':').next(), Some("Transport \"silent\" to x"));
        assert_eq!(clock.now(), LIMIT * (10 + dials));
    }
}

#[test]
fn a_dialer_kept_from_below_is_timed_after_its_connect_too() {
    let clock = JumpingClock::default();
    let (kept, keep) = Kept::new();
    let ctx = timed(&clock)
        .register(Tcp, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>())
        .register(Transport, "over", 0, mimic_core::needs::over(Tcp), |_: HostPort, link| async move {
            link.dial("192.0.2.1:1".parse().map_err(|_| refused())?).await
        })
        .register(Connect, "pool", 0, mimic_core::needs::over(Transport), move |(), transport| {
            keep.put(transport);
            async { named("pool") }
        });
    assert!(block_on(ctx.connect()).is_ok());
    let transport = kept.take();
    let error = failed(block_on(transport.dial(HostPort::new("x", 1))));
    assert!(error.is_deadline() && clock.now() == LIMIT, "{error}");
    let tree = format!("{error:#}");
    assert!(tree.contains("Tcp \"silent\" to 192.0.2.1:1: cancelled while it ran"), "{tree}");
}

#[test]
fn a_dialer_that_a_function_was_given_is_timed_after_the_connect_too() {
    #[derive(Clone)]
    struct Pool(Arc<mimic_core::Dialer<Tcp, mimic_core::Shared>>);
    mimic_core::key! { Pooled: Pool }
    let clock = JumpingClock::default();
    let (kept, keep) = Kept::new();
    let ctx = timed(&clock)
        .register(Tcp, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>())
        .derive(Pooled, mimic_core::needs::over(Tcp), |link| async move { Ok(Some(Pool(Arc::new(link)))) })
        .register(Connect, "pool", 0, req(Pooled), move |(), pool| {
            keep.put(pool);
            async { named("pool") }
        });
    assert!(block_on(ctx.connect()).is_ok());
    let Pool(link) = kept.take();
    let error = failed(block_on(link.dial("192.0.2.1:1".parse().unwrap())));
    assert!(error.is_deadline() && clock.now() == LIMIT, "{error}");
}

#[test]
fn a_dialer_from_below_is_timed_where_only_the_timer_asked_a_function_that_may_dial() {
    let clock = JumpingClock::default();
    let (kept, keep) = Kept::new();
    let timer = clock.clone();
    let ctx = Context::new()
        .with(Deadline, LIMIT)
        .derive(A, mimic_core::needs::over(Tcp), |_| async { Ok(Some(1)) })
        .register(Sleep, "jumping", 0, req(A), move |(), _| {
            let timer = timer.clone().timer();
            async move { Ok(Box::new(timer) as _) }
        })
        .register(Tcp, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>())
        .register(Connect, "pool", 0, mimic_core::needs::over(Tcp), move |(), link| {
            keep.put(link);
            async { named("pool") }
        });
    assert!(block_on(ctx.connect()).is_ok());
    let link = kept.take();
    let error = failed(block_on(link.dial("192.0.2.1:1".parse().unwrap())));
    assert!(error.is_deadline() && clock.now() == LIMIT, "{error}");
}

#[test]
fn a_dialer_of_a_connect_that_was_dropped_is_on_its_own() {
    let clock = JumpingClock::default();
    let (kept, keep) = Kept::new();
    let ctx = timed(&clock).register(Tcp, "closed", 0, (), |_, ()| async { Err::<Boxed, _>(refused()) }).register(
        Connect,
        "never",
        0,
        mimic_core::needs::over(Tcp),
        move |(), link| {
            keep.put(link);
            pending::<Result<Boxed, Error>>()
        },
    );
    let mut dropped = Box::pin(ctx.connect());
    let _ = std::pin::Pin::new(&mut dropped).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    drop(dropped);
    let link = kept.take();
    let error = failed(block_on(link.dial("192.0.2.1:1".parse().unwrap())));
    assert_eq!(error.report().unwrap().deadline(), Some(LIMIT));
}

#[test]
fn a_dialer_of_a_plan_that_was_dropped_is_on_its_own() {
    let clock = JumpingClock::default();
    let (kept, keep) = Kept::new();
    let ctx = timed(&clock)
        .register(Tcp, "silent", 0, (), |_, ()| pending::<Result<Boxed, Error>>())
        .derive(A, over(Tcp), move |link| {
            keep.put(link);
            pending::<Result<Option<u32>, Error>>()
        })
        .register(Connect, "pool", 0, req(A), |(), _| async { named("pool") });
    assert!(block_on(futures_lite::future::poll_once(ctx.connect())).is_none());
    let link = kept.take();
    let timed = |link: mimic_core::Dialer<Tcp, mimic_core::Shared>| {
        let mut dial = std::pin::pin!(link.dial("192.0.2.1:1".parse().unwrap()));
        let polled = (0..9).find_map(|_| block_on(futures_lite::future::poll_once(dial.as_mut())));
        failed(polled.expect("it has a deadline, which has struck")).is_deadline()
    };
    assert!(timed(link) && clock.now() == LIMIT);
    // Nor does a dialer that is kept leave the record of its plan open.
    assert!(block_on(futures_lite::future::poll_once(ctx.dialer(Connect))).is_none());
    let link = kept.take();
    assert!(timed(link));
}

#[test]
fn the_system_s_own_time_out_is_not_a_deadline() {
    let ctx = timed(&JumpingClock::default()).register(Connect, "kernel", 0, (), |(), ()| async {
        Err(Error::new(ErrorKind::TimedOut, "connection timed out"))
    });
    let error = failed(block_on(ctx.connect()));
    assert!(error.is_timeout() && !error.is_deadline());
}

#[test]
fn it_drops_what_it_cuts_off() {
    let alive = Arc::new(());
    let held = alive.clone();
    let ctx = timed(&JumpingClock::default()).register(Connect, "holds", 0, (), move |(), ()| {
        let held = held.clone();
        async move {
            let _held = held;
            pending().await
        }
    });
    assert!(failed(block_on(ctx.connect())).is_timeout());
    assert_eq!(Arc::strong_count(&alive), 2, "the context's own, and the test's");
}

#[test]
fn without_sleep_it_is_an_error_and_sleep_itself_is_exempt() {
    let ctx = Context::new().with(Deadline, LIMIT).register(Connect, "root", 0, (), |(), ()| async { named("root") });
    let error = failed(block_on(ctx.connect()));
    assert_eq!(plan_error(&error), PlanError::NoSleep);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("install an adapter, register Sleep, or drop the key Deadline"), "{error}");
    assert!(block_on(ctx.clone().without(Deadline).connect()).is_ok(), "core sets none by itself");

    let clock = JumpingClock::default();
    clock.advance(LIMIT);
    let timer = block_on(timed(&clock).resolve(Sleep, ())).unwrap();
    assert_eq!(timer.now(), Instant::new(LIMIT));
}

/// A context whose first timers are sound, so many; then there is none, or none yet.
fn scarce(clock: &JumpingClock, sound: usize, then_waits: bool) -> Context {
    let (clock_of, made) = (clock.clone(), AtomicUsize::new(0));
    let ctx = timed(clock).register(Transport, "fake", 0, (), |_, ()| async { named("fake") });
    ctx.register(Sleep, "scarce", 0, (), move |(), ()| {
        let (timer, is_sound) = (clock_of.clone().timer(), made.fetch_add(1, SeqCst) < sound);
        async move {
            match is_sound {
                true => Ok(Box::new(timer) as _),
                false if then_waits => pending().await,
                false => Err(Error::new(ErrorKind::OutOfMemory, "no timer is left")),
            }
        }
    })
}

#[test]
fn a_timer_that_cannot_be_made_is_named() {
    let (clock, target) = (JumpingClock::default(), || HostPort::new("example.org", 7));
    let ctx = scarce(&clock, 0, false);
    for error in [failed(block_on(ctx.resolve(Transport, target()))), failed(block_on(ctx.dialer(Transport)))] {
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(error.to_string(), "Sleep \"scarce\": no timer is left");
        assert!(format!("{error:#}").contains("+ scarce [0]: yes"), "{error:#}");
    }

    // Each dial of a kept dialer has a timer of its own.
    let dialer = block_on(scarce(&clock, 1, false).dialer(Transport)).unwrap();
    let error = failed(block_on(dialer.dial(target())));
    assert_eq!(error.to_string(), "Sleep \"scarce\" to example.org:7: no timer is left");
    assert!(format!("{error:#}").contains("+ fake [0]: yes"), "{error:#}");
}

#[test]
fn if_it_strikes_a_timer_it_names_the_target_of_who_waited_for_that() {
    let ctx = || {
        let ctx = scarce(&JumpingClock::default(), 1, true);
        let ctx =
            ctx.register(Transport, "timed", 0, mimic_core::needs::over(Sleep), |to: HostPort, sleep| async move {
                if &*to.host == "down" {
                    return Err(refused());
                }
                sleep.dial(()).await?;
                named("timed")
            });
        ctx.register(Connect, "second try", 0, mimic_core::needs::over(Transport), |(), transport| async move {
            match transport.dial(HostPort::new("down", 1)).await {
                Err(_) => transport.dial(HostPort::new("example.org", 7)).await,
                flow => flow,
            }
        })
    };
    let by_itself = ctx();
    let by_itself = by_itself.resolve(Transport, HostPort::new("example.org", 7));
    for error in [failed(block_on(by_itself)), failed(block_on(ctx().connect()))] {
        assert!(error.is_deadline());
        assert_eq!((error.at(), error.target()), (Some("Sleep \"scarce\""), Some("example.org:7")));
    }
}

#[test]
fn what_is_ready_wins_over_a_deadline_that_has_passed() {
    let clock = JumpingClock::default();
    let slow = clock.clone();
    let ctx = timed(&clock).register(Connect, "late", 0, (), move |(), ()| {
        slow.advance(LIMIT * 2);
        async { named("late") }
    });
    assert!(block_on(ctx.connect()).is_ok());
}

#[test]
fn timeout_bounds_what_comes_after_the_resolve() {
    let ctx = timed(&JumpingClock::default());
    block_on(async {
        let mut timer = ctx.resolve(Sleep, ()).await.unwrap();
        let error = failed(timeout(&mut timer, LIMIT, pending::<Result<(), Error>>()).await);
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TimedOut, "not done within 30s"));
        assert_eq!(timeout(&mut timer, LIMIT, async { Ok(5) }).await.unwrap(), 5);
    });
}
