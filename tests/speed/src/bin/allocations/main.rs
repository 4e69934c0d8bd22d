//! Counts what the allocator is asked for: prints a line `NAME VALUE` for each thing that is
//! counted.
//!
//! A program of its own, because counting costs time. The counts are those of one thread, where
//! everything is.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program that measures stops at a failure")]

mod idle;

use allocation_counter::measure;
use mimic_happy_eyeballs::End;
use mimic_speed::calls::{boxed, read, write};
use mimic_speed::graph::{filled, graph, kept, now};
use mimic_speed::race::Race;

fn main() {
    let (ctx, empty, dialer) = (filled(graph()), graph(), kept());
    let mut flow = boxed();
    count("boxed-write", || write(&mut flow, 1));
    count("boxed-read", || read(&mut flow, 1));
    count("resolve", || drop(now(ctx.connect()).unwrap()));
    count("with-and-resolve", || drop(now(filled(empty.clone()).connect()).unwrap()));
    count("kept-dial", || drop(now(dialer.dial(())).unwrap()));
    let race = Race::new();
    count("race", || assert!(matches!(race.run(), Some(End::Won(attempt)) if attempt.0 == 7)));
    idle::tcp();
    idle::tls();
}

/// How often it allocates, once what it sets up is there.
fn count(name: &str, mut run: impl FnMut()) {
    run();
    tell(name, measure(run).count_total);
}

fn tell(name: &str, value: impl std::fmt::Display) {
    println!("{name} {value}");
}
