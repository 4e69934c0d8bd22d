//! Random schedules of answers, outcomes, delays and options, and the invariants of every race.
//!
//! `MIMIC_SCHEDULES=1000000 cargo test --release --test schedules` runs that many; a failure prints
//! its seed, and `MIMIC_SEED=n` runs that one alone and prints it.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod harness;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use harness::Rng;
use mimic_happy_eyeballs::{
    AddressInfo, Answer, AttemptId, AttemptState, Config, End, Failure, Family, Kind, List, Machine, Name, Prefix,
    Query, RaceEndpoint, RaceInput, RaceOutput, RaceTarget, ServiceId, ServiceRecord, Source,
};

const FLOOR: Duration = Duration::from_millis(10);
const PROTOCOLS: &[&[u8]] = &[b"h3", b"h2"];
const ALPN: [&[&[u8]]; 4] = [&[], &[b"h2"], &[b"h3", b"h2"], &[b"other"]];

#[derive(Clone, Copy, Debug)]
enum Event {
    Answer(Query),
    /// More of a list that was given in part.
    More(List),
    Progress(AttemptId),
    Succeed(AttemptId),
    Fail(AttemptId, bool),
    Prefix,
    Cancel,
    /// Something that the machine must ignore.
    Junk,
    /// Output is asked for without a reason.
    Poll,
}

/// An attempt, as the outside sees it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    endpoint: RaceEndpoint,
    started: Duration,
    running: bool,
    connected: bool,
    sent: bool,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    delay: Duration,
    resolution: Duration,
    in_flight: usize,
    https: bool,
    protected: bool,
    wait: bool,
    rtt: bool,
    /// Queries and attempts may never have an outcome.
    hanging: bool,
    /// Nothing but addresses of one name: then which are to be tried is plain.
    plain: bool,
    /// Long lists are given in parts.
    parts: bool,
    /// The port that no endpoint may spell out.
    port: Option<u16>,
    /// The origin is fallen back to.
    falls_back: bool,
}

struct World {
    rng: Rng,
    options: Options,
    events: Vec<(Duration, Event)>,
    seen: Vec<Seen>,
    asked: Vec<(Query, bool)>,
    delivered: Vec<IpAddr>,
    /// How many were given before the first query.
    given: usize,
    /// The addresses of the latest answers.
    live: Vec<(Query, IpAddr)>,
    /// The lists that are still to be given, and whether a part is in flight.
    waiting: Vec<(List, Vec<AddressInfo>, bool)>,
    first_address: Option<Duration>,
    preferred_heard: bool,
    progress: Option<Duration>,
    abandoned: bool,
    cancelled: bool,
    won: Option<AttemptId>,
    over: bool,
    verbose: bool,
}

const ROOM: usize = 8;

type Race = Machine<Duration, u32, ROOM, 3, 12>;

/// Prints the seed of a race that panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the schedule that fails: MIMIC_SEED={}", self.0);
        }
    }
}

fn env(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("a number"))
}

#[test]
fn every_schedule_keeps_the_rules() {
    if let Some(seed) = env("MIMIC_SEED") {
        return run(seed, true);
    }
    let schedules = env("MIMIC_SCHEDULES").unwrap_or(10_000);
    let begun = std::time::Instant::now();
    for seed in 0..schedules {
        run(seed, false);
    }
    println!("{schedules} schedules in {:.1?}", begun.elapsed());
}

/// The schedules are worth something only if they get everywhere.
#[test]
fn schedules_reach_every_end() {
    let (mut won, mut failed, mut services, mut cancelled, mut many, mut more) = (0, 0, 0, 0, 0, 0);
    for seed in 0..5000 {
        let (end, attempts) = play(seed, false);
        match end {
            Some(End::Won(_)) => won += 1,
            Some(End::Failed(Failure::Services)) => services += 1,
            Some(End::Failed(_)) => failed += 1,
            Some(End::Cancelled) => cancelled += 1,
            None => {}
        }
        many += u32::from(attempts >= 4);
        more += u32::from(attempts > ROOM);
    }
    assert!(
        won > 1000 && failed > 300 && services > 30 && cancelled > 30 && many > 300 && more > 100,
        "{won} {failed} {services} {cancelled} {many} {more}"
    );
}

fn run(seed: u64, verbose: bool) {
    play(seed, verbose);
}

fn play(seed: u64, verbose: bool) -> (Option<End>, usize) {
    let _seed = Seed(seed);
    let mut rng = Rng::new(seed);
    let (config, options) = config(&mut rng);
    let mut world = World {
        rng,
        options,
        events: Vec::with_capacity(32),
        seen: Vec::with_capacity(8),
        asked: Vec::with_capacity(12),
        delivered: Vec::with_capacity(16),
        given: 0,
        live: Vec::with_capacity(32),
        waiting: Vec::new(),
        first_address: None,
        preferred_heard: false,
        progress: None,
        abandoned: false,
        cancelled: false,
        won: None,
        over: false,
        verbose,
    };
    if verbose {
        println!("{config:?}");
    }
    let mut now = Duration::ZERO;
    let mut race: Race = if world.rng.one_in(5) {
        let (list, count) = world.candidates(None);
        world.first_address = Some(now);
        world.preferred_heard = true;
        world.delivered.extend(list.iter().take(count).map(|c| c.address));
        world.lives(harness::AAAA, &list[..count]);
        world.given = count;
        Machine::new(config, RaceTarget::Addresses(&list[..count]), now)
    } else {
        Machine::new(config, RaceTarget::Name, now)
    };
    world.extras();
    for _ in 0..500 {
        let wake = world.drain(&mut race, now);
        world.send_more(&race, now);
        let next = world.events.iter().map(|event| event.0).min();
        let Some(mut at) = [wake, next].into_iter().flatten().min() else {
            world.at_rest(&race);
            return (race.end(), world.seen.len());
        };
        if world.rng.one_in(20) {
            // The caller is late.
            at += Duration::from_millis(world.rng.below(40));
        }
        assert!(at >= now);
        now = at;
        while let Some(index) = world.events.iter().position(|event| event.0 <= now) {
            let (_, event) = world.events.swap_remove(index);
            world.feed(&mut race, event, now);
        }
    }
    panic!("the race does not come to rest");
}

fn config(rng: &mut Rng) -> (Config, Options) {
    let plain = rng.one_in(4);
    let (protected, wait, parts) = (rng.one_in(4), rng.one_in(4), rng.one_in(3));
    let (falls_back, prefer_ech) = (rng.one_in(2), rng.one_in(4));
    let options = Options {
        delay: Duration::from_millis([0, 5, 10, 20, 50, 100, 250, 3000][rng.below(8) as usize]),
        resolution: [0, 50, 200, u64::MAX].map(Duration::from_millis)[rng.below(4) as usize],
        in_flight: [1, 2, 3, usize::MAX][rng.below(4) as usize],
        https: !plain && rng.one_in(2),
        protected,
        wait,
        rtt: rng.one_in(4),
        hanging: rng.one_in(2),
        plain,
        parts,
        port: [None, Some(443), Some(8443)][rng.below(3) as usize],
        falls_back: falls_back && !protected && !wait && !prefer_ech,
    };
    let mut config = Config::new()
        .attempt_delay(options.delay)
        .resolution_delay(options.resolution)
        .max_in_flight(options.in_flight)
        .preferred_family_count((rng.below(4)) as u8)
        .delay_multiplier(rng.below(3) as u32)
        .interleave(!rng.one_in(5))
        .delay_from_rtt(options.rtt)
        .protected(options.protected)
        .wait_for_services(options.wait)
        .fall_back_to_origin(falls_back)
        .seed(rng.next());
    if options.https {
        config = config
            .https()
            .group_by_protocol(rng.one_in(3))
            .group_by_service(!rng.one_in(5))
            .prefer_ech(prefer_ech)
            .hints(!rng.one_in(5));
        if rng.one_in(2) {
            config = config.protocols(PROTOCOLS);
        }
    }
    if let Some(port) = options.port {
        config = config.port(port);
    }
    if !plain {
        config = match rng.below(8) {
            0 => config.connectivity(true, false),
            1 => config.connectivity(false, true),
            2 => config.connectivity(false, true).nat64(Prefix::WELL_KNOWN),
            _ => config,
        };
    }
    (config, options)
}

impl World {
    fn later(&mut self, now: Duration, event: Event) {
        // Coarse, so that many things happen at the same time.
        let after = match self.rng.below(4) {
            0 => 0,
            1 => self.rng.below(8) * 10,
            2 => self.rng.below(12) * 50,
            _ => self.rng.below(1000),
        };
        self.events.push((now + Duration::from_millis(after), event));
    }

    /// Gives inputs without an output that asks for them.
    fn extras(&mut self) {
        let now = Duration::ZERO;
        for (odds, event) in [(30, Event::Cancel), (3, Event::Junk), (3, Event::Poll)] {
            if self.rng.one_in(odds) {
                self.later(now, event);
            }
        }
        if !self.options.plain && self.rng.one_in(10) {
            self.later(now, Event::Prefix);
        }
    }

    fn candidate(&mut self, family: Option<Kind>) -> AddressInfo {
        let n = self.rng.below(if self.options.parts { 40 } else { 6 }) as u16;
        let v6 = match family {
            Some(kind) => kind == Kind::Aaaa,
            None => self.rng.one_in(2),
        };
        let odd = self.rng.below(16);
        let address: IpAddr = match (v6, odd) {
            (true, 0) => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x0200 + n).into(),
            (true, 1) => Ipv4Addr::new(192, 0, 2, n as u8).to_ipv6_mapped().into(),
            (true, 2) => [Ipv6Addr::UNSPECIFIED, "ff02::1".parse().unwrap()][usize::from(n % 2)].into(),
            (true, _) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n + 1).into(),
            (false, 0) => [Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1)][usize::from(n % 2)].into(),
            (false, _) => Ipv4Addr::new(192, 0, 2, n as u8).into(),
        };
        let mut candidate = AddressInfo::new(address);
        candidate.source = match self.rng.below(6) {
            0 => Source::Unreachable,
            1 if v6 => Source::Address("2001:db8::ff".parse().unwrap()),
            1 => Source::Address("192.0.2.99".parse().unwrap()),
            2 => Source::Address("fd00::1".parse().unwrap()),
            _ => Source::Unknown,
        };
        if self.rng.one_in(8) {
            candidate = candidate.rtt(Duration::from_millis(self.rng.below(300)));
        }
        candidate.used = self.rng.one_in(8);
        candidate
    }

    fn candidates(&mut self, family: Option<Kind>) -> ([AddressInfo; 12], usize) {
        let count = match self.rng.below(10) {
            0 => 12,
            4..8 if self.options.parts => 12,
            1 | 2 => 0,
            _ => 1 + self.rng.below(4),
        };
        let mut list = [AddressInfo::new(Ipv4Addr::UNSPECIFIED.into()); 12];
        for slot in &mut list[..count as usize] {
            *slot = self.candidate(family);
        }
        (list, count as usize)
    }

    fn lives(&mut self, query: Query, list: &[AddressInfo]) {
        self.live.extend(list.iter().map(|candidate| (query, candidate.address.to_canonical())));
    }

    fn delivered(&mut self, list: &[AddressInfo], now: Duration) {
        for candidate in list {
            let address = candidate.address.to_canonical();
            if !address.is_unspecified() && !address.is_multicast() && address != IpAddr::from(Ipv4Addr::BROADCAST) {
                self.first_address.get_or_insert(now);
            }
        }
    }

    fn feed(&mut self, race: &mut Race, event: Event, now: Duration) {
        if self.verbose {
            println!("{now:?} in {event:?}");
        }
        let decided = race.end().is_some();
        match event {
            Event::Answer(query) => self.answer(race, query, now),
            Event::More(list) => self.more(race, list, now),
            Event::Progress(attempt) => {
                if self.seen[usize::from(attempt.0)].running && !decided {
                    self.progress = Some(now);
                }
                race.input(RaceInput::Progress { attempt }, now);
            }
            Event::Succeed(attempt) => {
                let seen = &mut self.seen[usize::from(attempt.0)];
                seen.connected |= seen.running && !decided;
                race.input(RaceInput::Succeeded { attempt }, now);
            }
            Event::Fail(attempt, sent) => {
                let seen = &mut self.seen[usize::from(attempt.0)];
                if seen.running && !decided {
                    (seen.running, seen.connected, seen.sent) = (false, false, sent);
                }
                race.input(RaceInput::Failed { attempt, reason: 7, sent }, now);
            }
            Event::Prefix => race.input(RaceInput::Prefix(Prefix::WELL_KNOWN), now),
            Event::Cancel => {
                self.cancelled |= !decided;
                race.input(RaceInput::Cancel, now);
            }
            Event::Junk => {
                let attempt = AttemptId(40 + self.rng.below(3) as u16);
                race.input(RaceInput::Succeeded { attempt }, now);
                race.input(RaceInput::Failed { attempt, reason: 0, sent: true }, now);
                race.input(RaceInput::Progress { attempt }, now);
                let query = Query { name: Name(99), kind: Kind::Aaaa };
                race.input(
                    RaceInput::Answer { query, answer: Answer::Addresses(&[AddressInfo::new([1; 4].into())]) },
                    now,
                );
                race.input(RaceInput::Answer { query, answer: Answer::Failed }, now);
                let unknown = ServiceId { owner: Name(0), index: 77 };
                for list in [List::Answer(query), List::Hints(unknown, Family::Ipv6)] {
                    let addresses = &[AddressInfo::new([1; 4].into())];
                    race.input(RaceInput::More { list, addresses, last: true }, now);
                    assert_eq!(race.room(list), 0);
                }
            }
            Event::Poll => {}
        }
    }

    fn answer(&mut self, race: &mut Race, query: Query, now: Duration) {
        let known = self.asked.iter().position(|asked| asked.0 == query).unwrap();
        let first = !core::mem::replace(&mut self.asked[known].1, true);
        self.preferred_heard |= matches!(query.kind, Kind::Aaaa | Kind::A);
        if self.rng.one_in(8) {
            self.abandoned |= first && query.kind == Kind::Https && self.options.protected;
            return race.input(RaceInput::Answer { query, answer: Answer::Failed }, now);
        }
        self.live.retain(|(other, _)| *other != query);
        self.waiting.retain(|(list, ..)| match list {
            List::Answer(of) => *of != query,
            List::Hints(service, _) => query != Query { name: service.owner, kind: Kind::Https },
        });
        if query.kind != Kind::Https {
            let (list, count) = self.candidates(Some(query.kind));
            if self.options.plain && race.end().is_none() {
                self.delivered.extend(list[..count].iter().map(|candidate| candidate.address));
            }
            if self.options.parts {
                return self.first(race, query, &list[..count], now);
            }
            self.lives(query, &list[..count]);
            self.delivered(&list[..count], now);
            return race.input(RaceInput::Answer { query, answer: Answer::Addresses(&list[..count]) }, now);
        }
        let mut rests = Vec::new();
        let hints: [_; 4] = core::array::from_fn(|_| {
            let (list, count) = self.candidates(Some(Kind::Aaaa));
            let (other, others) = self.candidates(Some(Kind::A));
            if self.rng.one_in(2) { (list, count.min(2), other, others.min(2)) } else { (list, 0, other, 0) }
        });
        let alias = self.rng.one_in(6);
        let services: [_; 4] = core::array::from_fn(|n| {
            let (v6, v6_count, v4, v4_count) = &hints[n];
            let more = [(); 2].map(|()| self.options.parts && self.rng.one_in(3));
            for (more, kind, family) in [(more[0], Kind::A, Family::Ipv4), (more[1], Kind::Aaaa, Family::Ipv6)] {
                if more {
                    let (list, count) = self.candidates(Some(kind));
                    let id = ServiceId { owner: query.name, index: n as u16 };
                    rests.push((List::Hints(id, family), list[..count].to_vec(), false));
                }
            }
            ServiceRecord {
                priority: if alias { 0 } else { 1 + self.rng.below(3) as u16 },
                target: self.rng.one_in(2).then(|| Name(self.rng.below(4) as u16)),
                alpn: ALPN[self.rng.below(4) as usize],
                no_default_alpn: self.rng.one_in(4),
                port: [None, None, None, None, Some(443), Some(8443)][self.rng.below(6) as usize],
                ipv4_hints: &v4[..*v4_count],
                ipv6_hints: &v6[..*v6_count],
                more_ipv4_hints: more[0],
                more_ipv6_hints: more[1],
                ech: self.rng.one_in(4),
                unsupported: self.rng.one_in(10),
            }
        });
        let count = self.rng.below(5) as usize;
        for service in &services[..count] {
            // More than the machine may take. The check is that no attempt starts earlier.
            self.delivered(service.ipv4_hints, now);
            self.delivered(service.ipv6_hints, now);
            self.lives(query, service.ipv4_hints);
            self.lives(query, service.ipv6_hints);
            self.preferred_heard |= !service.ipv6_hints.is_empty() || !service.ipv4_hints.is_empty();
        }
        self.waiting.append(&mut rests);
        race.input(RaceInput::Answer { query, answer: Answer::Services(&services[..count]) }, now);
    }

    /// An answer of which the rest comes later: as much as there is room for, or less, or too much.
    fn first(&mut self, race: &mut Race, query: Query, list: &[AddressInfo], now: Duration) {
        let room = race.room(List::Answer(query));
        let count = match self.rng.below(if self.options.plain { 8 } else { 9 }) {
            0 => room / 2,
            8 => list.len() - list.len() / 4,
            _ => room,
        };
        let (first, rest) = list.split_at(count.min(list.len()));
        self.lives(query, first);
        self.delivered(first, now);
        self.waiting.push((List::Answer(query), rest.to_vec(), false));
        race.input(RaceInput::Answer { query, answer: Answer::First(first) }, now);
    }

    /// Schedules further parts for which the machine has room.
    fn send_more(&mut self, race: &Race, now: Duration) {
        for index in 0..self.waiting.len() {
            let (list, _, sent) = &mut self.waiting[index];
            if race.room(*list) > 0 && !core::mem::replace(sent, true) {
                let event = Event::More(*list);
                self.later(now, event);
            }
        }
    }

    fn more(&mut self, race: &mut Race, list: List, now: Duration) {
        let Some(place) = self.waiting.iter().position(|(of, ..)| *of == list) else { return };
        let room = race.room(list);
        let (_, mut rest, _) = self.waiting.swap_remove(place);
        let count = if self.rng.one_in(8) { room.div_ceil(2) } else { room }.min(rest.len());
        let later = rest.split_off(count);
        let last = later.is_empty();
        let query = match list {
            List::Answer(query) => query,
            List::Hints(service, _) => Query { name: service.owner, kind: Kind::Https },
        };
        if !last {
            self.waiting.push((list, later, false));
        }
        if race.awaits(list) {
            self.lives(query, &rest);
            self.delivered(&rest, now);
            let hints = matches!(list, List::Hints(..));
            self.preferred_heard |= hints && !rest.is_empty();
        }
        race.input(RaceInput::More { list, addresses: &rest, last }, now);
    }

    /// Takes all output, checks it, and answers when to wake.
    fn drain(&mut self, race: &mut Race, now: Duration) -> Option<Duration> {
        let mut wake = None;
        let connected = self.seen.iter().position(|seen| seen.connected);
        for _ in 0..100 {
            let Some(output) = race.output(now) else {
                // Asking again changes nothing.
                assert_eq!(race.output(now), wake.map(RaceOutput::Wake), "when to wake is said each time");
                assert_eq!(wake.and_then(|_| race.output(now)), None);
                self.after(race, now, wake, connected);
                return wake;
            };
            if self.verbose {
                println!("{now:?} out {output:?}");
            }
            assert!(wake.is_none(), "when to wake is said last");
            assert!(!self.over, "nothing is said after the end");
            match output {
                RaceOutput::Query(query) => self.ask(query, now),
                RaceOutput::Start { attempt, endpoint } => self.start(race, attempt, endpoint, now),
                RaceOutput::Cancel { attempt } => {
                    let seen = &mut self.seen[usize::from(attempt.0)];
                    assert!(seen.running, "only what runs is cancelled, and once");
                    seen.running = false;
                    assert!(race.end().is_some(), "only the end cancels");
                }
                RaceOutput::Won { attempt } => {
                    assert!(self.won.replace(attempt).is_none(), "there is one winner");
                    let seen = &mut self.seen[usize::from(attempt.0)];
                    assert!(seen.running && seen.connected, "the winner is connected");
                    assert_eq!(Some(usize::from(attempt.0)), connected, "of several the earliest started wins");
                    seen.running = false;
                    assert!(self.seen.iter().all(|seen| !seen.running), "the others are cancelled before");
                    self.over = true;
                }
                RaceOutput::Failed(failure) => {
                    assert!(self.seen.iter().all(|seen| !seen.running), "the others are cancelled before");
                    let open = self.asked.iter().any(|(_, answered)| !answered);
                    match failure {
                        Failure::Services => assert!(self.abandoned),
                        Failure::NoAddresses => assert!(!open && self.seen.is_empty()),
                        Failure::NoService => {
                            assert!(!open && self.seen.is_empty() && self.options.https);
                            assert!(!self.options.falls_back || !self.origin_lives(), "the origin has a way");
                        }
                        _ => assert!(!open && !self.seen.is_empty(), "there is something to wait for"),
                    }
                    assert!(!self.options.plain || failure == Failure::Services || self.waiting.is_empty());
                    self.tried_all(race);
                    self.over = true;
                }
                RaceOutput::Wake(at) => {
                    assert!(at > now, "a time to wake that has passed");
                    wake = Some(at);
                }
            }
        }
        panic!("the machine never stops talking");
    }

    fn after(&mut self, race: &Race, now: Duration, wake: Option<Duration>, connected: Option<usize>) {
        let running = self.seen.iter().filter(|seen| seen.running).count();
        let open = self.asked.iter().any(|(_, answered)| !answered);
        self.over |= self.cancelled;
        assert_eq!(race.end().is_some(), self.over, "the end is told");
        if self.over {
            assert!(wake.is_none() && running == 0, "every attempt ends with the race");
            return;
        }
        let more = self.waiting.iter().any(|(list, ..)| race.room(*list) > 0);
        assert!(wake.is_some() || running > 0 || open || more, "nothing will ever happen");
        assert!(connected.is_none() || !race.may_handshake(), "a success decides at once");
        // The latest attempt has failed, or none runs, or the delay has passed: nothing but the
        // floor holds the next.
        let resolved = !self.seen.is_empty();
        let last_sent = self.seen.iter().filter(|seen| seen.sent).map(|seen| seen.started).max();
        if let Some(wake) = wake.filter(|_| resolved && running == 0) {
            assert!(wake <= last_sent.map_or(now, |last| last + FLOOR), "an idle race waits for the floor alone");
        }
    }

    fn ask(&mut self, query: Query, now: Duration) {
        assert!(self.asked.iter().all(|(asked, _)| *asked != query), "a query is asked once");
        self.asked.push((query, false));
        if self.options.hanging && self.rng.one_in(6) {
            return;
        }
        self.later(now, Event::Answer(query));
        if !self.options.plain && self.rng.one_in(5) {
            // It changes later, or comes twice.
            self.later(now, Event::Answer(query));
        }
    }

    /// Returns whether an answer has an address of the name itself.
    fn origin_lives(&self) -> bool {
        let useful = |address: &IpAddr| !address.is_unspecified() && !address.is_multicast();
        let own = |query: &Query| query.name == Name::ORIGINAL && query.kind != Kind::Https;
        let mut live = self.live.iter().filter(|(query, _)| own(query));
        live.any(|(_, address)| useful(address) && *address != IpAddr::V4(Ipv4Addr::BROADCAST))
    }

    fn start(&mut self, race: &Race, attempt: AttemptId, endpoint: RaceEndpoint, now: Duration) {
        assert_eq!(usize::from(attempt.0), self.seen.len());
        assert!(self.seen.iter().all(|seen| !seen.connected), "nothing starts after a success");
        let running = self.seen.iter().filter(|seen| seen.running).count();
        assert!(running < self.options.in_flight.min(ROOM), "never more in flight than configured");
        assert!(endpoint.port.is_none() || endpoint.port != self.options.port, "the own port is not spelt out");
        let same = |e: RaceEndpoint| (e.address, e.scope_id, e.port, e.protocol);
        let known = race.attempts().iter().filter(|other| same(other.endpoint) == same(endpoint)).count();
        assert_eq!(known, 1, "an endpoint is tried once, for as long as its attempt is remembered");
        for seen in &self.seen {
            assert!(!seen.sent || now - seen.started >= FLOOR, "two starts within the floor");
        }
        // Older than the failure of the latest, or of all, nothing hurries the timer.
        if let Some(latest) = self.seen.last().filter(|latest| latest.running && !self.options.rtt) {
            let least = self.options.delay.clamp(FLOOR, Duration::from_secs(2));
            let from = self.progress.unwrap_or_default().max(latest.started);
            assert!(now - latest.started >= least, "earlier than the delay");
            assert!(self.progress.is_none() || now - from >= least, "earlier than the progress allows");
        }
        let extracted = |live: IpAddr| match live {
            IpAddr::V6(v6) => Prefix::WELL_KNOWN.extract(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let live = |live: IpAddr| live == endpoint.original || extracted(live) == Some(endpoint.original);
        assert!(
            self.live.iter().any(|(_, address)| live(*address)),
            "what is not in the answers any more is not tried"
        );
        let first = self.first_address.expect("an address");
        let waited = self.asked.iter().any(|(query, answered)| query.kind == Kind::Https && !answered)
            && self.asked.iter().all(|(query, answered)| query.kind != Kind::Https || !answered);
        if self.seen.is_empty() {
            let ready = self.preferred_heard && !waited;
            assert!(ready || now - first >= self.options.resolution, "before the answers that are waited for");
        }
        self.seen.push(Seen { endpoint, started: now, running: true, connected: false, sent: true });
        self.progress = None;
        match self.rng.below(10) {
            0..4 => self.later(now, Event::Fail(attempt, true)),
            8 if self.options.parts => self.later(now, Event::Fail(attempt, true)),
            4 => self.events.push((now, Event::Fail(attempt, false))),
            5 => self.later(now, Event::Fail(attempt, false)),
            6 if self.options.hanging => {}
            7 => {
                self.later(now, Event::Succeed(attempt));
                self.later(now, Event::Fail(attempt, true));
            }
            _ => self.later(now, Event::Succeed(attempt)),
        }
        if self.rng.one_in(6) {
            let after = Duration::from_millis(self.rng.below(300));
            self.events.push((now + after, Event::Progress(attempt)));
        }
    }

    /// A plain race fails only when every address has been tried.
    fn tried_all(&self, race: &Race) {
        let dropped = race.dropped();
        assert!(!self.options.plain || !self.options.parts || self.given > 0 || dropped.addresses == 0);
        if !self.options.plain || dropped.addresses > 0 || self.abandoned {
            return;
        }
        for address in self.delivered.iter().map(IpAddr::to_canonical) {
            let useless =
                address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
            let tried = self.seen.iter().any(|seen| seen.endpoint.address == address);
            assert!(useless || tried, "{address} was never tried");
        }
    }

    /// Nothing will happen any more.
    fn at_rest(&self, race: &Race) {
        let open = self.asked.iter().any(|(_, answered)| !answered);
        let running = self.seen.iter().any(|seen| seen.running);
        assert!(race.end().is_some() || open || running, "it ends once everything has an outcome");
        assert!(self.options.hanging || race.end().is_some(), "it ends once everything has an outcome");
        assert_eq!(race.attempts().len(), self.seen.len().min(ROOM));
        assert!(race.attempts().is_sorted_by_key(|attempt| attempt.id));
        let known = |id: usize| race.attempts().iter().any(|attempt| usize::from(attempt.id.0) == id);
        assert!(self.seen.iter().zip(0..).all(|(seen, id)| !seen.running || known(id)), "what runs is remembered");
        for attempt in race.attempts() {
            let seen = &self.seen[usize::from(attempt.id.0)];
            let open = matches!(attempt.state, AttemptState::Running | AttemptState::Connected);
            assert_eq!(open, seen.running, "what is listed is what happened");
            assert_eq!(open, attempt.ended.is_none());
            assert_eq!(attempt.endpoint, seen.endpoint);
        }
        let wins = race.attempts().iter().filter(|attempt| attempt.state == AttemptState::Won).count();
        assert_eq!(wins, usize::from(self.won.is_some()));
    }
}
