//! Random numbers: a generator (ChaCha20) seeded by the chip's.

use alloc::sync::Arc;
use core::cell::RefCell;
use core::fmt;

use critical_section::Mutex;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A source of random bytes for keys, nonces and ports; clones share it.
///
/// The chips' own generators may take milliseconds, or fail: they are asked once, at the start,
/// where `main` can wait and can give up.
#[derive(Clone)]
pub struct Random(Arc<Mutex<RefCell<ChaCha20Rng>>>);

impl Random {
    /// From 32 bytes of a true random number generator, never of anything else.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(RefCell::new(ChaCha20Rng::from_seed(seed)))))
    }

    /// Fills all of `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        critical_section::with(|cs| self.0.borrow_ref_mut(cs).fill_bytes(bytes));
    }

    pub(crate) fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
