//! What is left after flows over children, on tokio. One test: it counts for the whole process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, dead_code, unused_macros, reason = "tests; `process.rs` uses the rest")]

#[path = "../../tests/process/mod.rs"]
mod process;

mod adapter {
    pub(crate) use mimic_tokio::*;

    pub(crate) fn local<F>(_test: impl FnOnce() -> F) {}
}

use process::left::{Counts, every_end, survivors};
use process::limited;
use tokio::runtime::{Builder, Runtime};

#[test]
fn nothing_is_left() {
    let runtimes: [fn() -> Runtime; 2] = [
        || Builder::new_current_thread().enable_all().build().unwrap(),
        || Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ];
    for runtime in runtimes {
        // tokio keeps descriptors for signals.
        runtime().block_on(async { tokio::task::yield_now().await });
        let before = Counts::now();
        runtime().block_on(limited(every_end()));
        before.wait();
        // The runtime is gone before the flows are.
        let flows = runtime().block_on(survivors());
        assert_ne!(Counts::now(), before);
        drop(flows);
        before.wait();
    }
}
