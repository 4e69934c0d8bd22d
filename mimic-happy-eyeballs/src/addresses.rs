//! The addresses that answers gave, and what becomes of each with NAT64.

use core::net::IpAddr;

use heapless::Vec;

use crate::select::Key;
use crate::{Candidate, Config, Family, Name, Prefix, Source};

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

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) candidate: Candidate,
    pub(crate) name: Name,
    pub(crate) via: Via,
    /// An attempt to it has started.
    pub(crate) started: bool,
    /// No answer has it any more. It stays, once started, so that the families go on taking turns.
    pub(crate) gone: bool,
    /// As it is sorted: without NAT64.
    pub(crate) original: IpAddr,
    /// As it is connected to.
    pub(crate) connect: IpAddr,
    pub(crate) key: Key,
}

impl Entry {
    /// Whether both are connected to at one address.
    pub(crate) fn leads_where(&self, other: &Self) -> bool {
        self.connect == other.connect && self.candidate.scope_id == other.candidate.scope_id
    }

    /// Whether it is an IPv4 address that came as an IPv6 address of the NAT64.
    pub(crate) fn extracted(&self) -> bool {
        self.original.is_ipv4() && self.candidate.address.is_ipv6()
    }
}

#[derive(Debug)]
pub(crate) struct Addresses<const N: usize>(Vec<Entry, N>);

impl<const N: usize> Addresses<N> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Entry> {
        self.0.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Entry> {
        self.0.get_mut(index)
    }

    /// Whether there was room for all: if not, an address of the family that fills more than half makes way.
    pub(crate) fn add(&mut self, candidate: Candidate, name: Name, via: Via, nat: &Nat<'_>) -> bool {
        let same = |entry: &&mut Entry| {
            entry.name == name
                && entry.candidate.address == candidate.address
                && entry.candidate.scope_id == candidate.scope_id
        };
        let (original, connect, key) = nat.effect(&candidate, via);
        if let Some(known) = self.0.iter_mut().find(same) {
            // What is in the answer twice counts once; what was there before it is the answer's now.
            if known.gone || !matches!(via, Via::Hint { .. }) {
                *known = Entry { candidate, name, via, started: known.started, gone: false, original, connect, key };
            }
            return true;
        }
        let fits = !self.0.is_full() || self.make_room(candidate.address);
        let new = Entry { candidate, name, via, started: false, gone: false, original, connect, key };
        // Without room it is the new one that is dropped.
        let full = self.0.push(new).is_err();
        fits && !full
    }

    /// Takes back what the answer held that `of` knows.
    pub(crate) fn withdraw(&mut self, of: impl Fn(&Entry) -> bool) {
        self.0.retain_mut(|entry| {
            entry.gone |= of(entry);
            entry.started || !entry.gone
        });
    }

    /// The NAT64 prefix is another.
    pub(crate) fn renew(&mut self, nat: &Nat<'_>) {
        for entry in &mut self.0 {
            (entry.original, entry.connect, entry.key) = nat.effect(&entry.candidate, entry.via);
        }
    }

    /// Makes room for `address` if it can, and says whether nothing of value was lost.
    fn make_room(&mut self, address: IpAddr) -> bool {
        if let Some(place) = self.0.iter().position(|entry| entry.gone) {
            self.0.remove(place);
            return true;
        }
        let family = Family::of(address);
        let other = |entry: &Entry| Family::of(entry.candidate.address) != family;
        if self.0.iter().filter(|entry| other(entry)).count() > N / 2
            && let Some(place) = self.0.iter().rposition(|entry| other(entry) && !entry.started)
        {
            self.0.remove(place);
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
    fn effect(&self, candidate: &Candidate, via: Via) -> (IpAddr, IpAddr, Key) {
        let mut sorted = *candidate;
        let extracted = match (candidate.address, self.prefix) {
            (IpAddr::V6(v6), Some(prefix)) if via != Via::Given => prefix.extract(v6),
            _ => None,
        };
        if let Some(v4) = extracted {
            // The source was found for the IPv6 address, and says nothing of the IPv4 one.
            sorted = Candidate { address: v4.into(), source: Source::Unknown, ..sorted };
        }
        let mut connect = sorted.address;
        let routed = match sorted.source {
            Source::Unknown => self.config.ipv4_route,
            Source::Unreachable => false,
            Source::Address(_) => true,
        };
        if let (IpAddr::V4(v4), Some(prefix), false) = (sorted.address, self.prefix, routed)
            && let Some(v6) = prefix.synthesise(v4)
        {
            connect = v6.into();
            // It has a way after all; from which address is not known.
            sorted.source = Source::Unknown;
        }
        (sorted.address, connect, Key::of(&sorted))
    }
}
