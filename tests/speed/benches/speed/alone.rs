//! Rows without a network: calls, resolving, allocations, the race.

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;

use mimic_speed::calls::{Nothing, boxed, read, through_futures, through_tokio, write};
use mimic_speed::graph::{filled, graph, kept, now};
use mimic_speed::race;

use crate::measure::{Pairs, median, nanoseconds};
use crate::table::{Goal, Row, Table, shown};

const CALLS: u32 = 1_000_000;
const RESOLVES: u32 = 20_000;

pub(crate) fn rows(table: &mut Table) {
    calls(table);
    times(table);
    allocations(table);
}

/// Against the direct call of the same flow.
fn calls(table: &mut Table) {
    type Calls = (&'static str, Box<dyn FnMut()>, fn(), f64);
    let write_direct: fn() = || write(&mut Nothing, CALLS);
    let read_direct: fn() = || read(&mut Nothing, CALLS);
    let (mut w1, mut w2, mut w3) = (boxed(), through_tokio(), through_futures());
    let (mut r1, mut r2, mut r3) = (boxed(), through_tokio(), through_futures());
    let all: [Calls; 6] = [
        ("a 16-byte write, boxed", Box::new(move || write(&mut w1, CALLS)), write_direct, 3.0),
        ("a 16-byte read, boxed", Box::new(move || read(&mut r1, CALLS)), read_direct, 3.0),
        ("a 16-byte write, flow -> tokio -> flow", Box::new(move || write(&mut w2, CALLS)), write_direct, 5.0),
        ("a 16-byte read, flow -> tokio -> flow", Box::new(move || read(&mut r2, CALLS)), read_direct, 5.0),
        ("a 16-byte write, flow -> futures-io -> flow", Box::new(move || write(&mut w3, CALLS)), write_direct, 5.0),
        ("a 16-byte read, flow -> futures-io -> flow", Box::new(move || read(&mut r3, CALLS)), read_direct, 5.0),
    ];
    for (work, mut ours, theirs, limit) in all {
        if !table.wants(work) {
            continue;
        }
        let pairs = Pairs::run(51, || nanoseconds(CALLS, &mut ours), || nanoseconds(CALLS, theirs));
        let [low, value, high] = pairs.difference();
        table.add(Row {
            work: work.into(),
            mimic: format!("{:.2} ns", pairs.ours()),
            baseline: format!("{:.2} ns", pairs.theirs()),
            value,
            spread: Some(([low, high], pairs.count())),
            unit: "ns more",
            goal: Goal::AtMost(limit),
        });
    }
}

/// Without a baseline: the goal is a time.
fn times(table: &mut Table) {
    let (ctx, empty, dialer) = (filled(graph()), graph(), kept());
    let machine = race::Race::new();
    type Timed<'a> = (&'a str, Box<dyn Fn() + 'a>, f64);
    let all: [Timed<'_>; 4] = [
        ("resolve the benchmark graph", Box::new(|| drop(black_box(now(ctx.connect())))), 460.0),
        ("clone, three withs, resolve", Box::new(|| drop(black_box(now(filled(empty.clone()).connect())))), 640.0),
        ("a dial through a kept dialer", Box::new(|| drop(black_box(now(dialer.dial(()))))), 60.0),
        ("a race over 8 addresses, the machine alone", Box::new(|| _ = black_box(machine.run())), 2_000.0),
    ];
    for (work, run, limit) in all {
        if !table.wants(work) {
            continue;
        }
        let value = median(101, || nanoseconds(RESOLVES, || (0..RESOLVES).for_each(|_| run())));
        table.add(Row {
            work: work.into(),
            mimic: format!("{value:.0} ns"),
            baseline: String::new(),
            value,
            spread: None,
            unit: "ns",
            goal: Goal::AtMost(limit),
        });
    }
}

/// Counted by a program of its own.
fn allocations(table: &mut Table) {
    if !table.wants("allocations") && !table.wants("heap") {
        return;
    }
    let counted = Command::new(env!("CARGO_BIN_EXE_allocations")).output().unwrap();
    assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
    let text = String::from_utf8(counted.stdout).unwrap();
    let counts: HashMap<&str, f64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();

    for (work, name, limit) in [
        ("a boxed write", "boxed-write", 0.0),
        ("a boxed read", "boxed-read", 0.0),
        ("resolve the benchmark graph", "resolve", 10.0),
        ("a dial through a kept dialer", "kept-dial", 2.0),
        ("a race over 8 addresses, the machine alone", "race", 0.0),
    ] {
        let value = counts[name];
        table.add(Row {
            work: format!("{work}: allocations"),
            mimic: shown(value),
            baseline: String::new(),
            value,
            spread: None,
            unit: "allocations",
            goal: Goal::AtMost(limit),
        });
    }
    let flows = counts["idle-flows"];
    for (work, name, limit) in [("Tcp", "idle-tcp-link", 64.0), ("Transport", "idle-tcp-transport", 256.0)] {
        let (ours, theirs) = (counts[name], counts["idle-tcp-own"]);
        table.add(Row {
            work: format!("heap per idle TCP flow of {flows}, from {work}"),
            mimic: format!("{ours:.1} B"),
            baseline: format!("{theirs:.1} B"),
            value: ours - theirs,
            spread: None,
            unit: "B more",
            goal: Goal::AtMost(limit),
        });
    }
    for before in ["ping", "bulk"] {
        let (ours, theirs) = (counts[&*format!("idle-tls-mimic-{before}")], counts[&*format!("idle-tls-own-{before}")]);
        table.add(Row {
            work: format!("heap per idle end of TLS, after a {before}"),
            mimic: format!("{ours:.0} B"),
            baseline: format!("{theirs:.0} B"),
            value: ours / theirs,
            spread: None,
            unit: "of tokio-rustls's",
            goal: Goal::AtMost(1.0),
        });
    }
}
