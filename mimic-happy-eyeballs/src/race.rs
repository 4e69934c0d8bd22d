//! A race of the driver: the machine, and the state that it does not hold.
//!
//! ```text
//!   driver             race                              machine
//!
//!   look-up ends ───►  tells the observer, waits in  ──► Answer, More
//!                      lists until there is room
//!   attempt ends ───►  keeps the flow or the error   ──► Succeeded, Failed
//!   dials      ◄─────  unless it was dialled before  ◄── Start
//!   flow       ◄─────  flow and timeline             ◄── Won
//!   error      ◄─────  RaceError of all errors       ◄── Failed
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use core::net::SocketAddr;

use mimic_core::adapter::Instant;
use mimic_core::roles::HostPort;
use mimic_core::{Error, ErrorKind, Mode, Text};

use crate::lists::{Found, Hinted, Lists, Part, address_info};
use crate::race_error::{Errors, RaceError, Untold};
use crate::timeline::{Event, EventKind, Events, Peer, Raced};
use crate::{
    AddressInfo, Answer, AttemptId, Config, Failure, Kind, Machine, Name, Query, RaceEndpoint, RaceInput, RaceTarget,
    ServiceRecord,
};

const HTTPS: Query = Query { name: Name::ORIGINAL, kind: Kind::Https };

pub(crate) struct Race<M: Mode> {
    pub(crate) machine: Box<Machine<Instant, ErrorKind>>,
    pub(crate) now: Instant,
    started: Instant,
    port: u16,
    /// Whether connecting without service records is forbidden.
    relies: bool,
    /// The number of dropped addresses and records in the timeline so far.
    left_out: u32,
    /// The names, indexed by their numbers.
    names: Vec<Text>,
    lists: Lists,
    /// The number of addresses in the part that is in flight.
    coming: usize,
    /// All endpoints that were tried, sorted.
    dialled: Vec<SocketAddr>,
    /// Whether any attempt went to the caller's own port, and any to that of a service record.
    ports: [bool; 2],
    /// Connected flows whose handshake must wait for service records.
    pub(crate) waiting: Vec<(AttemptId, M::Flow)>,
    /// Connected flows with all handshakes complete.
    flows: Vec<(AttemptId, M::Flow)>,
    errors: Errors,
    timeline: Events,
    observer: Option<fn(&Event)>,
}

impl<M: Mode> Race<M> {
    pub(crate) fn new(
        to: &HostPort,
        config: Config,
        observer: Option<fn(&Event)>,
        target: RaceTarget<'_>,
        now: Instant,
    ) -> Self {
        Self {
            machine: Box::new(Machine::new(shuffled(config, now), target, now)),
            relies: config.protected || config.wait_for_services,
            left_out: 0,
            started: now,
            now,
            port: to.port,
            names: vec![to.host.clone()],
            lists: Lists::default(),
            coming: 0,
            dialled: Vec::new(),
            ports: [false; 2],
            waiting: Vec::new(),
            flows: Vec::new(),
            errors: Errors::default(),
            timeline: Events::default(),
            observer,
        }
    }

    /// Reports an event to the observer, and stores it.
    pub(crate) fn tell(&mut self, what: EventKind) {
        let event = Event::new(self.now - self.started, what);
        if let Some(observer) = self.observer {
            observer(&event);
        }
        self.timeline.push(event);
    }

    /// Reports the addresses and records that the machine dropped since the last call.
    pub(crate) fn tell_left_out(&mut self) {
        let total = self.machine.dropped().total();
        if total > self.left_out {
            self.tell(EventKind::LeaveOut(total - self.left_out));
            self.left_out = total;
        }
    }

    /// Reports an event of an attempt. Returns the peer of the attempt.
    pub(crate) fn tell_of(&mut self, attempt: AttemptId, what: impl FnOnce(Peer) -> EventKind) -> Option<Peer> {
        let attempt = self.machine.attempts().iter().find(|of| of.id == attempt)?;
        let peer = self.peer(&attempt.endpoint);
        self.tell(what(peer));
        Some(peer)
    }

    fn peer(&self, endpoint: &RaceEndpoint) -> Peer {
        let RaceEndpoint { address, scope_id, port, .. } = *endpoint;
        Peer { address, port: port.unwrap_or(self.port), scope_id }
    }

    /// Returns the name of a query. For HTTPS records of another port than 80 and 443 it begins
    /// with "the prefix `_port._https`" (RFC 9460 §9.1).
    pub(crate) fn question(&self, query: Query) -> Text {
        match self.names.get(usize::from(query.name.0)) {
            Some(name) if query == HTTPS && !matches!(self.port, 80 | 443) => {
                format!("_{}._https.{name}", self.port).into()
            }
            Some(name) => name.clone(),
            None => "".into(),
        }
    }

    /// Returns the number of a name; none for the empty name, and beyond 65,536 names.
    fn number(&mut self, name: &Text) -> Option<Name> {
        if name.is_empty() {
            return None;
        }
        // Names in records may end with the dot of the root.
        let bare = |name: &Text| name.strip_suffix('.').unwrap_or(name).len();
        let same = |known: &Text| known[..bare(known)].eq_ignore_ascii_case(&name[..bare(name)]);
        let known = self.names.iter().position(same);
        let place = known.unwrap_or(self.names.len());
        if known.is_none() {
            self.names.push(name.clone());
        }
        u16::try_from(place).ok().map(Name)
    }

    /// Takes the end of a look-up. The machine gets the records part by part.
    pub(crate) fn looked_up(&mut self, query: Query, found: Result<Found, Error>) {
        let error = match found {
            Ok(found) => return self.lists.push(query, found),
            Err(error) => error,
        };
        let services = matches!(query.kind, Kind::Https | Kind::Svcb);
        let kind = error.kind();
        self.tell(EventKind::NoAnswer(query.kind, kind));
        // A race works without service records, unless it relies on them.
        if !services || self.relies {
            self.errors.push(None, error);
        }
        // A name that does not exist is an answer.
        let answer = match kind {
            ErrorKind::NotFound if services => Answer::Services(&[]),
            ErrorKind::NotFound => Answer::Addresses(&[]),
            _ => Answer::Failed,
        };
        self.machine.input(RaceInput::Answer { query, answer }, self.now);
    }

    /// Takes the next part for the machine, whose source addresses are to be found.
    pub(crate) fn next_part(&mut self) -> Option<(Part, Vec<SocketAddr>)> {
        let (part, addresses) = self.lists.next(&self.machine)?;
        self.coming = addresses.len();
        Some((part, addresses))
    }

    /// Gives a part to the machine.
    pub(crate) fn take(&mut self, part: Part, infos: &[AddressInfo]) {
        self.coming = 0;
        match part {
            Part::Answer { query, count, whole } => {
                self.tell(EventKind::Answer(query.kind, u16::try_from(count).unwrap_or(u16::MAX)));
                let answer = if whole { Answer::Addresses(infos) } else { Answer::First(infos) };
                self.machine.input(RaceInput::Answer { query, answer }, self.now);
            }
            Part::Services { query, services } => self.serve(query, &services, infos),
            Part::More { list, last } => {
                self.machine.input(RaceInput::More { list, addresses: infos, last }, self.now);
            }
        }
    }

    /// Gives service records to the machine, with names as numbers and the first hints.
    fn serve(&mut self, query: Query, services: &[Hinted], infos: &[AddressInfo]) {
        self.tell(EventKind::Answer(query.kind, u16::try_from(services.len()).unwrap_or(u16::MAX)));
        let targets: Vec<_> = services.iter().map(|service| self.number(&service.record.target)).collect();
        let alpn: Vec<Vec<&[u8]>> =
            services.iter().map(|service| service.record.alpn.iter().map(Vec::as_slice).collect()).collect();
        let services: Vec<_> = (services.iter().zip(&targets).zip(&alpn))
            .map(|((Hinted { record, hints, more }, target), alpn)| {
                let [ipv4_hints, ipv6_hints] = hints.clone().map(|range| infos.get(range).unwrap_or_default());
                ServiceRecord {
                    priority: record.priority,
                    target: *target,
                    alpn,
                    no_default_alpn: record.no_default_alpn,
                    port: record.port,
                    ipv4_hints,
                    ipv6_hints,
                    more_ipv4_hints: more[0],
                    more_ipv6_hints: more[1],
                    ech: record.ech,
                    unsupported: record.unsupported,
                }
            })
            .collect();
        self.machine.input(RaceInput::Answer { query, answer: Answer::Services(&services) }, self.now);
    }

    /// Returns the address to dial; none if it was dialled before, which the machine may have
    /// forgotten.
    pub(crate) fn start(&mut self, attempt: AttemptId, endpoint: &RaceEndpoint) -> Option<SocketAddr> {
        let to = self.peer(endpoint).into();
        let Err(place) = self.dialled.binary_search(&to) else {
            self.machine.input(RaceInput::Failed { attempt, reason: ErrorKind::Other, sent: false }, self.now);
            return None;
        };
        self.dialled.insert(place, to);
        self.ports[usize::from(endpoint.port.is_some())] = true;
        self.tell_of(attempt, EventKind::Start);
        Some(to)
    }

    pub(crate) fn progressed(&mut self, attempt: AttemptId, flow: M::Flow) {
        self.waiting.push((attempt, flow));
        self.tell_of(attempt, EventKind::Progress);
        self.machine.input(RaceInput::Progress { attempt }, self.now);
    }

    pub(crate) fn succeeded(&mut self, attempt: AttemptId, flow: M::Flow) {
        self.flows.push((attempt, flow));
        self.machine.input(RaceInput::Succeeded { attempt }, self.now);
    }

    pub(crate) fn failed(&mut self, attempt: AttemptId, error: Error, tried: bool) {
        let reason = error.kind();
        let peer = self.tell_of(attempt, |peer| EventKind::Fail(peer, reason));
        self.errors.push(peer, error);
        // A refusal, even an immediate one, answers a packet.
        let sent = tried || matches!(reason, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset);
        self.machine.input(RaceInput::Failed { attempt, reason, sent }, self.now);
    }

    pub(crate) fn won(&mut self, attempt: AttemptId) -> Result<Raced<M::Flow>, Error> {
        self.tell_of(attempt, EventKind::Win);
        let Some(place) = self.flows.iter().position(|(of, _)| *of == attempt) else {
            return Err(Error::new(ErrorKind::Other, "internal: no flow of the attempt that won; please report this"));
        };
        let (_, below) = self.flows.swap_remove(place);
        Ok(Raced { below, timeline: mem::take(&mut self.timeline).into() })
    }

    pub(crate) fn lost(&mut self, failure: Failure) -> Error {
        self.tell_left_out();
        let untried = self.untried();
        if untried > 0 {
            self.tell(EventKind::Untried(untried));
        }
        let untold = Untold { untried, dropped: self.machine.dropped(), only_records: self.ports == [false, true] };
        RaceError::into_error(failure, mem::take(&mut self.timeline).into(), mem::take(&mut self.errors), untold)
    }

    /// Returns how many different addresses of the answers were never tried.
    fn untried(&self) -> u32 {
        let waiting = self.lists.left().filter_map(|address| address_info(address).usable());
        let waiting = waiting.map(|info| (info.address, info.scope_id));
        let mut dialled: Vec<_> = self.dialled.iter().map(|to| Peer::from(*to).host()).collect();
        dialled.sort_unstable();
        let mut left: Vec<_> =
            waiting.chain(self.machine.left()).filter(|host| dialled.binary_search(host).is_err()).collect();
        left.sort_unstable();
        left.dedup();
        u32::try_from(left.len() + self.coming).unwrap_or(u32::MAX).saturating_add(self.machine.dropped().addresses)
    }
}

/// Reports the untried addresses of a race that is dropped before its end.
impl<M: Mode> Drop for Race<M> {
    fn drop(&mut self) {
        if self.observer.is_some() && self.machine.end().is_none() {
            let untried = self.untried();
            if untried > 0 {
                self.tell(EventKind::Untried(untried));
            }
        }
    }
}

/// Sets a seed unless one is given, so that each race shuffles services of equal priority anew
/// (draft §5.2).
fn shuffled(config: Config, now: Instant) -> Config {
    match config.seed {
        0 => config.seed(now.since_epoch().subsec_nanos().into()),
        _ => config,
    }
}
