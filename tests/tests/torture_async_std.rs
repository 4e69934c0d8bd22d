//! Torture on async-std, over sockets.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;
mod torture;

use torture::sockets::Memory;

#[test]
fn cancelled_at_every_point_and_failed_at_every_call() {
    torture::sockets::torture(mimic_smol::context, Memory::Moves, &|future| async_std::task::block_on(future));
}
