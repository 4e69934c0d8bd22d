//! What the role `Process` must do, on tokio's current-thread and multi-thread runtimes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, dead_code, reason = "tests; `process_left.rs` uses the rest")]

#[macro_use]
#[path = "../../tests/process/mod.rs"]
mod process;

mod adapter {
    pub(crate) use mimic_tokio::*;

    /// Runs `test`, which need not be `Send`, on a thread of its own.
    pub(crate) fn local<F: Future<Output = ()> + 'static>(test: impl FnOnce() -> F + Send + 'static) {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let set = tokio::task::LocalSet::new();
            set.block_on(&runtime, async { tokio::task::spawn_local(test()).await.unwrap() });
        };
        std::thread::spawn(run).join().unwrap();
    }
}

mod current_thread {
    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    process!(self::run);
}

mod multi_thread {
    fn run(test: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async { tokio::spawn(test).await.unwrap() });
    }

    process!(self::run);
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
