//! What is left after flows over children, on smol and async-std. One test: it counts for the whole
//! process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, dead_code, unused_macros, reason = "tests; `process.rs` uses the rest")]

#[path = "../../tests/process/mod.rs"]
mod process;

mod adapter {
    pub(crate) use mimic_smol::*;

    pub(crate) fn local<F>(_test: impl FnOnce() -> F) {}
}

use process::left::{Counts, every_end, survivors};
use process::limited;

#[test]
fn nothing_is_left() {
    // The threads and descriptors of the runtimes stay.
    smol::block_on(smol::spawn(limited(async {})));
    async_std::task::block_on(async_std::task::spawn(limited(async {})));
    let before = Counts::now();
    smol::block_on(smol::spawn(limited(every_end())));
    before.wait();
    async_std::task::block_on(async_std::task::spawn(limited(every_end())));
    before.wait();
    // Dropped outside every executor.
    let flows = smol::block_on(smol::spawn(survivors()));
    assert_ne!(Counts::now(), before);
    drop(flows);
    before.wait();
}
