//! Keys: types that name typed values.

use core::any::TypeId;

use crate::id::Id;

/// A type that names a typed value: `Port` names a `u16`, `Host` a [`Text`](crate::Text).
///
/// Identity is the Rust type together with [`instance`](Key::instance); the name is for people.
/// Most keys are made by [`key!`](crate::key). A key made at run time carries a number:
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
    /// What the key names. `Send + Sync` in every mode: what is not is captured by the closure that
    /// uses it.
    type Value: Clone + Send + Sync + 'static;

    /// The name that errors and explanations print.
    const NAME: &'static str;

    /// Keeps the values out of errors and explanations, where a gate [`is`](crate::is) would print
    /// them: `…` stands for them. False unless the key says otherwise, as those do that
    /// [`key!`](crate::key) declares `secret`:
    ///
    /// ```
    /// use mimic_core::Context;
    /// use mimic_core::needs::{is, when};
    /// use mimic_core::roles::Connect;
    ///
    /// mimic_core::key! {
    ///     /// The token of the user.
    ///     secret pub Token: mimic_core::Text;
    /// }
    ///
    /// let ctx = Context::new().with(Token, "hunter2".into());
    /// # use mimic_core::{Error, ErrorKind};
    /// # let refused = || async { Err(Error::from(ErrorKind::ConnectionRefused)) };
    /// let gate = when(is(Token, "swordfish"));
    /// let ctx = ctx.register(Connect, "for one", 0, gate, move |(), ()| refused());
    /// let plan = ctx.explain(Connect).to_string();
    /// assert!(plan.contains("Token is …, not …"), "{plan}");
    /// ```
    const SECRET: bool = false;

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
///     /// The name that is asked for.
///     pub Wanted: mimic_core::Text;
/// }
/// # let _ = (Attempts, Wanted);
/// ```
///
/// The word `secret` before a key keeps its values out of errors and explanations
/// ([`Key::SECRET`](crate::Key::SECRET)): `key!(/** The user's token. */ secret pub Token:
/// Secret);`
#[macro_export]
macro_rules! key {
    () => {};
    ($(#[$meta:meta])* secret $vis:vis $name:ident : $value:ty $(; $($others:tt)*)?) => {
        $(#[$meta])*
        ///
        /// A secret: no error and no explanation prints its values.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        $vis struct $name;
        impl $crate::Key for $name {
            type Value = $value;
            const NAME: &'static str = ::core::stringify!($name);
            const SECRET: bool = true;
        }
        $crate::key!($($($others)*)?);
    };
    ($(#[$meta:meta])* $vis:vis $name:ident : $value:ty $(; $($others:tt)*)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        $vis struct $name;
        impl $crate::Key for $name {
            type Value = $value;
            const NAME: &'static str = ::core::stringify!($name);
        }
        $crate::key!($($($others)*)?);
    };
}

impl Id {
    pub(crate) fn of<K: Key>(key: &K) -> Self {
        Self { ty: TypeId::of::<K>(), instance: key.instance(), is_role: false, name: K::NAME }
    }
}
