//! Needs: what a function, a protocol or a layer declares as its inputs.
//!
//! Needs are data. They can be drawn, checked and explained without running anything.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::marker::PhantomData;

use crate::dialer::Dialer;
use crate::key::{Id, Key};
use crate::mode::Mode;
use crate::plan::{Node, Scope};
use crate::role::{self, Role};
use crate::sync::Arc;
use crate::values::Value;

/// One declared input, or one gate: [`req`], [`opt`], [`or_default`], [`map`], [`over`], [`is`], [`given`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a need",
    label = "wrap it: `req(…)`, `opt(…)` or `or_default(…, value)` for a key, `over(…)` for a role",
    note = "a bare key or role says nothing about what happens when it is missing"
)]
pub trait Need<M: Mode>: Send + Sync + 'static {
    /// What the function receives for it; gates give nothing and leave no trace in the arguments.
    #[doc(hidden)]
    type Arg;
    #[doc(hidden)]
    type Cons<Tail>;
    #[doc(hidden)]
    fn cons<Tail>(arg: Self::Arg, tail: Tail) -> Self::Cons<Tail>;
    #[doc(hidden)]
    fn specs(&self, specs: &mut Vec<Spec>);
    #[doc(hidden)]
    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Self::Arg>;
}

/// A need, or a tuple of up to eight: evaluated left to right, gates first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple of needs",
    label = "expected `()`, a need, or a tuple of needs",
    note = "needs are `req(Key)`, `opt(Key)`, `or_default(Key, value)`, `map(needs, f)`, `over(Role)`, `is(Key, value)` and `given(Key)`"
)]
pub trait Needs<M: Mode>: Send + Sync + 'static {
    /// What the function receives: a value for a single need, a tuple for a tuple, without the gates.
    type Args;
    #[doc(hidden)]
    fn specs(&self, specs: &mut Vec<Spec>);
    #[doc(hidden)]
    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Self::Args>;
}

/// The value of `key`, which must be there.
pub fn req<K: Key + Send + Sync>(key: K) -> Req<K> {
    Req(key)
}

/// The value of `key`, or `None`.
pub fn opt<K: Key + Send + Sync>(key: K) -> Opt<K> {
    Opt(key)
}

/// The value of `key`, or `value`: a default of this use, not of the key.
pub fn or_default<K: Key + Send + Sync>(key: K, value: K::Value) -> OrDefault<K> {
    OrDefault(key, value)
}

/// What `f` makes of other needs. `f` is pure: it is called whenever the arguments are needed.
pub fn map<N, F>(needs: N, f: F) -> Map<N, F> {
    Map(needs, f)
}

/// A dialer for a role below. Nothing is dialled until it is asked to.
pub fn over<R: Role>(role: R) -> Over<R> {
    Over(role)
}

/// A gate: open if `key` has a value, given or computed, that equals `value`.
pub fn is<K, V>(key: K, value: V) -> Is
where
    K: Key,
    K::Value: PartialEq<V> + Debug,
    V: Debug + Send + Sync + 'static,
{
    Is { id: Id::of(&key), gate: Arc::new(Equals::<K, V> { wanted: value, key: PhantomData }) }
}

/// A gate: open if `key` has a value, or a function that yields one.
pub fn given<K: Key>(key: K) -> Given {
    Given(Id::of(&key))
}

/// See [`req`].
#[derive(Clone, Copy, Debug)]
pub struct Req<K>(K);

/// See [`opt`].
#[derive(Clone, Copy, Debug)]
pub struct Opt<K>(K);

/// See [`or_default`].
#[derive(Clone, Copy, Debug)]
pub struct OrDefault<K: Key>(K, K::Value);

/// See [`map`].
#[derive(Clone, Copy)]
pub struct Map<N, F>(N, F);

impl<N: Debug, F> Debug for Map<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.0).finish_non_exhaustive()
    }
}

/// See [`over`].
#[derive(Clone, Copy, Debug)]
pub struct Over<R>(R);

/// See [`is`].
#[derive(Clone)]
pub struct Is {
    id: Id,
    gate: Arc<dyn Gate + Send + Sync>,
}

impl Debug for Is {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Is({}, {})", self.id, self.gate.wanted())
    }
}

/// See [`given`].
#[derive(Clone, Copy, Debug)]
pub struct Given(Id);

/// A need as data, and what the engine does about it.
#[derive(Clone)]
pub struct Spec {
    pub(crate) id: Id,
    pub(crate) how: How,
}

#[derive(Clone)]
pub(crate) enum How {
    Req,
    Opt,
    OrDefault,
    Over,
    Given,
    Is(Arc<dyn Gate + Send + Sync>),
}

impl Spec {
    pub(crate) fn is_gate(&self) -> bool {
        matches!(self.how, How::Given | How::Is(_))
    }
}

impl Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Req => write!(f, "req {}", self.id),
            How::Opt => write!(f, "opt {}", self.id),
            How::OrDefault => write!(f, "or_default {}", self.id),
            How::Over => write!(f, "over {}", self.id),
            How::Given => write!(f, "given {}", self.id),
            How::Is(gate) => write!(f, "{} is {}", self.id, gate.wanted()),
        }
    }
}

pub(crate) trait Gate {
    fn matches(&self, value: &Value) -> bool;
    fn wanted(&self) -> String;
    fn found(&self, value: &Value) -> String;
}

struct Equals<K, V> {
    wanted: V,
    key: PhantomData<fn() -> K>,
}

impl<K: Key, V: Debug> Gate for Equals<K, V>
where
    K::Value: PartialEq<V> + Debug,
{
    fn matches(&self, value: &Value) -> bool {
        value.downcast_ref::<K::Value>().is_some_and(|value| *value == self.wanted)
    }

    fn wanted(&self) -> String {
        format!("{:?}", self.wanted)
    }

    fn found(&self, value: &Value) -> String {
        value.downcast_ref::<K::Value>().map_or_else(String::new, |value| format!("{value:?}"))
    }
}

/// One evaluated input.
#[derive(Clone)]
pub(crate) enum Slot<M: Mode> {
    Empty,
    Value(Value),
    Below(Arc<Node<M>>),
}

/// The evaluated inputs of one call, taken in the order of the specs.
pub struct Inputs<'a, M: Mode> {
    slots: core::slice::Iter<'a, Slot<M>>,
    below: Option<&'a Arc<Node<M>>>,
    scope: Option<&'a Scope<M>>,
}

impl<M: Mode> Debug for Inputs<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("left", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<'a, M: Mode> Inputs<'a, M> {
    pub(crate) fn new(slots: &'a [Slot<M>], below: Option<&'a Arc<Node<M>>>, scope: Option<&'a Scope<M>>) -> Self {
        Self { slots: slots.iter(), below, scope }
    }

    /// The dialer of what a layer wraps.
    pub(crate) fn below<R: Role>(&self, role: &R) -> Option<Dialer<R, M>> {
        Some(Dialer::below(role.clone(), self.below?, self.scope))
    }

    fn value<K: Key>(&mut self) -> Option<Option<K::Value>> {
        match self.slots.next()? {
            Slot::Value(value) => Some(Some(value.downcast_ref::<K::Value>()?.clone())),
            Slot::Empty => Some(None),
            Slot::Below(_) => None,
        }
    }
}

/// The part of `Need` that every need with an argument has in common.
macro_rules! with_arg {
    ($arg:ty) => {
        type Arg = $arg;
        type Cons<Tail> = ($arg, Tail);

        fn cons<Tail>(arg: $arg, tail: Tail) -> ($arg, Tail) {
            (arg, tail)
        }
    };
}

impl<M: Mode, K: Key + Send + Sync> Need<M> for Req<K> {
    with_arg!(K::Value);

    fn specs(&self, specs: &mut Vec<Spec>) {
        specs.push(Spec { id: Id::of(&self.0), how: How::Req });
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<K::Value> {
        inputs.value::<K>()?
    }
}

impl<M: Mode, K: Key + Send + Sync> Need<M> for Opt<K> {
    with_arg!(Option<K::Value>);

    fn specs(&self, specs: &mut Vec<Spec>) {
        specs.push(Spec { id: Id::of(&self.0), how: How::Opt });
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Option<K::Value>> {
        inputs.value::<K>()
    }
}

impl<M: Mode, K: Key + Send + Sync> Need<M> for OrDefault<K> {
    with_arg!(K::Value);

    fn specs(&self, specs: &mut Vec<Spec>) {
        specs.push(Spec { id: Id::of(&self.0), how: How::OrDefault });
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<K::Value> {
        Some(inputs.value::<K>()?.unwrap_or_else(|| self.1.clone()))
    }
}

impl<M: Mode, N: Needs<M>, O, F: Fn(N::Args) -> O + Send + Sync + 'static> Need<M> for Map<N, F> {
    with_arg!(O);

    fn specs(&self, specs: &mut Vec<Spec>) {
        self.0.specs(specs);
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<O> {
        Some((self.1)(self.0.take(inputs)?))
    }
}

impl<M: Mode, R: Role> Need<M> for Over<R> {
    with_arg!(Dialer<R, M>);

    fn specs(&self, specs: &mut Vec<Spec>) {
        specs.push(Spec { id: role::id(&self.0), how: How::Over });
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Dialer<R, M>> {
        match inputs.slots.next()? {
            Slot::Below(node) => Some(Dialer::below(self.0.clone(), node, inputs.scope)),
            Slot::Empty | Slot::Value(_) => None,
        }
    }
}

macro_rules! gate {
    ($gate:ty, $this:ident => $spec:expr) => {
        impl<M: Mode> Need<M> for $gate {
            type Arg = ();
            type Cons<Tail> = Tail;

            fn cons<Tail>((): (), tail: Tail) -> Tail {
                tail
            }

            fn specs(&self, specs: &mut Vec<Spec>) {
                let $this = self;
                specs.push($spec);
            }

            fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<()> {
                inputs.slots.next().map(|_| ())
            }
        }
    };
}

gate!(Is, this => Spec { id: this.id, how: How::Is(this.gate.clone()) });
gate!(Given, this => Spec { id: this.0, how: How::Given });

/// A single need stands for itself: its argument is not wrapped in a tuple.
macro_rules! single {
    ($([$($generics:tt)*] $need:ty),+ $(,)?) => {$(
        impl<M: Mode, $($generics)*> Needs<M> for $need
        where
            $need: Need<M>,
        {
            type Args = <$need as Need<M>>::Arg;

            fn specs(&self, specs: &mut Vec<Spec>) {
                Need::<M>::specs(self, specs);
            }

            fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Self::Args> {
                Need::<M>::take(self, inputs)
            }
        }
    )+};
}

single!(
    [K: Key + Send + Sync] Req<K>,
    [K: Key + Send + Sync] Opt<K>,
    [K: Key + Send + Sync] OrDefault<K>,
    [N: Send + Sync + 'static, F: Send + Sync + 'static] Map<N, F>,
    [R: Role] Over<R>,
    [] Is,
    [] Given,
);

/// From nested pairs, where gates have left no trace, to a flat tuple.
pub trait Flat {
    #[doc(hidden)]
    type Tuple;
    #[doc(hidden)]
    fn flat(self) -> Self::Tuple;
}

macro_rules! flat {
    (@list) => { () };
    (@list $head:ident $($tail:ident)*) => { ($head, flat!(@list $($tail)*)) };
    ($($name:ident)*) => {
        impl<$($name),*> Flat for flat!(@list $($name)*) {
            type Tuple = ($($name,)*);

            #[allow(non_snake_case, clippy::unused_unit, reason = "one macro for all lengths")]
            fn flat(self) -> Self::Tuple {
                let flat!(@list $($name)*) = self;
                ($($name,)*)
            }
        }
    };
}

macro_rules! tuple {
    (@cons $m:ident) => { () };
    (@cons $m:ident $head:ident $($tail:ident)*) => { <$head as Need<$m>>::Cons<tuple!(@cons $m $($tail)*)> };
    (@build) => { () };
    (@build $head:ident $($tail:ident)*) => { $head::cons($head, tuple!(@build $($tail)*)) };
    ($($name:ident)*) => {
        impl<M: Mode, $($name: Need<M>),*> Needs<M> for ($($name,)*)
        where
            tuple!(@cons M $($name)*): Flat,
        {
            type Args = <tuple!(@cons M $($name)*) as Flat>::Tuple;

            #[allow(non_snake_case, unused_variables, reason = "one macro for all lengths")]
            fn specs(&self, specs: &mut Vec<Spec>) {
                let ($($name,)*) = self;
                $($name.specs(specs);)*
            }

            #[allow(non_snake_case, unused_variables, reason = "one macro for all lengths")]
            fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Self::Args> {
                let ($($name,)*) = self;
                $(let $name = $name.take(inputs)?;)*
                Some(Flat::flat(tuple!(@build $($name)*)))
            }
        }
    };
}

macro_rules! up_to {
    () => { flat!(); tuple!(); };
    ($head:ident $($tail:ident)*) => { flat!($head $($tail)*); tuple!($head $($tail)*); up_to!($($tail)*); };
}

up_to!(A B C D E F G H);

/// The specs of a registration, and the order to evaluate them in: gates first.
pub(crate) struct Declared {
    pub(crate) specs: Box<[Spec]>,
    pub(crate) order: Box<[usize]>,
    /// How many of `order` are gates.
    pub(crate) gates: usize,
}

impl Declared {
    pub(crate) fn new<M: Mode>(needs: &impl Needs<M>) -> Self {
        let mut specs = Vec::new();
        needs.specs(&mut specs);
        let mut order: Vec<usize> = (0..specs.len()).collect();
        order.sort_by_key(|&index| !specs[index].is_gate());
        let gates = specs.iter().filter(|spec| spec.is_gate()).count();
        Self { specs: specs.into(), order: order.into(), gates }
    }
}
