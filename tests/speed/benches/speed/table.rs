//! The table: a row as soon as it is measured.

/// What a row must reach.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// One row.
pub(crate) struct Row {
    pub(crate) work: String,
    /// What was measured for mimic, with its unit.
    pub(crate) mimic: String,
    /// What was measured for the baseline; empty without one.
    pub(crate) baseline: String,
    /// What is compared with the goal, and of how many pairs it is the median, with the quartiles
    /// around it.
    pub(crate) value: f64,
    pub(crate) spread: Option<([f64; 2], usize)>,
    /// What the value is: "ratio of time", "ns more", …
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

pub(crate) struct Table {
    only: Option<String>,
}

impl Table {
    pub(crate) fn new(only: Option<String>) -> Self {
        println!("| work | mimic | baseline | measured | half of the pairs | goal | met |");
        println!("|---|---:|---:|---:|---:|---:|---|");
        Self { only }
    }

    /// Whether a row is asked for.
    pub(crate) fn wants(&self, work: &str) -> bool {
        self.only.as_ref().is_none_or(|only| work.contains(only.as_str()))
    }

    pub(crate) fn add(&mut self, row: Row) {
        let Row { work, mimic, baseline, value, spread, unit, goal } = row;
        let (goal, met) = match goal {
            Goal::AtMost(limit) => (format!("at most {limit}"), value <= limit),
            Goal::AtLeast(limit) => (format!("at least {limit}"), value >= limit),
        };
        let spread = spread
            .map_or_else(String::new, |([low, high], pairs)| format!("{} to {}, of {pairs}", shown(low), shown(high)));
        let met = if met { "yes" } else { "**no**" };
        println!("| {work} | {mimic} | {baseline} | {} {unit} | {spread} | {goal} | {met} |", shown(value));
    }
}

/// Three digits or so.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ if value == value.round() => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}
