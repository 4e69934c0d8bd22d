//! How the cost of a resolve grows, for what it needs, with what there is.

use std::path::Path;
use std::time::{Duration, Instant};

use mimic_core::Context;
use mimic_speed::graph::{bindings, chain, now, protocols};
use plotters::prelude::{ChartBuilder, Circle, IntoDrawingArea, IntoLogRange, LineSeries, RED, SVGBackend, WHITE};

use crate::measure::{median, nanoseconds};
use crate::table::{Goal, Row, Table};

struct Series {
    name: &'static str,
    file: &'static str,
    counts: &'static [u32],
    make: fn(u32) -> Context,
    /// What the cost is divided by, of a count.
    needed: fn(u32) -> f64,
    per: &'static str,
}

const ALL: [Series; 3] = [
    Series {
        name: "bindings",
        file: "bindings.svg",
        counts: &[10, 100, 1_000, 10_000],
        make: bindings,
        // The same few, whatever else there is.
        needed: |_| 1.0,
        per: "resolve",
    },
    Series {
        name: "chained functions",
        file: "chains.svg",
        counts: &[10, 100, 1_000, 10_000],
        make: chain,
        needed: f64::from,
        per: "function",
    },
    Series {
        name: "protocols",
        file: "protocols.svg",
        counts: &[1, 10, 100, 1_000],
        make: protocols,
        needed: |count| f64::from(count + 2),
        per: "protocol",
    },
];

pub(crate) fn rows(table: &mut Table, plots: Option<&Path>) {
    for Series { name, file, counts, make, needed, per } in ALL {
        let (first, last) = (counts[0], counts[counts.len() - 1]);
        let work = format!("resolve as {name} grow, {first} to {last}");
        if !table.wants(&work) {
            continue;
        }
        let points: Vec<(f64, f64)> =
            counts.iter().map(|&count| (f64::from(count), cost(&make(count)) / needed(count))).collect();
        if let Some(directory) = plots {
            std::fs::create_dir_all(directory).unwrap();
            draw(&directory.join(file), name, per, &points);
        }
        let (low, high) = (points[0].1, points[points.len() - 1].1);
        let logarithm = |count: u32| f64::from(count.max(10)).log2() + 1.0;
        table.add(Row {
            work,
            mimic: format!("{high:.0} ns per {per}"),
            baseline: format!("{low:.0} ns per {per}"),
            value: high / low,
            spread: None,
            unit: "times",
            goal: Goal::AtMost((logarithm(last) / logarithm(first) * 100.0).round() / 100.0),
        });
    }
}

/// Nanoseconds of one resolve.
fn cost(ctx: &Context) -> f64 {
    let start = Instant::now();
    drop(now(ctx.connect()).unwrap());
    // About 2 ms a round.
    let times = (Duration::from_millis(2).as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 10_000);
    let times = u32::try_from(times).unwrap();
    median(21, || nanoseconds(times, || (0..times).for_each(|_| drop(now(ctx.connect()).unwrap()))))
}

fn draw(file: &Path, name: &str, per: &str, points: &[(f64, f64)]) {
    let area = SVGBackend::new(file, (640, 400)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("resolve: ns per {per}"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((first..last).log_scale(), 0.0..most * 1.25)
        .unwrap();
    chart.configure_mesh().x_desc(name).y_desc(format!("ns per {per}")).draw().unwrap();
    chart.draw_series(LineSeries::new(points.iter().copied(), &RED)).unwrap();
    chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, RED))).unwrap();
    area.present().unwrap();
}
