//! The pool: who gets a socket, and when it comes back.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::time::Instant;

use embassy_net::tcp::TcpSocket;
use futures_lite::future::{or, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::Deadline;
use mimic_core::{ErrorKind, Flow, FlowExt, Install, ListenerExt, Local, LocalContext, Mode, Schemes};
use mimic_embassy::{Backlog, Buffers, Embassy, context};
use world::{SERVER, World, at, buffers, is_pending, millis, read_all, sleep, task, url};

/// Serves every flow until it ends, all at once.
async fn serve(server: LocalContext) {
    let mut listener = at(&server, "tcp://0.0.0.0:7").listen().await.unwrap();
    let mut flows: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    loop {
        let done = std::future::poll_fn(|cx| {
            flows.retain_mut(|flow| flow.as_mut().poll(cx).is_pending());
            std::task::Poll::<()>::Pending
        });
        let accepted = async { Some(listener.accept().await) };
        let accepted = or(accepted, async {
            done.await;
            None
        });
        let mut flow = accepted.await.unwrap().unwrap();
        flows.push(Box::pin(async move {
            let mut buf = [0; 100];
            while let Ok(n @ 1..) = flow.read(&mut buf).await {
                if flow.write_all(&buf[..n]).await.is_err() {
                    return;
                }
            }
            let _ = flow.close().await;
        }));
    }
}

async fn echo(flow: &mut <Local as Mode>::Flow, text: &[u8]) {
    flow.write_all(text).await.unwrap();
    let mut buf = vec![0; text.len()];
    flow.read_exact(&mut buf).await.unwrap();
    assert_eq!(buf, text);
}

#[test]
fn an_empty_pool_is_an_error_that_says_so_and_passes() {
    let mut world = World::new();
    let server = context(world.server, buffers::<4>());
    let client = at(&context(world.client, buffers::<2>()), &url(SERVER, 7));
    world.run(or(serve(server), async {
        let mut one = client.connect().await.unwrap();
        let mut two = client.connect().await.unwrap();
        let error = client.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        let text = format!("{error:#}");
        assert!(text.contains("all 2 TCP sockets of the pool are in use"), "{text}");
        assert!(text.contains("Buffers<N, RX, TX>"), "{text}");
        echo(&mut two, b"those that there are go on").await;
        one.abort();
        drop(one);
        echo(&mut client.connect().await.unwrap(), b"and there is another").await;
    }));
}

#[test]
fn who_finds_every_socket_in_use_waits_for_connects_and_not_for_flows() {
    let mut world = World::new();
    let server = context(world.server, buffers::<4>());
    let client = context(world.client, buffers::<2>());
    let (here, closed, nobody) =
        (at(&client, &url(SERVER, 7)), at(&client, &url(SERVER, 9)), at(&client, "tcp://10.0.0.77:7"));
    world.run(or(serve(server), async {
        let _flow = here.connect().await.unwrap();
        // The one before it fails.
        let (refused, next) = zip(task(closed.connect()), task(here.connect())).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        echo(&mut next.unwrap(), b"next").await;
        // It is dropped.
        let dropped = or(async { nobody.connect().await.is_ok() }, async {
            sleep(millis(200)).await;
            false
        });
        let started = Instant::now();
        let (dropped, next) = zip(dropped, task(here.connect())).await;
        assert!(!dropped && started.elapsed() >= millis(200), "{:?}", started.elapsed());
        echo(&mut next.unwrap(), b"after a drop").await;
        // It connects: there is nothing to wait for any more.
        let started = Instant::now();
        let (flow, next) = zip(task(here.connect()), task(here.connect())).await;
        let error = next.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        assert!(started.elapsed() < millis(2000), "{:?}", started.elapsed());
        echo(&mut flow.unwrap(), b"the last").await;
    }));
}

#[test]
fn with_one_socket_the_next_connect_waits_for_the_last_bytes_of_the_one_before() {
    let mut world = World::new();
    let (rx, tx) = (Box::leak(Box::new([0; 1000])), Box::leak(Box::new([0; 1000])));
    let mut socket = TcpSocket::new(world.server, rx, tx);
    let server = context(world.server, buffers::<4>());
    let client = context(world.client, buffers::<1>());
    world.run(or(serve(server), async {
        // The peer reads late, and keeps its side open.
        let (flow, accepted) = zip(async { at(&client, &url(SERVER, 9)).connect().await }, socket.accept(9)).await;
        accepted.unwrap();
        let mut flow = flow.unwrap();
        flow.write_all(&[9; 4000]).await.unwrap();
        flow.flush().await.unwrap();
        drop(flow);
        let read = async {
            let (mut all, mut buf) = (0, [0; 100]);
            loop {
                sleep(millis(1)).await;
                match socket.read(&mut buf).await.unwrap() {
                    0 => return all,
                    n => all += n,
                }
            }
        };
        let client = at(&client, &url(SERVER, 7));
        let started = Instant::now();
        let (all, flow) = zip(read, client.connect()).await;
        assert_eq!(all, 4000);
        assert!(started.elapsed() < millis(1500), "{:?}", started.elapsed());
        echo(&mut flow.unwrap(), b"next").await;
    }));
}

#[test]
fn a_peer_that_is_gone_holds_a_socket_for_a_second() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let server = context(world.server, buffers::<4>());
    let client = at(&context(world.client, buffers::<1>()), &url(SERVER, 7));
    world.run(or(serve(server), async {
        let mut flow = client.connect().await.unwrap();
        wire.cut.set(true);
        flow.write_all(b"lost").await.unwrap();
        drop(flow);
        let started = Instant::now();
        let mut connect = std::pin::pin!(client.connect());
        assert!(
            or(async { Some(connect.as_mut().await) }, async {
                sleep(millis(900)).await;
                None
            })
            .await
            .is_none()
        );
        wire.cut.set(false);
        // The server remembers the old connection, and is told by a reset.
        echo(&mut connect.await.unwrap(), b"again").await;
        assert!(started.elapsed() < millis(3000), "{:?}", started.elapsed());
    }));
}

#[test]
fn a_connect_that_is_dropped_gives_its_socket_back_and_is_not_finished() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let server = context(world.server, buffers::<4>());
    let embassy = Embassy::new(world.client, buffers::<1>());
    let client = mimic_core::LocalContext::new().install(Schemes).install(mimic_core::InOrder).install(embassy.clone());
    world.run(or(serve(server), async {
        let here = at(&client, &url(SERVER, 7));
        echo(&mut here.connect().await.unwrap(), b"warm").await;
        sleep(millis(50)).await;
        for _ in 0..20 {
            assert!(is_pending(here.connect()).await);
            assert_eq!(embassy.idle(), 1);
        }
        // The SYN is out, and the answer comes to nobody.
        wire.cut.set(true);
        let (before, resets) = (wire.syns.get(), wire.resets.get());
        assert!(
            or(async { here.connect().await.is_ok() }, async {
                sleep(millis(50)).await;
                false
            })
            .await
            .eq(&false)
        );
        assert_eq!(wire.syns.get(), before + 1);
        wire.cut.set(false);
        assert_eq!(wire.resets.get(), resets);
        // To nobody: the request for the neighbour does not go on.
        let nobody = at(&client, "tcp://10.0.0.77:7");
        assert!(
            or(async { nobody.connect().await.is_ok() }, async {
                sleep(millis(50)).await;
                false
            })
            .await
            .eq(&false)
        );
        let asked = wire.asked.borrow().len();
        sleep(millis(1300)).await;
        assert_eq!(wire.asked.borrow().len(), asked);
        echo(&mut here.connect().await.unwrap(), b"again").await;
    }));
}

#[test]
fn a_thousand_connects_leave_nothing_behind() {
    let mut world = World::new();
    let (server, client) = (Embassy::new(world.server, buffers::<4>()), Embassy::new(world.client, buffers::<2>()));
    let bare = || LocalContext::new().install(Schemes).install(mimic_core::InOrder);
    let there = client.clone().install(bare());
    let mut serve = std::pin::pin!(serve(server.clone().install(bare())));
    let mut round = |world: &mut World| {
        let there = at(&there, &url(SERVER, 7));
        world.run(or(serve.as_mut(), async {
            let mut flow = there.connect().await.unwrap();
            echo(&mut flow, b"x").await;
            flow.close().await.unwrap();
        }));
    };
    // Queues and lists reach their size.
    for _ in 0..50 {
        round(&mut world);
    }
    let started = Instant::now();
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            round(&mut world);
        }
    });
    println!("1,000 connects: {:?}, {} allocations each", started.elapsed(), counted.count_total / 1000);
    assert_eq!((counted.bytes_current, counted.count_current), (0, 0));
    assert_eq!(client.idle(), 2);
}

#[test]
fn a_listener_serves_more_clients_than_it_has_sockets() {
    let mut world = World::new();
    let server = context(world.server, buffers::<3>()).with(Backlog, 2);
    let client = at(&context(world.client, buffers::<8>()), &url(SERVER, 7)).with(Deadline, millis(20_000));
    let run = async |number: usize| {
        let text = format!("client {number}");
        // Nobody listens for a moment: who comes then is refused, and tries again.
        let mut refused = 0;
        let mut flow = loop {
            match client.connect().await {
                Ok(flow) => break flow,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                    refused += 1;
                    sleep(millis(20)).await;
                }
            }
        };
        echo(&mut flow, text.as_bytes()).await;
        sleep(millis(30)).await;
        flow.close().await.unwrap();
        refused
    };
    world.run(or(serve(server), async {
        let clients = zip(zip(zip(run(1), run(2)), zip(run(3), run(4))), zip(zip(run(5), run(6)), zip(run(7), run(8))));
        println!("refused, and tried again: {:?}", clients.await);
    }));
}

#[test]
fn a_dropped_listener_resets_who_waited_and_frees_its_sockets() {
    let mut world = World::new();
    let embassy = Embassy::new(world.server, buffers::<2>());
    let server = context(world.server, buffers::<1>()).install(embassy.clone());
    let client = at(&context(world.client, buffers::<2>()), &url(SERVER, 7));
    world.run(async {
        let listener = at(&server, "tcp://0.0.0.0:7").listen().await.unwrap();
        assert_eq!(embassy.idle(), 1);
        let mut flow = client.connect().await.unwrap();
        drop(listener);
        assert_eq!(read_all(&mut flow).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(embassy.idle(), 2);
        assert_eq!(client.connect().await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn buffers_are_made_in_a_static() {
    static BUFFERS: static_cell::ConstStaticCell<Buffers<2, 64, 32>> =
        static_cell::ConstStaticCell::new(Buffers::new());
    let buffers = BUFFERS.take();
    assert_eq!(size_of_val(buffers), 2 * (64 + 32));
    assert_eq!(format!("{buffers:?}"), "Buffers { sockets: 2, rx: 64, tx: 32 }");
}

#[test]
fn buffers_go_anywhere_and_flows_stay() {
    fn anywhere<T: Send + Sync + Unpin>() {}
    fn unpin<T: Unpin>() {}
    anywhere::<Buffers<1, 1, 1>>();
    unpin::<mimic_embassy::TcpFlow>();
    unpin::<Embassy>();
}
