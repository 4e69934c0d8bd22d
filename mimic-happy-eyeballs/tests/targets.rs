//! The driver's treatment of addresses, records and source addresses.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::time::Duration;

use mimic_core::ErrorKind;
use mimic_core::roles::{HostPort, Record, RecordType, Service, Transport};
use mimic_happy_eyeballs::{Config, Failure, Prefix, RaceConfig};
use world::*;

fn https(world: &World) -> mimic_core::Context {
    world.shared().with(RaceConfig, Config::new().https())
}

fn service(priority: u16, target: &str) -> Service {
    Service {
        priority,
        target: target.into(),
        alpn: Vec::new(),
        no_default_alpn: false,
        port: None,
        hints: Vec::new(),
        ech: false,
        unsupported: false,
    }
}

#[test]
fn an_address_is_not_looked_up() {
    for (host, to) in [
        ("192.0.2.1", "192.0.2.1:443"),
        ("2001:db8::1", "[2001:db8::1]:443"),
        ("::ffff:192.0.2.1", "192.0.2.1:443"),
        ("::1", "[::1]:443"),
    ] {
        let world = World::new().accepts(to, 20).source("192.0.2.1", Ok("192.0.2.9"));
        let flow = world.connect(&https(&world), HostPort::new(host, 443)).unwrap();
        assert_eq!(timeline(&flow), [format!("0.0 ms  start   {to}"), format!("20.0 ms  win     {to}")]);
        assert_eq!((world.log(), world.now()), (vec![], ms(20)));
    }
}

#[test]
fn an_address_that_nobody_can_be_at_is_an_error() {
    for host in ["0.0.0.0", "::", "ff02::1", "255.255.255.255"] {
        let world = World::new();
        let error = world.connect(&world.shared(), HostPort::new(host, 443)).unwrap_err();
        let broadcast = host == "255.255.255.255";
        assert_eq!(error.kind(), if broadcast { ErrorKind::NotFound } else { ErrorKind::InvalidInput });
        assert_eq!(error.target().unwrap().replace(['[', ']'], ""), format!("{host}:443"));
        assert_eq!(world.alive("attempts"), 0);
    }
}

#[test]
fn an_ipv4_address_is_synthesised_where_ipv4_has_no_route() {
    let prefix = Prefix::WELL_KNOWN;
    let world = World::new().accepts("[64:ff9b::c000:201]:443", 20).unreachable("192.0.2.1");
    let ctx = world.shared().with(RaceConfig, Config::new().nat64(prefix));
    let flow = world.connect(&ctx, HostPort::new("192.0.2.1", 443)).unwrap();
    assert_eq!(peer(&flow), "[64:ff9b::c000:201]:443");
}

#[test]
fn a_mapped_address_in_an_answer_is_one_of_ipv4() {
    let world = World::new().name((0, &["::ffff:192.0.2.1"]), (0, &["192.0.2.1"])).fails(V4, 5, refused);
    let error = world.error();
    assert_eq!(race_error(&error).errors().len(), 1, "one attempt");
    assert_eq!(error.target(), Some(V4));
}

#[test]
fn a_record_gives_another_port() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts("192.0.2.1:8443", 20);
    let record = Record::Https(Service { port: Some(8443), ..service(1, "") });
    let world = world.answer(HOST, RecordType::Https, 10, vec![record]);
    let flow = world.connect_secure(&https(&world), 443).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), ("192.0.2.1:8443", ms(30)));
    assert_eq!(world.log(), ["0 example.org (Https)", "0 example.org (Aaaa)", "0 example.org (A)"]);
    assert_eq!(
        timeline(&flow)[6..],
        [
            "10.0 ms  start   192.0.2.1:8443",
            "30.0 ms  reach   192.0.2.1:8443, handshake follows",
            "30.0 ms  win     192.0.2.1:8443"
        ]
    );
}

#[test]
fn records_of_a_port_of_its_own_are_asked_for_by_it() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts("192.0.2.1:8443", 20);
    let ordinary = Record::Https(Service { port: Some(4430), ..service(1, "") });
    let world = world.answer(HOST, RecordType::Https, 0, vec![ordinary]);
    world.connect_secure(&https(&world), 8443).unwrap();
    assert_eq!(world.log()[0], "0 _8443._https.example.org (Https)");
    // Those of port 443 count for port 80 too, and for no other.
    let world = world.accepts("192.0.2.1:4430", 20);
    assert_eq!(peer(&world.connect_secure(&https(&world), 80).unwrap()), "192.0.2.1:4430");
}

#[test]
fn hints_are_used_until_there_are_addresses() {
    let world = World::new().name((-1, &[]), (-1, &[])).accepts(V6, 20).accepts(V4, 20);
    let hints = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let world = world.answer(HOST, RecordType::Https, 10, vec![Record::Https(Service { hints, ..service(1, "") })]);
    let flow = world.connect_secure(&https(&world), 443).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(30)));
}

#[test]
fn hints_of_a_family_that_was_answered_are_not_used() {
    let hints = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let record = || vec![Record::Https(Service { hints: hints.clone(), ..service(1, "") })];
    let world = World::new().name((20, &[]), (0, &["192.0.2.1"])).answer(HOST, RecordType::Https, 10, record());
    let world = world.fails(V4, 5, refused).fails("[2001:db8::9]:443", 50, refused);
    let error = world.connect_secure(&https(&world), 443).unwrap_err();
    let tried: Vec<_> = race_error(&error).errors().iter().map(|(peer, _)| peer.unwrap().to_string()).collect();
    assert_eq!(tried, ["[2001:db8::9]:443", V4]);
}

#[test]
fn an_alias_is_followed() {
    let world = World::new()
        .name((5, &[]), (5, &[]))
        .answer(HOST, RecordType::Https, 10, vec![Record::Https(service(0, "Alias.example"))])
        .answer("Alias.example", RecordType::Https, 10, vec![Record::Https(service(1, ""))])
        .answer("Alias.example", RecordType::Aaaa, 10, addresses(&["2001:db8::1"]))
        .accepts(V6, 20);
    let flow = world.connect_secure(&https(&world), 443).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(40)));
    assert_eq!(world.log()[3..], ["10 Alias.example (Https)", "10 Alias.example (Aaaa)", "10 Alias.example (A)"]);
}

#[test]
fn a_name_is_asked_about_once_however_it_is_written() {
    for target in ["", "example.org", "EXAMPLE.org", "example.org."] {
        let world = World::new().name((0, &["2001:db8::1"]), (0, &[])).accepts(V6, 20);
        let world = world.answer(HOST, RecordType::Https, 5, vec![Record::Https(service(1, target))]);
        world.connect_secure(&https(&world), 443).unwrap();
        assert_eq!(world.log().len(), 3, "{target:?}");
    }
}

/// "Services of equal priority are shuffled anew by every race, unless a seed is given."
#[test]
fn equal_services_are_shuffled_anew_by_every_race() {
    let ports = |config: Config| {
        let world =
            World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts("192.0.2.1:1", 0).accepts("192.0.2.1:2", 0);
        let both = [1, 2].map(|port| Record::Https(Service { port: Some(port), ..service(1, "") }));
        let world = world.answer(HOST, RecordType::Https, 0, both.into());
        let ctx = world.shared().with(RaceConfig, config);
        let race = |_| {
            world.jump(Duration::from_micros(1));
            peer(&world.connect_secure(&ctx, 443).unwrap())
        };
        let first = (0..100).map(race).filter(|peer| peer == "192.0.2.1:1").count();
        (first, 100 - first)
    };
    let (one, two) = ports(Config::new().https());
    assert!(one.min(two) >= 30, "{one} and {two} of 100");
    let (one, two) = ports(Config::new().https().seed(7));
    assert_eq!(one.min(two), 0);
}

#[test]
fn aliases_in_a_circle_end() {
    let world = World::new()
        .name((0, &[]), (0, &["192.0.2.1"]))
        .answer(HOST, RecordType::Https, 0, vec![Record::Https(service(0, "a.example"))])
        .answer("a.example", RecordType::Https, 0, vec![Record::Https(service(0, "example.org"))])
        .accepts(V4, 20);
    assert_eq!(peer(&world.connect_secure(&https(&world), 443).unwrap()), V4);
}

/// The port that is connected to, of two services: the first would be taken if it told nothing.
fn chosen(config: Config, first: Service, second: Service) -> u16 {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts(V4, 20);
    let world = world.accepts("192.0.2.1:1", 20).accepts("192.0.2.1:2", 20);
    let (first, second) = (Service { port: Some(1), ..first }, Service { port: Some(2), ..second });
    let world = world.answer(HOST, RecordType::Https, 0, vec![Record::Https(first), Record::Https(second)]);
    let ctx = world.shared().with(RaceConfig, config);
    peer(&world.connect_secure(&ctx, 443).unwrap()).rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn what_records_tell_decides_between_services() {
    let (one, two, config) = (|| service(1, ""), || service(2, ""), Config::new().https());
    let speaks = |protocol: &[u8]| vec![protocol.to_vec()];
    assert_eq!(chosen(config, one(), two()), 1);
    let [h3, h2] = [b"h3", b"h2"].map(|protocol| Service { alpn: speaks(protocol), no_default_alpn: true, ..one() });
    assert_eq!(chosen(config.protocols(&[b"h2"]), h3, Service { priority: 2, ..h2.clone() }), 2);
    let default = config.protocols(&[b"http/1.1"]).default_protocol(b"http/1.1");
    assert_eq!(chosen(default, h2.clone(), two()), 2);
    assert_eq!(chosen(default, Service { no_default_alpn: false, ..h2 }, two()), 1);
    assert_eq!(chosen(config.prefer_ech(true), one(), Service { ech: true, ..two() }), 2);
    assert_eq!(chosen(config, Service { unsupported: true, ..one() }, two()), 2);
}

#[test]
fn no_such_name_is_an_answer_and_not_a_failure() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts(V4, 20);
    let world = world.no_answer(RecordType::Https, 5, no_name);
    let ctx = world.shared().with(RaceConfig, Config::new().https().protected(true));
    assert_eq!(peer(&world.connect_secure(&ctx, 443).unwrap()), V4);
    assert_eq!(world.now(), ms(25), "both families had been heard");
}

#[test]
fn hints_of_a_family_that_has_no_name_are_not_used() {
    let hints = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let world = World::new().no_answer(RecordType::Aaaa, 0, no_name).no_answer(RecordType::A, 0, no_name);
    let world = world.answer(HOST, RecordType::Https, 10, vec![Record::Https(Service { hints, ..service(1, "") })]);
    let error = world.connect_secure(&https(&world), 443).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(world.dials().is_empty());
}

#[test]
fn what_is_left_out_is_told_as_it_comes() {
    let world = World::new().name((10, &["::", "2001:db8::1"]), (20, &["0.0.0.0", "224.0.0.1"])).accepts(V6, 50);
    let told = timeline(&world.connect(&world.shared(), host()).unwrap());
    let omitted: Vec<_> = told.iter().filter(|line| line.contains("omit")).map(String::as_str).collect();
    let omit = "that cannot be used or do not fit";
    assert_eq!(omitted, [format!("10.0 ms  omit    1 {omit}"), format!("20.0 ms  omit    2 {omit}")]);
}

#[test]
fn addresses_of_one_family_in_the_answer_for_the_other_are_tried_once() {
    let both: &[&str] = &["2001:db8::1", "192.0.2.1"];
    let world = World::new().name((0, both), (0, both)).fails(V6, 5, refused).fails(V4, 5, refused);
    assert_eq!(race_error(&world.error()).errors().len(), 2);
}

#[test]
fn the_order_is_that_of_rfc_6724() {
    // Rule 1: where there is no route comes last.
    let names: &[&str] = &["192.0.2.1", "192.0.2.2"];
    let world = World::new().name((0, &["2001:db8::1"]), (0, names)).accepts(V4B, 20);
    let world = world.unreachable("2001:db8::1").unreachable("192.0.2.1").source("192.0.2.2", Ok("192.0.2.9"));
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V4B, ms(20)));
    // Rule 8: the smaller scope. Rule 9: the longer prefix.
    let world = World::new().name((0, &["2001:db8:1::1", "2001:db8:2::1"]), (0, &[]));
    let world = world.source("2001:db8:1::1", Ok("2001:db8:2::9")).source("2001:db8:2::1", Ok("2001:db8:2::9"));
    let world = world.accepts("[2001:db8:2::1]:443", 20);
    assert_eq!(world.connect(&world.shared(), host()).map(|_| world.now()).unwrap(), ms(20));
}

#[test]
fn a_source_that_cannot_be_found_leaves_the_order_as_it_is() {
    let names: &[&str] = &["2001:db8::1", "2001:db8::2"];
    for fault in [ErrorKind::Other, ErrorKind::Unsupported, ErrorKind::TimedOut] {
        let world = World::new().name((0, names), (0, &["192.0.2.1"])).accepts(V6, 20);
        let world =
            names.iter().fold(world, |world, name| world.source(name, Err(fault))).source("192.0.2.1", Ok("192.0.2.9"));
        assert_eq!(peer(&world.connect(&world.shared(), host()).unwrap()), V6);
        assert_eq!(world.now(), ms(20));
    }
}

fn many(count: u16) -> Vec<String> {
    (1..=count).map(|n| format!("2001:db8::{n:x}")).collect()
}

fn strs(of: &[String]) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

#[test]
fn a_thousand_addresses_are_no_burden() {
    let many = many(1000);
    let world = World::new().name((0, &strs(&many)), (0, &["192.0.2.1"])).accepts(V4, 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V4, ms(270)));
    assert_eq!(timeline(&flow).len(), 8, "nothing is left out");
}

/// Whichever it is that works, of however many.
#[test]
fn every_address_of_an_answer_is_tried_in_the_end() {
    for count in [33, 201, 300] {
        let many = many(count);
        let world = many.iter().fold(World::new().name((0, &strs(&many)), (0, &["192.0.2.1"])), |world, address| {
            world.fails(&format!("[{address}]:443"), 1, refused)
        });
        let last = format!("[2001:db8::{count:x}]:443");
        let world = world.fails(V4, 1, refused).accepts(&last, 20);
        assert_eq!(peer(&world.connect(&world.shared(), host()).unwrap()), last);
        assert_eq!((world.now(), world.dials().len()), (ms(u64::from(count) * 10 + 20), usize::from(count) + 1));
    }
}

#[test]
fn every_hint_is_tried_in_the_end() {
    let many = many(100);
    let world = World::new().name((-1, &[]), (-1, &[]));
    let world = many.iter().fold(world, |world, address| world.fails(&format!("[{address}]:443"), 1, refused));
    let hints = || many.iter().map(|hint| hint.parse().unwrap());
    let records = [(1, 0..50), (2, 50..100)].map(|(priority, of)| {
        Record::Https(Service { hints: hints().skip(of.start).take(50).collect(), ..service(priority, "") })
    });
    let world = world.answer(HOST, RecordType::Https, 0, records.into()).accepts("[2001:db8::64]:443", 20);
    assert_eq!(peer(&world.connect_secure(&https(&world), 443).unwrap()), "[2001:db8::64]:443");
    assert_eq!(world.dials().len(), 100);
}

/// However long the answers, and even if nothing takes time: a poll does little, and no source
/// address is asked for before there is room.
#[test]
fn the_executor_gets_its_turn() {
    let many = many(6300);
    let hints: Vec<_> =
        (1..=200_u16).map(|n| std::net::Ipv6Addr::new(0x2001, 0xdb9, 0, 0, 0, 0, 0, n).into()).collect();
    let records = (0..75).map(|n| Record::Https(Service { hints: hints.clone(), ..service(n + 1, "other.example") }));
    let world =
        World::new().name((0, &strs(&many)), (0, &["192.0.2.1"])).answer(HOST, RecordType::Https, 0, records.collect());
    let world = world.answer("other.example", RecordType::Aaaa, -1, Vec::new());
    let world = many.iter().fold(world, |world, address| world.fails(&format!("[{address}]:443"), 0, no_route));
    // Sources are asked for, and none is known.
    let world = world.source("::9", Ok("::9")).accepts(V4, 20);
    let world = hints.iter().fold(world, |world, hint| world.fails(&format!("[{hint}]:443"), 0, no_route));
    let ctx = https(&world).with(RaceConfig, Config::new().https().preferred_family_count(255).interleave(false));
    let mut connect = Box::pin(secure(&ctx, 443));
    let flow = world.run(&mut connect).unwrap();
    assert_eq!(peer(&flow), V4);
    assert_eq!((world.dials().len(), world.sourced()), (6300 + 200 + 1, 6300 + 4 * 200 + 1));
    assert!(world.busiest() <= 64, "{} in one poll", world.busiest());
}

/// The driver looks up no source of an address that waits.
#[test]
fn source_addresses_are_asked_for_where_there_is_room() {
    let many = many(6300);
    let world = World::new().name((0, &strs(&many)), (0, &["192.0.2.1"])).accepts(V4, 20).source("::9", Ok("::9"));
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now(), world.sourced()), (V4, ms(270), 16 + 1));
}

/// An address that is known twice is tried once, at whatever position of a list.
#[test]
fn an_address_that_comes_again_is_not_tried_again() {
    let mut list = many(100);
    list.extend(many(100));
    let world = World::new().name((0, &strs(&list)), (0, &strs(&list)));
    let world = list.iter().fold(world, |world, address| world.fails(&format!("[{address}]:443"), 1, refused));
    let error = world.error();
    assert_eq!((world.dials().len(), race_error(&error).untried()), (100, 0), "{error}");
}

#[test]
fn connects_by_kept_dialer_allocate_little() {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts(V4, 0);
    let ctx = world.shared();
    let dialer = world.run(ctx.dialer(Transport)).unwrap();
    for (what, to, most) in [("address", HostPort::new("192.0.2.1", 443), 20), ("name", host(), 40)] {
        world.run(dialer.dial(to.clone())).unwrap();
        world.log();
        let count = allocation_counter::measure(|| drop(world.run(dialer.dial(to.clone())))).count_total;
        println!("a connect by {what}: {count} allocations, the script's included");
        assert!(count <= most, "{what}: {count}");
    }
}

#[test]
fn clear_text_is_not_led_by_records_of_what_is_secure() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &[])).accepts(V6, 20);
    let world =
        world.answer(HOST, RecordType::Https, 0, vec![Record::Https(Service { port: Some(8443), ..service(1, "") })]);
    assert_eq!(peer(&world.connect(&https(&world), host()).unwrap()), V6);
    assert_eq!(world.log(), ["0 example.org (Aaaa)", "0 example.org (A)"]);
}

#[test]
fn services_that_tcp_does_not_reach_are_left_out() {
    let h3 = |default: bool| Service { alpn: vec![b"h3".to_vec()], no_default_alpn: !default, ..service(1, "") };
    assert_eq!(chosen(Config::new().https(), h3(false), service(2, "")), 2);
    assert_eq!(chosen(Config::new().https(), h3(true), service(2, "")), 1);
    // Grouped by protocol, an address and port are tried once all the same.
    let world = World::new().name((0, &["2001:db8::1"]), (0, &[])).fails(V6, 5, refused);
    let both = Service { alpn: vec![b"h2".to_vec()], ..service(1, "") };
    let world = world.answer(HOST, RecordType::Https, 0, vec![Record::Https(both)]);
    let config = Config::new().https().protocols(&[b"h2", b"http/1.1"]).group_by_protocol(true);
    let error = world.connect_secure(&world.shared().with(RaceConfig, config), 443).unwrap_err();
    assert_eq!(race_error(&error).errors().len(), 1);
}

#[test]
fn what_is_not_known_of_services_hides_nothing() {
    let world = World::new().no_answer(RecordType::Aaaa, 1, no_name).no_answer(RecordType::A, 1, no_name);
    let world = world.no_answer(RecordType::Https, 1, server_failure);
    let error = world.connect_secure(&https(&world), 443).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!error.to_string().contains("Https"), "{error}");
}

#[test]
fn a_start_is_timed_by_when_it_starts() {
    // Finding the source addresses takes the caller's own time.
    let names: &[&str] = &["2001:db8::1", "2001:db8::2"];
    let world = World::new().name((0, names), (0, &[])).fails(V6, 0, refused).accepts("[2001:db8::2]:443", 20);
    let world = world.blocks(ms(5));
    world.connect(&world.shared(), host()).unwrap();
    let starts = world.dials();
    assert!(starts[1] - starts[0] >= ms(10), "{starts:?}");
}

/// The first address drops everything, and the record, which is late, spells the caller's own port
/// out.
#[test]
fn a_port_that_is_the_caller_s_own_makes_no_second_endpoint() {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"])).accepts(V4, 20);
    let record = Record::Https(Service { port: Some(443), ..service(1, "") });
    let world = world.answer(HOST, RecordType::Https, 100, vec![record]);
    let flow = world.connect_secure(&https(&world), 443).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now(), world.dials().len()), (V4, ms(320), 2));
}

/// Whatever it is written as, and wherever it comes from.
#[test]
fn an_endpoint_is_tried_once_however_it_is_spelt() {
    let hints = || vec!["2001:db8::1".parse().unwrap(), "::ffff:192.0.2.1".parse().unwrap()];
    let spelt = |priority, port, target: &str| {
        Record::Https(Service { port, hints: hints(), alpn: vec![b"h2".to_vec()], ..service(priority, target) })
    };
    let records = vec![spelt(1, None, ""), spelt(1, Some(443), "other.example"), spelt(2, Some(443), "EXAMPLE.org.")];
    let both: &[&str] = &["2001:db8::1", "192.0.2.1", "::ffff:192.0.2.1"];
    let world = World::new().name((100, both), (200, both)).answer(HOST, RecordType::Https, 0, records);
    let world = world.answer("other.example", RecordType::Aaaa, 300, addresses(both));
    let world = world.answer("other.example", RecordType::A, 400, addresses(both));
    let world = world.fails(V6, 50, refused).fails(V4, 50, refused);
    let error = world.connect_secure(&https(&world), 443).unwrap_err();
    assert_eq!(world.dials().len(), 2, "{error}");
}

#[test]
fn a_zone_goes_to_the_socket_and_is_printed() {
    let zoned = Record::Scoped("fe80::1".parse().unwrap(), 2);
    let world = World::new().answer(HOST, RecordType::Aaaa, 0, vec![zoned]).accepts("[fe80::1%2]:443", 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!(peer(&flow), "[fe80::1%2]:443");
    assert_eq!(timeline(&flow).last().unwrap(), "20.0 ms  win     [fe80::1%2]:443");
    let world = World::new().answer(HOST, RecordType::Aaaa, 0, vec![Record::Scoped("fe80::1".parse().unwrap(), 2)]);
    let error = world.fails("[fe80::1%2]:443", 5, refused).error();
    assert_eq!(race_error(&error).errors()[0].0.unwrap().to_string(), "[fe80::1%2]:443");
}

/// The name's own addresses, by a record that leads nowhere: a port that refuses, or a protocol
/// that is not spoken.
fn nowhere(record: Service) -> World {
    let world = World::new().name((0, &["2001:db8::1"]), (0, &["192.0.2.1"]));
    let world = ["[2001:db8::1]:8443", "192.0.2.1:8443"].iter().fold(world, |world, to| world.fails(to, 5, refused));
    world.accepts(V6, 20).answer(HOST, RecordType::Https, 0, vec![Record::Https(record)])
}

fn h3() -> Service {
    Service { alpn: vec![b"h3".to_vec()], no_default_alpn: true, ..service(1, "") }
}

/// RFC 9460 §3.
#[test]
fn a_record_that_leads_nowhere_leaves_the_origin() {
    for (record, won) in [(Service { port: Some(8443), ..service(1, "") }, 40), (h3(), 20)] {
        let world = nowhere(record);
        let flow = world.connect_secure(&https(&world), 443).unwrap();
        assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(won)));
    }
}

/// RFC 9460 §3.1: it would be a downgrade. And where it is not wanted.
#[test]
fn where_records_are_relied_on_the_origin_is_not_fallen_back_to() {
    let config = Config::new().https();
    let ech = Service { ech: true, port: Some(8443), ..service(1, "") };
    for (config, record) in [
        (config.fall_back_to_origin(true).protected(true), h3()),
        (config.fall_back_to_origin(true).wait_for_services(true), h3()),
        (config.fall_back_to_origin(true).prefer_ech(true), ech),
        (config.fall_back_to_origin(false), h3()),
    ] {
        let refuses = record.port.is_some();
        let world = nowhere(record);
        let ctx = world.shared().with(RaceConfig, config);
        let error = world.connect_secure(&ctx, 443).unwrap_err();
        let race = race_error(&error);
        let (failure, dials) = if refuses { (Failure::AllFailed, 2) } else { (Failure::NoService, 0) };
        assert_eq!((race.failure(), world.dials().len()), (failure, dials), "{error}");
    }
}

/// An error says that it was the records, and which.
#[test]
fn an_error_says_that_records_leave_no_way() {
    let error = |record: Service| {
        let world = nowhere(record);
        let ctx = world.shared().with(RaceConfig, Config::new().https().fall_back_to_origin(false));
        world.connect_secure(&ctx, 443).unwrap_err()
    };
    let left = "lookup failed: the service records leave no way to connect: ";
    let place = "Transport \"happy-eyeballs\" to example.org:443: ";
    for (record, why) in [
        (h3(), "1 for protocols that are not spoken here"),
        (Service { port: Some(0), ..service(1, "") }, "1 with port 0"),
    ] {
        let error = error(record);
        assert_eq!(error.to_string(), format!("{place}{left}{why}; 2 addresses were never tried"));
        assert_eq!((error.kind(), race_error(&error).untried()), (ErrorKind::Unsupported, 2));
    }
    // Also if the name has no address itself.
    let keys = Service { unsupported: true, ..service(1, "other.example") };
    let world = World::new().answer(HOST, RecordType::Https, 0, vec![Record::Https(keys)]);
    let error = world.connect_secure(&https(&world), 443).unwrap_err().to_string();
    assert_eq!(error, format!("{place}{left}1 with mandatory keys that are not known"));
    // A port that refuses is in the errors of the attempts.
    let world = nowhere(Service { port: Some(8443), ..service(1, "") });
    let ctx = world.shared().with(RaceConfig, Config::new().https().fall_back_to_origin(false));
    let error = world.connect_secure(&ctx, 443).unwrap_err().to_string();
    assert!(
        error.contains("192.0.2.1:8443: ") && error.ends_with("; the service records give no other port"),
        "{error}"
    );
    // The caller's own port is no other port, however it is spelt.
    let record = Record::Https(Service { port: Some(443), ..service(1, "") });
    let world = World::new().name((0, &["2001:db8::1"]), (0, &[])).fails(V6, 5, refused);
    let world = world.answer(HOST, RecordType::Https, 0, vec![record]);
    let error = world.connect_secure(&https(&world), 443).unwrap_err().to_string();
    assert!(!error.contains("no other port"), "{error}");
}
