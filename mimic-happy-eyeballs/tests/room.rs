//! Races with more addresses, records and queries than the machine has room for.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use harness::{A, AAAA, HTTPS, Play, Race, c, failed};
use mimic_happy_eyeballs::{
    AddressInfo, Answer, Config, End, Failure, Family, List, Name, Query, RaceInput, ServiceId, ServiceRecord,
};

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

/// One that fills more makes way: by an address that was tried, or else by the last that was not.
#[test]
fn the_larger_family_makes_way() {
    let mut race: Race<4, 0, 2> = Race::sized(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2", "2001:db8::3"]).answer(10, A, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(race.machine.dropped().addresses, 0);
    let order = (race.order(), race.fail(70_000, 0).order());
    assert_eq!(order.0, ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
    assert_eq!(order.1[4..], ["2001:db8::3"]);
    let mut race: Race<4, 0, 2> = Race::sized(Config::new());
    let [v6, v4] = [["2001:db8::1", "2001:db8::2", "2001:db8::3"], ["192.0.2.1", "192.0.2.2", "::"]];
    let (v6, v4) = (v6.map(c), v4.map(c));
    let answer = |query, addresses| RaceInput::Answer { query, answer: Answer::Addresses(addresses) };
    race.inputs(0, &[answer(AAAA, &v6), answer(A, &v4[..2])]);
    assert_eq!((race.machine.dropped().addresses, race.machine.untried()), (1, 4));
    assert_eq!(race.order(), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
}

/// An address at two ports is two endpoints, and each has its attempt, though there is not room for
/// all at a time.
#[test]
fn endpoints_that_do_not_fit_come_later() {
    let list = [1, 2, 3].map(|n| ServiceRecord { priority: n, port: Some(n), ..ServiceRecord::default() });
    let mut race: Race<2, 3, 3> = Race::sized(Config::new().https());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(0, A, &[]).services(0, HTTPS, &list);
    race.play(&[Play::Fail(1000); 9]);
    race.assert_end(End::Failed(Failure::AllFailed));
    let tried: Vec<_> = race.endpoints.iter().map(|to| (to.address.to_string(), to.port)).collect();
    let [a, b] = ["2001:db8::1", "2001:db8::2"].map(str::to_owned);
    let expected: Vec<_> = (1..=3).flat_map(|port| [&a, &b].map(|of| (of.clone(), Some(port)))).collect();
    assert_eq!(tried, expected);
    assert_eq!((race.machine.dropped().addresses, race.machine.untried()), (0, 0));
}

/// An address that was tried gives up its place.
#[test]
fn later_answers_find_room() {
    let mut race: Race<2, 0, 2> = Race::sized(Config::new());
    race.answer(0, AAAA, &["2001:db8::1", "2001:db8::2"]).answer(0, A, &[]).inputs(100, &[failed(0)]);
    race.answer(200, AAAA, &["2001:db8::3", "2001:db8::4"]);
    assert_eq!((race.machine.dropped().addresses, race.machine.untried()), (0, 2));
    race.play(&[Play::Hang, Play::Fail(500), Play::Fail(500), Play::Fail(500)]);
    race.assert_end(End::Failed(Failure::AllFailed));
    assert_eq!((race.endpoints.len(), race.machine.untried()), (4, 0));
    // The room is for the attempts that run, and the latest of the others.
    assert_eq!(race.machine.attempts().iter().map(|attempt| attempt.id.0).collect::<Vec<_>>(), [2, 3]);
}

/// Lists that are given in parts, as the machine has room: it is asked and answered until nothing
/// waits.
struct Lists(Vec<(List, Vec<AddressInfo>)>);

impl Lists {
    fn start<const N: usize, const S: usize, const Q: usize>(
        race: &mut Race<N, S, Q>,
        answers: &[(Query, &[AddressInfo])],
    ) -> Self {
        let mut lists = Self(Vec::new());
        for (query, all) in answers {
            let (first, rest) = all.split_at(race.machine.room(List::Answer(*query)).min(all.len()));
            race.machine.input(RaceInput::Answer { query: *query, answer: Answer::First(first) }, race.now);
            lists.0.push((List::Answer(*query), rest.to_vec()));
        }
        race.inputs(now(race.now), &[]);
        lists
    }

    fn more<const N: usize, const S: usize, const Q: usize>(&mut self, race: &mut Race<N, S, Q>) {
        for (list, rest) in &mut self.0 {
            let room = race.machine.room(*list);
            if room > 0 {
                let later = rest.split_off(room.min(rest.len()));
                let last = later.is_empty();
                race.input(now(race.now), RaceInput::More { list: *list, addresses: rest, last });
                *rest = later;
            }
        }
        self.0.retain(|(list, _)| race.machine.awaits(*list));
    }

    /// Every attempt fails after 5 ms.
    fn play<const N: usize, const S: usize, const Q: usize>(mut self, race: &mut Race<N, S, Q>) {
        while race.machine.end().is_none() {
            self.more(race);
            let running = race.machine.attempts().iter().rfind(|attempt| attempt.ended.is_none()).map(|of| of.id);
            match (running, race.wake) {
                (Some(attempt), _) => race.fail(now(race.now) + 5, attempt.0),
                (None, Some(wake)) => race.inputs(now(wake), &[]),
                (None, None) => panic!("nothing will ever happen"),
            };
        }
    }
}

fn now(now: core::time::Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap()
}

fn many(prefix: &str, count: u16) -> Vec<AddressInfo> {
    (1..=count).map(|n| c(&format!("{prefix}{n}"))).collect()
}

/// All are tried, once, in the answers' order, and the families take turns for as long as there are
/// both.
#[test]
fn every_address_of_a_long_answer_is_tried() {
    fn tried<const N: usize>(v6: u16, v4: u16, config: Config) {
        let (v6, v4) = (many("2001:db8::", v6), many("192.0.2.", v4));
        let mut race: Race<N, 0, 2> = Race::sized(config);
        Lists::start(&mut race, &[(AAAA, &v6), (A, &v4)]).play(&mut race);
        race.assert_end(End::Failed(Failure::AllFailed));
        assert_eq!((race.machine.dropped().addresses, race.machine.untried()), (0, 0));
        let starts: Vec<_> = race.endpoints.iter().map(|endpoint| endpoint.address).collect();
        for list in [&v6, &v4] {
            let of: Vec<_> = starts.iter().filter(|address| address.is_ipv4() == list[0].address.is_ipv4()).collect();
            assert_eq!(of, list.iter().map(|candidate| &candidate.address).collect::<Vec<_>>(), "{N}");
        }
        // The first family has a start of one, or of the configured count.
        let both = 2 * v6.len().min(v4.len());
        let fair = starts[..both].windows(2).all(|two| two[0].is_ipv4() != two[1].is_ipv4());
        assert!(fair || N < 8, "{N}: {starts:?}");
    }
    tried::<32>(100, 100, Config::new());
    tried::<32>(200, 3, Config::new());
    tried::<32>(3, 200, Config::new());
    tried::<8>(100, 90, Config::new().max_in_flight(1));
    for config in [Config::new(), Config::new().interleave(false)] {
        tried::<1>(20, 20, config);
        tried::<2>(20, 20, config);
        tried::<3>(20, 20, config);
    }
}

/// A list may have as many places as are still free.
#[test]
fn lists_share_the_room() {
    let mut race: Race<32, 0, 2> = Race::sized(Config::new().wait_for_family(Family::Ipv4));
    assert_eq!((race.machine.room(List::Answer(AAAA)), race.machine.room(List::Answer(HTTPS))), (16, 0));
    race.input(0, RaceInput::Answer { query: AAAA, answer: Answer::First(&many("2001:db8::", 16)) });
    assert_eq!((race.machine.room(List::Answer(AAAA)), race.machine.room(List::Answer(A))), (0, 8));
    // Nothing ends, and nothing is missed, while more is to come.
    race.answer(1, A, &[]);
    race.play(&[Play::Fail(1); 16]);
    assert_eq!((race.machine.end(), race.endpoints.len(), race.machine.room(List::Answer(AAAA))), (None, 16, 16));
    let now = now(race.now);
    race.input(now, RaceInput::More { list: List::Answer(AAAA), addresses: &[], last: true });
    race.assert_end(End::Failed(Failure::AllFailed));
}

/// Hints wait as answers do, until there is an answer.
#[test]
fn hints_come_in_parts() {
    let hints = many("2001:db8::", 40);
    let record =
        ServiceRecord { priority: 1, ipv6_hints: &hints[..2], more_ipv6_hints: true, ..ServiceRecord::default() };
    let of = |family| List::Hints(ServiceId { owner: Name::ORIGINAL, index: 0 }, family);
    let mut race: Race<8, 2, 3> = Race::sized(Config::new().https());
    race.services(0, HTTPS, &[record]).servfail(0, AAAA).answer(0, A, &[]);
    assert!(race.machine.awaits(of(Family::Ipv6)) && !race.machine.awaits(of(Family::Ipv4)));
    Lists(vec![(of(Family::Ipv6), hints[2..].to_vec())]).play(&mut race);
    race.assert_end(End::Failed(Failure::AllFailed));
    assert_eq!(race.endpoints.len(), 40);
    // With an answer, they are of no use.
    let mut race: Race<8, 2, 3> = Race::sized(Config::new().https());
    race.services(0, HTTPS, &[record]).answer(0, A, &[]).answer(0, AAAA, &["2001:db8::ff"]);
    assert!(!race.machine.awaits(of(Family::Ipv6)));
    race.input(1, RaceInput::More { list: of(Family::Ipv6), addresses: &hints, last: false }).play(&[Play::Fail(1); 9]);
    race.assert_end(End::Failed(Failure::AllFailed));
    assert_eq!(race.endpoints.len(), 2);
}

/// Of a name that the records leave out, no more is asked for than is known already, and the race
/// ends.
#[test]
fn what_records_leave_out_is_not_waited_for() {
    let h3 = ServiceRecord { priority: 1, alpn: &[b"h3"], no_default_alpn: true, ..ServiceRecord::default() };
    let v4 = many("192.0.2.", 100);
    let mut race: Race<8, 2, 3> = Race::sized(Config::new().https().protocols(&[b"h2"]));
    race.services(0, HTTPS, &[h3]).answer(0, AAAA, &[]);
    Lists::start(&mut race, &[(A, &v4)]).play(&mut race);
    race.assert_end(End::Failed(Failure::NoService));
    assert_eq!(race.machine.untried(), 4);
}

/// The best priorities stay, and of equals those that came first.
#[test]
fn services_stay_by_priority() {
    let ports = |priorities: [u16; 3]| {
        let list = [(0, 1), (1, 2), (2, 3)].map(|(at, port)| ServiceRecord {
            priority: priorities[at],
            port: Some(port),
            ..ServiceRecord::default()
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
