//! What the example firmware for real boards shares: all but the board.
//!
//! ```text
//!   a firmware's main: clocks, pins, Ethernet
//!     │  32 bytes of the chip's random number generator ──►  Random    random.rs
//!     │  the Ethernet driver ──►  start ──►  Stack, Runner             network.rs
//!     ▼
//!   run(stack, random)                                                 client.rs
//!     ├── a context of mimic_embassy, TLS with what to trust           trust.rs
//!     │     └── and the time of day, to judge certificates by          clock.rs ─► sntp.rs
//!     ├── the application: mimic_example_app::ping
//!     └── transcript and errors by defmt                               console.rs
//! ```
//!
//! On the target it brings the allocator (`heap.rs`) too; on a host there are only tests of it:
//! `cargo test`.
//!
//! # What is given at build time
//! | variable | |
//! |---|---|
//! | `MIMIC_URL` | whom to talk to; `tcp://192.168.1.10:7007` if not given |
//! | `MIMIC_CA` | absolute path of a file of certificates, PEM or DER: whom TLS trusts. Without it, `tls://` is an error |
//! | `MIMIC_NTP` | name or address of a time server; `pool.ntp.org` if not given. Only TLS asks it |

#![no_std]

extern crate alloc;

mod client;
mod clock;
mod console;
#[cfg(target_os = "none")]
mod heap;
mod network;
mod random;
pub mod sntp;
mod trust;

pub use client::run;
#[cfg(target_os = "none")]
pub use heap::start as start_heap;
pub use network::{configured, mac_address, start};
pub use random::Random;
