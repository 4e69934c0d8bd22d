//! The addresses that answers gave, and what becomes of each with NAT64.
//!
//! ```text
//!   room for 4, two lists     v6a v6b . .     half of it: as many as are free then
//!                             v6a v6b v4a .   half of what is left
//!   v6a and v4a tried         v6a̶ v6b v4a̶ .   they have a place until another needs it
//!   more of each              v6c v6b v4b v4c it is IPv6's turn: the last that made way was v4a
//! ```

use core::net::IpAddr;

use heapless::Vec;

use crate::select::SortKey;
use crate::{AddressInfo, AttemptId, Config, Family, Kind, Name, Prefix, Source};

/// Where an address came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The caller, without DNS.
    Given,
    Aaaa,
    A,
    /// A hint in the records of this name.
    Hint {
        owner: Name,
        family: Family,
    },
}

impl Via {
    /// That of an answer to a query for addresses, and the family that is asked for.
    pub(crate) fn of(kind: Kind) -> (Self, Family) {
        if kind == Kind::A { (Self::A, Family::Ipv4) } else { (Self::Aaaa, Family::Ipv6) }
    }
}

/// What the order of attempts has for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The order does not know it yet.
    New,
    /// An endpoint that is still to be tried.
    Wanted,
    /// All its endpoints have been tried.
    Spent,
    /// Nothing: the service records leave its name out.
    Unplanned,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) info: AddressInfo,
    pub(crate) name: Name,
    pub(crate) via: Via,
    /// The first attempt to it.
    pub(crate) started: Option<AttemptId>,
    /// The [`Ways`] by which it was tried, a bit each.
    pub(crate) tried: u32,
    /// No answer has it any more. It stays, once started, so that the families go on taking turns.
    pub(crate) gone: bool,
    pub(crate) planned: Use,
    /// As it is sorted: without NAT64.
    pub(crate) original: IpAddr,
    /// As it is connected to.
    pub(crate) connect: IpAddr,
    pub(crate) key: SortKey,
}

impl Entry {
    fn new(info: AddressInfo, name: Name, via: Via, nat: &Nat<'_>) -> Self {
        let (original, connect, key) = nat.effect(&info, via);
        let (started, tried, gone, planned) = (None, 0, false, Use::New);
        Self { info, name, via, started, tried, gone, planned, original, connect, key }
    }

    /// Takes what is known now, and keeps what was done.
    fn renew(&mut self, info: AddressInfo, name: Name, via: Via, nat: &Nat<'_>) {
        let new = Self::new(info, name, via, nat);
        // What was tried as an IPv4 address is another endpoint with NAT64. What came synthesised
        // is not.
        let tried = if new.connect == self.connect || new.extracted() { self.tried } else { 0 };
        *self = Self { started: self.started, tried, ..new };
    }

    /// Whether both are connected to at one address.
    pub(crate) fn leads_where(&self, other: &Self) -> bool {
        self.connect == other.connect && self.info.scope_id == other.info.scope_id
    }

    /// Whether it is an IPv4 address that came as an IPv6 address of the NAT64.
    pub(crate) fn extracted(&self) -> bool {
        self.original.is_ipv4() && self.info.address.is_ipv6()
    }

    /// Whether it takes room from others.
    fn wanted(&self) -> bool {
        matches!(self.planned, Use::New | Use::Wanted)
    }
}

/// How an address is tried: at which port, and for which protocol. Few in any race: a bit for each
/// remembers what was tried for as long as the address has a place, however many attempts there
/// have been since.
#[derive(Debug, Default)]
struct Ways(Vec<(Option<u16>, Option<u8>), 32>);

#[derive(Debug)]
pub(crate) struct Addresses<const N: usize> {
    list: Vec<Entry, N>,
    ways: Ways,
    /// The family of the last that made way after it was tried.
    last: Option<Family>,
}

impl<const N: usize> Addresses<N> {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), ways: Ways(Vec::new()), last: None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.list.iter_mut()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Entry> {
        self.list.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Entry> {
        self.list.get_mut(index)
    }

    /// The family whose turn was last, of those that are not in the list any more.
    pub(crate) fn last(&self) -> Option<Family> {
        self.last
    }

    /// The bit of [`Entry::tried`] for this port and protocol; none if there are too many of them.
    pub(crate) fn way(&mut self, port: Option<u16>, protocol: Option<u8>) -> Option<u32> {
        let Ways(ways) = &mut self.ways;
        let known = ways.iter().position(|way| *way == (port, protocol));
        let place = match known {
            Some(place) => place,
            None => ways.push((port, protocol)).ok().map(|()| ways.len() - 1)?,
        };
        Some(1 << place)
    }

    /// The bits of all ways to this port.
    pub(crate) fn ways_to(&self, port: Option<u16>) -> u32 {
        let Ways(ways) = &self.ways;
        ways.iter().zip(0..).filter(|((to, _), _)| *to == port).fold(0, |bits, (_, place)| bits | 1 << place)
    }

    /// How many more of a list there is room for. A list may have as many as are still free: so one
    /// alone gets half of the room, two a third each, and one more always gets something. `plenty`:
    /// a few are not worth the trouble.
    pub(crate) fn room(&self, of: impl Fn(&Entry) -> bool, plenty: bool) -> usize {
        let mine = || self.list.iter().filter(|entry| !entry.gone && of(entry));
        if mine().any(|entry| entry.planned == Use::Unplanned) {
            return 0;
        }
        let wanted = self.list.iter().filter(|entry| entry.wanted()).count();
        let mine = mine().filter(|entry| entry.wanted()).count();
        let room = N.saturating_sub(wanted + mine).div_ceil(2);
        let worth = if plenty && mine > 0 { N / 8 } else { 0 };
        if room < worth { 0 } else { room }
    }

    /// Whether there was room for all. If not, one of no use makes way; then one of the family that
    /// fills more than half, which counts as left out.
    pub(crate) fn add(&mut self, info: AddressInfo, name: Name, via: Via, nat: &Nat<'_>) -> bool {
        let same = |entry: &&mut Entry| {
            entry.name == name && entry.info.address == info.address && entry.info.scope_id == info.scope_id
        };
        if let Some(known) = self.list.iter_mut().find(same) {
            // What is in the answer twice counts once; what was there before it is the answer's
            // now.
            if known.gone || !matches!(via, Via::Hint { .. }) {
                known.renew(info, name, via, nat);
            }
            return true;
        }
        let fits = !self.list.is_full() || self.make_room(info.address);
        // Without room it is the new one that is dropped.
        let full = self.list.push(Entry::new(info, name, via, nat)).is_err();
        fits && !full
    }

    /// Takes back what the answer held that `of` knows.
    pub(crate) fn withdraw(&mut self, of: impl Fn(&Entry) -> bool) {
        self.list.retain_mut(|entry| {
            entry.gone |= of(entry);
            entry.started.is_some() || !entry.gone
        });
    }

    /// The NAT64 prefix is another.
    pub(crate) fn renew(&mut self, nat: &Nat<'_>) {
        for entry in &mut self.list {
            let gone = entry.gone;
            entry.renew(entry.info, entry.name, entry.via, nat);
            entry.gone = gone;
        }
    }

    /// Makes room for `address` if it can, and says whether nothing of value was lost.
    fn make_room(&mut self, address: IpAddr) -> bool {
        let spent = |entry: &Entry| entry.gone || entry.planned == Use::Spent;
        // First what had no turn of its own, then in the order in which they were tried.
        let spent =
            self.list.iter().enumerate().filter(|(_, entry)| spent(entry)).min_by_key(|(_, entry)| entry.started);
        if let Some((place, entry)) = spent {
            self.last = entry.started.map(|_| entry.key.family()).or(self.last);
            self.list.remove(place);
            return true;
        }
        let family = Family::of(address);
        let other = |entry: &Entry| Family::of(entry.info.address) != family;
        let crowded = self.list.iter().filter(|entry| other(entry)).count() > N / 2;
        let place = (self.list.iter().rposition(|entry| entry.planned == Use::Unplanned))
            .or_else(|| self.list.iter().rposition(|entry| crowded && other(entry) && entry.started.is_none()));
        if let Some(place) = place {
            self.list.remove(place);
        }
        false
    }
}

/// What decides between IPv4, IPv6 and NAT64.
#[derive(Debug)]
pub(crate) struct Nat<'a> {
    pub(crate) prefix: Option<Prefix>,
    pub(crate) config: &'a Config,
}

impl Nat<'_> {
    /// The address to sort as, the address to connect to, and the rank among others.
    fn effect(&self, info: &AddressInfo, via: Via) -> (IpAddr, IpAddr, SortKey) {
        let mut sorted = *info;
        let extracted = match (info.address, self.prefix) {
            (IpAddr::V6(v6), Some(prefix)) if via != Via::Given => prefix.extract(v6),
            _ => None,
        };
        if let Some(v4) = extracted {
            // The source was found for the IPv6 address, and says nothing of the IPv4 one.
            sorted = AddressInfo { address: v4.into(), source: Source::Unknown, ..sorted };
        }
        let mut connect = sorted.address;
        let config = self.config;
        let routed = match sorted.source {
            Source::Unknown => {
                if sorted.address.is_ipv4() {
                    config.ipv4_route
                } else {
                    config.ipv6_route
                }
            }
            Source::Unreachable => false,
            Source::Address(_) => true,
        };
        if !routed {
            sorted.source = Source::Unreachable;
            if let (IpAddr::V4(v4), Some(prefix)) = (sorted.address, self.prefix)
                && let Some(v6) = prefix.synthesise(v4)
            {
                connect = v6.into();
                // It has a way after all; from which address is not known.
                sorted.source = Source::Unknown;
            }
        }
        (sorted.address, connect, SortKey::of(&sorted))
    }
}
