//! Registering. A macro writes it once per mode, so that bounds are written out: they give errors
//! that can be read ("`Rc<u16>` cannot be sent between threads").

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::key::Id;
#[cfg(target_has_atomic = "ptr")]
use crate::mode::Shared;
use crate::plan::{Node, Run, Unit};
use crate::spec::Declared;
use crate::sync::Arc;
use crate::values::Value;
use crate::{ChoiceKind, Ctx, Dialer, Error, Key, Local, Mode, Needs, Priority, Role};

/// Writes registering for one mode. The modes differ in the bounds of closures and needs alone.
macro_rules! registering {
    ($mode:ident, $dialer:ident $(, $send:ident + $sync:ident)?) => {
        impl Ctx<$mode> {
            /// Registers one way to fill `role`: a candidate.
            ///
            /// Candidates go by priority, lower first; of equal ones the latest registered;
            /// [`Priority::NONE`] last. The first that applies is *the* candidate, and a failed
            /// connect never moves to another: fallback is a candidate of its own
            /// ([`first_ok`](crate::first_ok)). A candidate with gates that all match is committed:
            /// a missing need is then an error. One without gates is passed over when a need is
            /// missing.
            ///
            /// `connect` receives the target and the arguments that `needs` declare.
            #[must_use]
            pub fn register<R, N, F, Fut>(
                self,
                role: R,
                name: impl Into<Cow<'static, str>>,
                priority: impl Into<Priority>,
                needs: N,
                connect: F,
            ) -> Self
            where
                R: Role,
                N: Needs<$mode>,
                $(N: $send + $sync,)?
                F: Fn(R::Target, N::Args) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<R::Output<$mode>, Error>> $(+ $send)? + 'static,
            {
                let (declared, filled) = (Declared::new(&needs), role.clone());
                let run: <$mode as Mode>::Connect<R> =
                    Box::new(move |target, inputs| Some(Box::pin(connect(filled.arrive(target), needs.take(inputs)?))));
                self.add(candidate(&role, name.into(), priority.into(), declared, run))
            }

            /// Registers a layer: wraps whatever fills `role`, outside every candidate and every
            /// layer registered before.
            ///
            /// Its gates alone may skip it; a missing need is an error. `connect` receives the
            /// target, a dialer of what is below, and the arguments that `needs` declare. The
            /// target of the layer below is the layer's to choose: a proxy dials the proxy.
            #[must_use]
            pub fn layer<R, N, F, Fut>(self, role: R, name: impl Into<Cow<'static, str>>, needs: N, connect: F) -> Self
            where
                R: Role,
                N: Needs<$mode>,
                $(N: $send + $sync,)?
                F: Fn(R::Target, Dialer<R, $mode>, N::Args) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<R::Output<$mode>, Error>> $(+ $send)? + 'static,
            {
                let (declared, wrapped) = (Declared::new(&needs), role.clone());
                let run: <$mode as Mode>::Connect<R> = Box::new(move |target, inputs| {
                    Some(Box::pin(connect(wrapped.arrive(target), inputs.below(&wrapped)?, needs.take(inputs)?)))
                });
                self.add(layer(&role, name.into(), declared, run))
            }

            /// Registers a function that computes a value for `key` from other keys, of rank 0 and
            /// without a name; see [`derive_as`](Self::derive_as).
            #[must_use]
            pub fn derive<K, N, F, Fut>(self, key: K, needs: N, compute: F) -> Self
            where
                K: Key,
                N: Needs<$mode>,
                $(N: $send + $sync,)?
                F: Fn(N::Args) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<Option<K::Value>, Error>> $(+ $send)? + 'static,
            {
                self.derive_as(key, "", 0, needs, compute)
            }

            /// Registers a function that computes a value for `key` from other keys.
            ///
            /// Functions go by priority as candidates do: lower first; of equal ones the latest
            /// registered; [`Priority::NONE`] last. Defaults have that last rank. So a function of
            /// the application is asked before a default, in whatever order the two are registered
            /// or merged.
            ///
            /// It runs only if the chosen candidate needs it, and at most once per resolve.
            /// `Ok(None)` is "not me": the next function is asked. A missing need or a gate that is
            /// shut says the same. `Err` ends the resolve, even behind [`opt`](crate::opt) or a
            /// gate.
            ///
            /// Errors and explanations tell functions apart by `name`. One without is called by its
            /// number in the order of asking: `#1`.
            #[must_use]
            pub fn derive_as<K, N, F, Fut>(
                self,
                key: K,
                name: impl Into<Cow<'static, str>>,
                priority: impl Into<Priority>,
                needs: N,
                compute: F,
            ) -> Self
            where
                K: Key,
                N: Needs<$mode>,
                $(N: $send + $sync,)?
                F: Fn(N::Args) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<Option<K::Value>, Error>> $(+ $send)? + 'static,
            {
                let declared = Declared::new(&needs);
                let run: <$mode as Mode>::Derive = Box::new(move |inputs| {
                    let computed = compute(needs.take(inputs)?);
                    Some(Box::pin(async move { Ok(computed.await?.and_then(Value::new)) }))
                });
                self.add(function(&key, name.into(), priority.into(), declared, run))
            }
        }

        impl<R: Role> Dialer<R, $mode> {
            /// A dialer made of a function: for [`Ctx::with_dialer`], in tests and for open
            /// tunnels.
            pub fn $dialer<F, Fut>(role: R, connect: F) -> Self
            where
                F: Fn(R::Target) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<R::Output<$mode>, Error>> $(+ $send)? + 'static,
            {
                let filled = role.clone();
                let run: <$mode as Mode>::Connect<R> =
                    Box::new(move |target, _| Some(Box::pin(connect(filled.arrive(target)))));
                Self::alone(role, run)
            }
        }
    };
}

#[cfg(target_has_atomic = "ptr")]
registering!(Shared, shared, Send + Sync);
registering!(Local, local);

impl<R: Role, M: Mode> Dialer<R, M> {
    fn alone(role: R, run: M::Connect<R>) -> Self {
        let needs = Declared::new::<M>(&());
        let unit = Arc::new(candidate(&role, "given".into(), Priority::NONE, needs, run));
        Self::new(role, Arc::new(Node { unit, slots: Vec::new(), below: None }))
    }
}

fn candidate<R: Role, M: Mode>(
    role: &R,
    name: Cow<'static, str>,
    priority: Priority,
    needs: Declared,
    run: M::Connect<R>,
) -> Unit<M> {
    let run = Run::Connect(M::erase(run));
    Unit { id: Id::role(role), kind: ChoiceKind::Candidate, name, priority, needs, run }
}

fn layer<R: Role, M: Mode>(role: &R, name: Cow<'static, str>, needs: Declared, run: M::Connect<R>) -> Unit<M> {
    Unit { kind: ChoiceKind::Layer, ..candidate(role, name, Priority::NONE, needs, run) }
}

fn function<K: Key, M: Mode>(
    key: &K,
    name: Cow<'static, str>,
    priority: Priority,
    needs: Declared,
    run: M::Derive,
) -> Unit<M> {
    Unit { id: Id::of(key), kind: ChoiceKind::Function, name, priority, needs, run: Run::Derive(run) }
}
