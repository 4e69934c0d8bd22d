//! The identity of keys and roles.

use core::any::TypeId;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Identifies a key or a role: its Rust type, and a number for those that are made at run time.
#[derive(Clone, Copy)]
pub(crate) struct Id {
    pub(crate) ty: TypeId,
    pub(crate) instance: u32,
    pub(crate) is_role: bool,
    pub(crate) name: &'static str,
}

impl Id {
    /// Returns a number whose lowest bits are a good place in an index.
    pub(crate) fn spread(&self) -> usize {
        let mut bits = Bits(self.instance.wrapping_mul(0x9E37_79B9));
        self.ty.hash(&mut bits);
        (bits.0 ^ (bits.0 >> 16)) as usize
    }
}

/// Folds the bits of a type's id, which are a hash already.
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

/// The name is for people: two parts of a program may have types of one name.
impl PartialEq for Id {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty && self.instance == other.instance && self.is_role == other.is_role
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

crate::escape::debug_as_display!(Id);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_type_number_and_kind_and_not_by_name() {
        let key = Id { ty: TypeId::of::<u8>(), instance: 1, is_role: false, name: "key" };
        assert!(key == Id { name: "another", ..key });
        let type_of = |ty| Id { ty, ..key };
        for other in [Id { instance: 2, ..key }, Id { is_role: true, ..key }, type_of(TypeId::of::<u16>())] {
            assert!(key != other, "{other}");
        }
    }
}
