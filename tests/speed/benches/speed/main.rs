//! What mimic costs: one table, each row against its baseline in the same run.
//!
//! `cargo bench -p mimic-speed` prints the table. `-- --plots DIR` draws how cost grows, too; `-- --check` compares
//! instruction counts with the recorded ones and does nothing else; `-- --record` records them.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program that measures stops at a failure")]

mod alone;
mod counts;
mod firmware;
mod growth;
mod loopback;
mod measure;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use table::Table;

/// Measures what mimic costs.
#[derive(Parser)]
struct Options {
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Draw how cost grows into files in this directory.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Compare instruction counts with the recorded ones, and fail if one is more than 10 % higher.
    #[arg(long)]
    check: bool,
    /// Record instruction counts.
    #[arg(long)]
    record: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.check || options.record {
        return counts::check(options.record);
    }
    let mut table = Table::new(options.only);
    alone::rows(&mut table);
    growth::rows(&mut table, options.plots.as_deref());
    loopback::rows(&mut table);
    firmware::rows(&mut table);
    ExitCode::SUCCESS
}
