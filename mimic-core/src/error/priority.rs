//! The rank of a registration.

use core::fmt;

/// The rank of a candidate or a function: lower first; equal ranks, latest registered first;
/// [`NONE`](Priority::NONE) last.
///
/// Made from a number: `register(Transport, "tcp", 100, …)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(i64);

impl Priority {
    /// After every number.
    pub const NONE: Self = Self(i64::MAX);
}

impl From<i32> for Priority {
    fn from(rank: i32) -> Self {
        Self(rank.into())
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("last"),
            Self(rank) => write!(f, "{rank}"),
        }
    }
}
