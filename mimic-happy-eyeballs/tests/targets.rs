//! What the driver makes of addresses, records and source addresses.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod world;

use std::time::Duration;

use mimic_core::{ErrorKind, HostPort, Record, RecordType, Service, Transport};
use mimic_happy_eyeballs::{Config, Prefix, RaceConfig};
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
    let flow = world.connect(&https(&world), secure(443)).unwrap();
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
    world.connect(&https(&world), secure(8443)).unwrap();
    assert_eq!(world.log()[0], "0 _8443._https.example.org (Https)");
    // Those of port 443 count for port 80 too, and for no other.
    let world = world.accepts("192.0.2.1:4430", 20);
    assert_eq!(peer(&world.connect(&https(&world), secure(80)).unwrap()), "192.0.2.1:4430");
}

#[test]
fn hints_are_used_until_there_are_addresses() {
    let world = World::new().name((-1, &[]), (-1, &[])).accepts(V6, 20).accepts(V4, 20);
    let hints = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let world = world.answer(HOST, RecordType::Https, 10, vec![Record::Https(Service { hints, ..service(1, "") })]);
    let flow = world.connect(&https(&world), secure(443)).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(30)));
}

#[test]
fn hints_of_a_family_that_was_answered_are_not_used() {
    let hints = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let record = || vec![Record::Https(Service { hints: hints.clone(), ..service(1, "") })];
    let world = World::new().name((20, &[]), (0, &["192.0.2.1"])).answer(HOST, RecordType::Https, 10, record());
    let world = world.fails(V4, 5, refused).fails("[2001:db8::9]:443", 50, refused);
    let error = world.connect(&https(&world), secure(443)).unwrap_err();
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
    let flow = world.connect(&https(&world), secure(443)).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V6, ms(40)));
    assert_eq!(world.log()[3..], ["10 Alias.example (Https)", "10 Alias.example (Aaaa)", "10 Alias.example (A)"]);
}

#[test]
fn a_name_is_asked_about_once_however_it_is_written() {
    for target in ["", "example.org", "EXAMPLE.org", "example.org."] {
        let world = World::new().name((0, &["2001:db8::1"]), (0, &[])).accepts(V6, 20);
        let world = world.answer(HOST, RecordType::Https, 5, vec![Record::Https(service(1, target))]);
        world.connect(&https(&world), secure(443)).unwrap();
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
            peer(&world.connect(&ctx, secure(443)).unwrap())
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
    assert_eq!(peer(&world.connect(&https(&world), secure(443)).unwrap()), V4);
}

/// The port that is connected to, of two services: the first would be taken if it told nothing.
fn chosen(config: Config, first: Service, second: Service) -> u16 {
    let world = World::new().name((0, &[]), (0, &["192.0.2.1"])).accepts(V4, 20);
    let world = world.accepts("192.0.2.1:1", 20).accepts("192.0.2.1:2", 20);
    let (first, second) = (Service { port: Some(1), ..first }, Service { port: Some(2), ..second });
    let world = world.answer(HOST, RecordType::Https, 0, vec![Record::Https(first), Record::Https(second)]);
    let ctx = world.shared().with(RaceConfig, config);
    peer(&world.connect(&ctx, secure(443)).unwrap()).rsplit(':').next().unwrap().parse().unwrap()
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
    assert_eq!(peer(&world.connect(&ctx, secure(443)).unwrap()), V4);
    assert_eq!(world.now(), ms(25), "both families had been heard");
}

#[test]
fn hints_of_a_family_that_has_no_name_are_not_used() {
    let hints = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
    let world = World::new().no_answer(RecordType::Aaaa, 0, no_name).no_answer(RecordType::A, 0, no_name);
    let world = world.answer(HOST, RecordType::Https, 10, vec![Record::Https(Service { hints, ..service(1, "") })]);
    let error = world.connect(&https(&world), secure(443)).unwrap_err();
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

#[test]
fn a_thousand_addresses_are_no_burden() {
    let many: Vec<_> = (0..1000).map(|n| format!("2001:db8::{:x}", n + 1)).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let world = World::new().name((0, &many), (0, &["192.0.2.1"])).accepts(V4, 20);
    let flow = world.connect(&world.shared(), host()).unwrap();
    assert_eq!((peer(&flow).as_str(), world.now()), (V4, ms(270)));
    let told = timeline(&flow);
    assert!(told.contains(&"0.0 ms  omit    969 that cannot be used or do not fit".to_owned()), "{told:?}");
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
    let error = world.connect(&world.shared().with(RaceConfig, config), secure(443)).unwrap_err();
    assert_eq!(race_error(&error).errors().len(), 1);
}

#[test]
fn what_is_not_known_of_services_hides_nothing() {
    let world = World::new().no_answer(RecordType::Aaaa, 1, no_name).no_answer(RecordType::A, 1, no_name);
    let world = world.no_answer(RecordType::Https, 1, server_failure);
    let error = world.connect(&https(&world), secure(443)).unwrap_err();
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
