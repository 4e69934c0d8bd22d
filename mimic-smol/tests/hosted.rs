//! What every hosted adapter must do, on the executors of smol and of async-std.

#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
#[path = "../../tests/hosted/mod.rs"]
mod hosted;
mod executors;

mod adapter {
    pub(crate) use mimic_smol::*;

    pub(crate) use crate::executors::local;

    /// Reads a file as both runtimes do: on the threads of `blocking`.
    #[cfg(target_os = "linux")]
    pub(crate) async fn read_file(path: &str) -> Vec<u8> {
        smol::fs::read(path).await.unwrap()
    }
}

mod on_smol {
    hosted!(crate::executors::on_smol);
}

mod on_async_std {
    hosted!(crate::executors::on_async_std);
}

/// Cargo unites the features of the crates that two adapters share.
#[test]
fn the_features_of_another_adapter_add_no_role() {
    let roles = format!("{:?}", mimic_smol::context());
    assert_eq!(roles.contains("SourceAddress"), cfg!(feature = "happy-eyeballs"), "{roles}");
    assert_eq!(roles.contains("Process"), cfg!(feature = "process"), "{roles}");
    assert_eq!(roles.contains("Secure"), cfg!(feature = "rustls"), "{roles}");
}
