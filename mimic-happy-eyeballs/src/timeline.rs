//! The events of a race: reported while it runs, kept with the flow, and part of the error.
//!
//! ```text
//!     0.0 ms  ask     AAAA
//!     0.3 ms  answer  AAAA: 1
//!     0.4 ms  start   [::1]:7007
//!     0.5 ms  fail    [::1]:7007: ConnectionRefused
//!    10.4 ms  start   127.0.0.1:7007
//!    10.6 ms  win     127.0.0.1:7007
//! ```
//!
//! Of a long race the first 64 events and the latest stay, with one [`EventKind::Skip`] between.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::task::{Context, Poll};
use core::time::Duration;

use mimic_core::adapter::AttributeRequest;
use mimic_core::{Error, ErrorKind, Flow, key};

use crate::Kind;

key! {
    /// The attribute of a flow with the events of the race that made it.
    pub Timeline: Vec<Event>;
    /// A function that is called with every event when it happens. It shows the progress of a
    /// connect even if the connect never ends.
    pub Observer: fn(&Event);
}

/// An event of a race. It prints as one line, such as `  250.3 ms  start   192.0.2.1:443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// In microseconds, and small, since many are kept.
    at: u32,
    kind: EventKind,
}

impl Event {
    pub(crate) fn new(at: Duration, kind: EventKind) -> Self {
        Self { at: u32::try_from(at.as_micros()).unwrap_or(u32::MAX), kind }
    }

    /// Returns the time since the race began; at most 71 minutes.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_micros(self.at.into())
    }

    /// Returns the kind of event.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{} ms  ", self.at / 1000, self.at % 1000 / 100)?;
        match self.kind {
            EventKind::Ask(kind) => write!(f, "ask     {}", Named(kind)),
            EventKind::Answer(kind, 0) => write!(f, "answer  {}: none", Named(kind)),
            EventKind::Answer(kind, records) => write!(f, "answer  {}: {records}", Named(kind)),
            EventKind::NoAnswer(kind, why) => write!(f, "answer  {}: {why}", Named(kind)),
            EventKind::LeaveOut(count) => write!(f, "omit    {count} that cannot be used or do not fit"),
            EventKind::Skip(count) => write!(f, "skip    {count} events that are not kept"),
            EventKind::Untried(count) => write!(f, "leave   {count} addresses that were never tried"),
            EventKind::Start(peer) => write!(f, "start   {peer}"),
            EventKind::Progress(peer) => write!(f, "reach   {peer}, handshake follows"),
            EventKind::Fail(peer, why) => write!(f, "fail    {peer}: {why}"),
            EventKind::Cancel(peer) => write!(f, "cancel  {peer}"),
            EventKind::Win(peer) => write!(f, "win     {peer}"),
        }
    }
}

/// The number of events that are kept, and of the first among them.
const KEPT: usize = 256;
const FIRST: usize = 64;

/// The first and the latest events of a race, so that a race of many attempts stays bounded.
#[derive(Debug, Default)]
pub(crate) struct Events(Vec<Event>);

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        let Self(events) = self;
        if events.len() == KEPT {
            let after = events.remove(FIRST + 1);
            if let Some(at) = events.get_mut(FIRST) {
                let count = if let EventKind::Skip(count) = at.kind { count } else { 1 };
                *at = Event { kind: EventKind::Skip(count.saturating_add(1)), ..after };
            }
        }
        if events.is_empty() {
            events.reserve(8);
        }
        events.push(event);
    }
}

impl From<Events> for Box<[Event]> {
    fn from(Events(events): Events) -> Self {
        events.into()
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

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A query was made.
    Ask(Kind),
    /// A query was answered with that many records.
    Answer(Kind, u16),
    /// A query was not answered, or the name does not exist.
    NoAnswer(Kind, ErrorKind),
    /// That many addresses and records of answers are unusable, or do not fit
    /// ([`Dropped`](crate::Dropped)).
    LeaveOut(u32),
    /// That many events at this position are not kept: the [`Timeline`] of a long race has the
    /// first and the latest. An [`Observer`] gets every event instead.
    Skip(u32),
    /// The race ended or was dropped, and that many addresses of the answers were never tried.
    Untried(u32),
    /// An attempt started.
    Start(Peer),
    /// An attempt is connected below, and a handshake above follows.
    Progress(Peer),
    /// An attempt failed.
    Fail(Peer, ErrorKind),
    /// An attempt was cancelled, since another won.
    Cancel(Peer),
    /// An attempt won: it is the connection.
    Win(Peer),
}

/// The address, zone and port of an attempt. It prints as `SocketAddr` does: `[fe80::1%2]:7`.
///
/// It converts from and to `SocketAddr`, without flow information. It is smaller, since many are
/// kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The zone of a link-local IPv6 address, as in `SocketAddrV6`; 0 where there is none.
    pub scope_id: u32,
}

impl Peer {
    /// Returns address and zone, without the port.
    pub(crate) fn host(&self) -> (IpAddr, u32) {
        (self.address, self.scope_id)
    }
}

impl From<SocketAddr> for Peer {
    fn from(to: SocketAddr) -> Self {
        let scope_id = match to {
            SocketAddr::V6(to) => to.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        Self { address: to.ip(), port: to.port(), scope_id }
    }
}

impl From<Peer> for SocketAddr {
    fn from(Peer { address, port, scope_id }: Peer) -> Self {
        match address {
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, scope_id).into(),
            IpAddr::V4(_) => Self::new(address, port),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&SocketAddr::from(*self), f)
    }
}

/// The flow that won a race, with its timeline: the output of
/// [`HappyEyeballs`](crate::HappyEyeballs).
///
/// It wraps the flow of [`Tcp`](mimic_core::roles::Tcp). Code that needs the socket itself takes it
/// out by `flow.downcast::<Raced<Box<dyn Flow + Send>>>()` and [`into_inner`](Self::into_inner).
#[derive(Debug)]
pub struct Raced<F> {
    pub(crate) below: F,
    pub(crate) timeline: Box<[Event]>,
}

impl<F> Raced<F> {
    /// Returns the flow below.
    pub fn get_ref(&self) -> &F {
        &self.below
    }

    /// Returns the flow below, mutably.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.below
    }

    /// Returns the flow below, and drops the timeline.
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

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&self.below)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(Timeline, || Some(self.timeline.to_vec()));
    }
}
