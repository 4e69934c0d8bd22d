//! Rows over loopback: TCP and TLS, tokio and smol.

use mimic_speed::net::{CHUNK, Configs, Net, Work, connect, run};
use mimic_speed::nets::{
    FuturesRustls, MimicSmolTcp, MimicSmolTls, MimicTokioTcp, MimicTokioTls, SmolTcp, TokioRustls, TokioTcp,
};

use crate::measure::Pairs;
use crate::table::{Goal, Row, Table};

const PINGS: u32 = 3_000;
/// 1 GiB of TCP, 256 MiB of TLS.
const BULK: u32 = 1 << 14;
const TLS_BULK: u32 = 1 << 12;
const HANDSHAKES: u32 = 50;

pub(crate) fn rows(table: &mut Table) {
    tcp(table, "tokio", &MimicTokioTcp, &TokioTcp);
    tcp(table, "smol", &MimicSmolTcp, &SmolTcp);
    for (kind, resumption) in [("full", false), ("resumed", true)] {
        let configs = || Configs::new(resumption);
        if !resumption {
            tls(table, "tokio", &MimicTokioTls(configs()), &TokioRustls(configs()));
            tls(table, "smol", &MimicSmolTls(configs()), &FuturesRustls(configs()));
        }
        handshakes(table, "tokio", kind, &MimicTokioTls(configs()), &TokioRustls(configs()));
        handshakes(table, "smol", kind, &MimicSmolTls(configs()), &FuturesRustls(configs()));
    }
}

fn tcp(table: &mut Table, runtime: &str, ours: &impl Net, theirs: &impl Net) {
    time(table, &format!("64 B ping-pong, TCP, {runtime}"), 101, Work::PingPong(PINGS), 1.02, ours, theirs);
    throughput(table, &format!("1 GiB up, TCP, {runtime}"), 15, Work::Upload(BULK), 0.98, ours, theirs);
    throughput(table, &format!("1 GiB down, TCP, {runtime}"), 15, Work::Download(BULK), 0.98, ours, theirs);
    time(table, &format!("vectored write of 8 x 1 KiB, {runtime}"), 51, Work::Vectored(PINGS), 1.02, ours, theirs);
    vectored_calls(table, runtime, ours, theirs);
}

/// System calls, as Linux counts them for the whole process: `writev` is among them, and the answers' `send` is not.
fn vectored_calls(table: &mut Table, runtime: &str, ours: &impl Net, theirs: &impl Net) {
    let work = format!("vectored write of 8 x 1 KiB, {runtime}: system calls");
    if !table.wants(&work) {
        return;
    }
    let [ours, theirs] = [calls(|| run(ours, Work::Vectored(PINGS))), calls(|| run(theirs, Work::Vectored(PINGS)))];
    assert!(ours >= 1.0 && theirs >= 1.0, "other calls were made, which are not counted");
    table.add(Row {
        work,
        mimic: format!("{ours:.2}"),
        baseline: format!("{theirs:.2}"),
        value: ours,
        spread: None,
        unit: "calls",
        goal: Goal::AtMost(1.0),
    });
}

/// Calls that write, for each of the pings that `run` makes.
fn calls(run: impl FnOnce() -> f64) -> f64 {
    let written = || {
        let told = std::fs::read_to_string("/proc/self/io").expect("Linux counts them");
        let count = told.lines().find_map(|line| line.strip_prefix("syscw: ")).expect("a count");
        count.parse::<f64>().expect("a number")
    };
    let before = written();
    run();
    ((written() - before) / f64::from(PINGS) * 100.0).round() / 100.0
}

fn tls(table: &mut Table, runtime: &str, ours: &impl Net, theirs: &impl Net) {
    time(table, &format!("64 B ping-pong, TLS 1.3, {runtime}"), 101, Work::PingPong(PINGS), 1.0, ours, theirs);
    throughput(table, &format!("256 MiB up, TLS 1.3, {runtime}"), 15, Work::Upload(TLS_BULK), 1.0, ours, theirs);
    throughput(table, &format!("256 MiB down, TLS 1.3, {runtime}"), 15, Work::Download(TLS_BULK), 1.0, ours, theirs);
}

fn time(table: &mut Table, work: &str, rounds: usize, what: Work, limit: f64, ours: &impl Net, theirs: &impl Net) {
    if !table.wants(work) {
        return;
    }
    let pairs = Pairs::run(rounds, || run(ours, what), || run(theirs, what));
    let shown = |seconds: f64| format!("{:.2} us", seconds * 1e6 / f64::from(PINGS));
    add(table, work, shown(pairs.ours()), shown(pairs.theirs()), pairs.ratio(), "of the time", Goal::AtMost(limit));
}

fn throughput(
    table: &mut Table,
    work: &str,
    rounds: usize,
    what: Work,
    limit: f64,
    ours: &impl Net,
    theirs: &impl Net,
) {
    if !table.wants(work) {
        return;
    }
    let chunks = match what {
        Work::Upload(chunks) | Work::Download(chunks) => chunks,
        Work::PingPong(_) | Work::Vectored(_) => unreachable!("measured in time"),
    };
    let bytes = f64::from(chunks) * CHUNK as f64;
    let rate = |seconds: f64| bytes / seconds;
    let pairs = Pairs::run(rounds, || rate(run(ours, what)), || rate(run(theirs, what)));
    let shown = |rate: f64| format!("{:.0} MiB/s", rate / f64::from(1 << 20));
    let unit = "of the throughput";
    add(table, work, shown(pairs.ours()), shown(pairs.theirs()), pairs.ratio(), unit, Goal::AtLeast(limit));
}

fn handshakes(table: &mut Table, runtime: &str, kind: &str, ours: &impl Net, theirs: &impl Net) {
    let work = format!("a TLS 1.3 handshake, {kind}, {runtime}");
    if !table.wants(&work) {
        return;
    }
    let pairs = Pairs::run(41, || connect(ours, HANDSHAKES), || connect(theirs, HANDSHAKES));
    let shown = |seconds: f64| format!("{:.0} us", seconds * 1e6);
    add(table, &work, shown(pairs.ours()), shown(pairs.theirs()), pairs.ratio(), "of the time", Goal::AtMost(1.02));
}

fn add(
    table: &mut Table,
    work: &str,
    mimic: String,
    baseline: String,
    ratio: [f64; 3],
    unit: &'static str,
    goal: Goal,
) {
    let [low, value, high] = ratio;
    table.add(Row { work: work.into(), mimic, baseline, value, spread: Some([low, high]), unit, goal });
}
