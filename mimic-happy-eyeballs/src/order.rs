//! The order of endpoints (§5): grouped, sorted within each group, interleaved, and flattened.
//!
//! ```text
//!   www has HTTPS 1 cdn and HTTPS 2 alt; all three have A and AAAA
//!
//!   group    sorted by RFC 6724    interleaved
//!   1 cdn    6a 6b 4a 4b           6a 4a 6b 4b
//!   2 alt    6c 4c                 6c 4c
//!   www      6d 4d                 6d 4d          last, as no record leads there
//!
//!   list     6a 4a 6b 4b 6c 4c 6d 4d
//! ```

use core::cmp::Ordering;
use core::time::Duration;

use heapless::Vec;

use crate::addresses::{Addresses, Entry, Use};
use crate::attempts::Attempts;
use crate::queries::{ALIASES, Queries};
use crate::select::SortKey;
use crate::services::{KnownService, Services};
use crate::{AttemptId, Config, Family, Name, RaceEndpoint, ServiceId};

/// The endpoints that are still to be tried, the next first.
#[derive(Debug)]
pub(crate) struct Order<const N: usize> {
    list: Vec<Planned, N>,
    /// The index of the next. Those before it were tried since the list was built.
    next: usize,
    /// Some endpoints did not fit. They come when the list is at its end.
    overflow: bool,
}

/// One endpoint of the order. It is small because sorting moves it.
#[derive(Debug)]
struct Planned {
    key: SortKey,
    entry: usize,
    service: Option<ServiceId>,
    port: Option<u16>,
    protocol: Option<u8>,
    /// The bit of [`Entry::tried`].
    way: u32,
    /// Was tried before. Such endpoints take part while the order is built, so that the families
    /// take turns as if all answers had come at once (§7).
    tried: bool,
}

impl Planned {
    fn endpoint(&self, entry: &Entry) -> RaceEndpoint {
        RaceEndpoint {
            address: entry.connect,
            scope_id: entry.info.scope_id,
            original: entry.original,
            port: self.port,
            name: entry.name,
            service: self.service,
            protocol: self.protocol,
        }
    }
}

/// The rank of a group; lower ranks come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    without_ech: bool,
    protocol: u8,
    priority: u16,
    shuffle: u16,
    index: u16,
}

impl<const N: usize> Order<N> {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), next: 0, overflow: false }
    }

    /// Returns whether nothing is left to try.
    pub(crate) fn is_empty(&self) -> bool {
        self.next >= self.list.len() && !self.overflow
    }

    /// Returns whether the list is at its end and endpoints did not fit: it must be rebuilt.
    pub(crate) fn is_short(&self) -> bool {
        self.next >= self.list.len() && self.overflow
    }

    /// Returns the next endpoint.
    pub(crate) fn next(&self, addresses: &Addresses<N>) -> Option<RaceEndpoint> {
        let planned = self.list.get(self.next)?;
        Some(planned.endpoint(addresses.get(planned.entry)?))
    }

    /// Marks the next endpoint as tried. Returns its expected round-trip time.
    pub(crate) fn started(&mut self, attempt: AttemptId, addresses: &mut Addresses<N>) -> Option<Duration> {
        let planned = self.list.get(self.next)?;
        self.next += 1;
        let entry = addresses.get_mut(planned.entry)?;
        entry.started.get_or_insert(attempt);
        entry.tried |= planned.way;
        let rtt = entry.info.rtt;
        self.mark(addresses);
        rtt
    }

    /// Builds the list from all answers, without the endpoints that were tried.
    pub(crate) fn rebuild<E, const S: usize, const Q: usize>(
        &mut self,
        addresses: &mut Addresses<N>,
        services: &Services<S>,
        queries: &Queries<Q>,
        attempts: &Attempts<E, N>,
        config: &Config,
    ) {
        self.list.clear();
        self.next = 0;
        self.overflow = false;
        addresses.iter_mut().for_each(|entry| entry.planned = Use::Unplanned);
        let chain: Vec<Name, { ALIASES + 1 }> = queries.chain().collect();
        let owner = chain.last().copied().unwrap_or(Name::ORIGINAL);

        let ranks = || services.of(owner).filter(|kept| kept.usable).flat_map(|kept| ranks(kept, config));
        // The groups of service records, by rank. Each is filled, sorted and interleaved alone.
        let mut done = None;
        while let Some(rank) = ranks().map(|(rank, ..)| rank).filter(|rank| done.is_none_or(|done| *rank > done)).min()
        {
            let from = self.list.len();
            for (_, kept, protocol) in ranks().filter(|(other, ..)| *other == rank) {
                self.add(from, kept.target, Some((kept, protocol)), addresses, attempts);
            }
            self.interleave(from, addresses.last(), config);
            done = Some(rank);
        }
        // Addresses without a service come last (§5.2); those of an alias's target before those of
        // the name. So do those of a name with services, if the origin may be fallen back to.
        let falls_back = config.falls_back(services.of(owner).any(|kept| kept.ech));
        for name in chain.iter().rev() {
            if falls_back || !services.of(owner).any(|kept| kept.target == *name) {
                let from = self.list.len();
                self.add(from, *name, None, addresses, attempts);
                self.interleave(from, addresses.last(), config);
            }
        }
        self.mark(addresses);
    }

    /// Updates the use of each entry.
    fn mark(&self, addresses: &mut Addresses<N>) {
        for index in 0..N {
            let Some(entry) = addresses.get(index) else { return };
            let mut left = self.list.iter().skip(self.next).filter_map(|planned| addresses.get(planned.entry));
            let wanted = self.overflow || left.any(|other| other.leads_where(entry));
            if let Some(entry) = addresses.get_mut(index).filter(|entry| entry.planned != Use::Unplanned) {
                entry.planned = if wanted { Use::Wanted } else { Use::Spent };
            }
        }
    }

    /// Adds the addresses of `name` to the group that begins at `from`, in the order of RFC 6724.
    fn add<E>(
        &mut self,
        from: usize,
        name: Name,
        service: Option<(&KnownService, Option<u8>)>,
        addresses: &mut Addresses<N>,
        attempts: &Attempts<E, N>,
    ) {
        let port = service.and_then(|(kept, _)| kept.port);
        let protocol = service.and_then(|(_, protocol)| protocol);
        let service = service.map(|(kept, _)| kept.id);
        // Beyond the capacity for ways, no address is tried by further ones.
        let Some(way) = addresses.way(port, protocol) else { return };
        // Without a service, any earlier attempt at this port was to the same endpoint.
        let alike = if service.is_some() { way } else { addresses.ways_to(port) };
        for index in 0..N {
            let Some(entry) = addresses.get_mut(index) else { return };
            if entry.name != name {
                continue;
            }
            entry.planned = Use::Spent;
            let Some(entry) = addresses.get(index) else { return };
            // If the IPv4 address came as such too, that entry knows more.
            if entry.extracted()
                && addresses.iter().any(|other| other.name == name && other.info.address == entry.original)
            {
                continue;
            }
            // An endpoint was tried if the attempts have it, or if an entry of the same address was
            // tried by this way. The entries know attempts that are forgotten.
            let mut new = Planned { key: entry.key, entry: index, service, port, protocol, way, tried: false };
            let endpoint = new.endpoint(entry);
            new.tried = attempts.tried(&endpoint)
                || addresses.iter().any(|other| other.leads_where(entry) && other.tried & alike != 0);
            let same = |other: &Planned| {
                other.way & alike != 0 && addresses.get(other.entry).is_some_and(|other| other.leads_where(entry))
            };
            if self.list.iter().any(same) || (entry.gone && !new.tried) {
                continue;
            }
            self.insert(from, new);
        }
    }

    /// Inserts an endpoint into the group that begins at `from`, after its equals.
    fn insert(&mut self, from: usize, new: Planned) {
        // An endpoint that was tried gives up its place for one that was not.
        let lent = self.list.iter().rposition(|planned| planned.tried).filter(|_| self.list.is_full() && !new.tried);
        if let Some(place) = lent {
            self.list.remove(place);
        }
        let after = |other: &Planned| new.key.compare(&other.key) == Ordering::Less;
        let place = self.list.iter().skip(from).position(after).map_or(self.list.len(), |place| from + place);
        let tried = new.tried;
        self.overflow |= self.list.insert(place, new).is_err() && !tried;
    }

    /// Lets the families take turns: "Whichever address family is first in the list should be
    /// followed by an endpoint of the other" (§5.3). Continues after `last`, the family of the last
    /// forgotten address. Then removes the endpoints that were tried.
    fn interleave(&mut self, from: usize, last: Option<Family>, config: &Config) {
        if config.interleave
            && let Some(group) = self.list.get_mut(from..)
            && let Some(first) = group.first().map(|planned| planned.key.family())
        {
            let count = usize::from(config.family_count.max(1));
            for place in 0..group.len() {
                // Whether this place belongs to the family that RFC 6724 put first.
                let turn = match last {
                    None => place < count || place % 2 != count % 2,
                    Some(last) => (place % 2 == 0) == (last != first),
                };
                let wanted = |planned: &Planned| (planned.key.family() == first) == turn;
                // The next of that family moves here. The others keep their order.
                let Some(rest) = group.get_mut(place..) else { break };
                let Some(found) = rest.iter().position(wanted) else { break };
                if let Some(moved) = rest.get_mut(..=found) {
                    moved.rotate_right(1);
                }
            }
        }
        self.list.retain(|planned| !planned.tried);
    }
}

/// Yields the groups of a service: one, or one for each protocol.
fn ranks<'a>(
    kept: &'a KnownService,
    config: &Config,
) -> impl Iterator<Item = (Rank, &'a KnownService, Option<u8>)> + use<'a> {
    let rank = Rank {
        without_ech: config.prefer_ech && !kept.ech,
        protocol: u8::MAX,
        priority: if config.by_service { kept.priority } else { 0 },
        shuffle: if config.by_service { kept.shuffle } else { 0 },
        index: if config.by_service { kept.id.index } else { 0 },
    };
    let by_protocol = config.by_protocol;
    let spoken = move |bit: &u8| by_protocol && kept.protocols & 1 << *bit != 0;
    let whole = (!by_protocol || kept.protocols == 0).then_some((rank, kept, None));
    (0..32).filter(spoken).map(move |bit| (Rank { protocol: bit, ..rank }, kept, Some(bit))).chain(whole)
}

impl RaceEndpoint {
    /// Returns whether an attempt to one is an attempt to the other.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.address == other.address
            && self.scope_id == other.scope_id
            && self.port == other.port
            && self.protocol == other.protocol
    }
}
