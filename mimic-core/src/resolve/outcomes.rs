//! The outcomes that a goal can have, whatever its functions answer.
//!
//! ```text
//! found for a need             rule of the engine     outcomes of the need
//! a value, perhaps none        applies, or skipped    applies, skipped  ─ "maybe"
//! none                         an error               errors            ─ "fails"
//! ```

use alloc::string::String;

use crate::Verdict;
use crate::registry::need::{Found, Met, NeedKind, NeedSpec};
use crate::registry::value::Value;

/// A set of outcomes. More than one is a "maybe".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub(super) applies: bool,
    pub(super) skipped: bool,
    /// The resolve ends there.
    pub(super) errors: bool,
}

impl Outcomes {
    pub(super) const APPLIES: Self = Self { applies: true, skipped: false, errors: false };
    pub(super) const SKIPPED: Self = Self { applies: false, skipped: true, errors: false };
    pub(super) const ERRORS: Self = Self { applies: false, skipped: false, errors: true };
    pub(super) const ANY: Self = Self { applies: true, skipped: true, errors: true };

    /// Returns the outcomes of a need: the engine's rule, applied to each outcome of what there is
    /// for it. `value` is the value, if it is known.
    pub(super) fn of_need(need: &NeedSpec, found: Self, value: Option<&Value>, is_committed: bool) -> Self {
        let rule = |found| match need.is_met(found, is_committed) {
            Met::Yes => Self::APPLIES,
            Met::Skip => Self::SKIPPED,
            Met::Missing => Self::ERRORS,
        };
        let mut outcomes = Self { errors: found.errors, ..Self::default() };
        if found.applies {
            outcomes = outcomes.or(rule(value.map_or(Found::Something, Found::Value)));
            // A value that is not known may be another than the gate asks for.
            outcomes.skipped |= value.is_none() && matches!(need.kind, NeedKind::Is(_));
        }
        if found.skipped {
            outcomes = outcomes.or(rule(Found::Nothing));
        }
        outcomes
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            applies: self.applies || other.applies,
            skipped: self.skipped || other.skipped,
            errors: self.errors || other.errors,
        }
    }

    pub(super) fn verdict(self, reason: String) -> Verdict {
        match self {
            Self::APPLIES => Verdict::Applies,
            Self::SKIPPED => Verdict::Skipped(reason),
            Self::ERRORS => Verdict::Errors(reason),
            _ => Verdict::Depends(reason),
        }
    }
}
