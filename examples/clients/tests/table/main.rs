//! The table: every client over every transport, against a real server. Each cell is a test, such
//! as `redis::over_tls`.
//!
//! ```text
//!   row (rows.rs)                 column (columns.rs)                    server (servers.rs)
//!   redis: talk(ctx) ── flow ──►  tcp      ─────────────────────────────►  redis-server
//!                                 tls      ── a relay that ends TLS ────►
//!                                 unix     ── a relay at a socket file ─►
//!                                 socks5   ── microsocks ───────────────►
//!                                 memory   ── a pipe, and a relay ──────►
//! ```
//!
//! A row sees a context, and never which column it is in. The last test prints the table and
//! compares it with the README's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod columns;
mod mail;
mod mqtt;
mod programs;
mod rows;
mod servers;
mod ssh;
mod web;

use std::process::ExitCode;
use std::time::Duration;

use columns::{COLUMNS, Column};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use mimic_core::roles::Sleep;
use mimic_core::{Error, timeout};
use rows::{ROWS, Row};

/// How long a cell may take.
const LIMIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let cells = ROWS.iter().flat_map(|row| COLUMNS.map(|column| (row, column)));
    let mut trials: Vec<_> = cells
        .map(|(row, column)| {
            Trial::ignorable_test(format!("{}::over_{}", row.name, column.name()), move || cell(row, column))
        })
        .collect();
    trials.extend(programs::trials());
    trials.push(Trial::test("the_table_is_as_printed", the_table_is_as_printed));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    servers::end_all();
    conclusion.exit_code()
}

/// Lets the client talk to its server through the column, on each of its runtimes.
fn cell(row: &'static Row, column: Column) -> Result<Completion, Failed> {
    let Some(server) = (row.server)() else { return Ok(Completion::ignored_with("its server is not installed")) };
    for runtime in row.runtimes {
        let Some((ctx, carried)) = column.context(*runtime, server.address, row.alpn) else {
            return Ok(Completion::ignored_with("the proxy is not installed"));
        };
        let talk = async {
            let mut timer = ctx.resolve(Sleep, ()).await?;
            let talk = async { Ok((row.talk)(ctx.clone(), *runtime, server).await) };
            timeout(&mut timer, LIMIT, talk).await
        };
        match runtime.block_on(talk)? {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("on {runtime:?}: {}", with_sources(&*error)).into()),
            Err(error) => return Err(format!("on {runtime:?}: {error:#}").into()),
        }
        assert!(carried.count() > 0, "on {runtime:?}: the bytes went another way");
    }
    Ok(Completion::Completed)
}

fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<Error>() {
        Some(error) => format!("{error:#}"),
        None => error.to_string(),
    };
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// Prints the table, which the README shows.
fn the_table_is_as_printed() -> Result<(), Failed> {
    let columns = COLUMNS.map(Column::name).join(" | ");
    let mut table = format!("| client | runtimes | {columns} |\n|---|---|{}\n", "---|".repeat(COLUMNS.len()));
    for row in ROWS {
        let runtimes: Vec<_> = row.runtimes.iter().map(|runtime| format!("{runtime:?}").to_lowercase()).collect();
        table += &format!("| {} | {} |{}\n", row.client, runtimes.join(", "), " yes |".repeat(COLUMNS.len()));
    }
    println!("{table}");
    let written = include_str!("../../../../README.md");
    let between = written.split("<!-- table -->\n").nth(1).unwrap_or_default();
    if between == table { Ok(()) } else { Err("the README has another table: copy the one above".into()) }
}
