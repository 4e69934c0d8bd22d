//! The heap.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use embedded_alloc::LlffHeap;

/// Both boards have 512 KiB of memory; a handshake of TLS took less than 32 KiB in QEMU, and a long
/// chain of certificates takes more.
const SIZE: usize = 128 * 1024;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Gives the allocator its memory: the first thing that `main` does. Later calls do nothing.
pub fn start() {
    static mut MEMORY: MaybeUninit<[u8; SIZE]> = MaybeUninit::uninit();
    static STARTED: AtomicBool = AtomicBool::new(false);
    if !STARTED.swap(true, Ordering::Relaxed) {
        // SAFETY: nobody else names the memory, it is not empty, and this is reached once.
        #[allow(unsafe_code, reason = "an allocator has to be given its memory")]
        unsafe {
            HEAP.init(&raw mut MEMORY as usize, SIZE);
        }
    }
}
