//! The example application as a command line, the same on every runtime.
//!
//! ```text
//!     bin/smol.rs   bin/tokio.rs   bin/async-std.rs   a context, block_on, spawn
//!            └────────────┼──────────────┘
//!                      Runtime
//!                         │
//!     cli ── demo, serve, ping, connect, explain       once, over mimic_core::Context
//!                         │
//!            mimic-example-app                         once, over embedded-io-async
//! ```
//!
//! Which transport carries the bytes is decided by the URL on the command line, when it is
//! resolved. Start reading in the module `ping`, the smallest client, or `serve`.

#![forbid(unsafe_code)]

mod cli;
mod connect;
mod demo;
mod explain;
mod failure;
mod ping;
mod relay;
mod runtime;
mod serve;
mod stdio;
mod stop;
mod tls;
mod trace;

use std::process::ExitCode;

pub use runtime::Runtime;

/// The `main` of every binary: reads the command line, runs the command, and says how it went.
///
/// The exit status is 0 if all went well, 1 if a flow could not be had or broke, 2 for a malformed
/// URL or option.
#[must_use]
pub fn main<R: Runtime>() -> ExitCode {
    let command = cli::parse::<R>();
    let done = R::block_on(cli::run::<R>(command));
    match done.map_err(|error| mimic_core::Error::from(error).located_at(R::NAME).into()).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
