//! The driver: does what the machine says, by the roles of the context, and tells it what happens.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::mem;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::pin::Pin;
use core::task::{Context, Poll};

use mimic_core::{
    Ctx, Dialer, Error, ErrorKind, Handshake, HostPort, Install, Instant, Link, Lookup, Mode, Phase, Priority,
    Question, Record, RecordType, Sleep, Text, Timer, Transport, for_each_mode, key, opt, or_default, over, role,
};

use crate::timeline::{Event, Observer, Peer, RaceError, Raced, What};
use crate::{
    Answer, AttemptId, Candidate, Config, Endpoint, Failure, Input, Kind, Machine, Name, Output, Query, Service,
    Source, Target,
};

key! {
    /// How races are run; [`Config::new`] when it is not given.
    pub RaceConfig: Config;
}

role! {
    /// From the address of a destination to the address that it would be connected from: what RFC 6724 sorts by.
    ///
    /// An error is taken for [`Source::Unknown`], which leaves the rules undecided that need it.
    pub SourceAddress: SocketAddr => Source;
}

/// Installs the candidate of [`Transport`] that looks up all addresses of a host and races them, over [`Lookup`],
/// [`Link`], [`Sleep`] and [`SourceAddress`]; and one of the last that knows nothing, after all others.
///
/// - The target's handshake, if it has one ([`HostPort::until`]), is part of every attempt.
/// - Dropping the connect drops every look-up and attempt at once.
/// - [`Timeline`](crate::Timeline) tells how a flow came about, [`RaceError`] why there is none, and
///   [`Observer`] is called while it happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct HappyEyeballs;

for_each_mode!(M => {
    impl Install<M> for HappyEyeballs {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(SourceAddress, "unknown", Priority::NONE, (), |_, ()| async { Ok(Source::Unknown) }).register(
                Transport,
                "happy-eyeballs",
                100,
                (
                    or_default(RaceConfig, Config::new()),
                    opt(Observer),
                    over(Lookup),
                    over(Link),
                    over(Sleep),
                    over(SourceAddress),
                ),
                |to, args| async move { Ok(Box::new(race(to, args).await?) as <M as Mode>::Flow) },
            )
        }
    }
});

type Args<M> =
    (Config, Option<fn(&Event)>, Dialer<Lookup, M>, Dialer<Link, M>, Dialer<Sleep, M>, Dialer<SourceAddress, M>);

async fn race<M: Mode>(
    mut to: HostPort,
    (config, observer, lookup, link, sleep, source): Args<M>,
) -> Result<Raced<M::Flow>, Error> {
    let handshake = to.take_handshake::<M>();
    let config = config.over_tcp(handshake.is_some());
    let mut timer = sleep.dial(()).await?;
    let given = match to.as_addr() {
        Some(address) if address.ip().is_unspecified() || address.ip().is_multicast() => return Err(nowhere(&to)),
        Some(address) => Some([candidate(&source, address, config.prefix.is_some()).await]),
        None => None,
    };
    let target = given.as_ref().map_or(Target::Name, |given| Target::Addresses(given));
    let mut race = Race::<M>::new(&to, config, observer, target, timer.now());
    let (mut queries, mut connects, mut handshakes) = (Vec::new(), Vec::new(), Vec::new());
    // Who fails when it is polled for the first time has sent nothing.
    let mut begun = None;
    let mut wake = None;

    poll_fn(|cx| {
        loop {
            // It may be behind where a timer was early.
            race.now = timer.now().max(race.now);
            for (query, found) in ready(&mut queries, cx) {
                race.answered(query, found);
            }
            for (attempt, result) in ready(&mut connects, cx) {
                match result {
                    Ok(flow) if handshake.is_some() => race.progressed(attempt, flow),
                    Ok(flow) => race.succeeded(attempt, flow),
                    Err(error) => race.failed(attempt, error, begun != Some(attempt)),
                }
            }
            begun = None;
            if let Some(handshake) = handshake.as_ref().filter(|_| race.machine.may_handshake()) {
                for (attempt, flow) in mem::take(&mut race.waiting) {
                    race.machine.input(Input::Progress { attempt }, race.now);
                    handshakes.push(Box::pin(shake(handshake, attempt, flow)));
                }
            }
            for (attempt, result) in ready(&mut handshakes, cx) {
                match result {
                    Ok(flow) => race.succeeded(attempt, flow),
                    Err(error) => race.failed(attempt, error, true),
                }
            }
            // What was just polled takes time, and a start is timed by when it starts.
            race.now = timer.now().max(race.now);
            match race.machine.output(race.now) {
                Some(Output::Query(query)) => {
                    race.tell(What::Ask(query.kind));
                    let name = race.question(query);
                    queries.push(Box::pin(ask(&lookup, &source, query, name)));
                }
                Some(Output::Start { attempt, endpoint }) => {
                    let to = race.start(attempt, endpoint);
                    begun = Some(attempt);
                    connects.push(Box::pin(connect(&link, attempt, to)));
                }
                // Comes at the end only, when everything is dropped.
                Some(Output::Cancel { attempt }) => {
                    race.tell_of(attempt, What::Cancel);
                }
                Some(Output::Wake(at)) => wake = Some(at),
                Some(Output::Won { attempt }) => return Poll::Ready(race.won(attempt)),
                Some(Output::Failed(failure)) => return Poll::Ready(Err(race.lost(failure))),
                None => {
                    race.tell_left_out();
                    match wake {
                        Some(at) if timer.poll_until(cx, at).is_ready() => {
                            wake = None;
                            // A timer may be a little early by its own clock.
                            race.now = race.now.max(at);
                        }
                        _ => return Poll::Pending,
                    }
                }
            }
        }
    })
    .await
}

fn nowhere(to: &HostPort) -> Error {
    Error::new(ErrorKind::InvalidInput, "nobody has that address")
        .in_phase(Phase::Endpoint)
        .to_target(to)
        .advise("give the address that the server listens on; this machine's own is 127.0.0.1 or ::1")
}

/// Polls all, and takes out those that are done.
fn ready<F: Future + ?Sized>(running: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>) -> Vec<F::Output> {
    let mut done = Vec::new();
    running.retain_mut(|future| match future.as_mut().poll(cx) {
        Poll::Ready(output) => {
            done.push(output);
            false
        }
        Poll::Pending => true,
    });
    done
}

async fn connect<M: Mode>(
    link: &Dialer<Link, M>,
    attempt: AttemptId,
    to: SocketAddr,
) -> (AttemptId, Result<M::Flow, Error>) {
    (attempt, link.dial(to).await)
}

async fn shake<M: Mode>(
    handshake: &Handshake<M>,
    attempt: AttemptId,
    flow: M::Flow,
) -> (AttemptId, Result<M::Flow, Error>) {
    (attempt, handshake.run(flow).await)
}

const HTTPS: Query = Query { name: Name::ORIGINAL, kind: Kind::Https };

/// An answer, as the machine will want it.
#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    services: Vec<FoundService>,
}

struct FoundService {
    record: mimic_core::Service,
    hints: [Vec<Candidate>; 2],
}

async fn ask<M: Mode>(
    lookup: &Dialer<Lookup, M>,
    source: &Dialer<SourceAddress, M>,
    query: Query,
    name: Text,
) -> (Query, Result<Found, Error>) {
    (query, find(lookup, source, query.kind, name).await)
}

async fn find<M: Mode>(
    lookup: &Dialer<Lookup, M>,
    source: &Dialer<SourceAddress, M>,
    kind: Kind,
    name: Text,
) -> Result<Found, Error> {
    let record_type = match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::Aaaa,
        Kind::Https => RecordType::Https,
        Kind::Svcb => return Err(Error::new(ErrorKind::Unsupported, "look-ups of SVCB records are not supported")),
    };
    let mut found = Found::default();
    for record in lookup.dial(Question { name, record_type }).await? {
        match record {
            Record::Https(record) => {
                let mut hints = [Vec::new(), Vec::new()];
                for hint in &record.hints {
                    hints[usize::from(hint.is_ipv6())]
                        .push(candidate(source, SocketAddr::new(*hint, PORT), true).await);
                }
                found.services.push(FoundService { record, hints });
            }
            record => {
                if let Some(address) = record.socket_addr(PORT) {
                    found.candidates.push(candidate(source, address, true).await);
                }
            }
        }
    }
    Ok(found)
}

/// A source address does not depend on the port, as long as there is one.
const PORT: u16 = 9;

async fn candidate<M: Mode>(source: &Dialer<SourceAddress, M>, address: SocketAddr, ask: bool) -> Candidate {
    let from = match ask {
        true => source.dial(address).await.unwrap_or_default(),
        false => Source::Unknown,
    };
    let scope_id = match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    Candidate::new(address.ip()).scope_id(scope_id).source(from)
}

/// Services of equal priority are shuffled anew by every race, unless a seed is given (draft §5.2).
fn shuffled(config: Config, now: Instant) -> Config {
    match config.seed {
        0 => config.seed(now.since_epoch().subsec_nanos().into()),
        _ => config,
    }
}

/// The machine, and what it has no room for.
struct Race<M: Mode> {
    machine: Box<Machine<Instant, ErrorKind>>,
    started: Instant,
    now: Instant,
    port: u16,
    /// Whether nothing is connected without service records.
    relies: bool,
    /// How much of the answers was told to be left out.
    left_out: u32,
    /// By their numbers.
    names: Vec<Text>,
    /// By the numbers of the attempts.
    peers: Vec<Peer>,
    /// Connected, and not to shake hands yet.
    waiting: Vec<(AttemptId, M::Flow)>,
    /// Connected, with all handshakes.
    flows: Vec<(AttemptId, M::Flow)>,
    errors: Vec<(Option<Peer>, Error)>,
    timeline: Vec<Event>,
    observer: Option<fn(&Event)>,
}

impl<M: Mode> Race<M> {
    fn new(to: &HostPort, config: Config, observer: Option<fn(&Event)>, target: Target<'_>, now: Instant) -> Self {
        Self {
            machine: Box::new(Machine::new(shuffled(config, now), target, now)),
            relies: config.protected || config.wait_for_services,
            left_out: 0,
            started: now,
            now,
            port: to.port,
            names: vec![to.host.clone()],
            peers: Vec::new(),
            waiting: Vec::new(),
            flows: Vec::new(),
            errors: Vec::new(),
            timeline: Vec::new(),
            observer,
        }
    }

    fn tell(&mut self, what: What) {
        let event = Event::new(self.now - self.started, what);
        if let Some(observer) = self.observer {
            observer(&event);
        }
        self.timeline.push(event);
    }

    fn tell_left_out(&mut self) {
        let total = self.machine.dropped().total();
        if total > self.left_out {
            self.tell(What::LeaveOut(total - self.left_out));
            self.left_out = total;
        }
    }

    fn tell_of(&mut self, attempt: AttemptId, what: impl FnOnce(Peer) -> What) -> Option<Peer> {
        let peer = self.peers.get(usize::from(attempt.0)).copied()?;
        self.tell(what(peer));
        Some(peer)
    }

    /// The name to ask: for the records of a port of its own, "the prefix `_port._https`" goes before it (RFC 9460 §9.1).
    fn question(&self, query: Query) -> Text {
        match self.names.get(usize::from(query.name.0)) {
            Some(name) if query == HTTPS && !matches!(self.port, 80 | 443) => {
                format!("_{}._https.{name}", self.port).into()
            }
            Some(name) => name.clone(),
            None => "".into(),
        }
    }

    /// The number of a name; none if there are too many.
    fn number(&mut self, name: &Text) -> Option<Name> {
        // Names in records may be written with the dot of the root.
        let bare = |name: &Text| name.strip_suffix('.').unwrap_or(name).len();
        let same = |known: &Text| known[..bare(known)].eq_ignore_ascii_case(&name[..bare(name)]);
        let known = self.names.iter().position(same);
        let place = known.unwrap_or(self.names.len());
        if known.is_none() {
            self.names.push(name.clone());
        }
        u16::try_from(place).ok().map(Name)
    }

    fn answered(&mut self, query: Query, found: Result<Found, Error>) {
        let services = matches!(query.kind, Kind::Https | Kind::Svcb);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let kind = error.kind();
                self.tell(What::NoAnswer(query.kind, kind));
                // Without service records the addresses still do, unless they are relied on.
                if !services || self.relies {
                    self.errors.push((None, error));
                }
                // That there is no such name is an answer.
                let answer = match kind {
                    ErrorKind::NotFound if services => Answer::Services(&[]),
                    ErrorKind::NotFound => Answer::Addresses(&[]),
                    _ => Answer::Failed,
                };
                return self.machine.input(Input::Answer { query, answer }, self.now);
            }
        };
        let count = if services { found.services.len() } else { found.candidates.len() };
        self.tell(What::Answer(query.kind, u16::try_from(count).unwrap_or(u16::MAX)));
        if !services {
            let answer = Answer::Addresses(&found.candidates);
            return self.machine.input(Input::Answer { query, answer }, self.now);
        }
        let targets: Vec<_> = found.services.iter().map(|service| self.target(&service.record.target)).collect();
        let alpn: Vec<Vec<&[u8]>> =
            found.services.iter().map(|service| service.record.alpn.iter().map(Vec::as_slice).collect()).collect();
        let services: Vec<_> = (found.services.iter().zip(&targets).zip(&alpn))
            .map(|((FoundService { record, hints: [ipv4_hints, ipv6_hints] }, target), alpn)| Service {
                priority: record.priority,
                target: *target,
                alpn,
                no_default_alpn: record.no_default_alpn,
                port: record.port,
                ipv4_hints,
                ipv6_hints,
                ech: record.ech,
                unsupported: record.unsupported,
            })
            .collect();
        self.machine.input(Input::Answer { query, answer: Answer::Services(&services) }, self.now);
    }

    fn target(&mut self, name: &Text) -> Option<Name> {
        if name.is_empty() { None } else { self.number(name) }
    }

    fn start(&mut self, attempt: AttemptId, endpoint: Endpoint) -> SocketAddr {
        let peer = Peer { address: endpoint.address, port: endpoint.port.unwrap_or(self.port) };
        self.peers.push(peer);
        self.tell_of(attempt, What::Start);
        match peer.address {
            IpAddr::V6(address) => SocketAddrV6::new(address, peer.port, 0, endpoint.scope_id).into(),
            address @ IpAddr::V4(_) => SocketAddr::new(address, peer.port),
        }
    }

    fn progressed(&mut self, attempt: AttemptId, flow: M::Flow) {
        self.waiting.push((attempt, flow));
        self.tell_of(attempt, What::Progress);
        self.machine.input(Input::Progress { attempt }, self.now);
    }

    fn succeeded(&mut self, attempt: AttemptId, flow: M::Flow) {
        self.flows.push((attempt, flow));
        self.machine.input(Input::Succeeded { attempt }, self.now);
    }

    fn failed(&mut self, attempt: AttemptId, error: Error, tried: bool) {
        let reason = error.kind();
        let peer = self.tell_of(attempt, |peer| What::Fail(peer, reason));
        self.errors.push((peer, error));
        // An answer, however fast, answers a packet.
        let sent = tried || matches!(reason, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset);
        self.machine.input(Input::Failed { attempt, reason, sent }, self.now);
    }

    fn won(&mut self, attempt: AttemptId) -> Result<Raced<M::Flow>, Error> {
        self.tell_of(attempt, What::Win);
        let Some(place) = self.flows.iter().position(|(of, _)| *of == attempt) else {
            return Err(Error::new(ErrorKind::Other, "internal: no flow of the attempt that won; please report this"));
        };
        let (_, below) = self.flows.swap_remove(place);
        Ok(Raced { below, timeline: mem::take(&mut self.timeline).into() })
    }

    fn lost(&mut self, failure: Failure) -> Error {
        self.tell_left_out();
        RaceError::into_error(failure, mem::take(&mut self.timeline), mem::take(&mut self.errors))
    }
}
