//! Many flows at once, between two processes: every line that is sent comes back, in order, and
//! both sides agree on how many there were. Prints what a flow costs in memory, and what the
//! runtime's own stream does in the same program.
//!
//! `cargo test` runs it small; `tests/load` runs all of it. See `Job` for the arguments.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

mod client;
mod lines;
mod memory;
mod own;
mod server;
mod tls;

use std::fmt;
use std::time::Duration;

/// What is measured, or served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) runtime: Runtime,
    pub(crate) tls: bool,
    /// Over the runtime's own streams.
    pub(crate) baseline: bool,
    pub(crate) flows: usize,
    pub(crate) time: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Tokio,
    Smol,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = if self.baseline { "its own streams" } else { "mimic" };
        let (runtime, tls) = (format!("{:?}", self.runtime), if self.tls { "TLS" } else { "TCP" });
        write!(f, "{runtime:<6} {over:<16} {tls} {:>6} flows", self.flows)
    }
}

impl Job {
    /// As arguments of a process that has this part in it.
    fn arguments(self, part: &str) -> Vec<String> {
        let flags = [(self.runtime == Runtime::Smol, "--smol"), (self.tls, "--tls"), (self.baseline, "--baseline")];
        let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.to_string());
        [part.to_string()].into_iter().chain(flags).collect()
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let number = |flag: &str| -> Option<u64> {
        let at = arguments.iter().position(|argument| argument == flag)?;
        Some(arguments.get(at + 1).and_then(|number| number.parse().ok()).expect("a number follows the flag"))
    };
    let job = Job {
        runtime: if has("--smol") { Runtime::Smol } else { Runtime::Tokio },
        tls: has("--tls"),
        baseline: has("--baseline"),
        flows: number("--flows").map_or(50, |flows| usize::try_from(flows).unwrap()),
        time: number("--millis").map_or(Duration::from_secs(number("--seconds").unwrap_or(2)), Duration::from_millis),
    };
    if has("--serve") {
        return server::serve(job);
    }
    if has("--row") {
        return println!("{}", client::run(job));
    }
    let full = has("--full");
    let (tcp, tls) = if full { (10_000, 1_000) } else { (50, 50) };
    println!("{:<37} {:>10} {:>9}  {:>9} {:>9}", "", "lines", "a second", "KiB here", "KiB there");
    for (baseline, tls, flows) in [(false, false, tcp), (true, false, tcp), (false, true, tls), (true, true, tls)] {
        for runtime in [Runtime::Tokio, Runtime::Smol] {
            // smol has no TLS of its own, and what is compared needs less time than what is tested.
            if tls && baseline && runtime == Runtime::Smol {
                continue;
            }
            let time = if baseline { job.time / 10 } else { job.time };
            client::run_apart(Job { runtime, tls, baseline, flows, time });
        }
    }
}
