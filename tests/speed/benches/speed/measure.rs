//! Measuring two things in turn, so that what changes about the machine changes for both.

use std::time::Instant;

/// What runs in turn took, in any unit.
pub(crate) struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Pairs {
    /// Runs the two `rounds` times. Who goes first changes: it finds the caches cold.
    pub(crate) fn run(rounds: usize, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) -> Self {
        let mut pairs = Self { ours: Vec::new(), theirs: Vec::new() };
        for round in 0..rounds {
            if round % 2 == 0 {
                pairs.ours.push(ours());
                pairs.theirs.push(theirs());
            } else {
                pairs.theirs.push(theirs());
                pairs.ours.push(ours());
            }
        }
        pairs
    }

    pub(crate) fn ours(&self) -> f64 {
        quartiles(self.ours.clone())[1]
    }

    pub(crate) fn theirs(&self) -> f64 {
        quartiles(self.theirs.clone())[1]
    }

    /// Ours by theirs, within each pair: the quartiles.
    pub(crate) fn ratio(&self) -> [f64; 3] {
        quartiles(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// Ours less theirs, within each pair: the quartiles.
    pub(crate) fn difference(&self) -> [f64; 3] {
        quartiles(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours - theirs).collect())
    }
}

pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// Nanoseconds for one of `count`.
pub(crate) fn nanoseconds(count: u32, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

/// The median of `rounds` values.
pub(crate) fn median(rounds: usize, mut run: impl FnMut() -> f64) -> f64 {
    quartiles((0..rounds).map(|_| run()).collect())[1]
}
