//! The identity of keys and roles.

use core::any::TypeId;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Identifies a key or a role. It is small, because every need has one, and it compares a hash first.
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
