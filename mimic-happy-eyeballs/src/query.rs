//! Queries to DNS. Names and service records are numbers.

/// The number of a name. The machine stores no strings: the caller numbers the names in SVCB
/// records, and always gives the same name the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u16);

impl Name {
    /// The name of the target.
    pub const ORIGINAL: Self = Self(0);
}

/// A type of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HTTPS records.
    Https,
    /// SVCB records.
    Svcb,
    /// IPv6 addresses.
    Aaaa,
    /// IPv4 addresses.
    A,
}

/// One DNS query. The machine asks it once. It may have several answers, of which each replaces the
/// one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The name.
    pub name: Name,
    /// The type of records.
    pub kind: Kind,
}

/// The number of a record of an [`Answer::Services`](crate::Answer::Services).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceId {
    /// The name of the query.
    pub owner: Name,
    /// The position in the latest answer when the attempt started.
    pub index: u16,
}
