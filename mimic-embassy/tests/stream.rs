//! What a flow promises, over two stacks in memory.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

#[path = "../../mimic-core/tests/flow_kit/mod.rs"]
mod flow_kit;
mod world;

use std::task::Poll;
use std::time::{Duration, Instant};

use embassy_net::driver::LinkState;
use embassy_net::tcp::TcpSocket;
use flow_kit::{Task, fails, got, ok};
use futures_lite::future::{or, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::{Deadline, KeepAlive, LocalAddr, PeerAddr};
use mimic_core::roles::Sleep;
use mimic_core::{ErrorKind, Flow, FlowExt, Listener, ListenerExt, Local, LocalContext, Mode, timeout};
use mimic_embassy::{UserTimeout, context};
use world::{CLIENT, SERVER, SERVER_V6, World, at, buffers, millis, read_all, sleep, url};

type BoxFlow = <Local as Mode>::Flow;

/// A context of each end.
fn contexts(world: &World) -> (LocalContext, LocalContext) {
    (context(world.client, buffers::<4>()), context(world.server, buffers::<4>()))
}

/// A connected pair, the client's first.
async fn pair(client: &LocalContext, server: &LocalContext) -> (BoxFlow, BoxFlow) {
    let mut listener = at(server, "tcp://0.0.0.0:7").listen().await.unwrap();
    let client = at(client, &url(SERVER, 7));
    let (there, here) = zip(client.connect(), listener.accept()).await;
    (there.unwrap(), here.unwrap())
}

#[test]
fn bytes_go_both_ways_in_both_families() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    world.run(async {
        for address in [std::net::IpAddr::from(SERVER), SERVER_V6.into()] {
            let mut listener = at(&server, "tcp://[::]:7").listen().await.unwrap();
            let client = at(&client, &url(address, 7));
            let (there, here) = zip(client.connect(), listener.accept()).await;
            let (mut there, mut here) = (there.unwrap(), here.unwrap());
            let mut buf = [0; 8];
            there.write_all(b"ping").await.unwrap();
            assert_eq!((here.read(&mut buf).await.unwrap(), &buf[..4]), (4, &b"ping"[..]));
            here.write_all(b"pong!").await.unwrap();
            assert_eq!((there.read(&mut buf).await.unwrap(), &buf[..5]), (5, &b"pong!"[..]));
            assert_eq!(there.attribute(PeerAddr), Some((address, 7).into()));
            assert_eq!(there.attribute(LocalAddr), here.attribute(PeerAddr));
            assert_eq!(here.attribute(LocalAddr), Some((address, 7).into()));
            assert!(address.is_ipv6() || there.attribute(LocalAddr).unwrap().ip() == CLIENT);
            // Empty buffers are answered at once.
            assert_eq!(there.read(&mut []).await.unwrap(), 0);
            assert_eq!(there.write(&[]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_mebibyte_goes_each_way_at_once() {
    const LEN: usize = 1 << 20;
    let byte = |seed: usize, at: usize| u8::try_from((at * 31 + at / 251 + seed) % 256).unwrap();
    let mut world = World::new();
    let (client, server) = contexts(&world);
    let started = Instant::now();
    world.run(async {
        let (there, here) = pair(&client, &server).await;
        let one = |flow: BoxFlow, seed: usize| async move {
            let (mut reader, mut writer) = mimic_core::io::Split::<_, Local>::new(flow).into_halves();
            let write = async {
                let mut at = 0;
                while at < LEN {
                    let chunk: Vec<u8> = (at..LEN.min(at + 3000)).map(|at| byte(seed, at)).collect();
                    at += writer.write(&chunk).await.unwrap();
                }
                writer.shutdown().await.unwrap();
            };
            let read = async {
                let (mut at, mut buf) = (0, [0; 2900]);
                loop {
                    let n = reader.read(&mut buf).await.unwrap();
                    if n == 0 {
                        break;
                    }
                    assert!(buf[..n].iter().enumerate().all(|(i, b)| *b == byte(1 - seed, at + i)), "at {at}");
                    at += n;
                }
                assert_eq!(at, LEN);
            };
            zip(read, write).await;
        };
        zip(one(there, 0), one(here, 1)).await;
    });
    println!("1 MiB each way at once: {:?}", started.elapsed());
}

#[test]
fn half_close_leaves_the_other_half_whichever_comes_first() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    world.run(async {
        for client_first in [true, false] {
            let (there, here) = pair(&client, &server).await;
            let (mut first, mut second) = if client_first { (there, here) } else { (here, there) };
            first.write_all(b"request").await.unwrap();
            first.shutdown().await.unwrap();
            first.shutdown().await.unwrap();
            assert_eq!(first.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(read_all(&mut second).await.unwrap(), b"request");
            // The end stays.
            assert_eq!(second.read(&mut [0; 4]).await.unwrap(), 0);
            sleep(millis(30)).await;
            second.write_all(b"answer").await.unwrap();
            second.shutdown().await.unwrap();
            assert_eq!(read_all(&mut first).await.unwrap(), b"answer");
            assert_eq!(first.read(&mut [0; 4]).await.unwrap(), 0);
            first.flush().await.unwrap();
        }
    });
}

#[test]
fn a_drop_sends_what_was_flushed_and_a_fin() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let (client, server) = contexts(&world);
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        there.write_all(&[7; 4000]).await.unwrap();
        there.flush().await.unwrap();
        drop(there);
        assert_eq!(read_all(&mut here).await.unwrap(), [7; 4000]);
        assert_eq!((wire.fins.get(), wire.resets.get()), (1, 0));
        here.close().await.unwrap();
        sleep(millis(50)).await;
        assert_eq!((wire.fins.get(), wire.resets.get()), (2, 0));
    });
}

#[test]
fn close_is_orderly() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let (client, server) = contexts(&world);
    world.run(async {
        let (there, mut here) = pair(&client, &server).await;
        let served = async {
            assert_eq!(read_all(&mut here).await.unwrap(), b"");
            here.write_all(b"unread").await.unwrap();
            here.close().await.unwrap();
        };
        let (closed, ()) = zip(there.close(), served).await;
        closed.unwrap();
        sleep(millis(50)).await;
        assert_eq!((wire.fins.get(), wire.resets.get()), (2, 0));
    });
}

#[test]
fn an_abort_is_a_reset_and_the_peer_reads_an_error_that_stays() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let (client, server) = contexts(&world);
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        there.abort();
        let error = there.read(&mut [0; 4]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(there.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
        drop(there);
        for _ in 0..2 {
            let error = here.read(&mut [0; 4]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        assert_eq!(here.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(here.flush().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!((wire.fins.get(), wire.resets.get()), (0, 1));
    });
}

#[test]
fn a_refused_connect_says_so() {
    let mut world = World::new();
    let (client, _) = contexts(&world);
    world.run(async {
        let error = at(&client, &url(SERVER, 9)).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error:#}");
        assert!(error.to_string().contains("10.0.0.2:9"), "{error}");
        let error = at(&client, "tcp://192.0.2.1:9").connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error:#}");
    });
}

#[test]
fn the_peer_is_any_stack() {
    let mut world = World::new();
    let (client, _) = contexts(&world);
    let server = world.server;
    world.run(async {
        let (rx, tx) = (Box::leak(Box::new([0; 1000])), Box::leak(Box::new([0; 1000])));
        let mut socket = TcpSocket::new(server, rx, tx);
        let client = at(&client, &url(SERVER, 7));
        let (flow, accepted) = zip(client.connect(), socket.accept(7)).await;
        accepted.unwrap();
        let mut flow = flow.unwrap();
        flow.write_all(b"data").await.unwrap();
        assert_eq!(socket.read(&mut [0; 10]).await, Ok(4));
        // In the middle of a read.
        let (read, ()) = zip(flow.read(&mut [0; 4]), async { socket.abort() }).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_link_that_goes_down_is_an_error_for_who_waits() {
    let mut world = World::new();
    let (wire, links) = (world.wire.clone(), world.links);
    let (client, server) = contexts(&world);
    let client = client.with(UserTimeout, millis(800));
    world.run(async {
        let (mut there, _here) = pair(&client, &server).await;
        // Idle is not dead.
        sleep(millis(1500)).await;
        there.write_all(&[1; 1000]).await.unwrap();
        wire.cut.set(true);
        links.iter().for_each(|link| link.set_link_state(LinkState::Down));
        let started = Instant::now();
        let mut writer = async || loop {
            if let Err(error) = there.write(&[1; 1000]).await {
                break error;
            }
        };
        let error = writer().await;
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(error.to_string().contains("the link is down"), "{error}");
        assert!(started.elapsed() > millis(700) && started.elapsed() < millis(2500), "{:?}", started.elapsed());
        assert_eq!(there.read(&mut [0; 4]).await.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_reader_and_a_writer_wait_in_two_tasks() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        let (reader, writer) = (Task::new(), Task::new());
        assert!(reader.read(&mut *there).is_pending());
        let mut written = 0;
        // The buffers of both ends.
        while written < 8192 {
            match writer.write(&mut *there, &[3; 1000]) {
                Poll::Ready(n) => written += n.unwrap(),
                Poll::Pending => sleep(millis(5)).await,
            }
        }
        assert!(writer.write(&mut *there, &[3; 1000]).is_pending());
        sleep(millis(50)).await;
        let _ = (reader.wakes(), writer.wakes());
        here.write_all(b"news").await.unwrap();
        sleep(millis(20)).await;
        assert_eq!((reader.wakes(), writer.wakes()), (1, 0));
        assert_eq!(reader.read(&mut *there), got(b"news"));
        assert!(reader.read(&mut *there).is_pending());
        here.read_exact(&mut [0; 4096]).await.unwrap();
        sleep(millis(20)).await;
        assert_eq!((reader.wakes(), writer.wakes()), (0, 1));
        assert!(writer.write(&mut *there, &[3; 1000]).is_ready());
        assert_eq!(writer.flush(&mut *there), ok(()));
        assert_eq!(writer.shutdown(&mut *there), ok(()));
        assert_eq!(writer.write(&mut *there, b"x"), fails(ErrorKind::BrokenPipe));
        assert_eq!(writer.write(&mut *there, b""), ok(0));
        // Who waited without result has lost nothing.
        assert_eq!(read_all(&mut here).await.unwrap().len(), 4096 + 1000);
    });
}

#[test]
fn a_slow_peer_is_not_a_dead_one() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    let client = client.with(UserTimeout, millis(400));
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        // More than the buffers hold, in so many steps that all together takes longer than the
        // timeout.
        let write = async {
            there.write_all(&[1; 40_000]).await.unwrap();
            there.shutdown().await.unwrap();
            assert_eq!(read_all(&mut there).await.unwrap(), b"");
        };
        let read = async {
            let (mut all, mut buf) = (0, [0; 2000]);
            loop {
                sleep(millis(60)).await;
                match here.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => all += n,
                }
            }
            assert_eq!(all, 40_000);
            // As if the same number of bytes had waited all the while.
            sleep(millis(600)).await;
            here.close().await.unwrap();
        };
        let started = Instant::now();
        zip(write, read).await;
        assert!(started.elapsed() > millis(1500));
    });
}

#[test]
fn the_same_count_of_bytes_is_not_the_same_bytes() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    let client = client.with(UserTimeout, millis(300));
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        for _ in 0..4 {
            there.write_all(b"question").await.unwrap();
            let answer = async {
                here.read_exact(&mut [0; 8]).await.unwrap();
                sleep(millis(200)).await;
                here.write_all(b"answer").await.unwrap();
            };
            let mut buf = [0; 6];
            let (read, ()) = zip(there.read_exact(&mut buf), answer).await;
            read.unwrap();
        }
    });
}

#[test]
fn who_only_reads_is_told_by_keepalive_or_by_a_timeout() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let (client, server) = contexts(&world);
    let client = client.with(UserTimeout, millis(1)).with(KeepAlive, millis(500));
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        // The peer answers (once per second, if it is smoltcp): three times the keepalive, which is
        // a second at least, may pass.
        let idle = or(async { Some(there.read(&mut [0; 4]).await) }, async {
            sleep(millis(4500)).await;
            None
        });
        assert!(idle.await.is_none());
        wire.cut.set(true);
        let started = Instant::now();
        assert_eq!(there.read(&mut [0; 4]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(started.elapsed() < millis(4000), "{:?}", started.elapsed());
        let mut timer = server.resolve(Sleep, ()).await.unwrap();
        let error = timeout(&mut timer, millis(100), here.read(&mut [0; 4])).await.unwrap_err();
        assert!(error.is_deadline());
    });
}

#[test]
fn keepalive_of_no_time_at_all_is_a_probe_per_second() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let (client, server) = contexts(&world);
    let client = client.with(KeepAlive, Duration::ZERO);
    world.run(async {
        let (_there, _here) = pair(&client, &server).await;
        let before = wire.frames.get();
        sleep(millis(2500)).await;
        let frames = wire.frames.get() - before;
        // Three probes and their answers.
        assert!((3..10).contains(&frames), "{frames} frames");
    });
}

#[test]
fn a_connect_to_nobody_ends_at_the_deadline() {
    let mut world = World::new();
    let wire = world.wire.clone();
    let (client, _) = contexts(&world);
    let client = client.with(Deadline, millis(300)).with_url("tcp://10.0.0.77:7").unwrap();
    world.run(async {
        let error = client.connect().await.unwrap_err();
        assert!(error.is_deadline(), "{error:#}");
        assert!(format!("{error:#}").contains("10.0.0.77:7"), "{error:#}");
        assert_eq!(wire.syns.get(), 0);
    });
}

#[test]
fn reads_and_writes_allocate_nothing() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    let (mut there, mut here) = world.run(pair(&client, &server));
    let mut round = async || {
        there.write_all(&[5; 3000]).await.unwrap();
        there.flush().await.unwrap();
        let (mut n, mut buf) = (0, [0; 1000]);
        while n < 3000 {
            n += here.read(&mut buf).await.unwrap();
        }
        here.write_all(&[5; 10]).await.unwrap();
        there.read_exact(&mut buf[..10]).await.unwrap();
    };
    world.run(round());
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            world.run(round());
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_example_application_runs_over_it() {
    let mut world = World::new();
    let (client, server) = contexts(&world);
    world.run(async {
        let (mut there, mut here) = pair(&client, &server).await;
        let mut transcript = String::new();
        let pinged = async {
            mimic_example_app::ping(&mut there, &mut transcript).await.unwrap();
            there.close().await.unwrap();
        };
        let served = async {
            mimic_example_app::serve(&mut here).await.unwrap();
            here.close().await.unwrap();
        };
        zip(pinged, served).await;
        assert_eq!(transcript, "> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n");
    });
}

#[test]
fn a_listener_has_an_address_of_its_own() {
    let mut world = World::new();
    let (_, server) = contexts(&world);
    world.run(async {
        let listen = |url: &str| {
            let ctx = at(&server, url);
            async move { ctx.listen().await }
        };
        let first = listen("tcp://0.0.0.0:7").await.unwrap();
        assert_eq!(first.local_addr(), Some("0.0.0.0:7".parse().unwrap()));
        assert_eq!(listen("tcp://10.0.0.2:7").await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(listen("tcp://10.0.0.9:8").await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        let any = listen("tcp://[2001:db8::2]:0").await.unwrap();
        assert!(any.local_addr().unwrap().port() >= 49152);
        drop(first);
        listen("tcp://10.0.0.2:7").await.unwrap();
    });
}

#[test]
fn time_goes_on() {
    let mut world = World::new();
    let (client, _) = contexts(&world);
    world.run(async {
        let mut timer = client.resolve(Sleep, ()).await.unwrap();
        let started = Instant::now();
        mimic_core::sleep(&mut timer, millis(50)).await;
        assert!(started.elapsed() >= millis(50) && started.elapsed() < millis(150));
        assert!(world::is_pending(mimic_core::sleep(&mut timer, Duration::MAX)).await);
    });
}
