//! In which order endpoints are tried (§5): grouped, sorted within each group, interleaved, and flattened into a list.

use core::cmp::Ordering;

use heapless::Vec;

use crate::addresses::{Addresses, Entry};
use crate::attempts::Attempts;
use crate::queries::{ALIASES, Queries};
use crate::select::Key;
use crate::services::{Kept, Services};
use crate::{Config, Endpoint, Name, ServiceId};

/// The list, with those that have been tried, so that the families take turns as if all answers had come at once (§7).
#[derive(Debug)]
pub(crate) struct Order<const N: usize> {
    list: Vec<Planned, N>,
    /// Before it, all have been tried.
    next: usize,
    /// How many did not fit.
    overflow: u32,
}

/// Kept small, as it is moved about.
#[derive(Debug)]
struct Planned {
    key: Key,
    entry: usize,
    service: Option<ServiceId>,
    port: Option<u16>,
    protocol: Option<u8>,
    tried: bool,
}

impl Planned {
    fn endpoint(&self, entry: &Entry) -> Endpoint {
        Endpoint {
            address: entry.connect,
            scope_id: entry.candidate.scope_id,
            original: entry.original,
            port: self.port,
            name: entry.name,
            service: self.service,
            protocol: self.protocol,
        }
    }
}

/// What a group is sorted by; a lower one comes first.
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
        Self { list: Vec::new(), next: 0, overflow: 0 }
    }

    pub(crate) fn overflow(&self) -> u32 {
        self.overflow
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.next >= self.list.len()
    }

    /// The next to try, and whose address it is.
    pub(crate) fn next<'a>(&self, addresses: &'a mut Addresses<N>) -> Option<(Endpoint, &'a mut Entry)> {
        let planned = self.list.get(self.next)?;
        let entry = addresses.get_mut(planned.entry)?;
        Some((planned.endpoint(entry), entry))
    }

    /// How many are left to try.
    pub(crate) fn left(&self) -> u32 {
        let left = self.list.iter().skip(self.next).filter(|planned| !planned.tried).count();
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    pub(crate) fn tried(&mut self) {
        if let Some(planned) = self.list.get_mut(self.next) {
            planned.tried = true;
        }
        self.skip();
    }

    fn skip(&mut self) {
        self.next += self.list.iter().skip(self.next).take_while(|planned| planned.tried).count();
    }

    pub(crate) fn rebuild<E, const S: usize, const Q: usize>(
        &mut self,
        addresses: &Addresses<N>,
        services: &Services<S>,
        queries: &Queries<Q>,
        attempts: &Attempts<E, N>,
        config: &Config,
    ) {
        self.list.clear();
        self.next = 0;
        self.overflow = 0;
        let chain: Vec<Name, { ALIASES + 1 }> = queries.chain().collect();
        let owner = chain.last().copied().unwrap_or(Name::ORIGINAL);

        let ranks = || services.of(owner).filter(|kept| kept.usable).flat_map(|kept| ranks(kept, config));
        let mut done = None;
        while let Some(rank) = ranks().map(|(rank, ..)| rank).filter(|rank| done.is_none_or(|done| *rank > done)).min()
        {
            let from = self.list.len();
            for (_, kept, protocol) in ranks().filter(|(other, ..)| *other == rank) {
                self.add(from, kept.target, Some((kept, protocol)), addresses, attempts);
            }
            self.interleave(from, config);
            done = Some(rank);
        }
        // Addresses without a service come last (§5.2), those of what a name is an alias for before its own.
        for name in chain.iter().rev() {
            if !services.of(owner).any(|kept| kept.target == *name) {
                let from = self.list.len();
                self.add(from, *name, None, addresses, attempts);
                self.interleave(from, config);
            }
        }
        self.skip();
    }

    /// Adds the addresses of `name` to the group that begins at `from`, in RFC 6724's order.
    fn add<E>(
        &mut self,
        from: usize,
        name: Name,
        service: Option<(&Kept, Option<u8>)>,
        addresses: &Addresses<N>,
        attempts: &Attempts<E, N>,
    ) {
        for (index, entry) in addresses.iter().enumerate().filter(|(_, entry)| entry.name == name) {
            // Of an IPv4 address that came as such, too, more is known.
            if entry.extracted()
                && addresses.iter().any(|other| other.name == name && other.candidate.address == entry.original)
            {
                continue;
            }
            let mut new = Planned {
                key: entry.key,
                entry: index,
                service: service.map(|(kept, _)| kept.id),
                port: service.and_then(|(kept, _)| kept.port),
                protocol: service.and_then(|(_, protocol)| protocol),
                tried: false,
            };
            if !attempts.list().is_empty() {
                let endpoint = new.endpoint(entry);
                // What was tried before the NAT64 prefix was known is not tried again without it.
                let before = Endpoint { address: entry.candidate.address, ..endpoint };
                new.tried = attempts.tried(&endpoint) || (entry.extracted() && attempts.tried(&before));
            }
            let same = |other: &&mut Planned| {
                other.port == new.port
                    && other.protocol == new.protocol
                    && addresses.get(other.entry).is_some_and(|other| other.leads_where(entry))
            };
            if let Some(same) = self.list.iter_mut().find(same) {
                same.tried &= entry.gone || new.tried;
                continue;
            }
            new.tried |= entry.gone;
            let after = |other: &Planned| new.key.compare(&other.key) == Ordering::Less;
            let place = self.list.iter().skip(from).position(after).map_or(self.list.len(), |place| from + place);
            if self.list.insert(place, new).is_err() {
                self.overflow = self.overflow.saturating_add(1);
            }
        }
    }

    /// "Whichever address family is first in the list should be followed by an endpoint of the other" (§5.3).
    fn interleave(&mut self, from: usize, config: &Config) {
        let Some(group) = self.list.get_mut(from..).filter(|_| config.interleave) else { return };
        let Some(first) = group.first().map(|planned| planned.key.family()) else { return };
        let count = usize::from(config.family_count.max(1));
        for place in 0..group.len() {
            let turn = place < count || place % 2 != count % 2;
            let wanted = |planned: &Planned| (planned.key.family() == first) == turn;
            let Some(rest) = group.get_mut(place..) else { return };
            let Some(found) = rest.iter().position(wanted) else { return };
            if let Some(moved) = rest.get_mut(..=found) {
                moved.rotate_right(1);
            }
        }
    }
}

/// The groups that a service is in: one, or one for each protocol.
fn ranks<'a>(kept: &'a Kept, config: &Config) -> impl Iterator<Item = (Rank, &'a Kept, Option<u8>)> + use<'a> {
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

impl Endpoint {
    /// Whether an attempt to one is an attempt to the other.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.address == other.address
            && self.scope_id == other.scope_id
            && self.port == other.port
            && self.protocol == other.protocol
    }
}
