//! The executors of smol and of async-std, as the tests that all hosted adapters share run on them.

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

pub(crate) fn on_smol(test: impl Future<Output = ()> + Send + 'static) {
    smol::block_on(smol::spawn(test));
}

pub(crate) fn on_async_std(test: impl Future<Output = ()> + Send + 'static) {
    async_std::task::block_on(async_std::task::spawn(test));
}
