//! Who was tried when, and what won: told while it happens, kept with the flow, and part of the error.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use core::time::Duration;

use mimic_core::{Ask, Error, ErrorKind, Flow, Phase, key};

use crate::{Failure, Kind};

key! {
    /// Attribute of a flow: how it came about.
    pub Timeline: Vec<Event>;
    /// Called with every event as it happens: to show what a connect waits for, also if it never ends.
    pub Observer: fn(&Event);
}

/// Something that happened in a race. It prints as one line, such as `  250.3 ms  start   192.0.2.1:443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// In microseconds; many are kept.
    at: u32,
    what: What,
}

impl Event {
    pub(crate) fn new(at: Duration, what: What) -> Self {
        Self { at: u32::try_from(at.as_micros()).unwrap_or(u32::MAX), what }
    }

    /// When, since the race began; at most 71 minutes.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_micros(self.at.into())
    }

    /// What.
    #[must_use]
    pub fn what(&self) -> What {
        self.what
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{} ms  ", self.at / 1000, self.at % 1000 / 100)?;
        match self.what {
            What::Ask(kind) => write!(f, "ask     {}", Named(kind)),
            What::Answer(kind, 0) => write!(f, "answer  {}: none", Named(kind)),
            What::Answer(kind, records) => write!(f, "answer  {}: {records}", Named(kind)),
            What::NoAnswer(kind, why) => write!(f, "answer  {}: {why}", Named(kind)),
            What::LeaveOut(count) => write!(f, "omit    {count} that cannot be used or do not fit"),
            What::Start(peer) => write!(f, "start   {peer}"),
            What::Progress(peer) => write!(f, "reach   {peer}, handshake follows"),
            What::Fail(peer, why) => write!(f, "fail    {peer}: {why}"),
            What::Cancel(peer) => write!(f, "cancel  {peer}"),
            What::Win(peer) => write!(f, "win     {peer}"),
        }
    }
}

struct Named(Kind);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Https => "HTTPS",
            Kind::Svcb => "SVCB",
            Kind::Aaaa => "AAAA",
            Kind::A => "A",
        })
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A query was made.
    Ask(Kind),
    /// It was answered with so many records.
    Answer(Kind, u16),
    /// It was not answered, or the name does not exist.
    NoAnswer(Kind, ErrorKind),
    /// So many addresses and records of answers are of no use, or do not fit ([`Dropped`](crate::Dropped)).
    LeaveOut(u32),
    /// An attempt started.
    Start(Peer),
    /// An attempt is connected below, and a handshake above follows.
    Progress(Peer),
    /// An attempt failed.
    Fail(Peer, ErrorKind),
    /// An attempt was given up, for another won.
    Cancel(Peer),
    /// An attempt is the connection.
    Win(Peer),
}

/// The address and port that an attempt goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&SocketAddr::new(self.address, self.port), f)
    }
}

/// The flow that won a race, which knows how it came about: what [`HappyEyeballs`](crate::HappyEyeballs) gives.
///
/// It is a layer over that of [`Link`](mimic_core::Link). Whoever needs the socket itself takes it out:
/// `flow.downcast::<Raced<Box<dyn Flow + Send>>>()`, and then [`into_inner`](Self::into_inner).
#[derive(Debug)]
pub struct Raced<F> {
    pub(crate) below: F,
    pub(crate) timeline: Box<[Event]>,
}

impl<F> Raced<F> {
    /// The flow that it is over.
    pub fn get_ref(&self) -> &F {
        &self.below
    }

    /// The flow that it is over, to change it.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.below
    }

    /// The flow that it was over. Nothing is lost but the timeline.
    pub fn into_inner(self) -> F {
        self.below
    }
}

#[deny(clippy::missing_trait_methods)]
impl<F: Flow> Flow for Raced<F> {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_read(cx, buf)
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.below.poll_write(cx, buf)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.below.poll_shutdown(cx)
    }

    #[inline]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.below.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.below.is_write_vectored()
    }

    fn abort(&mut self) {
        self.below.abort();
    }

    fn lower(&self) -> Option<&dyn Flow> {
        Some(&self.below)
    }

    fn answer(&self, ask: &mut Ask<'_>) {
        ask.give(Timeline, || Some(self.timeline.to_vec()));
    }
}

/// Why a race has no winner: the source of the error that it ends with.
#[derive(Debug)]
pub struct RaceError {
    failure: Failure,
    timeline: Vec<Event>,
    errors: Vec<(Option<Peer>, Error)>,
}

impl RaceError {
    /// That of a failed connect, if it failed in a race.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        let mut source = core::error::Error::source(error);
        while let Some(error) = source {
            if let Some(race) = error.downcast_ref() {
                return Some(race);
            }
            source = error.source();
        }
        None
    }

    /// Why, in short.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// What happened.
    #[must_use]
    pub fn timeline(&self) -> &[Event] {
        &self.timeline
    }

    /// The errors of look-ups (without a peer) and attempts, as they came.
    #[must_use]
    pub fn errors(&self) -> &[(Option<Peer>, Error)] {
        &self.errors
    }

    /// The error of the attempt that got furthest, the earliest of equals; if there was no attempt, of a look-up.
    fn telling(&self) -> Option<&Error> {
        let reach = |(peer, error): &&(Option<Peer>, Error)| match (peer, error.phase()) {
            // Who does not know says more than who says that there is none: the name may exist.
            (None, _) => u8::from(error.kind() != ErrorKind::NotFound),
            (Some(_), None | Some(Phase::Connect)) => 2,
            (Some(_), _) => 3,
        };
        self.errors.iter().rev().max_by_key(reach).map(|(_, error)| error)
    }

    /// As mimic's own error: what the telling error says of phase, layer, target and what to do.
    pub(crate) fn into_error(failure: Failure, timeline: Vec<Event>, errors: Vec<(Option<Peer>, Error)>) -> Error {
        let race = Self { failure, timeline, errors };
        let Some(telling) = race.telling() else {
            return Error::with_source(ErrorKind::NotFound, race).in_phase(Phase::Lookup);
        };
        let (kind, phase) = (telling.kind(), telling.phase());
        let advice = telling.advice().map(ToOwned::to_owned);
        // Several errors are one of the race, and who dials it says where that is.
        let place = Some(telling).filter(|_| race.alone());
        let layer = place.and_then(Error::layer).map(ToOwned::to_owned);
        let target = place.and_then(Error::target).map(ToOwned::to_owned);
        let mut error = Error::with_source(kind, race);
        if let Some(phase) = phase {
            error = error.in_phase(phase);
        }
        if let Some(layer) = layer {
            error = error.at_layer(layer);
        }
        if let Some(target) = target {
            error = error.to_target(target);
        }
        match advice {
            Some(advice) => error.advise(advice),
            None => error,
        }
    }

    /// Whether one error says it all.
    fn alone(&self) -> bool {
        let alike = || self.errors.windows(2).all(|pair| pair[0].1.reason() == pair[1].1.reason());
        self.failure != Failure::Services
            && match self.errors.iter().filter(|(peer, _)| peer.is_some()).count() {
                // Two look-ups of one name that does not exist.
                0 => alike(),
                attempts => attempts == 1,
            }
    }
}

impl fmt::Display for RaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.telling() {
            None => fmt::Display::fmt(&self.failure, f),
            Some(telling) if self.alone() => f.write_str(&telling.reason()),
            Some(_) => {
                fmt::Display::fmt(&self.failure, f)?;
                for (peer, error) in &self.errors {
                    match (peer, error.target()) {
                        (Some(peer), _) => write!(f, "; {peer}: {}", error.reason())?,
                        (None, Some(question)) => write!(f, "; {question}: {}", error.reason())?,
                        (None, None) => write!(f, "; {}", error.reason())?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl core::error::Error for RaceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        core::error::Error::source(self.telling()?)
    }
}
