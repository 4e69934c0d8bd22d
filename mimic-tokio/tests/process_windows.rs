//! What the role `Process` must do on Windows, on tokio.

#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../tests/process/windows.rs"]
mod windows;

mod adapter {
    pub(crate) use mimic_tokio::*;
}

#[test]
fn every_end() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(windows::every_end());
}
