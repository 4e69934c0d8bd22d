//! The lists of addresses from look-ups, and the parts of them for which the machine has room.
//!
//! ```text
//!   201 addresses ──► 16 first, with their source addresses ──► the machine
//!        └── 185 wait ──► a few more whenever it has room ──────────►┘
//! ```
//!
//! A part is in flight while its source addresses are found. One part is in flight at a time, so
//! the machine still has the room at the end that it had at the beginning.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::task::Poll;

use mimic_core::adapter::Instant;
use mimic_core::roles::{Lookup, Question, Record, RecordType, Service};
use mimic_core::{Dialer, Error, ErrorKind, Mode, Text};

use crate::{AddressInfo, Family, Kind, List, Machine, Query, ServiceId, Source};

mimic_core::role! {
    /// Maps a destination to the source address of a connection to it, by which RFC 6724 sorts.
    ///
    /// An error counts as [`Source::Unknown`]: the rules that need the source stay undecided.
    pub SourceAddress: SocketAddr => Source;
}

/// The hints of one record and family that come with the record; the others wait.
const HINTS: usize = 4;
/// The source addresses that are found before other tasks get their turn. Each costs a socket.
const TURN: usize = 16;
/// A port for look-ups of source addresses. They depend on no port, but need one other than 0.
const PORT: u16 = 9;

/// The result of a look-up.
pub(crate) enum Found {
    Addresses(Vec<SocketAddr>),
    Services(Vec<Service>),
}

/// Looks up the records of one kind for a name.
pub(crate) async fn look_up<M: Mode>(lookup: &Dialer<Lookup, M>, kind: Kind, name: Text) -> Result<Found, Error> {
    let record_type = match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::Aaaa,
        Kind::Https => RecordType::Https,
        Kind::Svcb => return Err(Error::new(ErrorKind::Unsupported, "look-ups of SVCB records are not supported")),
    };
    let records = lookup.dial(Question { name, record_type }).await?.into_iter();
    if kind != Kind::Https {
        return Ok(Found::Addresses(records.filter_map(|record| record.socket_addr(PORT)).collect()));
    }
    let service = |record| if let Record::Https(service) = record { Some(service) } else { None };
    Ok(Found::Services(records.filter_map(service).collect()))
}

/// The next part of a list for the machine. Its addresses travel beside it.
pub(crate) enum Part {
    /// The first addresses of an answer that has `count`.
    Answer { query: Query, count: usize, whole: bool },
    /// An answer of service records, with the first hints of each.
    Services { query: Query, services: Vec<Hinted> },
    /// Further addresses of a list.
    More { list: List, last: bool },
}

/// A service record, and the ranges of its hints among the addresses of the part: IPv4, then IPv6.
pub(crate) struct Hinted {
    pub(crate) record: Service,
    pub(crate) hints: [Range<usize>; 2],
    pub(crate) more: [bool; 2],
}

struct Waiting {
    list: List,
    addresses: vec::IntoIter<SocketAddr>,
}

/// The answers and the rests of lists that wait, in the order of their arrival.
#[derive(Default)]
pub(crate) struct Lists {
    found: VecDeque<(Query, Found)>,
    waiting: Vec<Waiting>,
}

impl Lists {
    /// Adds an answer.
    pub(crate) fn push(&mut self, query: Query, found: Found) {
        self.found.push_back((query, found));
    }

    /// Takes the next part for which the machine has room, and its addresses.
    pub(crate) fn next(&mut self, machine: &Machine<Instant, ErrorKind>) -> Option<(Part, Vec<SocketAddr>)> {
        if let Some((query, found)) = self.found.pop_front() {
            let room = machine.room(List::Answer(query));
            return Some(match found {
                Found::Addresses(addresses) => self.answer(query, addresses, room),
                Found::Services(services) => self.services(query, services, room),
            });
        }
        self.waiting.retain(|waiting| machine.awaits(waiting.list));
        let wanted = |waiting: &Waiting| machine.room(waiting.list) > 0;
        let place = self.waiting.iter().position(wanted)?;
        let waiting = self.waiting.get_mut(place)?;
        let list = waiting.list;
        let addresses = waiting.addresses.by_ref().take(machine.room(list)).collect();
        let last = waiting.addresses.len() == 0;
        if last {
            self.waiting.remove(place);
        }
        Some((Part::More { list, last }, addresses))
    }

    fn answer(&mut self, query: Query, addresses: Vec<SocketAddr>, room: usize) -> (Part, Vec<SocketAddr>) {
        let count = addresses.len();
        let (first, rest) = split(addresses, room);
        let whole = rest.len() == 0;
        self.wait(List::Answer(query), rest);
        (Part::Answer { query, count, whole }, first)
    }

    /// Splits an answer of service records. The hints of the best services come first, since the
    /// machine keeps those.
    fn services(&mut self, query: Query, records: Vec<Service>, mut room: usize) -> (Part, Vec<SocketAddr>) {
        let mut services: Vec<_> =
            records.into_iter().map(|record| Hinted { record, hints: [0..0, 0..0], more: [false; 2] }).collect();
        let mut order: Vec<_> = services.iter_mut().zip(0..u16::MAX).collect();
        order.sort_by_key(|(service, _)| service.record.priority);
        let mut first = Vec::new();
        for (service, index) in order {
            let (v6, v4): (Vec<_>, Vec<_>) = service.record.hints.drain(..).partition(IpAddr::is_ipv6);
            for (hints, place, family) in [(v6, 1, Family::Ipv6), (v4, 0, Family::Ipv4)] {
                let hints = hints.into_iter().map(|hint| SocketAddr::new(hint, PORT)).collect();
                let (some, rest) = split(hints, room.min(HINTS));
                room -= some.len();
                service.hints[place] = first.len()..first.len() + some.len();
                service.more[place] = rest.len() > 0;
                first.extend(some);
                self.wait(List::Hints(ServiceId { owner: query.name, index }, family), rest);
            }
        }
        (Part::Services { query, services }, first)
    }

    fn wait(&mut self, list: List, addresses: vec::IntoIter<SocketAddr>) {
        if addresses.len() > 0 {
            self.waiting.push(Waiting { list, addresses });
        }
    }

    /// Yields all addresses that wait.
    pub(crate) fn left(&self) -> impl Iterator<Item = SocketAddr> {
        let found = self.found.iter().flat_map(|(_, found)| match found {
            Found::Addresses(addresses) => addresses.as_slice(),
            Found::Services(_) => &[],
        });
        let waiting = self.waiting.iter().flat_map(|waiting| waiting.addresses.as_slice());
        found.chain(waiting).copied()
    }
}

/// Splits off the first `count` addresses.
fn split(addresses: Vec<SocketAddr>, count: usize) -> (Vec<SocketAddr>, vec::IntoIter<SocketAddr>) {
    if addresses.len() <= count {
        return (addresses, Vec::new().into_iter());
    }
    let mut rest = addresses.into_iter();
    (rest.by_ref().take(count).collect(), rest)
}

/// Finds the source address of each.
pub(crate) async fn sources<M: Mode>(
    source: &Dialer<SourceAddress, M>,
    addresses: Vec<SocketAddr>,
) -> Vec<AddressInfo> {
    let mut infos = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !infos.is_empty() && infos.len() % TURN == 0 {
            yield_now().await;
        }
        let from = source.dial(address).await.unwrap_or_default();
        infos.push(address_info(address).source(from));
    }
    infos
}

/// Makes the info of an address without anything else.
pub(crate) fn address_info(address: SocketAddr) -> AddressInfo {
    let scope_id = match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    AddressInfo::new(address.ip()).scope_id(scope_id).source(Source::Unknown)
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
