//! Rows over loopback: TCP and TLS, tokio and smol.

use std::time::Duration;

use mimic_speed::net::{CHUNK, Configs, Kinds, Net, WARM, Work, connect, run};
use mimic_speed::nets::{
    FuturesRustls, MimicSmolTcp, MimicSmolTls, MimicTokioTcp, MimicTokioTls, SmolTcp, TokioRustls, TokioTcp,
};

use crate::measure::Pairs;
use crate::table::{Goal, Row, Table};

/// Pings and vectored writes of a pair, in all.
const ALL_PINGS: u32 = 2_000;
const TIMED_PARTS: u32 = 4;
const PINGS: u32 = ALL_PINGS / TIMED_PARTS;
/// Chunks of a pair, in all: 1 GiB of TCP, 256 MiB of TLS.
const ALL_BULK: u32 = 1 << 14;
const ALL_TLS_BULK: u32 = 1 << 12;
const BULK_PARTS: u32 = 8;
const BULK: u32 = ALL_BULK / BULK_PARTS;
const TLS_BULK: u32 = ALL_TLS_BULK / BULK_PARTS;
/// Handshakes of a part.
const HANDSHAKES: u32 = 20;
const HANDSHAKE_PARTS: u32 = 3;

pub(crate) fn rows(table: &mut Table) {
    // The thread that async-io starts for all is started here, where no processor is given.
    smol::block_on(smol::Timer::after(Duration::ZERO));
    tcp(table, "tokio", &MimicTokioTcp, &TokioTcp);
    tcp(table, "smol", &MimicSmolTcp, &SmolTcp);
    for resumed in [false, true] {
        let [a, b, c, d] = [(); 4].map(|()| Configs::new(resumed));
        let kinds = [&a, &b, &c, &d].map(|configs| configs.kinds.clone());
        let (ours, theirs) = (MimicTokioTls(a), TokioRustls(b));
        let (ours_smol, theirs_smol) = (MimicSmolTls(c), FuturesRustls(d));
        if !resumed {
            tls(table, "tokio", &ours, &theirs);
            tls(table, "smol", &ours_smol, &theirs_smol);
        }
        handshakes(table, "tokio", resumed, (&ours, &kinds[0]), (&theirs, &kinds[1]));
        handshakes(table, "smol", resumed, (&ours_smol, &kinds[2]), (&theirs_smol, &kinds[3]));
    }
}

fn tcp(table: &mut Table, runtime: &str, ours: &impl Net, theirs: &impl Net) {
    time(table, &format!("64 B ping-pong, TCP, {runtime}"), 201, Work::PingPong(PINGS), 1.02, ours, theirs);
    throughput(table, &format!("1 GiB up, TCP, {runtime}"), 31, Work::Upload(BULK), 0.98, ours, theirs);
    throughput(table, &format!("1 GiB down, TCP, {runtime}"), 31, Work::Download(BULK), 0.98, ours, theirs);
    time(table, &format!("vectored write of 8 x 1 KiB, {runtime}"), 75, Work::Vectored(PINGS), 1.02, ours, theirs);
    vectored_calls(table, runtime, ours, theirs);
}

/// System calls, as Linux counts them for the whole process: `writev` is among them, and the
/// answers' `send` is not.
fn vectored_calls(table: &mut Table, runtime: &str, ours: &impl Net, theirs: &impl Net) {
    let work = format!("vectored write of 8 x 1 KiB, {runtime}: system calls");
    if !table.wants(&work) {
        return;
    }
    let [ours, theirs] =
        [calls(|| run(ours, Work::Vectored(ALL_PINGS))), calls(|| run(theirs, Work::Vectored(ALL_PINGS)))];
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
    ((written() - before) / f64::from(ALL_PINGS + WARM) * 100.0).round() / 100.0
}

fn tls(table: &mut Table, runtime: &str, ours: &impl Net, theirs: &impl Net) {
    time(table, &format!("64 B ping-pong, TLS 1.3, {runtime}"), 201, Work::PingPong(PINGS), 1.0, ours, theirs);
    throughput(table, &format!("256 MiB up, TLS 1.3, {runtime}"), 51, Work::Upload(TLS_BULK), 1.0, ours, theirs);
    throughput(table, &format!("256 MiB down, TLS 1.3, {runtime}"), 51, Work::Download(TLS_BULK), 1.0, ours, theirs);
}

fn time(table: &mut Table, work: &str, rounds: usize, what: Work, limit: f64, ours: &impl Net, theirs: &impl Net) {
    if !table.wants(work) {
        return;
    }
    let pairs = Pairs::in_parts(rounds, TIMED_PARTS, || run(ours, what), || run(theirs, what));
    let shown = |seconds: f64| format!("{:.2} us", seconds * 1e6 / f64::from(PINGS));
    add(table, work, &pairs, shown, pairs.ratio(), "of the time", Goal::AtMost(limit));
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
    let pairs = Pairs::in_parts(rounds, BULK_PARTS, || run(ours, what), || run(theirs, what));
    let shown = |seconds: f64| format!("{:.0} MiB/s", bytes / seconds / f64::from(1 << 20));
    // Less time is more throughput.
    let [low, value, high] = pairs.ratio();
    let ratio = [1.0 / high, 1.0 / value, 1.0 / low];
    add(table, work, &pairs, shown, ratio, "of the throughput", Goal::AtLeast(limit));
}

fn handshakes<N: Net, B: Net>(
    table: &mut Table,
    runtime: &str,
    resumed: bool,
    ours: (&N, &Kinds),
    theirs: (&B, &Kinds),
) {
    let kind = if resumed { "resumed" } else { "full" };
    let work = format!("a TLS 1.3 handshake, {kind}, {runtime}");
    if !table.wants(&work) {
        return;
    }
    // The first has no session to resume, whatever it is for.
    connect(ours.0, 1);
    connect(theirs.0, 1);
    ours.1.take();
    theirs.1.take();
    let pairs = Pairs::in_parts(101, HANDSHAKE_PARTS, || shake(ours, resumed), || shake(theirs, resumed));
    let shown = |seconds: f64| format!("{:.0} us", seconds * 1e6);
    add(table, &work, &pairs, shown, pairs.ratio(), "of the time", Goal::AtMost(1.02));
}

/// Seconds for one handshake. All of them are of the kind that the row tells.
fn shake<N: Net>((net, kinds): (&N, &Kinds), resumed: bool) -> f64 {
    let took = connect(net, HANDSHAKES);
    let [full, again] = kinds.take();
    // At both ends, and with the one that warms up.
    let both = 2 * (HANDSHAKES + 1);
    assert_eq!([full, again], if resumed { [0, both] } else { [both, 0] }, "full handshakes, and resumed ones");
    took
}

fn add(
    table: &mut Table,
    work: &str,
    pairs: &Pairs,
    shown: impl Fn(f64) -> String,
    [low, value, high]: [f64; 3],
    unit: &'static str,
    goal: Goal,
) {
    let (mimic, baseline) = (shown(pairs.ours()), shown(pairs.theirs()));
    table.add(Row {
        work: work.into(),
        mimic,
        baseline,
        value,
        spread: Some(([low, high], pairs.count())),
        unit,
        goal,
    });
}
