//! What every hosted adapter must do, on tokio's current-thread and multi-thread runtimes.

#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
#[path = "../../tests/hosted/mod.rs"]
mod hosted;
mod runtimes;

mod adapter {
    pub(crate) use mimic_tokio::*;

    pub(crate) use crate::runtimes::local;

    /// Reads a file as the runtime does.
    #[cfg(target_os = "linux")]
    pub(crate) async fn read_file(path: &str) -> Vec<u8> {
        tokio::fs::read(path).await.unwrap()
    }
}

mod current_thread {
    hosted!(crate::runtimes::current_thread);
}

mod multi_thread {
    hosted!(crate::runtimes::multi_thread);
}

/// Cargo unites the features of the crates that two adapters share.
#[test]
fn the_features_of_another_adapter_add_no_role() {
    let roles = format!("{:?}", mimic_tokio::context());
    assert_eq!(roles.contains("SourceAddress"), cfg!(feature = "happy-eyeballs"), "{roles}");
    assert_eq!(roles.contains("Process"), cfg!(feature = "process"), "{roles}");
    assert_eq!(roles.contains("Secure"), cfg!(feature = "rustls"), "{roles}");
}
