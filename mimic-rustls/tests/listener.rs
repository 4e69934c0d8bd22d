//! `tls://` served through a context: a client that stalls holds up no other, and the error of one
//! that fails goes to the observer alone.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "common/world.rs"]
mod world;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::flows::{PEER, Plan, Trouble};
use common::tasks::{Task, both, run};
use common::{Authority, BOTH, NAME};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::roles::{Lookup, Record};
use mimic_core::{ErrorKind, Listener, ListenerExt, Local, LocalContext, Phase, Shared};
use mimic_rustls::rustls::{self, AlertDescription};
use mimic_rustls::{HandshakeLimits, Limits, Tls, connect};
use world::{GAP, Listen, World, assert_late, failures, idle, is_closed, pass, serve, visit};

const HANDSHAKES: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(10);
const EVICT_AFTER: Duration = Duration::from_secs(1);

#[test]
fn a_name_is_listened_on_at_every_address() {
    let (authority, world) = (Authority::new(), World::<Shared>::new());
    let addresses = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse::<IpAddr>().unwrap());
    let ctx = Shared::context(&world, authority.server(&[NAME], &BOTH))
        .register(Lookup, "two", -1, (), move |_, ()| async move { Ok(addresses.map(Record::from).into()) })
        .with_url("tls://server.test:443")
        .unwrap();
    let mut listener = Shared::listen(ctx).unwrap();
    // The look-up answers two addresses. Here both are the same listener.
    assert_eq!(listener.local_addrs(), [SocketAddr::from(([192, 0, 2, 1], 443)); 2]);
    let near = world.come();
    both(&"by either", visit(near, &authority), async { serve::<Shared>(listener.accept().await.unwrap()).await });
}

fn stalled_clients<M: Listen>() {
    let authority = Authority::new();
    let world = World::<M>::new();
    let mut listener = M::listener(&world, &authority);
    assert_eq!(listener.local_addr(), Some(([192, 0, 2, 1], 443).into()));
    // The first sends nothing, the second a part of a record. Then there are more clients than can
    // be accepted at once.
    let mut stalled: Vec<_> = (0..300).map(|_| world.come()).collect();
    both(&"a part of a record", async { stalled[1].write_all(&[0x16, 3, 1]).await.unwrap() }, async {});
    stalled.truncate(200);
    // The observer gets one error for each client that hung up.
    let (hung_up, ()) = both(&"hung up", failures(&world, &mut listener, 100), async {});
    assert_eq!(hung_up.len(), 100);
    for seen in hung_up {
        assert_eq!((seen.kind, seen.phase), (ErrorKind::ConnectionAborted, Some(Phase::Handshake)), "{seen:?}");
    }
    pass(&world, &mut listener, TIMEOUT / 2);
    for _ in 0..3 {
        let near = world.come();
        both(&"a client among 200 that stall", visit(near, &authority), async {
            serve::<M>(listener.accept().await.unwrap()).await;
        });
    }
    // They are given up when their time has passed, and not before.
    pass(&world, &mut listener, TIMEOUT / 2 - Duration::from_millis(1));
    assert!(world.seen().is_empty());
    let (given_up, ()) = both(&"given up", failures(&world, &mut listener, 200), world.tick(Duration::from_millis(1)));
    assert_late(&given_up, 200, "not done within 10s");
    assert!(stalled.iter_mut().all(is_closed));
    let near = world.come();
    both(&"and on it goes", visit(near, &authority), async { serve::<M>(listener.accept().await.unwrap()).await });
}

#[test]
fn stalled_clients_hold_up_no_other_and_are_given_up() {
    stalled_clients::<Shared>();
    stalled_clients::<Local>();
}

/// Visits while `given_up` clients that stall lose their places.
fn visit_among<M: Listen>(world: &World<M>, listener: &mut M::Listener, authority: &Authority, given_up: usize) {
    let near = world.come();
    both(&given_up, async { serve::<M>(listener.accept().await.unwrap()).await }, visit(near, authority));
    assert_late(&world.seen(), given_up, "not done within 1s, and other clients wait");
}

fn newcomers_among<M: Listen>(silent: usize) {
    let authority = Authority::new();
    let world = World::<M>::new();
    let mut listener = M::listener(&world, &authority);
    let mut stalled: VecDeque<_> = (0..silent).map(|_| world.come()).collect();
    // It takes several turns to accept so many.
    for _ in 0..silent {
        idle::<M>(&mut listener);
    }
    pass(&world, &mut listener, EVICT_AFTER - Duration::from_millis(1));
    assert!(world.seen().is_empty(), "none is given up before it is old enough");
    world.advance(Duration::from_millis(1));
    // The first ones make room for the others that wait, and for the newcomer.
    let room = silent + 1 - HANDSHAKES;
    visit_among::<M>(&world, &mut listener, &authority, room);
    assert!(stalled.drain(..room).all(|mut near| is_closed(&mut near)));
    // The visitor has gone, so the next one finds a place, and no other client loses its own.
    for _ in 0..3 {
        visit_among::<M>(&world, &mut listener, &authority, 0);
    }
    assert!(!stalled.iter_mut().any(is_closed), "the others stay");
}

#[test]
fn newcomers_take_the_places_of_clients_that_stall() {
    newcomers_among::<Shared>(HANDSHAKES);
    newcomers_among::<Local>(300);
}

/// A newcomer that fails at once takes the place of none.
#[test]
fn a_newcomer_that_fails_pushes_out_none() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut silent: Vec<_> = (0..HANDSHAKES).map(|_| world.come()).collect();
    pass(&world, &mut listener, EVICT_AFTER);
    for _ in 0..3 {
        drop(world.come());
        both(&"hung up", failures(&world, &mut listener, 1), async {});
    }
    assert!(!silent.iter_mut().any(is_closed), "the others stay");
}

/// A task that waits for room is woken when the first is old enough to be evicted.
#[test]
fn the_age_of_the_first_wakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let _silent: Vec<_> = (0..=HANDSHAKES).map(|_| world.come()).collect();
    pass(&world, &mut listener, Duration::ZERO);
    let (seen, ()) = both(&"eviction", failures(&world, &mut listener, 1), world.tick(EVICT_AFTER));
    assert_late(&seen, 1, "within 1s");
    // Then no client waits for a place, and the timeout ends.
    let (seen, ()) = both(&"timeout", failures(&world, &mut listener, 1), world.tick(TIMEOUT));
    assert!(seen[0].text.contains("within 10s"), "{seen:?}");
}

/// The same for a client that came last and alone, where nothing else polls.
#[test]
fn the_end_of_the_timeout_wakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let _silent = world.come();
    let (seen, ()) = both(&"timeout", failures(&world, &mut listener, 1), world.tick(TIMEOUT));
    assert_late(&seen, 1, "within 10s");
}

/// A client that goes in between does not lengthen the time of the others.
#[test]
fn the_first_is_given_up_first() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut silent = VecDeque::new();
    for _ in 0..3 {
        silent.push_back(world.come());
        pass(&world, &mut listener, Duration::from_secs(1));
    }
    silent.pop_front();
    idle::<Shared>(&mut listener);
    let seen = world.seen();
    assert_eq!((seen.len(), seen[0].kind), (1, ErrorKind::ConnectionAborted), "{seen:?}");
    for wait in [8, 1] {
        pass(&world, &mut listener, Duration::from_secs(wait) - Duration::from_millis(1));
        assert!(world.seen().is_empty());
        pass(&world, &mut listener, Duration::from_millis(1));
        assert_late(&world.seen(), 1, "within 10s");
        assert!(is_closed(&mut silent.pop_front().unwrap()));
    }
}

/// Many clients come at once, each a little slow. They wait for each other, and none is pushed out.
#[test]
fn a_crowd_of_honest_clients_gets_through() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let client = Arc::new(authority.client(&BOTH));
    let crowd: Vec<_> = (0..2 * HANDSHAKES + 50).map(|_| world.come()).collect();
    let count = crowd.len();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for near in crowd {
        let client = client.clone();
        tasks.push(Box::pin(async move {
            futures_lite::future::yield_now().await;
            drop(connect(near, client, Vec::new(), NAME).await.unwrap());
        }));
    }
    tasks.insert(
        0,
        Box::pin(async {
            for _ in 0..count {
                drop(listener.accept().await.unwrap());
            }
        }),
    );
    run(&"a crowd", tasks);
}

/// An application that is busy elsewhere does not use up the time of its clients, whatever the
/// listener returned last.
#[test]
fn time_without_a_poll_is_not_the_clients() {
    let authority = Authority::new();
    for said_last in ["nothing", "a flow"] {
        let world = World::<Shared>::new();
        let mut listener = Shared::listener(&world, &authority);
        let mut clients: Vec<_> = (0..20).map(|_| world.come()).collect();
        let mut silent = clients.split_off(10);
        idle::<Shared>(&mut listener);
        if said_last == "a flow" {
            let near = world.come();
            both(&said_last, visit(near, &authority), async {
                serve::<Shared>(listener.accept().await.unwrap()).await;
            });
        }
        for _ in 0..3 {
            // 11 s and more, three times.
            world.advance(TIMEOUT + Duration::from_secs(1));
            idle::<Shared>(&mut listener);
        }
        assert!(world.seen().is_empty(), "{said_last}: cut");
        let count = clients.len();
        let mut tasks: Vec<Task<'_>> = vec![Box::pin(async {
            for _ in 0..count {
                drop(listener.accept().await.unwrap());
            }
        })];
        for near in clients {
            let client = Arc::new(authority.client(&BOTH));
            tasks.push(Box::pin(async move { drop(connect(near, client, Vec::new(), NAME).await.unwrap()) }));
        }
        run(&said_last, tasks);
        assert!(world.seen().is_empty(), "{said_last}: cut");
        // The silent clients have had 750 ms so far.
        pass(&world, &mut listener, TIMEOUT - 3 * GAP - Duration::from_millis(1));
        assert!(world.seen().is_empty(), "{said_last}: cut");
        world.advance(Duration::from_millis(1));
        let seen = both(&said_last, failures(&world, &mut listener, 10), async {}).0;
        assert_late(&seen, 10, "within 10s");
        assert!(silent.iter_mut().all(is_closed));
    }
}

/// A crowd that waits while the application is busy is not pushed out afterwards.
#[test]
fn time_without_a_poll_does_not_count_as_age() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let _waiting: Vec<_> = (0..300).map(|_| world.come()).collect();
    for _ in 0..300 {
        idle::<Shared>(&mut listener);
    }
    world.advance(TIMEOUT);
    pass(&world, &mut listener, EVICT_AFTER - GAP - Duration::from_millis(1));
    assert!(world.seen().is_empty(), "pushed out");
    pass(&world, &mut listener, Duration::from_millis(1));
    // Several turns, for so many.
    for _ in 0..300 {
        idle::<Shared>(&mut listener);
    }
    assert_late(&world.seen(), 300 - HANDSHAKES, "within 1s");
}

/// A busy client costs nothing for each silent one beside it.
#[test]
fn a_wake_up_polls_its_own_handshake_alone() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let silent: Vec<_> = (0..HANDSHAKES - 1).map(|_| world.come_counted(false)).collect();
    for _ in 0..HANDSHAKES {
        idle::<Shared>(&mut listener);
    }
    let counted = || silent.iter().map(|(_, counts)| counts.polls.load(SeqCst)).sum::<usize>();
    let before = counted();
    assert!(before >= HANDSHAKES - 1, "each was asked once");
    for _ in 0..10 {
        // The client sends byte by byte, so that there are hundreds of wake-ups.
        let (near, counts) = world.come_counted(false);
        let near = Trouble::new(near, Plan { at_once: 1, spurious: 2, ..Default::default() }, 1);
        let client = Arc::new(authority.client(&BOTH));
        let (flow, _) = both(&"a busy client", async { listener.accept().await.unwrap() }, async {
            connect(near, client, Vec::new(), NAME).await.unwrap()
        });
        drop(flow);
        assert!(counts.polls.load(SeqCst) > 100, "{counts:?}");
    }
    assert_eq!(counted(), before, "silent handshakes were polled");
}

/// Clients send garbage without end, to an application that pauses after each error, as core's
/// documentation asks. `accept` returns no error for them, so the application does not pause, and a
/// good client gets through.
#[test]
fn a_flood_of_garbage_keeps_out_none() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut cx = Context::from_waker(Waker::noop());
    world.0.lock().unwrap().flood = Some(b"GET / HTTP/1.0\r\n\r\n");
    assert!(listener.poll_accept(&mut cx).is_pending(), "other tasks have their turn");
    let accepted = world.0.lock().unwrap().accepted;
    assert!((1..=64).contains(&accepted), "{accepted} accepted in one poll");
    for _ in 0..3 {
        let before = world.0.lock().unwrap().accepted;
        let near = world.come();
        let client = Arc::new(authority.client(&BOTH));
        let (flow, _) = both(&"flood", async { listener.accept().await.unwrap() }, async {
            connect(near, client, Vec::new(), NAME).await.unwrap()
        });
        drop(flow);
        let accepted = world.0.lock().unwrap().accepted - before;
        assert!(accepted < 10 * 64, "{accepted} came in between");
    }
    assert!(world.seen().iter().all(|seen| seen.kind == ErrorKind::InvalidData));
}

/// Handshakes that are ready again at once, without end, keep neither newcomers nor each other
/// waiting.
#[test]
fn handshakes_that_are_always_ready_keep_out_none() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let busy: Vec<_> = (0..100).map(|_| world.come_counted(true)).collect();
    for _ in 0..3 {
        let near = world.come();
        let client = Arc::new(authority.client(&BOTH));
        let (flow, _) = both(&"busy", async { listener.accept().await.unwrap() }, async {
            connect(near, client, Vec::new(), NAME).await.unwrap()
        });
        drop(flow);
    }
    assert!(busy.iter().all(|(_, counts)| counts.polls.load(SeqCst) > 0));
}

/// Nothing keeps a flow open: neither a waker that is left below, nor a handshake that was never
/// polled.
#[test]
fn a_listener_that_is_dropped_closes_all() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut clients: Vec<_> = (0..HANDSHAKES).map(|_| world.come()).collect();
    for _ in 0..5 {
        idle::<Shared>(&mut listener);
    }
    assert!(!clients.iter_mut().any(is_closed));
    drop(listener);
    assert!(clients.iter_mut().all(is_closed));
}

#[test]
fn failed_handshakes_are_told_to_the_observer_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    for _ in 0..3 {
        let mut plain = world.come();
        let (seen, told) = both(&"plain text", failures(&world, &mut listener, 1), async {
            plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            let mut told = [0; 100];
            let n = plain.read(&mut told).await.unwrap();
            told[..n].to_vec()
        });
        assert_eq!((seen[0].kind, seen[0].phase), (ErrorKind::InvalidData, Some(Phase::Handshake)), "{seen:?}");
        assert!(seen[0].text.contains("does not seem to speak TLS"), "{seen:?}");
        assert_eq!(seen[0].target.as_deref(), Some(PEER.to_string().as_str()));
        assert_eq!((told[0], told[6]), (0x15, u8::from(AlertDescription::DecodeError)));

        let near = world.come();
        let (seen, ()) = both(&"a client that does not trust us", failures(&world, &mut listener, 1), async {
            drop(connect(near, Arc::new(other.client(&BOTH)), Vec::new(), NAME).await.unwrap_err());
        });
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        assert_eq!((seen[0].kind, seen[0].tls.as_ref()), (ErrorKind::PermissionDenied, Some(&alert)), "{seen:?}");

        let near = world.come();
        both(&"a good one", visit(near, &authority), async {
            serve::<Shared>(listener.accept().await.unwrap()).await;
        });
    }
}

fn limits_of<M: Listen>() {
    let authority = Authority::new();
    let world = World::<M>::new();
    let limits = Limits::new().handshakes(2).timeout(Duration::from_secs(3)).evict_after(Duration::from_millis(600));
    let ctx = M::context(&world, authority.server(&[NAME], &BOTH)).with(HandshakeLimits, limits);
    let mut listener = M::listen(ctx).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| world.come()).collect();
    pass(&world, &mut listener, Duration::from_millis(599));
    assert!(world.seen().is_empty());
    pass(&world, &mut listener, Duration::from_millis(1));
    assert_late(&world.seen(), 1, "not done within 600ms, and other clients wait");
    assert!(is_closed(&mut clients[0]));
    pass(&world, &mut listener, Duration::from_millis(2399));
    assert!(world.seen().is_empty());
    pass(&world, &mut listener, Duration::from_millis(1));
    assert_late(&world.seen(), 1, "not done within 3s");
    pass(&world, &mut listener, Duration::from_millis(600));
    assert_late(&world.seen(), 1, "not done within 3s");
    assert!(clients.iter_mut().all(is_closed));

    // At least one place.
    let ctx = M::context(&world, authority.server(&[NAME], &BOTH)).with(HandshakeLimits, Limits::new().handshakes(0));
    let mut listener = M::listen(ctx).unwrap();
    let near = world.come();
    both(&"one place", visit(near, &authority), async { serve::<M>(listener.accept().await.unwrap()).await });
}

#[test]
fn the_limits_are_keys() {
    limits_of::<Shared>();
    limits_of::<Local>();
}

/// Such a configuration would fail every handshake, and `accept` would never return.
#[test]
fn a_configuration_that_cannot_serve_is_an_error_of_listen() {
    let authority = Authority::new();
    let mut config = authority.server(&[NAME], &BOTH);
    config.max_early_data_size = 1;
    let error = Shared::listen(Shared::context(&World::new(), config)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("early data is not supported"), "{error}");
}

/// A shortage below is an error of `accept`, and handshakes under way go on.
#[test]
fn a_listener_below_that_fails_does_not_hold_up_handshakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let near = world.come();
    both(&"a shortage that lasts", visit(near, &authority), async {
        let mut errors = 0;
        loop {
            // `accept` fails only if the listener below does.
            world.0.lock().unwrap().errors = usize::from(errors > 0);
            match listener.accept().await {
                Ok(flow) => break serve::<Shared>(flow).await,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
                    errors += 1;
                    assert!(errors < 100, "the handshake makes no progress");
                    // The caller pauses.
                    futures_lite::future::yield_now().await;
                }
            }
        }
    });
}

/// Silent clients that hold the last descriptors make every accept below fail. They are given up
/// nevertheless.
#[test]
fn a_listener_below_that_goes_on_failing_does_not_keep_stalled_clients() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    let mut silent = world.come();
    idle::<Shared>(&mut listener);
    world.0.lock().unwrap().errors = usize::MAX;
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..=40 {
        // The pause after a shortage.
        world.advance(GAP);
        let Poll::Ready(Err(error)) = listener.poll_accept(&mut task) else { panic!("the listener below fails") };
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
    assert_late(&world.seen(), 1, "within 10s");
    assert!(is_closed(&mut silent));
}

#[test]
fn a_local_context_serves_too() {
    let _: LocalContext = LocalContext::new().install(Tls);
}
