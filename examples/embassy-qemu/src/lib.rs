//! The board: everything that firmware for QEMU's mps2-an386 needs and that is not the application.
//!
//! ```text
//!   bin/ping.rs      the application by mimic          ─┐
//!   bin/baseline.rs  the same by hand, on embassy-net  ─┴► run(|spawner, stack, options| …)
//!                                                          │
//!     executor.rs  time.rs  heap.rs  network.rs ─► lan9118.rs
//!     semihosting.rs ─► options.rs, entropy.rs             │
//!     for TLS: trust.rs (authorities, clock), provider.rs (cryptography)
//! ```
//!
//! `unsafe` is here and nowhere else.

#![no_std]

#[cfg(feature = "rustls")]
extern crate alloc;

pub mod by_hand;
pub mod cable;
mod entropy;
mod executor;
mod heap;
mod lan9118;
mod network;
mod options;
#[cfg(feature = "rustls")]
pub mod provider;
pub mod semihosting;
mod time;
#[cfg(feature = "rustls")]
pub mod trust;

use core::fmt::{Display, Write as _};
use core::panic::PanicInfo;

use embassy_executor::Spawner;
use embassy_net::Stack;
use static_cell::StaticCell;

pub use heap::heap_in_use;
use heap::usage;
pub use options::Options;
use semihosting::{Output, exit};
pub use time::clock;

/// The exit status of a firmware that has a fault of its own.
const PANICKED: u8 = 101;

/// Starts the board, and runs what `init` spawns. To be called once, by `main`.
pub fn run(init: impl FnOnce(Spawner, Stack<'static>, Options<'static>)) -> ! {
    static LINE: StaticCell<[u8; 1024]> = StaticCell::new();
    heap::start();
    match cortex_m::Peripherals::take() {
        Some(peripherals) => time::start(peripherals.SYST),
        None => unreachable!("they are taken once"),
    }
    let line = match semihosting::command_line(LINE.init([0; 1024])) {
        Ok(line) => line,
        Err(refused) => fail(format_args!("the command line is too long: {refused}")),
    };
    let options = match Options::parse(line) {
        Ok(options) => options,
        Err(misuse) => fail(misuse),
    };
    if let Some(bytes) = options.heap {
        heap::leave(bytes);
    }
    let mut seed = [0; 8];
    if let Err(refused) = entropy::fill(&mut seed) {
        fail(format_args!("there is no entropy: {refused}"));
    }
    executor::run(|spawner| init(spawner, network::start(spawner, u64::from_le_bytes(seed)), options))
}

/// Ends the firmware: with status 0, or with the error on standard error and status 1.
pub fn finish<E: Display>(options: Options<'_>, result: Result<(), E>) -> ! {
    if options.memory {
        say(usage());
    }
    match result {
        Ok(()) => exit(0),
        Err(error) => fail(error),
    }
}

fn fail(error: impl Display) -> ! {
    say(format_args!("error: {error:#}"));
    exit(1)
}

/// Writes a line to standard error. If that is closed there is no place left to complain.
pub fn say(line: impl Display) {
    if let Ok(mut stderr) = Output::stderr() {
        let _ = writeln!(stderr, "{line}");
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // What nobody handled: an allocation that fails without a `Result` is a panic on stable Rust.
    if let Some(bytes) = heap::refused() {
        let used = heap_in_use();
        fail(format_args!("out of memory: {bytes} bytes were asked for, {used} are in use; {}", info.message()));
    }
    say(info);
    exit(PANICKED)
}

#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    say(format_args!("{frame:?}"));
    exit(PANICKED)
}
