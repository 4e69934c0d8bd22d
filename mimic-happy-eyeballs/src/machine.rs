//! The machine: inputs in, outputs out, and the rules between.

use core::time::Duration;

use crate::addresses::{Addresses, Nat, Via};
use crate::attempts::Attempts;
use crate::order::Order;
use crate::pace::Pace;
use crate::queries::{ALIASES, Queries, State};
use crate::services::{Kept, Services, shuffle};
use crate::tick::Clock;
use crate::{
    Answer, Attempt, Candidate, Config, Dropped, End, Failure, Family, Input, Kind, Name, Outcome, Output, Prefix,
    Query, Service, ServiceId, Target, Tick,
};

/// A race to one target: told what happens, says what to do. It does no input or output, knows no clock and allocates
/// nothing.
///
/// `E` is the caller's reason for a failed attempt. There is room for `ENDPOINTS` addresses and as many attempts, for
/// `SERVICES` records of SVCB or HTTPS and for `QUERIES` queries: three, and three for each other name in such records.
/// What does not fit is counted in [`dropped`](Self::dropped).
///
/// Whenever something happens, give every [`input`](Self::input) that is ready, and only then ask for
/// [`output`](Self::output) until there is none: so of two attempts that succeed at the same time, the one that started
/// earlier wins, and a success beats a timer. Nothing panics, whatever the input.
#[derive(Debug)]
pub struct Machine<T, E, const ENDPOINTS: usize = 32, const SERVICES: usize = 4, const QUERIES: usize = 16> {
    config: Config,
    clock: Clock<T>,
    queries: Queries<QUERIES>,
    services: Services<SERVICES>,
    addresses: Addresses<ENDPOINTS>,
    order: Order<ENDPOINTS>,
    attempts: Attempts<E, ENDPOINTS>,
    pace: Pace,
    prefix: Option<Prefix>,
    /// When the first address came, from which the resolution delay runs.
    first_address: Option<Duration>,
    /// Attempts may start.
    resolved: bool,
    /// The order does not show the latest answers.
    stale: bool,
    /// What failed forbids to go on.
    abandoned: bool,
    dropped: Dropped,
    end: Option<End>,
    /// The end has been told.
    end_told: bool,
    /// When to wake was the last thing told.
    wake_told: bool,
}

impl<T: Tick, E, const ENDPOINTS: usize, const SERVICES: usize, const QUERIES: usize>
    Machine<T, E, ENDPOINTS, SERVICES, QUERIES>
{
    /// A race that starts `now`.
    #[must_use]
    pub fn new(config: Config, target: Target<'_>, now: T) -> Self {
        let mut machine = Self {
            config,
            clock: Clock::new(now),
            queries: Queries::new(config.services.unwrap_or(Kind::Https)),
            services: Services::new(),
            addresses: Addresses::new(),
            order: Order::new(),
            attempts: Attempts::new(),
            pace: Pace::default(),
            prefix: config.prefix,
            first_address: None,
            resolved: false,
            stale: true,
            abandoned: false,
            dropped: Dropped::default(),
            end: None,
            end_told: false,
            wake_told: false,
        };
        match target {
            Target::Name => machine.ask_all(Name::ORIGINAL),
            Target::Addresses(candidates) => {
                machine.add(candidates, Name::ORIGINAL, Via::Given);
                machine.resolved = true;
            }
        }
        machine
    }

    /// Tells what has happened. Nothing is decided before [`output`](Self::output).
    pub fn input(&mut self, input: Input<'_, E>, now: T) {
        self.clock.advance(now);
        if self.end.is_some() {
            return;
        }
        self.wake_told = false;
        match input {
            Input::Answer { query, answer } => self.answer(query, answer),
            Input::Progress { attempt } if self.attempts.is_open(attempt) => {
                self.attempts.progress(attempt);
                self.pace.progressed(self.elapsed());
            }
            Input::Progress { .. } => {}
            Input::Succeeded { attempt } => self.attempts.succeed(attempt),
            Input::Failed { attempt, reason, sent } => {
                if self.attempts.end(attempt, Outcome::Failed { reason, sent }, self.clock.elapsed()) {
                    self.pace.failed(self.attempts.is_latest(attempt), self.attempts.last_sent());
                }
            }
            Input::Prefix(prefix) => self.renumber(prefix),
            Input::Cancel => self.end = Some(End::Cancelled),
        }
    }

    /// What to do next. Call it until it answers none, after every change and when the time of the last
    /// [`Output::Wake`] has come; calling it at other times is harmless.
    ///
    /// At the end come the [`Output::Cancel`] of every attempt that runs and then, unless the end is
    /// [`Input::Cancel`], [`Output::Won`] or [`Output::Failed`]; after that, nothing ever.
    pub fn output(&mut self, now: T) -> Option<Output<T>> {
        self.clock.advance(now);
        if self.end.is_none() {
            self.refresh();
            self.end = self.decide();
        }
        if let Some(end) = self.end {
            return self.finish(end);
        }
        if let Some(query) = self.queries.tell() {
            self.wake_told = false;
            return Some(Output::Query(query));
        }
        let due = self.due();
        if due.is_some_and(|due| due <= self.elapsed())
            && let Some(start) = self.start()
        {
            self.wake_told = false;
            return Some(start);
        }
        // What lies beyond the clock never comes.
        let wake = due.filter(|due| !self.wake_told && *due < Duration::MAX);
        self.wake_told = wake.is_some();
        wake.map(|due| Output::Wake(self.clock.tick(due)))
    }

    /// Every attempt so far, in the order in which they started: the place is the number.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt<E>] {
        self.attempts.list()
    }

    /// How the race ended, once it has. [`output`](Self::output) may still have attempts to cancel.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether handshakes above the transport may proceed: false while service records that they depend on are not
    /// answered ([`Config::wait_for_services`]). Ask again after every answer.
    #[must_use]
    pub fn may_handshake(&self) -> bool {
        !self.config.wait_for_services || self.queries.services_heard()
    }

    /// What was left out so far.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        let untried = if self.attempts.is_full() { self.order.left() } else { 0 };
        let addresses = self.dropped.addresses.saturating_add(self.order.overflow()).saturating_add(untried);
        Dropped { addresses, ..self.dropped }
    }

    /// The time since [`new`](Self::new), by which [`attempts`](Self::attempts) are timed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The end, if it is decided: successes first, then what forbids to go on, then that nothing is left.
    fn decide(&self) -> Option<End> {
        if let Some(winner) = self.attempts.connected().filter(|_| self.may_handshake() && !self.abandons()) {
            return Some(End::Won(winner));
        }
        if self.abandoned {
            return Some(End::Failed(Failure::Services));
        }
        let over = self.attempts.running() == 0 && !self.queries.any_open() && self.exhausted();
        let failure = match self.attempts.list() {
            [] => Failure::NoAddresses,
            _ => Failure::AllFailed,
        };
        over.then_some(End::Failed(failure))
    }

    /// Whether a connection counts for nothing because it depends on records that failed.
    fn abandons(&self) -> bool {
        self.abandoned && self.config.wait_for_services
    }

    fn finish(&mut self, end: End) -> Option<Output<T>> {
        let now = self.elapsed();
        if let End::Won(winner) = end {
            self.attempts.end(winner, Outcome::Won, now);
        }
        if let Some(attempt) = self.attempts.next_open() {
            self.attempts.end(attempt, Outcome::Cancelled, now);
            return Some(Output::Cancel { attempt });
        }
        match end {
            _ if core::mem::replace(&mut self.end_told, true) => None,
            End::Won(attempt) => Some(Output::Won { attempt }),
            End::Failed(failure) => Some(Output::Failed(failure)),
            End::Cancelled => None,
        }
    }

    /// Whether nothing is left to try.
    fn exhausted(&self) -> bool {
        self.order.is_empty() || self.attempts.is_full()
    }

    /// When something is to be done without input: none if nothing is.
    fn due(&self) -> Option<Duration> {
        if !self.resolved {
            return self.first_address.map(|first| first.saturating_add(self.config.resolution_delay));
        }
        // One that waits for records would not be helped by another that does.
        let waits = !self.may_handshake() && self.attempts.any_progressed();
        let held =
            waits || self.exhausted() || self.attempts.holding() || self.attempts.running() >= self.config.in_flight();
        (!held).then(|| self.pace.due(self.attempts.running() == 0))
    }

    fn start(&mut self) -> Option<Output<T>> {
        let (now, idle) = (self.clock.elapsed(), self.attempts.running() == 0);
        let (endpoint, entry) = self.order.next(&mut self.addresses)?;
        let attempt = self.attempts.start(endpoint, now)?;
        entry.started = true;
        self.pace.started(now, idle, entry.candidate.rtt, &self.config);
        self.order.tried();
        Some(Output::Start { attempt, endpoint })
    }

    /// Brings the order up to date, and sees whether attempts may start (§4.2).
    fn refresh(&mut self) {
        if self.stale {
            self.stale = false;
            self.order.rebuild(&self.addresses, &self.services, &self.queries, &self.attempts, &self.config);
        }
        if let Some(first) = self.first_address.filter(|_| !self.resolved) {
            let late = self.elapsed() >= first.saturating_add(self.config.resolution_delay);
            self.resolved = late || (self.preferred_heard() && self.queries.services_heard());
        }
    }

    /// Whether the preferred family of those asked has an answer, or hints that stand for it.
    fn preferred_heard(&self) -> bool {
        let (kind, family) = match self.config.preferred {
            Family::Ipv6 if self.queries.asked(Kind::Aaaa) => (Kind::Aaaa, Family::Ipv6),
            Family::Ipv4 if !self.queries.asked(Kind::A) => (Kind::Aaaa, Family::Ipv6),
            _ => (Kind::A, Family::Ipv4),
        };
        let hinted = |via| matches!(via, Via::Hint { family: hinted, .. } if hinted == family);
        self.queries.heard(kind) || self.addresses.iter().any(|entry| hinted(entry.via))
    }

    /// The queries for a name, in the order of §4.1.
    fn ask_all(&mut self, name: Name) {
        if let Some(kind) = self.config.services {
            self.ask(name, kind);
        }
        self.ask_addresses(name);
    }

    fn ask_addresses(&mut self, name: Name) {
        if self.config.ask_ipv6 {
            self.ask(name, Kind::Aaaa);
        }
        if self.config.ask_ipv4 || self.prefix.is_some() {
            self.ask(name, Kind::A);
        }
    }

    fn ask(&mut self, name: Name, kind: Kind) {
        if !self.queries.ask(name, kind) {
            self.dropped.queries = self.dropped.queries.saturating_add(1);
        }
    }

    fn answer(&mut self, query: Query, answer: Answer<'_>) {
        let Query { name, kind } = query;
        let Some(slot) = self.queries.find(query) else { return };
        let services = matches!(kind, Kind::Https | Kind::Svcb);
        match answer {
            Answer::Failed if slot.open() => {
                slot.state = State::Failed;
                let relied_on = services && self.queries.chain().any(|of| of == name);
                self.abandoned |= relied_on && self.config.protected;
            }
            Answer::Failed => {}
            Answer::Services(list) if services => {
                slot.state = State::Answered;
                slot.alias = None;
                self.serve(name, kind, list);
            }
            Answer::Addresses(list) if !services => {
                slot.state = State::Answered;
                let (via, family) = if kind == Kind::A { (Via::A, Family::Ipv4) } else { (Via::Aaaa, Family::Ipv6) };
                self.addresses.withdraw(|entry| {
                    let hint = matches!(entry.via, Via::Hint { family: hinted, .. } if hinted == family);
                    entry.name == name && (entry.via == via || hint)
                });
                self.add(list, name, via);
            }
            // The answer to another kind of question.
            Answer::Services(_) | Answer::Addresses(_) => {}
        }
    }

    fn add(&mut self, candidates: &[Candidate], name: Name, via: Via) {
        self.stale = true;
        let nat = Nat { prefix: self.prefix, config: &self.config };
        for candidate in candidates {
            let Some(usable) = candidate.usable() else {
                self.dropped.unusable = self.dropped.unusable.saturating_add(1);
                continue;
            };
            if !self.addresses.add(usable, name, via, &nat) {
                self.dropped.addresses = self.dropped.addresses.saturating_add(1);
            }
            self.first_address.get_or_insert(self.clock.elapsed());
        }
    }

    /// Takes service records in place of what `owner` had.
    fn serve(&mut self, owner: Name, kind: Kind, list: &[Service<'_>]) {
        self.stale = true;
        self.services.remove(owner);
        self.addresses.withdraw(|entry| matches!(entry.via, Via::Hint { owner: of, .. } if of == owner));
        let numbered = || (0..u16::MAX).zip(list).map(|(index, service)| (ServiceId { owner, index }, service));
        // "The recipient MUST ignore any ServiceMode records in the set" with an alias; of several, one at random
        // (RFC 9460 §2.4.1).
        let aliases = numbered().filter(|(_, service)| service.priority == 0);
        if let Some((_, alias)) = aliases.min_by_key(|(id, _)| shuffle(self.config.seed, *id)) {
            return self.follow(owner, kind, alias.target);
        }
        for (id, service) in numbered().filter(|(_, service)| !service.unsupported) {
            if !self.services.add(Kept::new(service, id, &self.config)) {
                self.dropped.services = self.dropped.services.saturating_add(1);
            }
        }
        for (id, service) in numbered() {
            let Some(kept) = self.services.iter().find(|kept| kept.id == id && kept.usable) else { continue };
            let target = kept.target;
            self.ask_addresses(target);
            let hints = [(service.ipv6_hints, Kind::Aaaa, Family::Ipv6), (service.ipv4_hints, Kind::A, Family::Ipv4)];
            for (hints, kind, family) in hints {
                if self.config.hints && !self.queries.answered(target, kind) {
                    self.add(hints, target, Via::Hint { owner, family });
                }
            }
        }
    }

    /// Follows an alias. One to `.` says that there is no service, which is advice only (RFC 9460 §2.5.1).
    fn follow(&mut self, owner: Name, kind: Kind, target: Option<Name>) {
        let Some(target) = target else { return };
        if self.queries.chain().any(|name| name == target) || self.queries.chain().count() > ALIASES {
            self.dropped.aliases = self.dropped.aliases.saturating_add(1);
            return;
        }
        if let Some(slot) = self.queries.find(Query { name: owner, kind }) {
            slot.alias = Some(target);
        }
        self.ask_all(target);
    }

    /// The NAT64 prefix is known: "the client MUST include a query for A records" (§4.1).
    fn renumber(&mut self, prefix: Prefix) {
        self.prefix = Some(prefix);
        self.stale = true;
        self.addresses.renew(&Nat { prefix: self.prefix, config: &self.config });
        for index in 0..QUERIES {
            if let Some(name) = self.queries.name(index) {
                self.ask(name, Kind::A);
            }
        }
    }
}
