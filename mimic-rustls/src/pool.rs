//! Large memory, lent to the buffers of flows while they hold bytes.
//!
//! ```text
//!              borrow                    give_back
//!   kept  ───────────────►  lent  ──► wiped ──► kept, up to 4 per thread (with `std`)
//!   allocated ───────────►                 └──► freed
//! ```
//!
//! Idle flows hold none. Busy flows allocate none with `std`, because each thread keeps some.

use alloc::vec::Vec;
use core::ops::Range;

use zeroize::optimization_barrier;

const PAGE: usize = 4096;

/// The error for memory that cannot be allocated.
#[derive(Debug)]
pub(crate) struct NoMemory;

/// Returns initialised memory, and the place in it from which `room` bytes fit.
///
/// That place is the middle of a page. Processors copy by `rep movsb` at a tenth of the speed if
/// source and destination lie at nearly the same offset in their pages. Most large allocations,
/// such as the record that rustls opens and copies next, lie at the beginning of a page.
///
/// With `once`, for a handshake, it allocates no more than `room`: this thread may never borrow
/// again.
pub(crate) fn borrow(room: usize, once: bool) -> Result<(Vec<u8>, usize), NoMemory> {
    let bytes = match kept(room) {
        Some(bytes) => bytes,
        None => zeroed(if once { room } else { size(room) })?,
    };
    let page = bytes.as_ptr().align_offset(PAGE);
    let origin = if page < PAGE / 2 { page + PAGE / 2 } else { page - PAGE / 2 };
    // Memory without room for that begins at its beginning.
    Ok(if origin.saturating_add(room) <= bytes.len() { (bytes, origin) } else { (bytes, 0) })
}

/// Allocates `size` zeros.
pub(crate) fn zeroed(size: usize) -> Result<Vec<u8>, NoMemory> {
    #[cfg(all(test, feature = "std"))]
    if crate::exhausted::is_exhausted() {
        return Err(NoMemory);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| NoMemory)?;
    bytes.resize(size, 0);
    Ok(bytes)
}

/// Takes memory back. Wipes the range `used`, then keeps or frees it.
pub(crate) fn give_back(mut bytes: Vec<u8>, used: Range<usize>) {
    wipe(&mut bytes, used);
    keep(bytes);
}

/// Overwrites the range `used` with zeros, also if the memory is freed next.
pub(crate) fn wipe(bytes: &mut [u8], used: Range<usize>) {
    if let Some(used) = bytes.get_mut(used) {
        used.fill(0);
        // Costs nothing beside `fill`. Without it a compiler may leave out a `fill` that nothing
        // reads.
        optimization_barrier(used);
    }
    #[cfg(test)]
    assert!(bytes.iter().all(|byte| *byte == 0), "bytes outside of what counts as used");
}

#[cfg(feature = "std")]
pub(crate) use with_std::FLIGHT;
#[cfg(feature = "std")]
use with_std::{keep, kept, size};

#[cfg(feature = "std")]
mod with_std {
    use core::cell::RefCell;
    use std::thread_local;

    use super::{PAGE, Vec};

    /// The size of four sealed records. No write seals more at once.
    const LARGE: usize = 65 * 1024;

    /// The space for the bytes that a handshake receives at once. It is more than a flow has of its
    /// own, so it is borrowed. So a server's certificates are read at once and answered in one
    /// packet.
    pub(crate) const FLIGHT: usize = 8 * 1024;

    /// The most that a thread keeps: two flows can both send and receive.
    const KEPT: usize = 4;

    thread_local! {
        static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn size(room: usize) -> usize {
        room.max(LARGE).saturating_add(PAGE)
    }

    pub(super) fn kept(room: usize) -> Option<Vec<u8>> {
        if room > LARGE {
            return None;
        }
        // A thread that ends has none.
        FREE.try_with(|free| free.try_borrow_mut().ok()?.pop()).ok().flatten()
    }

    pub(super) fn keep(bytes: Vec<u8>) {
        if bytes.len() != size(0) {
            return;
        }
        let _ = FREE.try_with(|free| {
            let Ok(mut free) = free.try_borrow_mut() else { return };
            // The list itself is allocated once.
            let left = KEPT.saturating_sub(free.len());
            if left > 0 && free.try_reserve_exact(left).is_ok() {
                free.push(bytes);
            }
        });
    }
}

#[cfg(not(feature = "std"))]
pub(crate) use without_std::FLIGHT;
#[cfg(not(feature = "std"))]
use without_std::{keep, kept, size};

/// Devices keep no memory, and do not round up.
#[cfg(not(feature = "std"))]
mod without_std {
    use super::Vec;

    /// A handshake takes only as much as its messages need.
    pub(crate) const FLIGHT: usize = 1;

    pub(super) fn size(room: usize) -> usize {
        room
    }

    pub(super) fn kept(_: usize) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn keep(_: Vec<u8>) {}
}
