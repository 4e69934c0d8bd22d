//! A race in virtual time, in milliseconds, and short words for inputs and outputs.

#![allow(dead_code, reason = "each test uses some of it")]

use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;

use mimic_happy_eyeballs::{
    AddressInfo, Answer, AttemptId, AttemptState, Config, End, Failure, Kind, Machine, Name, Query, RaceEndpoint,
    RaceInput, RaceOutput, RaceTarget, ServiceRecord, Source,
};

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A candidate of unknown source.
pub(crate) fn c(text: &str) -> AddressInfo {
    AddressInfo::new(ip(text))
}

/// A candidate and the source for it.
pub(crate) fn from(to: &str, source: &str) -> AddressInfo {
    c(to).source(Source::Address(ip(source)))
}

pub(crate) const AAAA: Query = Query { name: Name::ORIGINAL, kind: Kind::Aaaa };
pub(crate) const A: Query = Query { name: Name::ORIGINAL, kind: Kind::A };
pub(crate) const HTTPS: Query = Query { name: Name::ORIGINAL, kind: Kind::Https };
pub(crate) const ALT: Name = Name(1);

pub(crate) fn at(name: Name, query: Query) -> Query {
    Query { name, ..query }
}

/// An expected output of a race, other than a wake-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Query(Query),
    /// The number of the attempt, and the address.
    Start(u16, IpAddr),
    Cancel(u16),
    Won(u16),
    Failed(Failure),
}

pub(crate) fn start(attempt: u16, address: &str) -> Said {
    Said::Start(attempt, ip(address))
}

/// A race with timed inputs, and a log of its timed outputs.
pub(crate) struct Race<const N: usize = 32, const S: usize = 4, const Q: usize = 16> {
    pub(crate) machine: Machine<Duration, u8, N, S, Q>,
    pub(crate) now: Duration,
    pub(crate) wake: Option<Duration>,
    pub(crate) log: VecDeque<(u64, Said)>,
    pub(crate) endpoints: Vec<RaceEndpoint>,
}

impl Race {
    pub(crate) fn new(config: Config) -> Self {
        Self::sized(config)
    }

    /// Of known addresses: nothing to look up.
    pub(crate) fn to(config: Config, candidates: &[AddressInfo]) -> Self {
        Self::sized_to(config, RaceTarget::Addresses(candidates))
    }

    /// With its first queries told, which are not tested again.
    pub(crate) fn asked(config: Config) -> Self {
        let mut race = Self::new(config);
        race.log.clear();
        race
    }
}

impl<const N: usize, const S: usize, const Q: usize> Race<N, S, Q> {
    pub(crate) fn sized(config: Config) -> Self {
        Self::sized_to(config, RaceTarget::Name)
    }

    pub(crate) fn sized_to(config: Config, target: RaceTarget<'_>) -> Self {
        let machine = Machine::new(config, target, ms(0));
        let mut race = Self { machine, now: ms(0), wake: None, log: VecDeque::new(), endpoints: Vec::new() };
        race.drain();
        race
    }

    fn drain(&mut self) {
        self.wake = None;
        while let Some(output) = self.machine.output(self.now) {
            assert!(self.wake.is_none(), "the time to wake is said last");
            let said = match output {
                RaceOutput::Query(query) => Said::Query(query),
                RaceOutput::Start { attempt, endpoint } => {
                    self.endpoints.push(endpoint);
                    Said::Start(attempt.0, endpoint.address)
                }
                RaceOutput::Cancel { attempt } => Said::Cancel(attempt.0),
                RaceOutput::Won { attempt } => Said::Won(attempt.0),
                RaceOutput::Failed(failure) => Said::Failed(failure),
                RaceOutput::Wake(at) => {
                    assert!(at > self.now, "a time to wake that has passed: {at:?} at {:?}", self.now);
                    self.wake = Some(at);
                    continue;
                }
            };
            self.log.push_back((u64::try_from(self.now.as_millis()).unwrap(), said));
        }
    }

    /// Lets time pass, waking the machine whenever it asks for it and at no other time.
    pub(crate) fn until(&mut self, at: u64) -> &mut Self {
        while let Some(wake) = self.wake.filter(|wake| *wake < ms(at)) {
            self.now = wake;
            self.drain();
        }
        self.now = ms(at);
        self
    }

    /// Gives inputs of one instant, then asks for output.
    pub(crate) fn inputs(&mut self, when: u64, inputs: &[RaceInput<'_, u8>]) -> &mut Self {
        self.until(when);
        for input in inputs {
            self.machine.input(*input, self.now);
        }
        self.drain();
        self
    }

    pub(crate) fn input(&mut self, when: u64, input: RaceInput<'_, u8>) -> &mut Self {
        self.inputs(when, &[input])
    }

    pub(crate) fn answer(&mut self, when: u64, query: Query, addresses: &[&str]) -> &mut Self {
        let candidates: Vec<_> = addresses.iter().map(|address| c(address)).collect();
        self.found(when, query, &candidates)
    }

    pub(crate) fn found(&mut self, when: u64, query: Query, candidates: &[AddressInfo]) -> &mut Self {
        self.input(when, RaceInput::Answer { query, answer: Answer::Addresses(candidates) })
    }

    pub(crate) fn services(&mut self, when: u64, query: Query, services: &[ServiceRecord<'_>]) -> &mut Self {
        self.input(when, RaceInput::Answer { query, answer: Answer::Services(services) })
    }

    pub(crate) fn servfail(&mut self, when: u64, query: Query) -> &mut Self {
        self.input(when, RaceInput::Answer { query, answer: Answer::Failed })
    }

    pub(crate) fn ok(&mut self, when: u64, attempt: u16) -> &mut Self {
        self.input(when, RaceInput::Succeeded { attempt: AttemptId(attempt) })
    }

    pub(crate) fn progress(&mut self, when: u64, attempt: u16) -> &mut Self {
        self.input(when, RaceInput::Progress { attempt: AttemptId(attempt) })
    }

    pub(crate) fn fail(&mut self, when: u64, attempt: u16) -> &mut Self {
        self.input(when, failed(attempt))
    }

    /// No packet was sent.
    pub(crate) fn refuse(&mut self, when: u64, attempt: u16) -> &mut Self {
        self.input(when, RaceInput::Failed { attempt: AttemptId(attempt), reason: 0, sent: false })
    }

    /// Checks the outputs since the last call, and their times. No others may have come.
    #[track_caller]
    pub(crate) fn expect(&mut self, said: &[(u64, Said)]) -> &mut Self {
        let log: Vec<_> = self.log.drain(..).collect();
        assert_eq!(log, said);
        self
    }

    /// The addresses of the attempts, and when they started.
    pub(crate) fn starts(&self) -> Vec<(u64, IpAddr)> {
        let start = |(at, said): &(u64, Said)| match said {
            Said::Start(_, address) => Some((*at, *address)),
            _ => None,
        };
        self.log.iter().filter_map(start).collect()
    }

    /// The order of all attempts if none ever answers.
    pub(crate) fn order(&mut self) -> Vec<String> {
        let now = u64::try_from(self.now.as_millis()).unwrap();
        self.until(now + 60_000);
        self.starts().into_iter().map(|(_, address)| address.to_string()).collect()
    }

    /// Runs on with attempts that take a time, and then fail or succeed; those that say nothing
    /// hang.
    pub(crate) fn play(&mut self, plays: &[Play]) -> &mut Self {
        for _ in 0..200 {
            let mut next: Option<(Duration, usize)> = None;
            for attempt in self.machine.attempts() {
                let index = usize::from(attempt.id.0);
                let Some(Play::Fail(after) | Play::Ok(after) | Play::Refuse(after)) = plays.get(index) else {
                    continue;
                };
                let at = attempt.started + ms(*after);
                if matches!(attempt.state, AttemptState::Running) && next.is_none_or(|(other, _)| at < other) {
                    next = Some((at, index));
                }
            }
            match (next, self.wake) {
                (Some((at, _)), Some(wake)) if wake < at => {
                    self.now = wake;
                    self.drain();
                }
                (Some((at, index)), _) => {
                    let at = u64::try_from(at.as_millis()).unwrap();
                    let attempt = u16::try_from(index).unwrap();
                    match plays[index] {
                        Play::Ok(_) => self.ok(at, attempt),
                        Play::Fail(_) => self.fail(at, attempt),
                        _ => self.refuse(at, attempt),
                    };
                }
                (None, Some(wake)) => {
                    self.now = wake;
                    self.drain();
                }
                (None, None) => return self,
            }
        }
        panic!("the race does not come to rest")
    }

    #[track_caller]
    pub(crate) fn assert_end(&self, end: End) {
        assert_eq!(self.machine.end(), Some(end));
    }
}

/// The end of an attempt, after that many milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Play {
    Ok(u64),
    Fail(u64),
    /// Fails without having sent a packet.
    Refuse(u64),
    Hang,
}

pub(crate) fn failed(attempt: u16) -> RaceInput<'static, u8> {
    RaceInput::Failed { attempt: AttemptId(attempt), reason: u8::try_from(attempt % 256).unwrap(), sent: true }
}

pub(crate) fn succeeded(attempt: u16) -> RaceInput<'static, u8> {
    RaceInput::Succeeded { attempt: AttemptId(attempt) }
}

/// Yields the numbers of xorshift for a seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        rng.next();
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
