//! What the machine is told, and what it tells.

use core::fmt;
use core::net::IpAddr;

use crate::query::{Name, Query, ServiceId};
use crate::{AddressInfo, Family, Prefix, ServiceRecord};

/// What to connect to.
#[derive(Clone, Copy, Debug)]
pub enum RaceTarget<'a> {
    /// A name, [`Name::ORIGINAL`]. The machine asks for its addresses.
    Name,
    /// Addresses that are known already, such as one that was written instead of a name. No query
    /// is made. Sorted and interleaved like answers; IPv4 addresses without a route are synthesised
    /// (draft §8.3).
    Addresses(&'a [AddressInfo]),
}

/// The answer to a query.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The addresses there are now, which replace those of an earlier answer. None: no record of
    /// that type, or no such name (NXDOMAIN).
    Addresses(&'a [AddressInfo]),
    /// The first of the addresses there are now, as many as there is [room](crate::Machine::room)
    /// for; the others follow by [`RaceInput::More`]. Otherwise as [`Addresses`](Self::Addresses).
    First(&'a [AddressInfo]),
    /// The SVCB or HTTPS records there are now, which replace those of an earlier answer. None: as
    /// above.
    Services(&'a [ServiceRecord<'a>]),
    /// Not known: SERVFAIL, a timeout, a failed validation. Counts as a negative answer if there
    /// was none before, and otherwise changes nothing.
    Failed,
}

/// A list of addresses that may be given in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// The answer to a query for addresses.
    Answer(Query),
    /// The hints of one family in a service record.
    Hints(ServiceId, Family),
}

/// What happened. Whatever names a query that was not asked or an attempt that does not run is
/// ignored, and so is everything after the end.
#[derive(Clone, Copy, Debug)]
pub enum RaceInput<'a, E> {
    /// An answer came, or changed: by a push or a query made again.
    Answer {
        /// The query.
        query: Query,
        /// Its answer.
        answer: Answer<'a>,
    },
    /// More addresses of a list that was given in part. To be given for as long as there is
    /// [room](crate::Machine::room): the race does not end before. What it has no room for is left
    /// out.
    More {
        /// Of which list.
        list: List,
        /// The addresses, in the list's order.
        addresses: &'a [AddressInfo],
        /// Whether these are the last of it.
        last: bool,
    },
    /// A lower handshake of the attempt is done, and an upper one has begun.
    Progress {
        /// Which.
        attempt: AttemptId,
    },
    /// The attempt is connected, all its handshakes done.
    Succeeded {
        /// Which.
        attempt: AttemptId,
    },
    /// The attempt failed; also one that succeeded, if the connection is lost before
    /// [`RaceOutput::Won`].
    Failed {
        /// Which.
        attempt: AttemptId,
        /// Why.
        reason: E,
        /// Whether a packet may have been sent. Only an attempt that surely sent none does not
        /// count for pacing.
        sent: bool,
    },
    /// The network's NAT64 prefix became known (RFC 8781, RFC 7050), or changed.
    Prefix(Prefix),
    /// Nobody waits for the connection any more: every attempt is cancelled.
    Cancel,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaceOutput<T> {
    /// Ask this query, without waiting for the answers of others.
    Query(Query),
    /// Start connecting.
    Start {
        /// The number of the attempt, by which to tell of it.
        attempt: AttemptId,
        /// Where to.
        endpoint: RaceEndpoint,
    },
    /// Stop this attempt, and close it if it is connected.
    Cancel {
        /// Which.
        attempt: AttemptId,
    },
    /// Ask for output again at this time, if nothing happens earlier. Replaces what was said
    /// before: without it, there is nothing to wait for but input.
    Wake(T),
    /// This attempt is the connection. The end: nothing follows.
    Won {
        /// Which.
        attempt: AttemptId,
    },
    /// There is no connection. The end: nothing follows.
    Failed(Failure),
}

/// One attempt of a race. They are numbered in the order in which they start: 65,536 at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub u16);

/// Where an attempt connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RaceEndpoint {
    /// The address to connect to.
    pub address: IpAddr,
    /// The zone of a link-local address.
    pub scope_id: u32,
    /// The address without NAT64: differs from [`address`](Self::address) where that was
    /// synthesised.
    pub original: IpAddr,
    /// The port, if a service gives another than the caller's own
    /// ([`Config::port`](crate::Config::port)).
    pub port: Option<u16>,
    /// The name whose address it is.
    pub name: Name,
    /// The SVCB or HTTPS record it belongs to.
    pub service: Option<ServiceId>,
    /// The protocol it is tried for, as a place in [`Config::protocols`](crate::Config::protocols):
    /// only when grouped by protocol.
    pub protocol: Option<u8>,
}

/// How a race ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// With a connection.
    Won(AttemptId),
    /// Without one.
    Failed(Failure),
    /// By [`RaceInput::Cancel`].
    Cancelled,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The answers held no address that could be tried.
    NoAddresses,
    /// The service records leave no way to connect, and no attempt was made: the client does not
    /// understand them, speaks none of their protocols, or they give port 0. [`Dropped`] counts
    /// which.
    NoService,
    /// Every attempt failed. [`Machine::attempts`](crate::Machine::attempts) has the latest
    /// reasons.
    AllFailed,
    /// The query for SVCB or HTTPS records failed, and with protected DNS that may be a downgrade
    /// attack (draft §6.3).
    Services,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAddresses => "no usable address in the answers",
            Self::NoService => "the service records leave no way to connect",
            Self::AllFailed => "every connection attempt failed",
            Self::Services => "the lookup of service records failed over protected DNS",
        })
    }
}

impl core::error::Error for Failure {}

/// How much was left out, because it could not be used or there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Unspecified, multicast and broadcast addresses.
    pub unusable: u32,
    /// Addresses for which there was no [room](crate::Machine::room) when they were given.
    pub addresses: u32,
    /// Records beyond the capacity `SERVICES`.
    pub services: u32,
    /// Queries beyond the capacity `QUERIES`.
    pub queries: u32,
    /// Aliases that ran in a circle or were nested too deep.
    pub aliases: u32,
    /// Records with a mandatory key that the client does not know
    /// ([`ServiceRecord::unsupported`](crate::ServiceRecord)).
    pub unsupported: u32,
    /// Records of services that speak none of the [`Config::protocols`](crate::Config::protocols).
    pub protocols: u32,
    /// Records with port 0.
    pub ports: u32,
}

impl Dropped {
    /// All together.
    #[must_use]
    pub fn total(&self) -> u32 {
        let Self { unusable, addresses, services, queries, aliases, .. } = self;
        let records = [self.records(), *services, *queries, *aliases];
        records.into_iter().fold(unusable.saturating_add(*addresses), u32::saturating_add)
    }

    /// The records that are of no use to the client.
    pub(crate) fn records(&self) -> u32 {
        self.unsupported.saturating_add(self.protocols).saturating_add(self.ports)
    }
}
