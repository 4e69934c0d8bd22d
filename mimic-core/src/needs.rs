//! Needs: what a function, a protocol or a layer declares as its inputs.
//!
//! What they come to as data is in `spec.rs`; here are their types, and the types of the arguments
//! they give.

use core::fmt::{self, Debug};

use crate::key::Id;
use crate::spec::{Declared, Equals, Gate, How, Inputs};
use crate::sync::Arc;
use crate::{Dialer, Key, Mode, Role};

/// One declared input, or one gate: [`req`], [`opt`], [`or_default`], [`map`], [`over`], [`is`],
/// [`given`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a need",
    label = "wrap it: `req(…)`, `opt(…)` or `or_default(…, value)` for a key, `over(…)` for a role",
    note = "a bare key or role says nothing about what happens when it is missing"
)]
pub trait Need<M: Mode>: 'static {
    /// What the function receives for it; gates give nothing and leave no trace in the arguments.
    #[doc(hidden)]
    type Arg;
    #[doc(hidden)]
    type Cons<Tail>;
    #[doc(hidden)]
    fn cons<Tail>(arg: Self::Arg, tail: Tail) -> Self::Cons<Tail>;
    #[doc(hidden)]
    fn declare(&self, declared: &mut Declared);
    #[doc(hidden)]
    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Self::Arg>;
}

/// A need, or a tuple of up to eight: evaluated left to right, gates first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple of needs",
    label = "expected `()`, a need, or a tuple of needs",
    note = "needs are `req(Key)`, `opt(Key)`, `or_default(Key, value)`, `map(needs, f)`, `over(Role)`, `is(Key, value)` and `given(Key)`"
)]
pub trait Needs<M: Mode>: 'static {
    /// What the function receives: a value for a single need, a tuple for a tuple, without the
    /// gates.
    type Args;
    #[doc(hidden)]
    fn declare(&self, declared: &mut Declared);
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

/// A gate: open if `key` has a value, given or computed, that equals `value`. Errors and
/// explanations show both: gate a secret with [`given`].
pub fn is<K, V>(key: K, value: V) -> Is
where
    K: Key,
    K::Value: PartialEq<V> + Debug,
    V: Debug + Send + Sync + 'static,
{
    Is { id: Id::of(&key), gate: Arc::new(Equals::<K, V>::new(value)) }
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

/// The part of `Need` that gates have in common: nothing is taken for them.
macro_rules! gate {
    () => {
        type Arg = ();
        type Cons<Tail> = Tail;

        fn cons<Tail>((): (), tail: Tail) -> Tail {
            tail
        }

        fn take(&self, _inputs: &mut Inputs<'_, M>) -> Option<()> {
            Some(())
        }
    };
}

impl<M: Mode, K: Key + Send + Sync> Need<M> for Req<K> {
    with_arg!(K::Value);

    fn declare(&self, declared: &mut Declared) {
        declared.add(Id::of(&self.0), How::Req);
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<K::Value> {
        inputs.value::<K>()?
    }
}

impl<M: Mode, K: Key + Send + Sync> Need<M> for Opt<K> {
    with_arg!(Option<K::Value>);

    fn declare(&self, declared: &mut Declared) {
        declared.add(Id::of(&self.0), How::Opt);
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Option<K::Value>> {
        inputs.value::<K>()
    }
}

impl<M: Mode, K: Key + Send + Sync> Need<M> for OrDefault<K> {
    with_arg!(K::Value);

    fn declare(&self, declared: &mut Declared) {
        declared.add(Id::of(&self.0), How::OrDefault);
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<K::Value> {
        Some(inputs.value::<K>()?.unwrap_or_else(|| self.1.clone()))
    }
}

impl<M: Mode, N: Needs<M>, O, F: Fn(N::Args) -> O + Send + Sync + 'static> Need<M> for Map<N, F> {
    with_arg!(O);

    fn declare(&self, declared: &mut Declared) {
        self.0.declare(declared);
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<O> {
        Some((self.1)(self.0.take(inputs)?))
    }
}

impl<M: Mode, R: Role> Need<M> for Over<R> {
    with_arg!(Dialer<R, M>);

    fn declare(&self, declared: &mut Declared) {
        declared.add(Id::role(&self.0), How::Over);
    }

    fn take(&self, inputs: &mut Inputs<'_, M>) -> Option<Dialer<R, M>> {
        inputs.dialer(&self.0)
    }
}

impl<M: Mode> Need<M> for Is {
    gate!();

    fn declare(&self, declared: &mut Declared) {
        declared.add(self.id, How::Is(self.gate.clone()));
    }
}

impl<M: Mode> Need<M> for Given {
    gate!();

    fn declare(&self, declared: &mut Declared) {
        declared.add(self.0, How::Given);
    }
}

/// A single need stands for itself: its argument is not wrapped in a tuple.
macro_rules! single {
    ($([$($generics:tt)*] $need:ty),+ $(,)?) => {$(
        impl<M: Mode, $($generics)*> Needs<M> for $need
        where
            $need: Need<M>,
        {
            type Args = <$need as Need<M>>::Arg;

            fn declare(&self, declared: &mut Declared) {
                Need::<M>::declare(self, declared);
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
    [N: 'static, F: 'static] Map<N, F>,
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
            fn declare(&self, declared: &mut Declared) {
                let ($($name,)*) = self;
                $($name.declare(declared);)*
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
