//! Torture on tokio, over sockets.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
mod torture;

use torture::sockets::Memory;

#[test]
fn cancelled_at_every_point_and_failed_at_every_call() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    torture::sockets::torture(mimic_tokio::context, Memory::Stays, &|future| runtime.block_on(future));
}
