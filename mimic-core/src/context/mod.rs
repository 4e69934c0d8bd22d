//! The context: values, functions, candidates and layers, and what is done with them.

use core::fmt;

mod register;

use crate::id::Id;
#[cfg(target_has_atomic = "ptr")]
use crate::mode::Shared;
use crate::registry::Registry;
use crate::registry::plan::{Answers, Registration};
use crate::registry::value::Value;
use crate::resolve;
use crate::{
    Connect, Dialer, Endpoint, Error, Explanation, Host, Key, Listen, Local, Mode, Password, Path, Port, Query, Role,
    Scheme, User,
};

/// A context whose flows, futures and functions are `Send`.
#[cfg(target_has_atomic = "ptr")]
pub type Context = Ctx<Shared>;

/// A context for one thread, where nothing needs to be `Send`.
pub type LocalContext = Ctx<Local>;

/// Typed values, and functions, candidates and layers that use them: what [`resolve`](Ctx::resolve)
/// decides by.
///
/// It is a value: cheap to clone (what clones share is counted, not copied), without any global
/// state, and every method that changes it returns the changed one.
#[derive(Clone, Default)]
pub struct Ctx<M: Mode> {
    registry: Registry<M>,
}

/// A set of registrations, installed by [`Ctx::install`]. Crates that serve both modes implement it
/// for each with [`for_each_mode!`](crate::for_each_mode).
pub trait Install<M: Mode> {
    /// Registers everything.
    #[must_use]
    fn install(self, ctx: Ctx<M>) -> Ctx<M>;
}

impl<M: Mode> Ctx<M> {
    /// Returns an empty context: no values, no registrations, no deadline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `key` a value, in place of the one it may have had. A value beats every function.
    #[must_use]
    pub fn with<K: Key>(mut self, key: K, value: K::Value) -> Self {
        self.set(&key, Some(value));
        self
    }

    /// Takes the value of `key` away; its functions stay.
    #[must_use]
    pub fn without<K: Key>(mut self, key: K) -> Self {
        self.set(&key, None);
        self
    }

    /// Returns the value of `key`, if one was given. Functions are not asked; [`value`](Ctx::value)
    /// asks them.
    #[must_use]
    pub fn get<K: Key>(&self, key: K) -> Option<K::Value> {
        self.registry.value(&key)
    }

    /// Sets [`Scheme`], [`User`], [`Password`], [`Host`], [`Port`], [`Path`] and [`Query`] from an
    /// endpoint string, and clears those it does not name: a redirect leaves nothing stale, and
    /// takes no password along.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the string is malformed; see
    /// [`Endpoint`]. Whether a candidate exists for its scheme shows when it is resolved.
    pub fn with_url(self, url: &str) -> Result<Self, Error> {
        Ok(self.with_endpoint(&url.parse()?))
    }

    /// Sets the same keys as [`with_url`](Ctx::with_url), from an endpoint already parsed.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: &Endpoint) -> Self {
        self.set(&Scheme, Some(endpoint.scheme.clone()));
        self.set(&Host, endpoint.host.clone());
        self.set(&Port, endpoint.port);
        self.set(&Path, endpoint.path.clone());
        self.set(&User, endpoint.user.clone());
        self.set(&Password, endpoint.password.clone());
        self.set(&Query, endpoint.query.clone());
        self
    }

    /// Installs a set of registrations.
    #[must_use]
    pub fn install(self, set: impl Install<M>) -> Self {
        set.install(self)
    }

    /// Adds what `other` has and this context lacks: functions, candidates and layers, as if
    /// registered now in the order of `other` (the same registration counts once). Values and
    /// dialers of `other` win.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        self.registry.merge(&other.registry);
        self
    }

    /// Makes `dialer` the one way to fill `role`, in place of the candidates and layers registered
    /// so far; layers registered later wrap it. For tests, pools and open tunnels.
    ///
    /// Candidates registered later are kept and not asked; [`merge`](Ctx::merge) adds the layers of
    /// the other context around it.
    ///
    /// What the role promises is checked of its outputs too ([`Role::verify`]). The deadline of
    /// this context applies, not that of the one the dialer came from.
    #[must_use]
    pub fn with_dialer<R: Role>(mut self, role: R, dialer: Dialer<R, M>) -> Self {
        self.registry.give(Id::role(&role), dialer.plan);
        self
    }

    fn set<K: Key>(&mut self, key: &K, value: Option<K::Value>) {
        self.registry.set(Id::of(key), value.and_then(Value::new));
    }

    pub(crate) fn add(mut self, registration: Registration<M>) -> Self {
        self.registry.add(registration);
        self
    }

    /// Returns the value of `key`, given or computed: asks the functions if none was given. `None`
    /// if no function applies.
    ///
    /// # Errors
    /// As [`resolve`](Ctx::resolve), for the part before dialling: a function that fails, a cycle,
    /// the deadline.
    ///
    /// # Cancellation
    /// Dropping the future drops the function that runs.
    pub async fn value<K: Key>(&self, key: K) -> Result<Option<K::Value>, Error> {
        resolve::value(&self.registry, key).await
    }

    /// Fills `role` for `target`: decides by which plan, dials it, and checks the output.
    ///
    /// # Errors
    /// Says what was tried and why it failed; see [`Error`].
    /// [`TimedOut`](crate::ErrorKind::TimedOut) if the [`Deadline`](crate::Deadline) passed.
    ///
    /// # Cancellation
    /// Dropping the future closes all it had opened. A system look-up that cannot be cancelled is
    /// left to finish.
    pub async fn resolve<R: Role>(&self, role: R, target: R::Target) -> Result<R::Output<M>, Error> {
        resolve::resolve(&self.registry, role, target).await
    }

    /// Decides once which plan fills `role`, to dial many times. Functions run now; their results
    /// are kept.
    ///
    /// Each dial has its own deadline and its own report.
    ///
    /// # Errors
    /// As [`resolve`](Ctx::resolve), for the part before dialling.
    pub async fn dialer<R: Role>(&self, role: R) -> Result<Dialer<R, M>, Error> {
        resolve::prepare(&self.registry, role).await
    }

    /// Connects to the endpoint: resolves the root [`Connect`], and returns a flow.
    ///
    /// # Errors
    /// As [`resolve`](Ctx::resolve).
    pub async fn connect(&self) -> Result<M::Flow, Error> {
        self.resolve(Connect, ()).await
    }

    /// Listens at the endpoint, at every address if that is a name: resolves the root [`Listen`],
    /// and returns a listener.
    ///
    /// # Errors
    /// As [`resolve`](Ctx::resolve). The deadline covers the bind only.
    pub async fn listen(&self) -> Result<M::Listener, Error> {
        self.resolve(Listen, ()).await
    }

    /// Returns what `resolve` would try for `role`, and why not the rest, without running anything.
    ///
    /// It judges by the needs alone. A function may fail, and a candidate that is taken may still
    /// refuse the values that it is given: of `unix:/a?b` the plan says yes, and the connect
    /// refuses the query.
    pub fn explain<R: Role>(&self, role: R) -> Explanation {
        resolve::explain(&self.registry, Id::role(&role), &Answers::default())
    }
}

impl<M: Mode> fmt::Debug for Ctx<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.registry, f)
    }
}
