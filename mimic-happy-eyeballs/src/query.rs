//! What is asked of DNS: names, types of records, and the services that answers name, by numbers.

/// A name to ask about, as a small number. The machine stores no strings: the caller numbers the
/// names that it meets in SVCB records, the same name always by the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u16);

impl Name {
    /// The name to connect to.
    pub const ORIGINAL: Self = Self(0);
}

/// Which records to ask for.
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

/// One DNS query. It is asked once; there may be several answers to it, the later replacing the
/// earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The name.
    pub name: Name,
    /// The type of records.
    pub kind: Kind,
}

/// A record of an [`Answer::Services`](crate::Answer::Services).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceId {
    /// The name that was asked.
    pub owner: Name,
    /// The place in the latest answer at the time the attempt started.
    pub index: u16,
}
