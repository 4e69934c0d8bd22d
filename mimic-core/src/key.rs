//! Keys: types that name typed values.

use core::any::TypeId;
use core::cmp::Ordering;
use core::fmt;

use crate::Role;

/// A type that names a typed value: `Port` names a `u16`, `Host` a [`Text`](crate::Text).
///
/// Identity is the Rust type together with [`instance`](Key::instance); the name is for people. Most keys are made
/// by [`key!`](crate::key). A key made at run time carries a number:
///
/// ```
/// use mimic_core::{Context, Key};
///
/// #[derive(Clone, Copy)]
/// struct Upstream(u32);
/// impl Key for Upstream {
///     type Value = u16;
///     const NAME: &'static str = "Upstream";
///     fn instance(&self) -> u32 {
///         self.0
///     }
/// }
///
/// let ctx = Context::new().with(Upstream(1), 80).with(Upstream(2), 443);
/// assert_eq!(ctx.get(Upstream(2)), Some(443));
/// ```
///
/// Keys also name the typed [attributes](crate::FlowExt::attribute) of a flow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key",
    note = "keys are types made by `key!(pub Name: Value)`; a role is not a key"
)]
pub trait Key: 'static {
    /// What the key names. `Send + Sync` in every mode: what is not is captured by the closure that uses it.
    type Value: Clone + Send + Sync + 'static;

    /// The name that errors and explanations print.
    const NAME: &'static str;

    /// Tells keys of one type apart; 0 unless the key is made at run time.
    fn instance(&self) -> u32 {
        0
    }
}

/// Declares keys, each a unit struct: `key!(/** The port. */ pub Port: u16);`
///
/// ```
/// mimic_core::key! {
///     /// How often to try.
///     pub Attempts: u32;
///     /// Who asks.
///     pub User: mimic_core::Text;
/// }
/// # let _ = (Attempts, User);
/// ```
#[macro_export]
macro_rules! key {
    ($($(#[$meta:meta])* $vis:vis $name:ident : $value:ty);+ $(;)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        $vis struct $name;
        impl $crate::Key for $name {
            type Value = $value;
            const NAME: &'static str = ::core::stringify!($name);
        }
    )+};
}

/// What tells keys and roles apart.
#[derive(Clone, Copy)]
pub(crate) struct Id {
    ty: TypeId,
    instance: u32,
    pub(crate) is_role: bool,
    name: &'static str,
}

impl Id {
    pub(crate) fn of<K: Key>(key: &K) -> Self {
        Self { ty: TypeId::of::<K>(), instance: key.instance(), is_role: false, name: K::NAME }
    }

    pub(crate) fn role<R: Role>(role: &R) -> Self {
        Self { ty: TypeId::of::<R>(), instance: role.instance(), is_role: true, name: R::NAME }
    }

    /// The name follows from the type, so it takes no part in comparisons.
    fn identity(&self) -> (TypeId, u32, bool) {
        (self.ty, self.instance, self.is_role)
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty && self.instance == other.instance && self.is_role == other.is_role
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.instance {
            0 => Ok(()),
            n => write!(f, "#{n}"),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
