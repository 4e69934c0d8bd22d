//! What is kept where there is no room for all.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use harness::{A, AAAA, HTTPS, Race, failed};
use mimic_happy_eyeballs::{Config, Service};

#[test]
fn what_is_in_an_answer_twice_takes_no_room() {
    let mut race: Race<2, 0, 2> = Race::sized(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::1", "2001:db8::2"]).answer(0, A, &[]);
    assert_eq!(race.machine.dropped().addresses, 0);
    assert_eq!(race.order(), ["2001:db8::1", "2001:db8::2"]);
}

/// A family that fills half makes no way for more of the other.
#[test]
fn the_families_share_the_room() {
    let mut race: Race<4, 0, 2> = Race::sized(Config::new());
    race.answer(0, A, &["192.0.2.1", "192.0.2.2"]);
    race.answer(10, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]);
    assert_eq!(race.machine.dropped().addresses, 1);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
}

/// One that fills more makes way, by an address that has not been tried, and the new one's own family does not.
#[test]
fn the_larger_family_makes_way() {
    let mut race: Race<4, 0, 2> = Race::sized(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]).answer(10, A, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(race.machine.dropped().addresses, 1);
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
}

/// An address at two ports is two endpoints, of which there may be too many though there are not too many addresses.
#[test]
fn endpoints_that_do_not_fit_are_counted() {
    let [one, two] = [1, 2].map(|n| Service { priority: n, port: Some(n), ..Service::default() });
    let mut race: Race<2, 2, 3> = Race::sized(Config::new().https());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(0, A, &[]).services(0, HTTPS, &[one, two]);
    assert_eq!(race.machine.dropped().addresses, 2);
    assert_eq!(race.order().len(), 2);
    assert!(race.endpoints.iter().all(|endpoint| endpoint.port == Some(1)));
}

/// What is left when there is no room for another attempt, and nothing else.
#[test]
fn addresses_that_are_never_tried_are_counted() {
    let mut race: Race<2, 0, 2> = Race::sized(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).inputs(100, &[failed(0)]);
    assert_eq!(race.machine.attempts().len(), 2);
    assert_eq!(race.machine.dropped().addresses, 0);
    race.answer(200, AAAA, &["2001:db8::3", "2001:db8::4"]);
    assert_eq!(race.machine.dropped().addresses, 2);
}

/// The best priorities stay, and of equals those that came first.
#[test]
fn services_stay_by_priority() {
    let ports = |priorities: [u16; 3]| {
        let list = [(0, 1), (1, 2), (2, 3)].map(|(at, port)| Service {
            priority: priorities[at],
            port: Some(port),
            ..Service::default()
        });
        let mut race: Race<8, 2, 3> = Race::sized(Config::new().https());
        race.answer(0, AAAA, &["2001:db8::1"]).answer(0, A, &[]).services(0, HTTPS, &list);
        assert_eq!(race.machine.dropped().services, 1);
        race.order();
        let mut ports: Vec<_> = race.endpoints.iter().filter_map(|endpoint| endpoint.port).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(ports([1, 1, 1]), [1, 2]);
    assert_eq!(ports([2, 2, 1]), [1, 3]);
    assert_eq!(ports([1, 2, 2]), [1, 2]);
    assert_eq!(ports([1, 2, 3]), [1, 2]);
}
