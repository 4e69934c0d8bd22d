//! The machine: inputs, outputs, and the rules between them.
//!
//! ```text
//!     ms   input                    output
//!      0                            Query HTTPS, Query AAAA, Query A
//!     20   Answer A: 192.0.2.1      Wake 70: IPv6 is waited for, for 50 ms at most
//!     70                            Start #0 192.0.2.1, Wake 320
//!     90   Answer AAAA: 2001:db8::1 Wake 320: sorted in, and the timer stays
//!    320                            Start #1 2001:db8::1
//!    340   Succeeded #1             Cancel #0, Won #1
//! ```

use core::net::IpAddr;
use core::time::Duration;

use crate::addresses::{Addresses, Entry, Nat, Use, Via};
use crate::attempts::Attempts;
use crate::clock::Clock;
use crate::order::Order;
use crate::pacing::Pacing;
use crate::queries::{ALIASES, Queries, State};
use crate::services::{KnownService, Services, shuffle};
use crate::{
    AddressInfo, Answer, AttemptState, Config, Dropped, End, Failure, Family, Kind, List, Name, Prefix, Query,
    RaceAttempt, RaceInput, RaceOutput, RaceTarget, ServiceId, ServiceRecord, Timestamp,
};

/// A race to one target. It does no input or output, knows no clock and allocates nothing.
///
/// `E` is the caller's reason for a failed attempt. The machine has room for `ADDRESSES` addresses
/// at a time and as many attempts, for `SERVICES` records of SVCB or HTTPS, and for `QUERIES`
/// queries: three, and three for each other name in such records. [`dropped`](Self::dropped) counts
/// those beyond the capacities.
///
/// Addresses that have been tried make room for others. The caller gives a long answer in parts
/// ([`Answer::First`], [`RaceInput::More`]), as [`room`](Self::room) says. The machine tries an
/// address once for as long as the address has a place or its attempt is in
/// [`attempts`](Self::attempts). A list must not repeat an address.
///
/// After an event the caller gives every [`input`](Self::input) that is ready, and then asks for
/// [`output`](Self::output) until it returns none. In that order the earlier of two attempts that
/// succeed at the same time wins, and a success beats a timer. No input makes the machine panic.
#[derive(Debug)]
pub struct Machine<T, E, const ADDRESSES: usize = 32, const SERVICES: usize = 4, const QUERIES: usize = 16> {
    config: Config,
    clock: Clock<T>,
    queries: Queries<QUERIES>,
    services: Services<SERVICES>,
    addresses: Addresses<ADDRESSES>,
    order: Order<ADDRESSES>,
    attempts: Attempts<E, ADDRESSES>,
    pacing: Pacing,
    prefix: Option<Prefix>,
    /// When the first address arrived. The resolution delay runs from there.
    first_address: Option<Duration>,
    /// Attempts may start.
    resolved: bool,
    /// The order lacks the latest answers.
    stale: bool,
    /// A failed query forbids the race to go on.
    abandoned: bool,
    dropped: Dropped,
    end: Option<End>,
    /// The output of the end has been returned.
    end_told: bool,
    /// The last output was a wake-up, and no input came since.
    wake_told: bool,
}

impl<T: Timestamp, E, const ADDRESSES: usize, const SERVICES: usize, const QUERIES: usize>
    Machine<T, E, ADDRESSES, SERVICES, QUERIES>
{
    /// Makes a race that starts `now`.
    #[must_use]
    pub fn new(config: Config, target: RaceTarget<'_>, now: T) -> Self {
        let mut machine = Self {
            config,
            clock: Clock::new(now),
            queries: Queries::new(config.services.unwrap_or(Kind::Https)),
            services: Services::new(),
            addresses: Addresses::new(),
            order: Order::new(),
            attempts: Attempts::new(),
            pacing: Pacing::default(),
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
            RaceTarget::Name => machine.ask_all(Name::ORIGINAL),
            RaceTarget::Addresses(infos) => {
                machine.add(infos, Name::ORIGINAL, Via::Given);
                machine.resolved = true;
            }
        }
        machine
    }

    /// Takes an event. Decides nothing before [`output`](Self::output).
    pub fn input(&mut self, input: RaceInput<'_, E>, now: T) {
        self.clock.advance(now);
        if self.end.is_some() {
            return;
        }
        self.wake_told = false;
        match input {
            RaceInput::Answer { query, answer } => self.answer(query, answer),
            RaceInput::More { list, addresses, last } => self.more(list, addresses, last),
            RaceInput::Progress { attempt } if self.attempts.is_open(attempt) => {
                self.attempts.progress(attempt);
                self.pacing.progressed(self.elapsed());
            }
            RaceInput::Progress { .. } => {}
            RaceInput::Succeeded { attempt } => self.attempts.succeed(attempt),
            RaceInput::Failed { attempt, reason, sent } => {
                if self.attempts.end(attempt, AttemptState::Failed { reason, sent }, self.clock.elapsed()) {
                    self.pacing.failed(self.attempts.is_latest(attempt), self.attempts.last_sent());
                }
            }
            RaceInput::Prefix(prefix) => self.renumber(prefix),
            RaceInput::Cancel => self.end = Some(End::Cancelled),
        }
    }

    /// Returns the next action. The caller calls it until it returns none, after every input and at
    /// the time of the last [`RaceOutput::Wake`]. Calls at other times are harmless.
    ///
    /// The end is a [`RaceOutput::Cancel`] of every attempt that runs, and then [`RaceOutput::Won`]
    /// or [`RaceOutput::Failed`]. After a [`RaceInput::Cancel`] the last is missing. From then on
    /// it returns none.
    pub fn output(&mut self, now: T) -> Option<RaceOutput<T>> {
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
            return Some(RaceOutput::Query(query));
        }
        let due = self.due();
        if due.is_some_and(|due| due <= self.elapsed())
            && let Some(start) = self.start()
        {
            self.wake_told = false;
            return Some(start);
        }
        // A time beyond the clock's range never comes.
        let wake = due.filter(|due| !self.wake_told && *due < Duration::MAX);
        self.wake_told = wake.is_some();
        wake.map(|due| RaceOutput::Wake(self.clock.timestamp(due)))
    }

    /// Returns the attempts that run and the latest of those that have ended, at most `ADDRESSES`,
    /// in the order in which they started.
    #[must_use]
    pub fn attempts(&self) -> &[RaceAttempt<E>] {
        self.attempts.list()
    }

    /// Returns the end, once it is decided. [`output`](Self::output) may still have attempts to
    /// cancel.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Returns whether handshakes above the transport may proceed. It is false while the service
    /// records that they depend on are not answered ([`Config::wait_for_services`]). The caller
    /// asks again after every answer.
    #[must_use]
    pub fn may_handshake(&self) -> bool {
        !self.config.wait_for_services || self.queries.services_heard()
    }

    /// Returns what was dropped so far.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Returns how many of the given addresses were never tried, because the race ended before, the
    /// service records leave them out, or the machine had no room. Excludes addresses that the
    /// caller has not given yet.
    #[must_use]
    pub fn untried(&self) -> u32 {
        u32::try_from(self.left().count()).unwrap_or(u32::MAX).saturating_add(self.dropped.addresses)
    }

    /// Yields the addresses and zones that were not tried.
    pub(crate) fn left(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        let left = |entry: &&Entry| !entry.gone && entry.started.is_none() && entry.planned != Use::Spent;
        self.addresses.iter().filter(left).map(|entry| (entry.info.address, entry.info.scope_id))
    }

    /// Returns how many addresses of `list` the machine would take now: the first of a future
    /// answer, or more of a list that was given in part. For a query for service records it is the
    /// number of hints in all of them.
    #[must_use]
    pub fn room(&self, list: List) -> usize {
        if self.end.is_some() || !self.awaits(list) {
            return 0;
        }
        let of = |entry: &Entry| match list {
            List::Answer(query) => entry.name == query.name && entry.via == Via::of(query.kind).0,
            List::Hints(id, family) => {
                entry.via == Via::Hint { owner: id.owner, family }
                    && self.services.get(id).is_some_and(|kept| kept.target == entry.name)
            }
        };
        self.addresses.room(of, !self.order.is_empty())
    }

    /// Returns whether the machine waits for more of `list`, with room or without. It stops waiting
    /// for hints once their addresses are answered, and for the hints of replaced records.
    #[must_use]
    pub fn awaits(&self, list: List) -> bool {
        match list {
            List::Answer(Query { name, kind }) => {
                self.queries.get(name, kind).is_some_and(|slot| slot.open() || slot.more)
            }
            List::Hints(id, family) => self.services.get(id).is_some_and(|kept| {
                let answered = self.queries.answered(kept.target, family.kind());
                let wanted = self.config.hints && kept.usable && !answered;
                wanted && kept.more[usize::from(family == Family::Ipv6)]
            }),
        }
    }

    /// Returns the time since [`new`](Self::new). The times of [`attempts`](Self::attempts) are on
    /// this clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Decides the end: by a success, then by a failure that forbids to go on, then by having
    /// nothing left to try.
    fn decide(&self) -> Option<End> {
        if let Some(winner) = self.attempts.connected().filter(|_| self.may_handshake() && !self.abandons()) {
            return Some(End::Won(winner));
        }
        if self.abandoned {
            return Some(End::Failed(Failure::Services));
        }
        // The race fails once nothing runs, no query is open, and no address is left or expected.
        let idle = self.attempts.running() == 0 && !self.queries.any_open();
        let over = idle && (self.attempts.is_over() || (self.order.is_empty() && !self.expects_more()));
        let failure = match self.attempts.any() {
            true => Failure::AllFailed,
            false if self.dropped.records() > 0 => Failure::NoService,
            false => Failure::NoAddresses,
        };
        over.then_some(End::Failed(failure))
    }

    /// Returns whether connections are void, since they depend on records that failed.
    fn abandons(&self) -> bool {
        self.abandoned && self.config.wait_for_services
    }

    /// Returns the outputs of the end, one a call.
    fn finish(&mut self, end: End) -> Option<RaceOutput<T>> {
        let now = self.elapsed();
        if let End::Won(winner) = end {
            self.attempts.end(winner, AttemptState::Won, now);
        }
        if let Some(attempt) = self.attempts.next_open() {
            self.attempts.end(attempt, AttemptState::Cancelled, now);
            return Some(RaceOutput::Cancel { attempt });
        }
        match end {
            _ if core::mem::replace(&mut self.end_told, true) => None,
            End::Won(attempt) => Some(RaceOutput::Won { attempt }),
            End::Failed(failure) => Some(RaceOutput::Failed(failure)),
            End::Cancelled => None,
        }
    }

    /// Returns whether a list has more addresses, and the machine room for them.
    fn expects_more(&self) -> bool {
        let has_room = |list| self.room(list) > 0;
        self.queries.iter().any(|slot| slot.more && has_room(List::Answer(slot.query)))
            || self.services.iter().any(|kept| {
                has_room(List::Hints(kept.id, Family::Ipv4)) || has_room(List::Hints(kept.id, Family::Ipv6))
            })
    }

    /// Returns the time of the next action without input, if there is one.
    fn due(&self) -> Option<Duration> {
        if !self.resolved {
            return self.first_address.map(|first| first.saturating_add(self.config.resolution_delay));
        }
        // An attempt that waits for records gains nothing from another that waits too.
        let waits = !self.may_handshake() && self.attempts.any_progressed();
        let exhausted = self.order.is_empty() || self.attempts.is_over();
        let full = self.attempts.running() >= self.config.in_flight().min(ADDRESSES);
        let held = waits || exhausted || full || self.attempts.holding();
        (!held).then(|| self.pacing.due(self.attempts.running() == 0))
    }

    /// Starts an attempt to the next endpoint of the order.
    fn start(&mut self) -> Option<RaceOutput<T>> {
        let (now, idle) = (self.clock.elapsed(), self.attempts.running() == 0);
        let endpoint = self.order.next(&self.addresses)?;
        let attempt = self.attempts.start(endpoint, now)?;
        let rtt = self.order.started(attempt, &mut self.addresses);
        self.pacing.started(now, idle, rtt, &self.config);
        Some(RaceOutput::Start { attempt, endpoint })
    }

    /// Updates the order, and decides whether attempts may start (§4.2).
    fn refresh(&mut self) {
        self.reorder();
        if let Some(first) = self.first_address.filter(|_| !self.resolved) {
            let late = self.elapsed() >= first.saturating_add(self.config.resolution_delay);
            self.resolved = late || (self.preferred_heard() && self.queries.services_heard());
        }
    }

    /// Rebuilds the order if it lacks answers, or if addresses did not fit into it.
    fn reorder(&mut self) {
        if self.stale || self.order.is_short() {
            self.stale = false;
            self.order.rebuild(&mut self.addresses, &self.services, &self.queries, &self.attempts, &self.config);
        }
    }

    /// Returns whether the preferred family of those asked has an answer, or hints in its place.
    fn preferred_heard(&self) -> bool {
        let family = match self.config.preferred {
            Family::Ipv6 if self.queries.asked(Kind::Aaaa) => Family::Ipv6,
            Family::Ipv4 if !self.queries.asked(Kind::A) => Family::Ipv6,
            _ => Family::Ipv4,
        };
        let hinted = |via| matches!(via, Via::Hint { family: hinted, .. } if hinted == family);
        self.queries.heard(family.kind()) || self.addresses.iter().any(|entry| hinted(entry.via))
    }

    /// Makes the queries for a name, in the order of §4.1.
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

    /// Takes an answer. Ignores one to a query that was not made, or of another kind.
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
            Answer::Addresses(list) | Answer::First(list) if !services => {
                slot.state = State::Answered;
                slot.more = matches!(answer, Answer::First(_));
                let (via, family) = Via::of(kind);
                self.addresses.withdraw(|entry| {
                    let hint = matches!(entry.via, Via::Hint { family: hinted, .. } if hinted == family);
                    entry.name == name && (entry.via == via || hint)
                });
                self.add(list, name, via);
            }
            // The answer is of another kind than its query.
            Answer::Services(_) | Answer::Addresses(_) | Answer::First(_) => {}
        }
    }

    fn more(&mut self, list: List, addresses: &[AddressInfo], last: bool) {
        if !self.awaits(list) {
            return;
        }
        match list {
            List::Answer(query) => {
                let Some(slot) = self.queries.find(query).filter(|slot| slot.more) else { return };
                slot.more = !last;
                self.add(addresses, query.name, Via::of(query.kind).0);
            }
            List::Hints(id, family) => {
                let Some(kept) = self.services.get_mut(id) else { return };
                kept.more[usize::from(family == Family::Ipv6)] = !last;
                let target = kept.target;
                self.add(addresses, target, Via::Hint { owner: id.owner, family });
            }
        }
    }

    fn add(&mut self, infos: &[AddressInfo], name: Name, via: Via) {
        // Determines which entries may be replaced.
        self.reorder();
        self.stale = true;
        let nat = Nat { prefix: self.prefix, config: &self.config };
        for info in infos {
            let Some(usable) = info.usable() else {
                self.dropped.unusable = self.dropped.unusable.saturating_add(1);
                continue;
            };
            if !self.addresses.add(usable, name, via, &nat) {
                self.dropped.addresses = self.dropped.addresses.saturating_add(1);
            }
            self.first_address.get_or_insert(self.clock.elapsed());
        }
    }

    /// Takes service records in place of those that `owner` had.
    fn serve(&mut self, owner: Name, kind: Kind, list: &[ServiceRecord<'_>]) {
        self.stale = true;
        self.services.remove(owner);
        self.addresses.withdraw(|entry| matches!(entry.via, Via::Hint { owner: of, .. } if of == owner));
        let numbered = || (0..u16::MAX).zip(list).map(|(index, service)| (ServiceId { owner, index }, service));
        // With an alias, "the recipient MUST ignore any ServiceMode records in the set". Of several
        // aliases one is taken at random (RFC 9460 §2.4.1).
        let aliases = numbered().filter(|(_, service)| service.priority == 0);
        if let Some((_, alias)) = aliases.min_by_key(|(id, _)| shuffle(self.config.seed, *id)) {
            return self.follow(owner, kind, alias.target);
        }
        let count = |dropped: &mut u32, yes: bool| *dropped = dropped.saturating_add(yes.into());
        // Each record is stored or counted as dropped.
        for (id, service) in numbered() {
            count(&mut self.dropped.unsupported, service.unsupported);
            if service.unsupported {
                continue;
            }
            let kept = KnownService::new(service, id, &self.config);
            count(&mut self.dropped.ports, service.port == Some(0));
            count(&mut self.dropped.protocols, !kept.usable && service.port != Some(0));
            let fits = self.services.add(kept);
            count(&mut self.dropped.services, !fits);
        }
        // Queries and hints follow once all records are stored: only those that were kept count.
        for (id, service) in numbered() {
            let Some(kept) = self.services.get(id).filter(|kept| kept.usable) else { continue };
            let target = kept.target;
            self.ask_addresses(target);
            for (hints, family) in [(service.ipv6_hints, Family::Ipv6), (service.ipv4_hints, Family::Ipv4)] {
                if self.config.hints && !self.queries.answered(target, family.kind()) {
                    self.add(hints, target, Via::Hint { owner, family });
                }
            }
        }
    }

    /// Follows an alias. An alias to `.` denies the service, which is advice only (RFC 9460
    /// §2.5.1).
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

    /// Takes a NAT64 prefix: with one, "the client MUST include a query for A records" (§4.1).
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
