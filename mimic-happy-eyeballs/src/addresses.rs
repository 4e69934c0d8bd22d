//! The addresses of all answers, and the effect of NAT64 on each.
//!
//! ```text
//!   room for 4, two lists   v6a  v6b   .    .     the first list gets half of the room
//!                           v6a  v6b  v4a   .     the second, half of the rest
//!   v6a, v4a are tried     (v6a) v6b (v4a)  .     they keep their places for now
//!   v6c and v4b come        v6b (v4a) v6c  v4b    v4b took the place of v6a
//!   order                  (v4a) v6b  v4b  v6c    v6a had IPv6's turn, so IPv4 is next
//! ```

use core::net::IpAddr;

use heapless::Vec;

use crate::select::SortKey;
use crate::{AddressInfo, AttemptId, Config, Family, Kind, Name, Prefix, Source};

/// The origin of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The caller gave it, without DNS.
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
    /// Returns the origin of answers to a query for addresses, and their family.
    pub(crate) fn of(kind: Kind) -> (Self, Family) {
        if kind == Kind::A { (Self::A, Family::Ipv4) } else { (Self::Aaaa, Family::Ipv6) }
    }
}

/// The use that the order of attempts has for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Not known to the order yet.
    New,
    /// Has an endpoint that is still to be tried.
    Wanted,
    /// All its endpoints were tried.
    Spent,
    /// None: the service records leave its name out.
    Unplanned,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) info: AddressInfo,
    pub(crate) name: Name,
    pub(crate) via: Via,
    /// The first attempt to the address.
    pub(crate) started: Option<AttemptId>,
    /// The [`Ways`] of the attempts to it, a bit each.
    pub(crate) tried: u32,
    /// No answer has it any more. An entry that was tried stays, so that the families go on taking
    /// turns.
    pub(crate) gone: bool,
    pub(crate) planned: Use,
    /// The address for sorting: without NAT64.
    pub(crate) original: IpAddr,
    /// The address for connecting.
    pub(crate) connect: IpAddr,
    pub(crate) key: SortKey,
}

impl Entry {
    fn new(info: AddressInfo, name: Name, via: Via, nat: &Nat<'_>) -> Self {
        let (original, connect, key) = nat.effect(&info, via);
        let (started, tried, gone, planned) = (None, 0, false, Use::New);
        Self { info, name, via, started, tried, gone, planned, original, connect, key }
    }

    /// Takes the new facts, and keeps the record of attempts.
    fn renew(&mut self, info: AddressInfo, name: Name, via: Via, nat: &Nat<'_>) {
        let new = Self::new(info, name, via, nat);
        // With NAT64, an IPv4 address that was tried is another endpoint. One that came synthesised
        // is the same.
        let tried = if new.connect == self.connect || new.extracted() { self.tried } else { 0 };
        *self = Self { started: self.started, tried, ..new };
    }

    /// Returns whether both connect to the same address.
    pub(crate) fn leads_where(&self, other: &Self) -> bool {
        self.connect == other.connect && self.info.scope_id == other.info.scope_id
    }

    /// Returns whether the IPv4 address was extracted from an IPv6 address of the NAT64.
    pub(crate) fn extracted(&self) -> bool {
        self.original.is_ipv4() && self.info.address.is_ipv6()
    }

    /// Returns whether the entry counts against the room.
    fn wanted(&self) -> bool {
        matches!(self.planned, Use::New | Use::Wanted)
    }
}

/// The ways to try an address: pairs of port and protocol. A race has few of them. One bit each
/// records which were tried, for as long as the address has a place, even if the attempt is
/// forgotten.
#[derive(Debug, Default)]
struct Ways(Vec<(Option<u16>, Option<u8>), 32>);

#[derive(Debug)]
pub(crate) struct Addresses<const N: usize> {
    list: Vec<Entry, N>,
    ways: Ways,
    /// The family of the last address that was replaced after its attempt.
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

    /// Returns the family that had the last turn among the replaced addresses.
    pub(crate) fn last(&self) -> Option<Family> {
        self.last
    }

    /// Returns the bit of [`Entry::tried`] for this port and protocol; none beyond 32 of them.
    pub(crate) fn way(&mut self, port: Option<u16>, protocol: Option<u8>) -> Option<u32> {
        let Ways(ways) = &mut self.ways;
        let known = ways.iter().position(|way| *way == (port, protocol));
        let place = match known {
            Some(place) => place,
            None => ways.push((port, protocol)).ok().map(|()| ways.len() - 1)?,
        };
        Some(1 << place)
    }

    /// Returns the bits of all ways to this port.
    pub(crate) fn ways_to(&self, port: Option<u16>) -> u32 {
        let Ways(ways) = &self.ways;
        ways.iter().zip(0..).filter(|((to, _), _)| *to == port).fold(0, |bits, (_, place)| bits | 1 << place)
    }

    /// Returns how many more addresses of a list have room. A list may hold as many as stay free:
    /// one list gets half of the room, two get a third each, and a further one always gets some.
    /// `plenty`: a small number is returned as 0, since it is not worth a step.
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

    /// Adds an address, and returns false if one was dropped for lack of room. In a full list it
    /// replaces one without use, or else one of the family that fills more than half. The latter
    /// counts as dropped.
    pub(crate) fn add(&mut self, info: AddressInfo, name: Name, via: Via, nat: &Nat<'_>) -> bool {
        let same = |entry: &&mut Entry| {
            entry.name == name && entry.info.address == info.address && entry.info.scope_id == info.scope_id
        };
        if let Some(known) = self.list.iter_mut().find(same) {
            // A repeated address counts once. An earlier entry now belongs to this answer.
            if known.gone || !matches!(via, Via::Hint { .. }) {
                known.renew(info, name, via, nat);
            }
            return true;
        }
        let fits = !self.list.is_full() || self.make_room(info.address);
        // If none can be replaced, the new one is dropped.
        let full = self.list.push(Entry::new(info, name, via, nat)).is_err();
        fits && !full
    }

    /// Withdraws the entries that `of` selects. Those that were tried stay, marked as gone.
    pub(crate) fn withdraw(&mut self, of: impl Fn(&Entry) -> bool) {
        self.list.retain_mut(|entry| {
            entry.gone |= of(entry);
            entry.started.is_some() || !entry.gone
        });
    }

    /// Applies a changed NAT64 prefix to all entries.
    pub(crate) fn renew(&mut self, nat: &Nat<'_>) {
        for entry in &mut self.list {
            let gone = entry.gone;
            entry.renew(entry.info, entry.name, entry.via, nat);
            entry.gone = gone;
        }
    }

    /// Makes room for `address` if it can. Returns whether it lost nothing that was still to be
    /// tried.
    fn make_room(&mut self, address: IpAddr) -> bool {
        let spent = |entry: &Entry| entry.gone || entry.planned == Use::Spent;
        // Entries that were never tried go first, then the others in the order of their attempts.
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

/// Decides between IPv4, IPv6 and NAT64.
#[derive(Debug)]
pub(crate) struct Nat<'a> {
    pub(crate) prefix: Option<Prefix>,
    pub(crate) config: &'a Config,
}

impl Nat<'_> {
    /// Returns the address for sorting, the address for connecting, and the sort key.
    fn effect(&self, info: &AddressInfo, via: Via) -> (IpAddr, IpAddr, SortKey) {
        let mut sorted = *info;
        let extracted = match (info.address, self.prefix) {
            (IpAddr::V6(v6), Some(prefix)) if via != Via::Given => prefix.extract(v6),
            _ => None,
        };
        if let Some(v4) = extracted {
            // The source belongs to the IPv6 address, and tells nothing about the IPv4 one.
            sorted = AddressInfo { address: v4.into(), source: Source::Unknown, ..sorted };
        }
        let mut connect = sorted.address;
        let config = self.config;
        let routed = match sorted.source {
            Source::Unknown if sorted.address.is_ipv4() => config.ipv4_route,
            Source::Unknown => config.ipv6_route,
            Source::Unreachable => false,
            Source::Address(_) => true,
        };
        if !routed {
            sorted.source = Source::Unreachable;
            if let (IpAddr::V4(v4), Some(prefix)) = (sorted.address, self.prefix)
                && let Some(v6) = prefix.synthesise(v4)
            {
                connect = v6.into();
                // NAT64 makes it reachable, from an unknown source address.
                sorted.source = Source::Unknown;
            }
        }
        (sorted.address, connect, SortKey::of(&sorted))
    }
}
