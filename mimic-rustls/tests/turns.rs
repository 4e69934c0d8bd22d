//! The most work of one poll of a TLS listener, before other tasks run.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;
#[path = "common/world.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod world;

use std::time::Duration;

use common::Authority;
use flow_kit::Task;
use futures_lite::future::block_on;
use mimic_core::embedded_io_async::Write;
use mimic_core::{ErrorKind, Listener, Mode, Shared};
use world::{GAP, Listen, Seen, World, assert_late, pass};

/// Polls until `count` handshakes have failed, at most `most` in one poll.
fn failed(world: &World<Shared>, listener: &mut <Shared as Mode>::Listener, most: usize, count: usize) -> Vec<Seen> {
    let (task, mut seen) = (Task::new(), Vec::new());
    while seen.len() < count {
        assert!(listener.poll_accept(&mut task.cx()).is_pending(), "neither a flow nor an error");
        let these = world.seen();
        assert!((1..=most).contains(&these.len()), "{} failed in one poll", these.len());
        seen.extend(these);
        assert!(seen.len() == count || task.wakes() > 0, "the rest waits");
    }
    seen
}

/// The drop of a failed handshake discards the bytes that have arrived. One poll does that for
/// eight handshakes at most.
#[test]
fn one_poll_drops_few_failed_handshakes() {
    let authority = Authority::new();
    let world = World::<Shared>::new();
    let mut listener = Shared::listener(&world, &authority);
    // Handshakes that fail.
    let mut clients: Vec<_> = (0..40).map(|_| world.come()).collect();
    for client in &mut clients {
        block_on(client.write_all(b"GET / HTTP/1.0\r\n\r\n")).unwrap();
    }
    let seen = failed(&world, &mut listener, 8, 40);
    assert!(seen.iter().all(|seen| seen.kind == ErrorKind::InvalidData), "{seen:?}");
    // Handshakes that are given up.
    let _silent: Vec<_> = (0..40).map(|_| world.come()).collect();
    pass::<Shared>(&world, &mut listener, Duration::from_millis(9900));
    world.advance(GAP);
    assert_late(&failed(&world, &mut listener, 8, 40), 40, "not done within 10s");
}
