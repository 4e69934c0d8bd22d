//! The inputs and outputs of the machine.

use core::fmt;
use core::net::IpAddr;

use crate::query::{Name, Query, ServiceId};
use crate::{AddressInfo, Family, Prefix, ServiceRecord};

/// The target of a race.
#[derive(Clone, Copy, Debug)]
pub enum RaceTarget<'a> {
    /// A name, [`Name::ORIGINAL`]. The machine asks for its addresses.
    Name,
    /// Known addresses, such as one that stands in place of a name. No query is made. They are
    /// sorted and interleaved like answers. IPv4 addresses without a route are synthesised (draft
    /// §8.3).
    Addresses(&'a [AddressInfo]),
}

/// The answer to a query.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The current addresses, in place of those of an earlier answer. An empty list means no record
    /// of that type, or no such name (NXDOMAIN).
    Addresses(&'a [AddressInfo]),
    /// The first of the current addresses, as many as the machine has
    /// [room](crate::Machine::room) for. The others follow by [`RaceInput::More`]. Otherwise as
    /// [`Addresses`](Self::Addresses).
    First(&'a [AddressInfo]),
    /// The current SVCB or HTTPS records, in place of those of an earlier answer. An empty list: as
    /// above.
    Services(&'a [ServiceRecord<'a>]),
    /// No answer: SERVFAIL, a timeout, a failed validation. Counts as a negative answer if the
    /// query had no answer before, and otherwise changes nothing.
    Failed,
}

/// A list of addresses that the caller may give in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// The answer to a query for addresses.
    Answer(Query),
    /// The hints of one family in a service record.
    Hints(ServiceId, Family),
}

/// An event that the caller reports to the machine.
///
/// The machine ignores inputs about queries that it did not ask and attempts that do not run, and
/// all inputs after the end.
#[derive(Clone, Copy, Debug)]
pub enum RaceInput<'a, E> {
    /// An answer arrived, or changed by a push or a repeated query.
    Answer {
        /// The query.
        query: Query,
        /// The answer.
        answer: Answer<'a>,
    },
    /// More addresses of a list that was given in part. The caller gives them for as long as the
    /// machine has [room](crate::Machine::room): the race does not fail before. Addresses beyond
    /// the room are dropped.
    More {
        /// The list.
        list: List,
        /// The addresses, in the order of the list.
        addresses: &'a [AddressInfo],
        /// Whether the list ends with these.
        last: bool,
    },
    /// A lower handshake of the attempt is complete, and an upper one has begun.
    Progress {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The attempt is connected, and all its handshakes are complete.
    Succeeded {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The attempt failed, or it succeeded and its connection was lost before [`RaceOutput::Won`].
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// The reason.
        reason: E,
        /// Whether the attempt may have sent a packet. Pacing disregards an attempt that surely
        /// sent none.
        sent: bool,
    },
    /// The NAT64 prefix of the network became known (RFC 8781, RFC 7050), or changed.
    Prefix(Prefix),
    /// The connection is no longer wanted: every attempt is cancelled.
    Cancel,
}

/// An action for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaceOutput<T> {
    /// Make this query, without waiting for the answers to others.
    Query(Query),
    /// Start connecting.
    Start {
        /// The number by which inputs name the attempt.
        attempt: AttemptId,
        /// The endpoint to connect to.
        endpoint: RaceEndpoint,
    },
    /// Stop this attempt, and close it if it is connected.
    Cancel {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Ask for output again at this time, unless an input comes earlier. Replaces an earlier one.
    /// Without one, the machine waits for input alone.
    Wake(T),
    /// This attempt is the connection. No output follows.
    Won {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The race has no connection. No output follows.
    Failed(Failure),
}

/// The number of an attempt. Attempts count up in the order in which they start, to 65,536 at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub u16);

/// The endpoint of an attempt, in the draft's sense: an address with its port and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RaceEndpoint {
    /// The address to connect to.
    pub address: IpAddr,
    /// The zone of a link-local address.
    pub scope_id: u32,
    /// The address without NAT64. Differs from [`address`](Self::address) if that is synthesised.
    pub original: IpAddr,
    /// The port, if a service record gives another than the caller's own
    /// ([`Config::port`](crate::Config::port)).
    pub port: Option<u16>,
    /// The name that has the address.
    pub name: Name,
    /// The SVCB or HTTPS record that the endpoint belongs to.
    pub service: Option<ServiceId>,
    /// The protocol of the attempt, as an index into
    /// [`Config::protocols`](crate::Config::protocols). Given only with
    /// [`Config::group_by_protocol`](crate::Config::group_by_protocol).
    pub protocol: Option<u8>,
}

/// The end of a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// This attempt is the connection.
    Won(AttemptId),
    /// The race failed.
    Failed(Failure),
    /// The caller ended it by [`RaceInput::Cancel`].
    Cancelled,
}

/// The reason why a race has no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The answers have no address that can be tried.
    NoAddresses,
    /// The service records leave no way to connect, and no attempt was made. The client does not
    /// understand them or speaks none of their protocols, or they give port 0. [`Dropped`] counts
    /// each case.
    NoService,
    /// Every attempt failed. [`Machine::attempts`](crate::Machine::attempts) has the latest
    /// reasons.
    AllFailed,
    /// The query for SVCB or HTTPS records failed. With protected DNS that may be a downgrade
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

/// Counts of addresses, records and queries that were dropped, as unusable or for lack of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Unspecified, multicast and broadcast addresses.
    pub unusable: u32,
    /// Addresses that came when the machine had no [room](crate::Machine::room).
    pub addresses: u32,
    /// Records beyond the capacity `SERVICES`.
    pub services: u32,
    /// Queries beyond the capacity `QUERIES`.
    pub queries: u32,
    /// Aliases that form a circle or are nested too deep.
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
    /// Returns the sum of all counts.
    #[must_use]
    pub fn total(&self) -> u32 {
        let Self { unusable, addresses, services, queries, aliases, .. } = self;
        let records = [self.records(), *services, *queries, *aliases];
        records.into_iter().fold(unusable.saturating_add(*addresses), u32::saturating_add)
    }

    /// Returns how many records the client cannot use.
    pub(crate) fn records(&self) -> u32 {
        self.unsupported.saturating_add(self.protocols).saturating_add(self.ports)
    }
}
