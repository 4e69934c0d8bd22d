//! What every hosted adapter must do, on the executors of smol and of async-std.

#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
#[path = "../../tests/hosted/mod.rs"]
mod hosted;

mod adapter {
    pub(crate) use mimic_smol::*;

    /// Reads a file as both runtimes do: on the threads of `blocking`.
    #[cfg(target_os = "linux")]
    pub(crate) async fn read_file(path: &str) -> Vec<u8> {
        smol::fs::read(path).await.unwrap()
    }

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

    hosted!(self::run);
}

mod on_async_std {
    fn run(test: impl Future<Output = ()> + Send + 'static) {
        async_std::task::block_on(async_std::task::spawn(test));
    }

    hosted!(self::run);
}

/// Cargo unites the features of the crates that two adapters share.
#[test]
fn the_features_of_another_adapter_add_no_role() {
    let roles = format!("{:?}", mimic_smol::context());
    assert_eq!(roles.contains("SourceAddress"), cfg!(feature = "happy-eyeballs"), "{roles}");
    assert_eq!(roles.contains("Process"), cfg!(feature = "process"), "{roles}");
    assert_eq!(roles.contains("Secure"), cfg!(feature = "rustls"), "{roles}");
}
