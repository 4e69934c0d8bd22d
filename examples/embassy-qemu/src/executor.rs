//! The executor: one, in the main thread, which sleeps while nothing is to be done.
//!
//! Not embassy's own for Cortex-M, which waits by WFE: QEMU does not sleep on that, and takes a
//! whole core.

use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

static PENDING: AtomicBool = AtomicBool::new(true);

/// How the executor says that there is work. From any context, interrupts included.
// SAFETY: the name and the signature are those that `embassy_executor::raw` links to.
#[unsafe(export_name = "__pender")]
fn pend(_context: *mut ()) {
    PENDING.store(true, Ordering::Release);
}

/// Runs the tasks that `init` spawns, for ever.
pub(crate) fn run(init: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    let executor: &'static raw::Executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    init(executor.spawner());
    loop {
        while PENDING.swap(false, Ordering::Acquire) {
            // SAFETY: it is called here only, which is not in the pender, and nothing here calls
            // itself.
            unsafe { executor.poll() };
        }
        // With interrupts masked: one that comes between the look and the WFI is left pending, and
        // WFI then does not wait. It is taken when they are unmasked.
        cortex_m::interrupt::free(|_| {
            if !PENDING.load(Ordering::Acquire) {
                cortex_m::asm::wfi();
            }
        });
    }
}
