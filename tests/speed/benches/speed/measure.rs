//! Measuring two things in turn, so that what changes about the machine changes for both.

use std::time::Instant;

/// What runs in turn took, in any unit.
pub(crate) struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Pairs {
    /// Runs the two `rounds` times. Who goes first changes: it finds the caches cold.
    pub(crate) fn run(rounds: usize, ours: impl FnMut() -> f64, theirs: impl FnMut() -> f64) -> Self {
        Self::in_parts(rounds, 1, ours, theirs)
    }

    /// As [`run`](Self::run), but each round is made of so many parts of either, again in turn, and
    /// counts with their mean: what disturbs a part then disturbs a part of the round.
    pub(crate) fn in_parts(
        rounds: usize,
        parts: u32,
        mut ours: impl FnMut() -> f64,
        mut theirs: impl FnMut() -> f64,
    ) -> Self {
        let mut pairs = Self { ours: Vec::new(), theirs: Vec::new() };
        for round in 0..rounds {
            let mut sums = [0.0; 2];
            for part in 0..parts {
                if (round % 2 == 0) == (part % 2 == 0) {
                    sums[0] += ours();
                    sums[1] += theirs();
                } else {
                    sums[1] += theirs();
                    sums[0] += ours();
                }
            }
            let [ours, theirs] = sums.map(|sum| sum / f64::from(parts));
            pairs.ours.push(ours);
            pairs.theirs.push(theirs);
        }
        pairs
    }

    pub(crate) fn count(&self) -> usize {
        self.ours.len()
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
