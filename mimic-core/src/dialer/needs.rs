//! Needs: the typed form of what a function, a candidate or a layer declares.
//!
//! ```text
//! when(is(Scheme, "gopher")).needs((req(Host), or_default(Port, 70), over(Transport)))
//!    gate: no argument              Text       u16               Dialer<Transport, M>
//! ```

use alloc::vec::Vec;
use core::any::TypeId;
use core::fmt::{self, Debug};

use super::Dialer;
use super::arguments::Arguments;
use super::handshake::Handshake as PassedDown;
use crate::id::Id;
use crate::registry::need::{Equals, NeedKind, NeedList, NeedSpec};
use crate::sync::Arc;
use crate::{Key, Mode, Role};

/// What a registration declares as its inputs: one need, or a tuple of up to eight, evaluated left
/// to right; perhaps behind gates ([`when`]).
///
/// The needs are [`req`], [`opt`], [`or_default`], [`given`], [`map`], [`over`] and [`handshake`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a need",
    label = "wrap it: `req(…)`, `opt(…)` or `or_default(…, value)` for a key, `over(…)` for a role",
    note = "a bare key or role says nothing about what happens when it is missing; a gate goes before the needs: `when(gate).needs(…)`"
)]
pub trait Needs<M: Mode>: 'static {
    /// What the function receives: a value for a single need, a tuple for a tuple.
    type Args;
    #[doc(hidden)]
    fn declare(&self, list: &mut NeedList);
    #[doc(hidden)]
    fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<Self::Args>;
}

/// Needs the value of `key`.
pub fn req<K: Key>(key: K) -> KeyNeed<K, K::Value> {
    KeyNeed { id: Id::of(&key), kind: NeedKind::Req, default: None, argument: |value| value }
}

/// Needs the value of `key`, or `None`.
pub fn opt<K: Key>(key: K) -> KeyNeed<K, Option<K::Value>> {
    KeyNeed { id: Id::of(&key), kind: NeedKind::Opt, default: None, argument: Some }
}

/// Needs the value of `key`, or takes `value`: a default of this use, not of the key.
pub fn or_default<K: Key>(key: K, value: K::Value) -> KeyNeed<K, K::Value> {
    KeyNeed { id: Id::of(&key), kind: NeedKind::OrDefault, default: Some(value), argument: |value| value }
}

/// Needs the value of `key`, and is a gate as well: without a value the registration is skipped.
pub fn given<K: Key>(key: K) -> KeyNeed<K, K::Value> {
    KeyNeed { kind: NeedKind::Given, ..req(key) }
}

/// Needs what `f` makes of other needs. `f` is pure: it is called whenever the arguments are
/// needed.
pub fn map<N, F>(needs: N, f: F) -> Map<N, F> {
    Map(needs, f)
}

/// Needs a dialer of a role below. Nothing is dialled until the dialer is asked to.
pub fn over<R: Role>(role: R) -> Over<R> {
    Over(role)
}

/// Needs the [`Handshake`](crate::Handshake) that the target came with, or `None`. A registration
/// without this need drops it.
#[must_use]
pub fn handshake() -> TakeHandshake {
    TakeHandshake(())
}

/// Declares a gate: the registration applies if it is open, and is skipped otherwise.
///
/// ```
/// use mimic_core::Context;
/// use mimic_core::adapter::dial_host;
/// use mimic_core::keys::{Host, Port, Scheme};
/// use mimic_core::needs::{is, or_default, over, req, when};
/// use mimic_core::roles::{Connect, Transport};
///
/// let ctx = Context::new().register(
///     Connect,
///     "gopher",
///     100,
///     when(is(Scheme, "gopher")).needs((req(Host), or_default(Port, 70), over(Transport))),
///     dial_host,
/// );
/// # let _ = ctx;
/// ```
#[must_use]
pub fn when(gate: Gate) -> When<()> {
    When { gates: [gate].into(), needs: () }
}

/// Makes a gate that is open if `key` has a value, given or computed, that equals `value`. Errors
/// and explanations show both. A secret is gated by [`has`] instead.
pub fn is<K, V>(key: K, value: V) -> Gate
where
    K: Key,
    K::Value: PartialEq<V> + Debug,
    V: Debug + Send + Sync + 'static,
{
    Gate(Id::of(&key), NeedKind::Is(Arc::new(Equals::<K, V>::new(value))))
}

/// Makes a gate that is open if `key` has a value, given or computed.
pub fn has<K: Key>(key: K) -> Gate {
    Gate(Id::of(&key), NeedKind::Has)
}

/// A condition on one key: [`is`], [`has`].
#[derive(Clone)]
pub struct Gate(Id, NeedKind);

impl Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&NeedSpec { id: self.0, kind: self.1.clone(), argument: None }, f)
    }
}

/// Needs behind gates; see [`when`].
#[derive(Clone, Debug)]
pub struct When<N> {
    gates: Vec<Gate>,
    needs: N,
}

impl<N> When<N> {
    /// Adds a gate: all of them must be open.
    #[must_use]
    pub fn and(mut self, gate: Gate) -> Self {
        self.gates.push(gate);
        self
    }
}

impl When<()> {
    /// Adds the needs. They are evaluated when all gates are open, and are then required: a missing
    /// one is an error.
    pub fn needs<N>(self, needs: N) -> When<N> {
        When { gates: self.gates, needs }
    }
}

impl<M: Mode, N: Needs<M>> Needs<M> for When<N> {
    type Args = N::Args;

    fn declare(&self, list: &mut NeedList) {
        self.gates.iter().for_each(|Gate(id, kind)| list.add(*id, kind.clone()));
        self.needs.declare(list);
    }

    fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<N::Args> {
        self.needs.take(arguments)
    }
}

/// A need of a key: [`req`], [`opt`], [`or_default`], [`given`].
#[derive(Clone)]
pub struct KeyNeed<K: Key, A> {
    id: Id,
    kind: NeedKind,
    default: Option<K::Value>,
    /// Makes the argument of the value, or `None` of a missing one.
    argument: fn(Option<K::Value>) -> Option<A>,
}

impl<K: Key, A> Debug for KeyNeed<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&NeedSpec { id: self.id, kind: self.kind.clone(), argument: None }, f)
    }
}

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

/// See [`handshake`].
#[derive(Clone, Copy, Debug)]
pub struct TakeHandshake(());

impl<M: Mode, K: Key, A: 'static> Needs<M> for KeyNeed<K, A> {
    type Args = A;

    fn declare(&self, list: &mut NeedList) {
        list.add(self.id, self.kind.clone());
    }

    fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<A> {
        (self.argument)(arguments.value::<K>()?.or_else(|| self.default.clone()))
    }
}

impl<M: Mode, N: Needs<M>, O, F: Fn(N::Args) -> O + 'static> Needs<M> for Map<N, F> {
    type Args = O;

    fn declare(&self, list: &mut NeedList) {
        self.0.declare(list);
    }

    fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<O> {
        Some((self.1)(self.0.take(arguments)?))
    }
}

impl<M: Mode, R: Role> Needs<M> for Over<R> {
    type Args = Dialer<R, M>;

    fn declare(&self, list: &mut NeedList) {
        list.add(Id::role(&self.0), NeedKind::Over);
    }

    fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<Dialer<R, M>> {
        arguments.dialer(&self.0)
    }
}

impl<M: Mode> Needs<M> for TakeHandshake {
    type Args = Option<PassedDown<M>>;

    fn declare(&self, list: &mut NeedList) {
        let id = Id { ty: TypeId::of::<Self>(), instance: 0, is_role: false, name: "handshake" };
        list.add(id, NeedKind::Handshake);
    }

    fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<Option<PassedDown<M>>> {
        Some(arguments.handshake())
    }
}

macro_rules! tuple {
    ($($name:ident)*) => {
        impl<M: Mode, $($name: Needs<M>),*> Needs<M> for ($($name,)*) {
            type Args = ($($name::Args,)*);

            #[allow(non_snake_case, unused_variables, reason = "one macro for all lengths")]
            fn declare(&self, list: &mut NeedList) {
                let ($($name,)*) = self;
                $($name.declare(list);)*
            }

            #[allow(non_snake_case, unused_variables, clippy::unused_unit, reason = "one macro for all lengths")]
            fn take(&self, arguments: &mut Arguments<'_, M>) -> Option<Self::Args> {
                let ($($name,)*) = self;
                Some(($($name.take(arguments)?,)*))
            }
        }
    };
}

tuple!();
tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);
