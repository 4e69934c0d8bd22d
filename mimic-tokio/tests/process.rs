//! What the role `Process` must do, on tokio's current-thread and multi-thread runtimes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, dead_code, reason = "tests; `process_left.rs` uses the rest")]

#[macro_use]
#[path = "../../tests/process/mod.rs"]
mod process;
mod runtimes;

mod adapter {
    pub(crate) use mimic_tokio::*;

    pub(crate) use crate::runtimes::local;
}

mod current_thread {
    process!(crate::runtimes::current_thread);
}

mod multi_thread {
    process!(crate::runtimes::multi_thread);
}

/// An error that says so, and no panic.
#[test]
fn outside_a_runtime() {
    use adapter::process::{Command, Process};
    use mimic_core::ErrorKind;

    // Without a deadline, which needs a timer of the runtime too.
    let ctx = mimic_core::Context::new().install(mimic_tokio::Tokio);
    let error = futures_lite::future::block_on(ctx.resolve(Process, Command::new("cat"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
