//! What every hosted adapter must do, on tokio's current-thread and multi-thread runtimes.

#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
#[path = "../../tests/hosted/mod.rs"]
mod hosted;

mod adapter {
    pub(crate) use mimic_tokio::*;

    /// Reads a file as the runtime does.
    #[cfg(target_os = "linux")]
    pub(crate) async fn read_file(path: &str) -> Vec<u8> {
        tokio::fs::read(path).await.unwrap()
    }

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

    hosted!(self::run);
}

mod multi_thread {
    fn run(test: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async { tokio::spawn(test).await.unwrap() });
    }

    hosted!(self::run);
}

/// Cargo unites the features of the crates that two adapters share.
#[test]
fn the_features_of_another_adapter_add_no_role() {
    let roles = format!("{:?}", mimic_tokio::context());
    assert_eq!(roles.contains("SourceAddress"), cfg!(feature = "happy-eyeballs"), "{roles}");
    assert_eq!(roles.contains("Process"), cfg!(feature = "process"), "{roles}");
    assert_eq!(roles.contains("Secure"), cfg!(feature = "rustls"), "{roles}");
}
