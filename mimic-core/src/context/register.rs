//! Registering. A macro writes it once per mode, so that bounds are written out: they give errors
//! that can be read ("`Rc<u16>` cannot be sent between threads").

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::dialer::Origin;
use crate::dialer::arguments::{Computing, Connecting};
use crate::id::Id;
#[cfg(target_has_atomic = "ptr")]
use crate::mode::Shared;
use crate::registry::need::NeedList;
use crate::registry::plan::{Plan, Registration};
use crate::registry::value::Value;
use crate::sync::Arc;
use crate::{ChoiceKind, Ctx, Dialer, Error, Key, Local, Mode, Needs, Priority, Role};

/// A candidate or a layer, called with its target and its arguments.
type ConnectFn<R, M> = <M as Mode>::Function<Connecting<R, M>, Option<Dialling<R, M>>>;
type Dialling<R, M> = <M as Mode>::Future<Result<<R as Role>::Output<M>, Error>>;

/// A function, called with its arguments.
type Compute<M> = <M as Mode>::Function<Computing<M>, Option<Answer<M>>>;
type Answer<M> = <M as Mode>::Future<Result<Option<Value>, Error>>;

/// Writes registering for one mode. The modes differ in the bounds of closures and needs alone.
macro_rules! registering {
    ($mode:ident $(, $send:ident + $sync:ident)?) => {
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
                let list = list(&needs);
                let run: ConnectFn<R, $mode> = Box::new(move |(target, mut arguments)| {
                    Some(Box::pin(connect(target, needs.take(&mut arguments)?)))
                });
                self.add(candidate(&role, name.into(), priority.into(), list, run))
            }

            /// Registers a layer: wraps whatever fills `role`, outside every candidate and every
            /// layer registered before.
            ///
            /// Its gates alone may skip it; a missing need is an error. `connect` receives the
            /// target, a dialer of what is below, and the arguments that `needs` declare. The
            /// target of the layer below is the layer's to choose: a proxy dials the proxy.
            ///
            /// A layer without the need [`handshake`](crate::needs::handshake) drops the handshake
            /// that its target arrived with. Dials still succeed: TLS then runs above the layer,
            /// after the race of addresses and not as a part of it.
            #[must_use]
            pub fn layer<R, N, F, Fut>(self, role: R, name: impl Into<Cow<'static, str>>, needs: N, connect: F) -> Self
            where
                R: Role,
                N: Needs<$mode>,
                $(N: $send + $sync,)?
                F: Fn(R::Target, Dialer<R, $mode>, N::Args) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<R::Output<$mode>, Error>> $(+ $send)? + 'static,
            {
                let (list, wrapped) = (list(&needs), role.clone());
                let run: ConnectFn<R, $mode> = Box::new(move |(target, mut arguments)| {
                    Some(Box::pin(connect(target, arguments.below(&wrapped)?, needs.take(&mut arguments)?)))
                });
                let layer = candidate(&role, name.into(), Priority::NONE, list, run);
                self.add(Registration { kind: ChoiceKind::Layer, ..layer })
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
                let list = list(&needs);
                let run: Compute<$mode> = Box::new(move |mut arguments| {
                    let computed = compute(needs.take(&mut arguments)?);
                    Some(Box::pin(async move { Ok(computed.await?.and_then(Value::new)) }))
                });
                self.add(function(&key, name.into(), priority.into(), list, run))
            }
        }

        impl<R: Role> Dialer<R, $mode> {
            /// Makes a dialer of a function: for [`Ctx::with_dialer`], in tests and for open
            /// tunnels.
            ///
            /// Both modes have this function, so the call names one. A bare `Dialer::from_fn` is
            /// ambiguous.
            ///
            /// ```
            /// use mimic_core::roles::Transport;
            /// use mimic_core::{Context, Dialer, ErrorKind, Shared};
            ///
            /// let refuse = |_| async { Err(ErrorKind::ConnectionRefused.into()) };
            /// let dialer = Dialer::<_, Shared>::from_fn(Transport, refuse);
            /// let ctx = Context::new().with_dialer(Transport, dialer);
            /// # let _ = ctx;
            /// ```
            pub fn from_fn<F, Fut>(role: R, connect: F) -> Self
            where
                F: Fn(R::Target) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<R::Output<$mode>, Error>> $(+ $send)? + 'static,
            {
                Self::from_run(role, Box::new(move |(target, _)| Some(Box::pin(connect(target)))))
            }
        }
    };
}

#[cfg(target_has_atomic = "ptr")]
registering!(Shared, Send + Sync);
registering!(Local);

impl<R: Role, M: Mode> Dialer<R, M> {
    fn from_run(role: R, run: ConnectFn<R, M>) -> Self {
        let given = candidate(&role, "given".into(), Priority::NONE, NeedList::default(), run);
        let plan = Arc::new(Plan { registration: Arc::new(given), inputs: Vec::new(), below: None });
        Self { role, plan, origin: Origin::Standalone }
    }
}

fn list<M: Mode>(needs: &impl Needs<M>) -> NeedList {
    let mut list = NeedList::default();
    needs.declare(&mut list);
    list
}

fn candidate<R: Role, M: Mode>(
    role: &R,
    name: Cow<'static, str>,
    priority: Priority,
    needs: NeedList,
    run: ConnectFn<R, M>,
) -> Registration<M> {
    Registration { id: Id::role(role), kind: ChoiceKind::Candidate, name, priority, needs, run: M::erase(run) }
}

fn function<K: Key, M: Mode>(
    key: &K,
    name: Cow<'static, str>,
    priority: Priority,
    needs: NeedList,
    run: Compute<M>,
) -> Registration<M> {
    Registration { id: Id::of(key), kind: ChoiceKind::Function, name, priority, needs, run: M::erase(run) }
}
