//! Needs as data, and the rule that decides whether one is met.
//!
//! ```text
//! when(is(Scheme, "gopher")).needs((req(Host), or_default(Port, 70), over(Transport)))
//!
//!   evaluated   kind                 found    not found
//!   1           Scheme is "gopher"   applies  skipped       a gate: no argument
//!   2           req Host             applies  an error      argument 0
//!   3           or_default Port      applies  applies       argument 1
//!   4           over Transport       applies  an error      argument 2
//! ```
//!
//! A candidate with a gate is committed: once its gates are open, a missing need is an error.
//! Without a gate the candidate is skipped instead, and the next one is tried. A layer is always
//! committed, a function never (`Registration::is_committed`).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::marker::PhantomData;

use super::value::Value;
use crate::Key;
use crate::escape::{HIDDEN, debug};
use crate::id::Id;
use crate::sync::Arc;

/// One need as data.
#[derive(Clone)]
pub(crate) struct NeedSpec {
    pub(crate) id: Id,
    pub(crate) kind: NeedKind,
    /// The number of the argument that it takes from the inputs of the plan. `None` for a gate that
    /// only decides, and for a handshake, which comes with each dial.
    pub(crate) argument: Option<usize>,
}

/// The kinds of needs, each as its function in `needs` declares it.
#[derive(Clone)]
pub(crate) enum NeedKind {
    Req,
    Opt,
    OrDefault,
    Over,
    Handshake,
    /// A gate.
    Has,
    /// A gate that passes the value on.
    Given,
    /// A gate.
    Is(Arc<dyn Matcher + Send + Sync>),
}

/// What is known of the key or role of a need.
#[derive(Clone, Copy)]
pub(crate) enum Found<'a> {
    Nothing,
    Value(&'a Value),
    /// A dialer, or a value that is not known yet.
    Something,
}

/// What a need makes of what was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    /// The registration does not apply.
    Skip,
    /// The resolve ends with an error.
    Missing,
}

impl NeedSpec {
    pub(crate) fn is_gate(&self) -> bool {
        matches!(self.kind, NeedKind::Has | NeedKind::Given | NeedKind::Is(_))
    }

    /// Decides whether the need is met: the one rule, for the engine and for `explain`.
    #[inline]
    pub(crate) fn is_met(&self, found: Found<'_>, is_committed: bool) -> Met {
        let met = match (&self.kind, found) {
            (NeedKind::Opt | NeedKind::OrDefault | NeedKind::Handshake, _) => true,
            (NeedKind::Is(wanted), Found::Value(value)) => wanted.matches(value),
            (_, found) => !matches!(found, Found::Nothing),
        };
        match met {
            true => Met::Yes,
            false if is_committed && !self.is_gate() => Met::Missing,
            false => Met::Skip,
        }
    }
}

impl Debug for NeedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            NeedKind::Req => write!(f, "req {}", self.id),
            NeedKind::Opt => write!(f, "opt {}", self.id),
            NeedKind::OrDefault => write!(f, "or_default {}", self.id),
            NeedKind::Over => write!(f, "over {}", self.id),
            NeedKind::Handshake => write!(f, "{}", self.id),
            NeedKind::Has => write!(f, "has {}", self.id),
            NeedKind::Given => write!(f, "given {}", self.id),
            NeedKind::Is(wanted) => write!(f, "{} is {}", self.id, wanted.wanted()),
        }
    }
}

/// Compares a value with the one that a gate asks for.
pub(crate) trait Matcher {
    fn matches(&self, value: &Value) -> bool;
    /// Returns the value asked for, as errors print it.
    fn wanted(&self) -> String;
    /// Returns a value of the key, as errors print it.
    fn shown(&self, value: &Value) -> String;
}

/// The matcher of the gate [`is`](crate::is).
pub(crate) struct Equals<K, V> {
    wanted: V,
    key: PhantomData<fn() -> K>,
}

impl<K, V> Equals<K, V> {
    pub(crate) fn new(wanted: V) -> Self {
        Self { wanted, key: PhantomData }
    }
}

impl<K: Key, V: Debug + 'static> Matcher for Equals<K, V>
where
    K::Value: PartialEq<V> + Debug,
{
    fn matches(&self, value: &Value) -> bool {
        value.downcast_ref::<K::Value>().is_some_and(|value| *value == self.wanted)
    }

    fn wanted(&self) -> String {
        if K::SECRET { HIDDEN.into() } else { debug(&self.wanted) }
    }

    fn shown(&self, value: &Value) -> String {
        match value.downcast_ref::<K::Value>() {
            Some(_) if K::SECRET => HIDDEN.into(),
            value => value.map_or_else(String::new, debug),
        }
    }
}

/// The needs of one registration in evaluation order: gates first, then the rest as declared.
/// Arguments are numbered as declared.
#[derive(Debug, Default)]
pub struct NeedList {
    pub(crate) specs: Vec<NeedSpec>,
    gates: usize,
    pub(crate) arguments: usize,
    /// Whether something may be dialled below.
    pub(crate) has_over: bool,
}

impl NeedList {
    pub(crate) fn has_gates(&self) -> bool {
        self.gates > 0
    }

    // Once, and not in every need.
    #[inline(never)]
    pub(crate) fn add(&mut self, id: Id, kind: NeedKind) {
        self.has_over |= matches!(kind, NeedKind::Over);
        let passes = !matches!(kind, NeedKind::Has | NeedKind::Is(_) | NeedKind::Handshake);
        let spec = NeedSpec { id, kind, argument: passes.then_some(self.arguments) };
        self.arguments += usize::from(passes);
        let at = if spec.is_gate() { self.gates } else { self.specs.len() };
        self.gates += usize::from(spec.is_gate());
        self.specs.insert(at, spec);
    }
}
