//! Names, addresses, and who is raced against whom.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::time::{Duration, Instant};

use embassy_net::Config;
use futures_lite::future::{or, zip};
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::{Deadline, PeerAddr};
use mimic_core::roles::{Lookup, Question, Record, RecordType};
use mimic_core::{ErrorKind, FlowExt, ListenerExt, LocalContext};
use mimic_embassy::context;
use mimic_happy_eyeballs::{Source, SourceAddress, Timeline};
use world::dns::serve as dns;
use world::{CLIENT, CLIENT_V6, SERVER, SERVER_V6, World, at, buffers, config, millis, sleep, url};

fn question(name: &str, record_type: RecordType) -> Question {
    Question { name: name.to_owned().into(), record_type }
}

#[test]
fn look_ups_give_the_addresses_of_a_name() {
    let mut world = World::new();
    let client = context(world.client, buffers::<1>());
    world.run(or(dns(world.server), async {
        let ask = async |name: &str, kind| client.resolve(Lookup, question(name, kind)).await;
        assert_eq!(ask("both.test", RecordType::A).await.unwrap(), [Record::A(SERVER)]);
        assert_eq!(ask("both.test", RecordType::Aaaa).await.unwrap(), [Record::Aaaa(SERVER_V6)]);
        let both = [Record::Aaaa(SERVER_V6), Record::A(SERVER)];
        assert_eq!(ask("both.test", RecordType::Addresses).await.unwrap(), both);
        assert_eq!(ask("v4.test", RecordType::Addresses).await.unwrap(), [Record::A(SERVER)]);
        // These cannot be told apart.
        for name in ["empty.test", "none.test"] {
            let error = ask(name, RecordType::Addresses).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        assert_eq!(ask("both.test", RecordType::Https).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(ask("a..b", RecordType::A).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let long = "x".repeat(60) + "." + &"y".repeat(60) + "." + &"z".repeat(200);
        assert_eq!(ask(&long, RecordType::A).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        // More at once than embassy-net has room for wait for each other.
        let many = (0..12).map(|_| Box::pin(ask("both.test", RecordType::Addresses)));
        let mut many: Vec<_> = many.collect();
        for one in &mut many {
            assert_eq!(one.await.unwrap(), both);
        }
    }));
}

/// A stack has one interface, so every zone is it: by name, and by number, which is no look-up at
/// all.
#[test]
fn the_zone_of_an_address_is_the_one_interface() {
    let mut world = World::new();
    let client = context(world.client, buffers::<1>());
    let address = "fe80::1".parse().unwrap();
    world.run(async {
        let ask = async |kind| client.resolve(Lookup, question("fe80::1%eth0", kind)).await;
        assert_eq!(ask(RecordType::Addresses).await.unwrap(), [Record::Aaaa(address)]);
        assert_eq!(ask(RecordType::Aaaa).await.unwrap(), [Record::Aaaa(address)]);
        assert_eq!(ask(RecordType::A).await.unwrap(), []);
    });
}

#[test]
fn a_dns_server_that_is_silent_is_a_timeout() {
    let mut world = World::new();
    let client = context(world.client, buffers::<1>());
    world.run(or(dns(world.server), async {
        let started = Instant::now();
        let error = client.resolve(Lookup, question("silent.test", RecordType::Addresses)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(error.to_string().contains("no DNS server answered"), "{error}");
        assert!(started.elapsed() < millis(13_000), "{:?}", started.elapsed());
    }));
}

#[test]
fn a_dns_server_that_answers_noise_is_a_timeout_and_noise_before_an_answer_does_no_harm() {
    let mut world = World::new();
    let client = context(world.client, buffers::<1>());
    world.run(or(dns(world.server), async {
        let ask = async |name: &str| client.resolve(Lookup, question(name, RecordType::Addresses)).await;
        let (good, bad) = zip(ask("v4.test"), ask("noise.test")).await;
        assert_eq!(good.unwrap(), [Record::A(SERVER)]);
        let error = bad.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(error.to_string().contains("noise.test"), "{error}");
    }));
}

#[test]
fn without_a_dns_server_the_error_says_so() {
    let mut world = World::with(config(CLIENT, CLIENT_V6, &[]));
    let client = at(&context(world.client, buffers::<1>()), "tcp://both.test:7");
    world.run(async {
        let error = client.connect().await.unwrap_err();
        assert!(format!("{error:#}").contains("no DNS server is known"), "{error:#}");
    });
}

#[test]
fn a_family_without_an_address_is_not_asked_for_and_not_reached() {
    let mut v4 = config(CLIENT, CLIENT_V6, &[SERVER]);
    v4.ipv6 = embassy_net::ConfigV6::None;
    let mut world = World::with(v4);
    let client = context(world.client, buffers::<1>());
    world.run(or(dns(world.server), async {
        let found = client.resolve(Lookup, question("both.test", RecordType::Addresses)).await.unwrap();
        assert_eq!(found, [Record::A(SERVER)]);
        let found = client.resolve(Lookup, question("both.test", RecordType::Aaaa)).await.unwrap();
        assert_eq!(found, []);
        let source = async |to: &str| client.resolve(SourceAddress, to.parse().unwrap()).await.unwrap();
        assert_eq!(source("10.0.0.2:7").await, Source::Address(CLIENT.into()));
        assert_eq!(source("10.1.0.2:7").await, Source::Unreachable);
        assert_eq!(source("[2001:db8::2]:7").await, Source::Unreachable);
    }));
}

#[test]
fn dhcp_that_never_answers_is_an_error_before_the_deadline() {
    let mut world = World::with(Config::dhcpv4(Default::default()));
    let client = context(world.client, buffers::<1>()).with(Deadline, millis(500));
    world.run(async {
        for url in ["tcp://10.0.0.2:7", "tcp://both.test:7"] {
            let started = Instant::now();
            let error = at(&client, url).connect().await.unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains("the stack has no address: no DHCP server has answered"), "{text}");
            assert!(started.elapsed() < millis(700), "{:?}", started.elapsed());
        }
    });
}

#[test]
fn who_connects_before_the_stack_has_an_address_waits_for_one() {
    let mut world = World::with(Config::default());
    let server = context(world.server, buffers::<2>());
    let stack = world.client;
    let client = context(stack, buffers::<2>());
    world.run(or(serve(server), async {
        let late = async {
            sleep(millis(300)).await;
            let config = config(CLIENT, CLIENT_V6, &[SERVER]);
            stack.set_config_v4(config.ipv4);
        };
        let ((peer, took), ()) = zip(race(&client, &url(SERVER, 7)), late).await;
        assert!(peer.is_ipv4() && took >= millis(300) && took < millis(600), "{took:?}");
    }));
}

/// Answers lines at port 7 of the server.
async fn serve(server: LocalContext) {
    let mut listener = at(&server, "tcp://0.0.0.0:7").listen().await.unwrap();
    loop {
        let mut flow = listener.accept().await.unwrap();
        let _ = mimic_example_app::serve(&mut flow).await;
    }
}

/// Connects and says who answered, after how long.
async fn race(client: &LocalContext, url: &str) -> (std::net::IpAddr, Duration) {
    let started = Instant::now();
    let mut flow = at(client, url).connect().await.unwrap();
    let took = started.elapsed();
    flow.write_all(b"ping\n").await.unwrap();
    flow.read_exact(&mut [0; 5]).await.unwrap();
    println!("{:?}", flow.attribute(Timeline));
    (flow.attribute(PeerAddr).unwrap().ip(), took)
}

#[test]
fn ipv6_is_tried_first_and_ipv4_after_a_quarter_of_a_second() {
    let mut world = World::new();
    let server = context(world.server, buffers::<8>());
    let client = context(world.client, buffers::<4>());
    world.run(or(or(dns(world.server), serve(server)), async {
        // With no neighbour known: the look-up has asked for the server's IPv4 address, so that
        // IPv6 has to wait for a second.
        let (peer, took) = race(&client, "tcp://both.test:7").await;
        assert!(peer.is_ipv4() && took < millis(400), "{peer} after {took:?}");
        race(&client, &url(SERVER_V6, 7)).await;
        let (peer, took) = race(&client, "tcp://both.test:7").await;
        assert!(peer.is_ipv6() && took < millis(200), "{peer} after {took:?}");
        let (peer, took) = race(&client, "tcp://dead6.test:7").await;
        println!("IPv6 dead, IPv4 neighbour known: {took:?}");
        assert!(peer.is_ipv4() && took >= millis(250) && took < millis(400), "{peer} after {took:?}");
    }));
}

#[test]
fn a_dead_neighbour_does_not_keep_others_from_being_found() {
    // The look-up goes by IPv6: nobody has asked for an IPv4 neighbour yet.
    let mut cold = config(CLIENT, CLIENT_V6, &[]);
    let embassy_net::ConfigV6::Static(ipv6) = &mut cold.ipv6 else { unreachable!() };
    ipv6.dns_servers.push(SERVER_V6).unwrap();
    let mut world = World::with(cold);
    let wire = world.wire.clone();
    let server = context(world.server, buffers::<8>());
    let client = context(world.client, buffers::<4>());
    world.run(or(or(dns(world.server), serve(server)), async {
        let started = Instant::now();
        let (peer, took) = race(&client, "tcp://dead6.test:7").await;
        println!("IPv6 dead, IPv4 neighbour unknown: {took:?}");
        for (at, ipv6) in wire.asked.borrow().iter() {
            println!("asked for a neighbour at {:?}: {}", *at - started, if *ipv6 { "IPv6" } else { "IPv4" });
        }
        assert!(peer.is_ipv4() && took < millis(1500), "{peer} after {took:?}");
    }));
}

#[test]
fn among_many_dead_neighbours_a_live_one_gets_its_turn() {
    let mut world = World::new();
    let server = context(world.server, buffers::<2>());
    let client = context(world.client, buffers::<6>()).with(Deadline, millis(20_000));
    let dead = async |wait: u64, url: &str| {
        sleep(millis(wait)).await;
        at(&client, url).connect().await.unwrap_err().kind()
    };
    world.run(or(serve(server), async {
        let dead6 = zip(dead(0, "tcp://[2001:db8::99]:7"), dead(250, "tcp://[2001:db8::98]:7"));
        let dead4 = zip(dead(500, "tcp://10.0.0.77:7"), dead(600, "tcp://10.0.0.78:7"));
        let live = async {
            sleep(millis(750)).await;
            race(&client, &url(SERVER, 7)).await.1
        };
        let none = async {
            let kinds = zip(dead6, dead4).await;
            panic!("{kinds:?}")
        };
        let took = or(live, none).await;
        println!("a live neighbour among four dead ones: {took:?}");
        assert!(took < millis(4 * 2100 + 1000), "{took:?}");
    }));
}

#[test]
fn a_dead_neighbour_does_not_keep_the_dns_server_from_being_found() {
    let mut world = World::new();
    let client = context(world.client, buffers::<2>());
    let dead = at(&client, "tcp://10.0.0.77:7");
    world.run(or(dns(world.server), async {
        let look_up = async {
            sleep(millis(2_500)).await;
            let started = Instant::now();
            client.resolve(Lookup, question("both.test", RecordType::A)).await.unwrap();
            Some(started.elapsed())
        };
        let dead = async {
            let _ = dead.connect().await;
            None
        };
        let took = or(look_up, dead).await;
        println!("a look-up while a dead neighbour is asked for: {took:?}");
        assert!(took.is_some_and(|took| took < millis(2_500)), "{took:?}");
    }));
}

#[test]
fn with_one_socket_a_dead_address_costs_its_ten_seconds() {
    let mut world = World::new();
    let server = context(world.server, buffers::<2>());
    let client = context(world.client, buffers::<1>());
    world.run(or(or(dns(world.server), serve(server)), async {
        let (peer, took) = race(&client, "tcp://dead6.test:7").await;
        assert!(peer.is_ipv4() && took >= millis(10_000) && took < millis(11_500), "{peer} after {took:?}");
    }));
}

#[test]
fn an_address_that_finds_no_socket_waits_for_the_one_that_another_has() {
    let mut world = World::new();
    let server = context(world.server, buffers::<2>());
    // Two sockets, so two addresses at a time; but a listener has one of them.
    let client = context(world.client, buffers::<2>());
    world.run(or(or(dns(world.server), serve(server)), async {
        let _listener = at(&client, "tcp://0.0.0.0:9").listen().await.unwrap();
        let (peer, took) = race(&client, "tcp://dead6.test:7").await;
        assert!(peer.is_ipv4() && took >= millis(10_000) && took < millis(11_500), "{peer} after {took:?}");
    }));
}
