//! What the role `Process` must do on Windows, on smol and async-std.

#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../tests/process/windows.rs"]
mod windows;

mod adapter {
    pub(crate) use mimic_smol::*;
}

#[test]
fn every_end() {
    smol::block_on(windows::every_end());
    async_std::task::block_on(windows::every_end());
}
