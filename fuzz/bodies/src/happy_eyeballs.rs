//! The machine of happy eyeballs, told whatever may happen and what cannot: it never panics, never
//! has more attempts under way than allowed, tells each thing once, and ends once everything has an
//! outcome.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use mimic_happy_eyeballs::{
    AddressInfo, Answer, AttemptId, AttemptState, Config, Failure, Family, Kind, List, Machine, Name, Prefix, Query,
    RaceEndpoint, RaceInput, RaceOutput, RaceTarget, ServiceRecord, Source,
};

use super::script::Script;

const FLOOR: Duration = Duration::from_millis(10);
const PROTOCOLS: &[&[u8]] = &[b"h3", b"h2"];
const ALPN: [&[&[u8]]; 4] = [&[], &[b"h2"], &[b"h3", b"h2"], &[b"other"]];

/// A configuration, a target, and events.
pub fn happy_eyeballs(data: &[u8]) {
    let mut script = Script::new(data);
    match script.below(3) {
        0 => Race::<32, 4, 16>::run(script),
        1 => Race::<4, 2, 6>::run(script),
        _ => Race::<2, 0, 1>::run(script),
    }
}

/// An attempt, as the outside sees it.
struct Seen {
    endpoint: RaceEndpoint,
    started: Duration,
    running: bool,
    connected: bool,
    /// A packet may have been sent.
    sent: bool,
}

struct Race<const E: usize, const S: usize, const Q: usize> {
    machine: Machine<Duration, u8, E, S, Q>,
    limit: usize,
    now: Duration,
    elapsed: Duration,
    wake: Option<Duration>,
    asked: Vec<Query>,
    /// Of which more is to come.
    partial: Vec<Query>,
    seen: Vec<Seen>,
    cancelled: bool,
    /// The end has been told.
    over: bool,
}

impl<const E: usize, const S: usize, const Q: usize> Race<E, S, Q> {
    fn run(mut script: Script<'_>) {
        let limit = script.pick(&[0, 1, 2, 3, usize::MAX]);
        let config = config(&mut script).max_in_flight(limit);
        let now = script.millis();
        let machine = match script.below(4) {
            0 => Machine::new(config, RaceTarget::Addresses(&candidates(&mut script)), now),
            _ => Machine::new(config, RaceTarget::Name, now),
        };
        let mut race = Self {
            machine,
            limit: limit.max(1),
            now,
            elapsed: Duration::ZERO,
            wake: None,
            asked: Vec::new(),
            partial: Vec::new(),
            seen: Vec::new(),
            cancelled: false,
            over: false,
        };
        race.drain();
        while !script.is_over() {
            race.event(&mut script);
            if !script.flag() {
                race.drain();
            }
        }
        race.settle();
    }

    fn event(&mut self, script: &mut Script<'_>) {
        match script.below(12) {
            0 => self.now = self.now.saturating_add(script.millis()),
            1 => self.now = self.now.max(self.wake.unwrap_or_default()),
            2 => self.now = self.now.saturating_add(script.pick(&[1, 5, 9, 10, 50, 250].map(Duration::from_millis))),
            // A clock that goes back, or is wrong altogether.
            3 => self.now = script.pick(&[Duration::ZERO, self.now / 2, self.now / 2, Duration::MAX]),
            4 | 5 => {
                let query = match script.byte() {
                    255 => Query { name: Name(script.word()), kind: kind(script) },
                    at if !self.asked.is_empty() => self.asked[usize::from(at) % self.asked.len()],
                    _ => return,
                };
                self.answer(query, script);
            }
            6 => {
                let attempt = self.attempt(script);
                self.machine.input(RaceInput::Progress { attempt }, self.now);
            }
            7 | 8 => {
                let attempt = self.attempt(script);
                self.machine.input(RaceInput::Succeeded { attempt }, self.now);
                if let Some(seen) = self.running(attempt) {
                    seen.connected = true;
                }
            }
            9 => {
                let (attempt, sent) = (self.attempt(script), script.flag());
                self.fail(attempt, sent);
            }
            10 => {
                let bits = script.pick(&[32, 40, 48, 56, 64, 96, 7]);
                let prefix = Prefix::new(Ipv6Addr::new(0x64, script.word(), 0, 0, 0, 0, 0, 0), bits);
                self.machine.input(RaceInput::Prefix(prefix.unwrap_or(Prefix::WELL_KNOWN)), self.now);
            }
            _ if script.byte() < 8 => {
                self.cancelled |= self.machine.end().is_none();
                self.machine.input(RaceInput::Cancel, self.now);
            }
            _ => self.drain(),
        }
        self.clock();
    }

    /// One that was started, or one that never was.
    fn attempt(&mut self, script: &mut Script<'_>) -> AttemptId {
        match script.byte() {
            255 => AttemptId(script.word()),
            at if self.seen.is_empty() => AttemptId(at.into()),
            at => AttemptId(u16::from(at) % self.seen.len() as u16),
        }
    }

    /// The attempt, if what happens to it still counts.
    fn running(&mut self, attempt: AttemptId) -> Option<&mut Seen> {
        let decided = self.machine.end().is_some();
        self.seen.get_mut(usize::from(attempt.0)).filter(|seen| seen.running && !decided)
    }

    fn fail(&mut self, attempt: AttemptId, sent: bool) {
        if let Some(seen) = self.running(attempt) {
            (seen.running, seen.connected, seen.sent) = (false, false, sent);
        }
        self.machine.input(RaceInput::Failed { attempt, reason: 7, sent }, self.now);
    }

    fn answer(&mut self, query: Query, script: &mut Script<'_>) {
        let addresses = candidates(script);
        if self.partial.contains(&query) && script.flag() {
            let (list, last) = (List::Answer(query), script.flag());
            return self.machine.input(RaceInput::More { list, addresses: &addresses, last }, self.now);
        }
        let answer = match (query.kind, script.below(4)) {
            (_, 0) => Answer::Failed,
            (Kind::A | Kind::Aaaa, 3) => {
                self.partial.push(query);
                Answer::First(&addresses)
            }
            // Rarely an answer to another question.
            (Kind::Https | Kind::Svcb, 1) | (Kind::A | Kind::Aaaa, 1..) => Answer::Addresses(&addresses),
            _ => {
                let hints = candidates(script);
                let services: Vec<_> = (0..script.below(6)).map(|_| service(script, &addresses, &hints)).collect();
                return self.machine.input(RaceInput::Answer { query, answer: Answer::Services(&services) }, self.now);
            }
        };
        self.machine.input(RaceInput::Answer { query, answer }, self.now);
    }

    fn clock(&mut self) {
        assert!(self.machine.elapsed() >= self.elapsed, "time runs forwards");
        self.elapsed = self.machine.elapsed();
    }

    /// Takes all output, and checks it.
    fn drain(&mut self) {
        self.wake = None;
        for _ in 0..2 * E + Q + 4 {
            let output = self.machine.output(self.now);
            self.clock();
            let Some(output) = output else {
                assert_eq!(self.machine.end().is_some(), self.over || self.cancelled, "the end is told");
                let running = self.seen.iter().filter(|seen| seen.running).count();
                assert!(self.machine.end().is_none() || running == 0, "every attempt ends with the race");
                return;
            };
            assert!(!self.over, "nothing is said after the end");
            assert!(self.wake.is_none(), "when to wake is said last");
            match output {
                RaceOutput::Query(query) => {
                    assert!(!self.asked.contains(&query), "a query is asked once");
                    self.asked.push(query);
                    assert!(self.asked.len() <= Q);
                }
                RaceOutput::Start { attempt, endpoint } => self.start(attempt, endpoint),
                RaceOutput::Cancel { attempt } => {
                    let seen = &mut self.seen[usize::from(attempt.0)];
                    assert!(core::mem::take(&mut seen.running), "only what runs is cancelled, and once");
                    assert!(self.machine.end().is_some(), "only the end cancels");
                }
                RaceOutput::Won { attempt } => {
                    let seen = &mut self.seen[usize::from(attempt.0)];
                    assert!(core::mem::take(&mut seen.running) && seen.connected, "the winner is connected");
                    assert!(self.seen.iter().all(|seen| !seen.running), "the others are cancelled before");
                    self.over = true;
                }
                RaceOutput::Failed(failure) => {
                    assert!(self.seen.iter().all(|seen| !seen.running), "the others are cancelled before");
                    assert_eq!(failure == Failure::AllFailed, !self.seen.is_empty() && failure != Failure::Services);
                    self.over = true;
                }
                RaceOutput::Wake(at) => {
                    assert!(at > self.now || at == Duration::MAX, "a time to wake that has passed");
                    self.wake = Some(at);
                }
            }
        }
        panic!("the machine never stops talking");
    }

    fn start(&mut self, attempt: AttemptId, endpoint: RaceEndpoint) {
        assert_eq!(usize::from(attempt.0), self.seen.len(), "attempts are numbered in turn");
        let running = self.seen.iter().filter(|seen| seen.running).count();
        assert!(running < self.limit.min(E), "never more in flight than configured");
        let address = endpoint.address;
        assert!(!address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST));
        let same = |e: RaceEndpoint| (e.address, e.scope_id, e.port, e.protocol);
        let known = self.machine.attempts().iter().filter(|other| same(other.endpoint) == same(endpoint)).count();
        assert_eq!(known, 1, "an endpoint is tried once, for as long as its attempt is remembered");
        for seen in &self.seen {
            // At the end of time everything is due.
            let apart = self.elapsed - seen.started >= FLOOR || self.elapsed == Duration::MAX;
            assert!(!seen.sent || apart, "two starts within the floor");
        }
        self.seen.push(Seen { endpoint, started: self.elapsed, running: true, connected: false, sent: true });
    }

    /// Gives everything an outcome: then the race must end.
    fn settle(&mut self) {
        // Each address may have an endpoint for each service and protocol, and one more.
        for _ in 0..(E + Q) * (2 * S + 4) + 8 {
            self.drain();
            if self.machine.end().is_some() {
                return self.at_rest();
            }
            if self.elapsed.max(self.now) > Duration::from_secs(1 << 40) {
                // The clock has come to its end, and nobody's turn comes any more.
                return;
            }
            for query in core::mem::take(&mut self.partial) {
                self.machine.input(RaceInput::More { list: List::Answer(query), addresses: &[], last: true }, self.now);
            }
            for query in self.asked.clone() {
                self.machine.input(RaceInput::Answer { query, answer: Answer::Failed }, self.now);
            }
            for attempt in 0..self.seen.len() as u16 {
                self.fail(AttemptId(attempt), true);
            }
            self.drain();
            self.now = self.now.max(self.wake.unwrap_or_default());
        }
        panic!("everything has an outcome, and the race does not end");
    }

    fn at_rest(&self) {
        assert_eq!(self.machine.attempts().len(), self.seen.len().min(E));
        for attempt in self.machine.attempts() {
            assert_eq!(attempt.endpoint, self.seen[usize::from(attempt.id.0)].endpoint);
            assert!(
                !matches!(attempt.state, AttemptState::Running | AttemptState::Connected),
                "nothing runs after the end"
            );
        }
    }
}

fn config(script: &mut Script<'_>) -> Config {
    let [a, b, c] = [script.byte(), script.byte(), script.byte()];
    let bit = |byte: u8, bit: u8| byte >> bit & 1 == 1;
    let mut config = Config::new()
        .interleave(bit(a, 0))
        .delay_from_rtt(bit(a, 1))
        .protected(bit(a, 2))
        .wait_for_services(bit(a, 3))
        .hints(bit(a, 4))
        .group_by_service(bit(a, 5))
        .group_by_protocol(bit(a, 6))
        .prefer_ech(bit(a, 7))
        .preferred_family_count(c >> 4)
        .delay_multiplier((c & 7).into())
        .seed(script.byte().into())
        .attempt_delay(script.millis())
        .resolution_delay(script.millis());
    if bit(b, 0) {
        config = config.https();
    } else if bit(b, 1) {
        config = config.svcb();
    }
    if bit(b, 2) {
        config = config.protocols(PROTOCOLS);
    }
    if bit(b, 3) {
        config = config.connectivity(bit(b, 4), bit(b, 5));
    }
    if bit(b, 4) {
        config = config.ask_both();
    }
    if bit(b, 5) {
        config = config.nat64(Prefix::WELL_KNOWN);
    }
    if bit(b, 6) {
        config = config.minimum_attempt_delay(script.millis()).maximum_attempt_delay(script.millis());
    }
    if bit(b, 7) {
        config = config.wait_for_family(script.pick(&[Family::Ipv4, Family::Ipv6])).default_protocol(b"h2");
    }
    config
}

fn kind(script: &mut Script<'_>) -> Kind {
    script.pick(&[Kind::A, Kind::Aaaa, Kind::Https, Kind::Svcb])
}

fn candidates(script: &mut Script<'_>) -> Vec<AddressInfo> {
    let count = match script.byte() {
        255 => 40,
        n => usize::from(n % 5),
    };
    (0..count).map(|_| candidate(script)).collect()
}

fn candidate(script: &mut Script<'_>) -> AddressInfo {
    let (shape, n) = (script.byte(), u16::from(script.byte()));
    let address: IpAddr = match shape & 7 {
        0..=2 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into(),
        3 | 4 => Ipv4Addr::new(192, 0, 2, n as u8).into(),
        5 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x0200 + n).into(),
        6 => Ipv4Addr::new(192, 0, 2, n as u8).to_ipv6_mapped().into(),
        _ => [
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::BROADCAST.into(),
            Ipv4Addr::new(224, 0, 0, 1).into(),
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n).into(),
        ][usize::from(n) % 6],
    };
    let mut candidate = AddressInfo::new(address).scope_id(u32::from(shape >> 3 & 1));
    candidate.source = match shape >> 4 & 3 {
        0 => Source::Unreachable,
        1 => Source::Address(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xff).into()),
        2 => Source::Address(Ipv4Addr::new(192, 0, 2, 99).into()),
        _ => Source::Unknown,
    };
    candidate.used = shape >> 6 & 1 == 1;
    if shape >> 7 == 1 { candidate.rtt(script.millis()) } else { candidate }
}

fn service<'a>(script: &mut Script<'_>, v6: &'a [AddressInfo], v4: &'a [AddressInfo]) -> ServiceRecord<'a> {
    let [a, b] = [script.byte(), script.byte()];
    ServiceRecord {
        priority: u16::from(a & 3),
        target: (a & 4 != 0).then(|| Name(u16::from(b >> 4))),
        alpn: ALPN[usize::from(a >> 3 & 3)],
        no_default_alpn: a & 32 != 0,
        port: (a & 64 != 0).then_some(8443),
        ipv4_hints: if b & 1 == 0 { &[] } else { v4 },
        ipv6_hints: if b & 2 == 0 { &[] } else { v6 },
        ech: b & 4 != 0,
        unsupported: b & 8 != 0,
        ..ServiceRecord::default()
    }
}
