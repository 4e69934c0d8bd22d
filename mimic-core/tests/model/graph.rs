//! Graphs as data: what a program did to its contexts, in order.

use std::fmt;
use std::rc::Rc;

/// A key or a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    Key(u32),
    Role(u32),
}

impl Id {
    /// As mimic prints it.
    pub fn name(self) -> String {
        match self {
            Self::Key(0) => "K".into(),
            Self::Key(n) => format!("K#{n}"),
            Self::Role(0) => "R".into(),
            Self::Role(n) => format!("R#{n}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `is(key, value)`
    Is,
    /// `has(key)`
    Has,
    /// `given(key)`: a gate that passes its value on.
    Given,
    /// `req(key)`
    Req,
    /// `opt(key)`
    Opt,
    /// `or_default(key, value)`
    OrDefault,
    /// `over(role)`
    Over,
    /// `map((req(key), opt(other)), …)`
    Both,
    /// `map(when(is(key, value)).needs((req(other),)), …)`: a gate inside counts as one outside.
    Inside,
}

/// One need; which fields count depends on the kind.
#[derive(Clone, Copy)]
pub struct Need {
    pub kind: Kind,
    pub key: u32,
    pub other: u32,
    pub value: u32,
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, other) = (Id::Key(self.key).name(), Id::Key(self.other).name());
        match self.kind {
            Kind::Is => write!(f, "is({key}, {})", self.value),
            Kind::Has => write!(f, "has({key})"),
            Kind::Given => write!(f, "given({key})"),
            Kind::Req => write!(f, "req({key})"),
            Kind::Opt => write!(f, "opt({key})"),
            Kind::OrDefault => write!(f, "or_default({key}, {})", self.value),
            Kind::Over => write!(f, "over({})", Id::Role(self.key).name()),
            Kind::Both => write!(f, "map((req({key}), opt({other})))"),
            Kind::Inside => write!(f, "map(when(is({key}, {})).needs((req({other}),)))", self.value),
        }
    }
}

/// What `Both` makes of its two keys.
pub fn both(a: u32, b: Option<u32>) -> u32 {
    a * 10 + b.unwrap_or(9)
}

/// The needs that are tried: all of up to two that are plain, and some longer ones.
///
/// Needs are tuples, which are types, so each shape is code of its own. Gates stand first, as
/// `when` has them.
#[macro_export]
macro_rules! shapes {
    ($with:ident!($($input:tt)*)) => {
        $with! { $($input)*
            [] [Is] [Has] [Given] [Req] [Opt] [OrDefault] [Over] [Both] [Inside]
            [Is Is] [Is Has] [Is Given] [Is Req] [Is Opt] [Is OrDefault] [Is Over]
            [Has Is] [Has Has] [Has Given] [Has Req] [Has Opt] [Has OrDefault] [Has Over]
            [Given Given] [Given Req] [Given Opt] [Given OrDefault] [Given Over]
            [Req Given] [Req Req] [Req Opt] [Req OrDefault] [Req Over]
            [Opt Given] [Opt Req] [Opt Opt] [Opt OrDefault] [Opt Over]
            [OrDefault Given] [OrDefault Req] [OrDefault Opt] [OrDefault OrDefault] [OrDefault Over]
            [Over Given] [Over Req] [Over Opt] [Over OrDefault] [Over Over]
            [Both Over] [Over Inside] [Inside Inside] [Opt Both Over]
            [Is Req Over] [Is Opt Given] [Over Opt Given] [Opt Opt Opt] [Is Has Over Over] [Is Opt Over Req]
            [Req Opt OrDefault Over] [Has Inside Opt Over Both] [Is Has Req Opt OrDefault Over Given Opt Over]
        }
    };
}

macro_rules! kinds {
    ($([$($kind:ident)*])*) => { &[$(&[$(Kind::$kind),*]),*] };
}

pub const SHAPES: &[&[Kind]] = shapes!(kinds!());

/// What a function answers, or a connect does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// A function: yields a value made of its inputs. A connect: dials what is below and all it is
    /// over.
    Work,
    /// A function: says "not me". A connect: answers without dialling anything.
    Little,
    /// Fails.
    Fail,
    /// A function: "not me" when the sum of its inputs is even. A connect: makes what the role
    /// refuses.
    Half,
    /// Dials what is below and what it is over, one after the other, until one answers.
    FirstOk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// `None` is `Priority::NONE`.
    Function(u32, Option<i32>),
    Candidate(u32, Option<i32>),
    Layer(u32),
}

/// One registration.
#[derive(Clone)]
pub struct Unit {
    pub number: usize,
    pub of: Of,
    pub needs: Vec<Need>,
    pub does: Does,
    /// Whether a function or connect is pending once before it answers.
    pub waits: bool,
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rank = if let Of::Layer(_) = self.of { String::new() } else { format!(" [{:?}]", self.rank()) };
        let waits = if self.waits { ", and waits" } else { "" };
        write!(f, "{} for {}{rank}: {:?}, does {:?}{waits}", self.name(), self.id().name(), self.needs, self.does)
    }
}

impl Unit {
    pub fn id(&self) -> Id {
        match self.of {
            Of::Function(key, _) => Id::Key(key),
            Of::Candidate(role, _) | Of::Layer(role) => Id::Role(role),
        }
    }

    pub fn rank(&self) -> Option<i32> {
        match self.of {
            Of::Function(_, rank) | Of::Candidate(_, rank) => rank,
            Of::Layer(_) => None,
        }
    }

    /// Whether it is registered by `derive`, which gives it no name, and 0 as its rank.
    pub fn is_plain(&self) -> bool {
        matches!(self.of, Of::Function(_, Some(0)))
    }

    pub fn name(&self) -> String {
        match self.of {
            Of::Function(..) => format!("f{}", self.number),
            Of::Candidate(..) => format!("c{}", self.number),
            Of::Layer(_) => format!("l{}", self.number),
        }
    }
}

#[derive(Clone, Debug)]
pub enum Op {
    Register(Rc<Unit>),
    With(u32, u32),
    Without(u32),
    /// `with_dialer` of a function, which may fail.
    Give(u32, usize, bool),
    /// `with_dialer` of a dialer that the context itself has planned, if it can.
    Keep(u32),
    /// From now on this context is a clone of the other.
    Clone,
    /// The other context is merged into this one.
    Merge,
}

/// A program on two contexts; the first is the one that is resolved.
#[derive(Clone)]
pub struct Graph {
    pub ops: Vec<(usize, Op)>,
    /// The role that is asked for.
    pub root: u32,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops.iter().try_for_each(|(at, op)| write!(f, "\n    context {at}: {op:?}"))
    }
}

const ROLES: u32 = 4;

/// Numbers that shrink to the plainest operation, a candidate without needs.
pub type Raw = [u8; 14];

impl Graph {
    /// Bit by bit of `values`, which keys have one; then the operations.
    pub fn new(keys: u32, values: u16, raw: &[Raw]) -> Self {
        let values = (0..keys).filter(|key| (values >> key) & 1 == 1).map(|key| (0, Op::With(key, key / 2 % 2)));
        Self { ops: values.chain(raw.iter().enumerate().map(|(at, raw)| op(at, keys, raw))).collect(), root: 0 }
    }
}

/// One of `among`: mostly one after `own`, so that not everything runs in a circle.
fn later(own: u32, among: u32, number: u32) -> u32 {
    match among.saturating_sub(own + 1) {
        left @ 1.. if number % 16 != 15 => own + 1 + number % left,
        _ => number % among,
    }
}

fn op(number: usize, keys: u32, raw: &Raw) -> (usize, Op) {
    let [what, which, context, shape, does, rank, needs @ ..] = *raw;
    let key = u32::from(which) % keys;
    // Most belong to the roles that are asked for first.
    let role = (u32::from(which) % 16 / 5) % ROLES;
    let unit = |of| {
        let (own_key, own_role) = match of {
            Of::Function(key, _) => (Some(key), 0),
            Of::Candidate(role, _) | Of::Layer(role) => (None, role),
        };
        let kinds = SHAPES[usize::from(shape) % SHAPES.len()];
        let needs = kinds.iter().enumerate().map(|(at, kind)| {
            let (a, b) = (u32::from(needs[at % 8]), u32::from(needs[(at + 3) % 8]));
            let key = |number| own_key.map_or(number % keys, |own| later(own, keys, number));
            let id = if *kind == Kind::Over { later(own_role, ROLES, a) } else { key(a) };
            // Values are few, so that gates open as often as not.
            Need { kind: *kind, key: id, other: key(b), value: (a / 16 + b) % 2 }
        });
        let does = match does % 16 {
            0..10 => Does::Work,
            10 => Does::Little,
            11 => Does::Fail,
            12..14 => Does::Half,
            _ => Does::FirstOk,
        };
        Op::Register(Rc::new(Unit { number, of, needs: needs.collect(), does, waits: rank >= 128 }))
    };
    let rank = (rank % 5 != 4).then(|| i32::from(rank % 5) - 1);
    let op = match what % 32 {
        0..13 => unit(Of::Candidate(role, rank)),
        13..20 => unit(Of::Function(key, rank)),
        20..25 => unit(Of::Layer(role)),
        25..27 => Op::With(key, u32::from(does) % 2),
        27 => Op::Without(key),
        28 => Op::Give(role, number, does % 4 == 3),
        29 => Op::Keep(role),
        30 => Op::Clone,
        _ => Op::Merge,
    };
    (usize::from(context >= 192), op)
}
