//! Keys: types that name typed values.

use core::any::TypeId;
use core::fmt;
use core::hash::{Hash, Hasher};

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
    /// use mimic_core::{Context, Stream, is};
    ///
    /// mimic_core::key! {
    ///     /// Who asks.
    ///     secret pub Token: mimic_core::Text;
    /// }
    ///
    /// let ctx = Context::new().with(Token, "hunter2".into());
    /// # use mimic_core::{Error, ErrorKind};
    /// # let refused = || async { Err(Error::from(ErrorKind::ConnectionRefused)) };
    /// let ctx = ctx.register(Stream, "for one", 0, is(Token, "swordfish"), move |(), ()| refused());
    /// let plan = ctx.explain(Stream).to_string();
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
/// ([`Key::SECRET`](crate::Key::SECRET)): `key!(/** Who asks. */ secret pub Token: Secret);`
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

/// What tells keys and roles apart: small, because there is one in every need, and compared by a
/// hash first.
#[derive(Clone, Copy)]
pub(crate) struct Id {
    kind: &'static Kind,
    instance: u32,
    hash: u32,
}

/// A type of keys or of roles. There may be several of one type, in different parts of a program.
pub(crate) struct Kind {
    /// A function: it is `const` only from Rust 1.91 on.
    pub(crate) ty: fn() -> TypeId,
    pub(crate) is_role: bool,
    pub(crate) name: &'static str,
}

impl Id {
    pub(crate) fn of<K: Key>(key: &K) -> Self {
        Self::new(const { &Kind { ty: TypeId::of::<K>, is_role: false, name: K::NAME } }, key.instance())
    }

    pub(crate) fn new(kind: &'static Kind, instance: u32) -> Self {
        /// The bits of a type's id, which are a hash already.
        struct Bits(u32);
        impl Hasher for Bits {
            fn write(&mut self, bytes: &[u8]) {
                bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
            }
            fn write_u64(&mut self, bits: u64) {
                let folded = bits ^ (bits >> 32);
                self.0 = self.0.rotate_left(5) ^ (folded & u64::from(u32::MAX)).try_into().unwrap_or(0);
            }
            fn finish(&self) -> u64 {
                self.0.into()
            }
        }
        let mut bits = Bits(0);
        (kind.ty)().hash(&mut bits);
        // Numbers in a row end up far from each other.
        Self { kind, instance, hash: bits.0.wrapping_add(instance.wrapping_mul(0x9E37_79B9)) }
    }

    pub(crate) fn is_role(&self) -> bool {
        self.kind.is_role
    }

    /// A number whose lowest bits are a good place in an index.
    pub(crate) fn spread(&self) -> usize {
        (self.hash ^ (self.hash >> 16)) as usize
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.instance == other.instance && {
            let (this, that) = (self.kind, other.kind);
            core::ptr::eq(this, that) || ((this.ty)() == (that.ty)() && this.is_role == that.is_role)
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_hash_are_told_apart_and_of_one_type_are_the_same() {
        static KEY: Kind = Kind { ty: TypeId::of::<u8>, is_role: false, name: "key" };
        // As the compiler may make it in another part of the program.
        static TWIN: Kind = Kind { ty: TypeId::of::<u8>, is_role: false, name: "key" };
        static ROLE: Kind = Kind { ty: TypeId::of::<u8>, is_role: true, name: "role" };
        static OTHER: Kind = Kind { ty: TypeId::of::<u16>, is_role: false, name: "other" };
        let id = |kind, instance| Id { kind, instance, hash: 7 };
        assert!(id(&KEY, 1) == id(&KEY, 1));
        assert!(id(&KEY, 1) == id(&TWIN, 1));
        for another in [id(&KEY, 2), id(&TWIN, 2), id(&ROLE, 1), id(&OTHER, 1)] {
            assert!(id(&KEY, 1) != another, "{another}");
        }
    }
}
