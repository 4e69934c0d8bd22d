//! The rank of a registration.

use core::fmt;

/// The rank of a candidate or a function: lower first; equal ranks, latest registered first;
/// [`NONE`](Priority::NONE) last.
///
/// Made from a number: `register(Transport, "tcp", 100, …)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(Rank);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    At(i32),
    Last,
}

impl Priority {
    /// After every number.
    pub const NONE: Self = Self(Rank::Last);
}

impl From<i32> for Priority {
    fn from(rank: i32) -> Self {
        Self(Rank::At(rank))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rank::At(rank) => write!(f, "{rank}"),
            Rank::Last => f.write_str("last"),
        }
    }
}
