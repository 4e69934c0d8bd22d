//! tokio's runtimes, as the tests that all hosted adapters share run on them.

/// Runs `test`, which need not be `Send`, on a thread of its own.
pub(crate) fn local<F: Future<Output = ()> + 'static>(test: impl FnOnce() -> F + Send + 'static) {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let set = tokio::task::LocalSet::new();
        set.block_on(&runtime, async { tokio::task::spawn_local(test()).await.unwrap() });
    };
    std::thread::spawn(run).join().unwrap();
}

pub(crate) fn current_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

pub(crate) fn multi_thread(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(test).await.unwrap() });
}
