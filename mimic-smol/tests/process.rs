//! What the role `Process` must do, on the executors of smol and of async-std.

#![cfg(unix)]
#![allow(clippy::unwrap_used, dead_code, reason = "tests; `process_left.rs` uses the rest")]

#[macro_use]
#[path = "../../tests/process/mod.rs"]
mod process;

mod adapter {
    pub(crate) use mimic_smol::*;

    /// Runs `test`, which need not be `Send`, on threads of its own, one for each executor.
    pub(crate) fn local<F: Future<Output = ()> + 'static>(test: impl Fn() -> F + Copy + Send + 'static) {
        let on_smol = std::thread::spawn(move || {
            let executor = smol::LocalExecutor::new();
            smol::block_on(executor.run(executor.spawn(test())));
        });
        let on_async_std = std::thread::spawn(move || async_std::task::block_on(async_std::task::spawn_local(test())));
        on_smol.join().unwrap();
        on_async_std.join().unwrap();
    }
}

mod on_smol {
    fn run(test: impl Future<Output = ()> + Send + 'static) {
        smol::block_on(smol::spawn(test));
    }

    process!(self::run);
}

mod on_async_std {
    fn run(test: impl Future<Output = ()> + Send + 'static) {
        async_std::task::block_on(async_std::task::spawn(test));
    }

    process!(self::run);
}
