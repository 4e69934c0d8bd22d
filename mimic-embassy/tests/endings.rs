//! How connects end that get no answer, and what goes on when nobody holds the context any more.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::time::Instant;

use embassy_net::ConfigV4;
use embassy_net::driver::LinkState;
use embassy_net::tcp::TcpSocket;
use futures_lite::future::zip;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::{Error, ErrorKind, FlowExt, InOrder, Local, LocalContext, Mode, Schemes};
use mimic_embassy::{Embassy, context};
use world::{SERVER, SERVER_V6, World, at, buffers, millis, read_all, sleep, url};

/// Without a deadline and without a race, which end connects too.
fn bare(embassy: Embassy) -> LocalContext {
    LocalContext::new().install(Schemes).install(InOrder).install(embassy)
}

/// A connect that fails, and when it does.
async fn fails(client: &LocalContext, url: &str) -> (Error, std::time::Duration) {
    let started = Instant::now();
    let error = at(client, url).connect().await.unwrap_err();
    (error, started.elapsed())
}

/// A socket of the server, as of any other stack.
fn socket(world: &World) -> TcpSocket<'static> {
    TcpSocket::new(world.server, Box::leak(Box::new([0; 8192])), Box::leak(Box::new([0; 8192])))
}

/// A flow, and its peer.
async fn pair(client: &LocalContext, mut socket: TcpSocket<'static>) -> (<Local as Mode>::Flow, TcpSocket<'static>) {
    let client = at(client, &url(SERVER, 7));
    let (flow, accepted) = zip(client.connect(), socket.accept(7)).await;
    accepted.unwrap();
    (flow.unwrap(), socket)
}

fn is_silent((error, took): &(Error, std::time::Duration)) {
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:#}");
    assert!(error.to_string().contains("the peer did not answer"), "{error:#}");
    assert!(*took >= millis(10_000) && *took < millis(11_000), "{took:?}");
}

#[test]
fn a_peer_that_is_silent_has_not_refused() {
    let mut world = World::new();
    let (wire, peer) = (world.wire.clone(), socket(&world));
    let client = bare(Embassy::new(world.client, buffers::<8>()));
    world.run(async {
        // One that is refused, and one whose neighbour is known and who says no more.
        let (refused, _) = fails(&client, &url(SERVER, 9)).await;
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{refused:#}");
        let known = pair(&client, peer).await;
        wire.cut.set(true);
        let before = wire.syns.get();
        // Several at once, which take turns, and one later than they.
        let (one, two) = (fails(&client, "tcp://10.0.0.2:7"), fails(&client, "tcp://[2001:db8::2]:7"));
        let (three, nobody) = (fails(&client, "tcp://10.0.0.2:8"), fails(&client, "tcp://10.0.0.77:7"));
        let late = async {
            sleep(millis(300)).await;
            fails(&client, "tcp://10.0.0.2:9").await
        };
        let ((one, two), (three, (nobody, late))) = zip(zip(one, two), zip(three, zip(nobody, late))).await;
        [one, two, three, nobody, late].iter().for_each(is_silent);
        assert!(wire.syns.get() > before);
        drop(known);
    });
}

#[test]
fn alone_a_silent_peer_is_asked_all_the_time_and_has_not_refused_either() {
    let mut world = World::new();
    let (wire, peer) = (world.wire.clone(), socket(&world));
    let client = bare(Embassy::new(world.client, buffers::<2>()));
    world.run(async {
        let known = pair(&client, peer).await;
        wire.cut.set(true);
        let before = wire.syns.get();
        is_silent(&fails(&client, &url(SERVER, 8)).await);
        // After 1 s, 2 s, 4 s, 8 s or so.
        assert!(wire.syns.get() >= before + 3, "{}", wire.syns.get() - before);
        drop(known);
    });
}

#[test]
fn a_link_that_is_down_while_connecting_is_named() {
    let mut world = World::new();
    let (wire, links) = (world.wire.clone(), world.links);
    let client = bare(Embassy::new(world.client, buffers::<1>()));
    world.run(async {
        wire.cut.set(true);
        links.iter().for_each(|link| link.set_link_state(LinkState::Down));
        let failed = fails(&client, &url(SERVER, 7)).await;
        is_silent(&failed);
        assert!(failed.0.to_string().contains("the link is down"), "{}", failed.0);
    });
}

#[test]
fn an_address_that_is_lost_while_connecting_is_no_refusal() {
    let mut world = World::new();
    let (wire, stack) = (world.wire.clone(), world.client);
    let client = bare(Embassy::new(stack, buffers::<2>()));
    world.run(async {
        wire.cut.set(true);
        // As DHCP does when its lease ends.
        let lost = async {
            sleep(millis(100)).await;
            stack.set_config_v4(ConfigV4::None);
        };
        let ((error, took), ()) = zip(fails(&client, &url(SERVER, 7)), lost).await;
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error:#}");
        assert!(error.to_string().contains("lost the address"), "{error:#}");
        // smoltcp looks at the socket when it has to send again.
        assert!(took < millis(3000), "{took:?}");
        wire.cut.set(false);
        // The other family is still there.
        let (refused, _) = fails(&client, &url(SERVER_V6, 7)).await;
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{refused:#}");
    });
}

#[test]
fn what_was_written_and_the_end_arrive_though_the_context_is_gone() {
    let mut world = World::new();
    let (wire, peer) = (world.wire.clone(), socket(&world));
    let client = context(world.client, buffers::<2>());
    world.run(async {
        let (mut flow, mut peer) = pair(&client, peer).await;
        flow.write_all(&[7; 4000]).await.unwrap();
        flow.flush().await.unwrap();
        // With a frame lost, so that it is not all out by then.
        wire.cut.set(true);
        drop((flow, client));
        sleep(millis(20)).await;
        wire.cut.set(false);
        let (mut all, mut buf) = (0, [0; 1000]);
        loop {
            match peer.read(&mut buf).await.unwrap() {
                0 => break,
                n => all += n,
            }
        }
        assert_eq!(all, 4000);
        peer.close();
        peer.flush().await.unwrap();
        sleep(millis(50)).await;
        assert!(wire.fins.get() >= 2);
        assert_eq!(wire.resets.get(), 0);
    });
}

#[test]
fn an_abort_is_a_reset_though_the_context_is_gone() {
    let mut world = World::new();
    let (wire, peer) = (world.wire.clone(), socket(&world));
    let client = context(world.client, buffers::<2>());
    world.run(async {
        let (mut flow, mut peer) = pair(&client, peer).await;
        flow.abort();
        drop((flow, client));
        assert_eq!(peer.read(&mut [0; 4]).await, Err(embassy_net::tcp::Error::ConnectionReset));
        assert_eq!((wire.fins.get(), wire.resets.get()), (0, 1));
    });
}

#[test]
fn a_flow_outlives_its_context() {
    let mut world = World::new();
    let (wire, peer) = (world.wire.clone(), socket(&world));
    let client = context(world.client, buffers::<1>());
    world.run(async {
        let (mut flow, mut peer) = pair(&client, peer).await;
        drop(client);
        flow.write_all(b"still").await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(peer.read(&mut buf).await, Ok(5));
        peer.write_all(&buf[..5]).await.unwrap();
        flow.read_exact(&mut buf[..5]).await.unwrap();
        assert_eq!(&buf[..5], b"still");
        flow.shutdown().await.unwrap();
        assert_eq!(peer.read(&mut buf).await, Ok(0));
        peer.write_all(b"bye").await.unwrap();
        peer.close();
        assert_eq!(read_all(&mut flow).await.unwrap(), b"bye");
        assert_eq!(wire.resets.get(), 0);
    });
}
