//! What mimic costs: one table, each row against its baseline in the same run.
//!
//! `cargo bench -p mimic-speed` prints the table, and `-- --plots DIR` draws how cost grows, too.
//! Instructions are counted by `tests/speed/counts`.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program that measures stops at a failure")]

mod alone;
mod firmware;
mod growth;
mod http;
mod loopback;
mod measure;
mod names;
mod table;

use std::path::{Path, PathBuf};

use clap::Parser;
use table::Table;

/// Measures what mimic costs.
#[derive(Parser)]
struct Options {
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Draw how cost grows into files in this directory, from the root of the repository.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Measures the rows whose name server is silent, in namespaces where there is none.
    #[arg(long, hide = true)]
    silent_server: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    if options.silent_server {
        return names::silent_server();
    }
    let mut table = Table::new(options.only);
    alone::rows(&mut table);
    // cargo starts it in the directory of its package.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    growth::rows(&mut table, options.plots.map(|directory| root.join(directory)).as_deref());
    loopback::rows(&mut table);
    http::rows(&mut table);
    names::rows(&mut table);
    firmware::rows(&mut table);
}
