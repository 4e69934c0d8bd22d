//! The table of the draft's requirements names tests that there are, and every test of the draft is
//! in it.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../src/draft.md");
const TESTS: [&str; 4] = [
    include_str!("draft_resolution.rs"),
    include_str!("draft_sorting.rs"),
    include_str!("draft_attempts.rs"),
    include_str!("draft_changes.rs"),
];

#[test]
fn the_table_names_every_test() {
    let section = |name: &&str| name.starts_with('s') && name[1..].starts_with(|c: char| c.is_ascii_digit());
    let named: BTreeSet<_> = TABLE.split('`').filter(section).collect();
    let found: BTreeSet<_> = (TESTS.iter().flat_map(|file| file.lines()))
        .filter_map(|line| line.strip_prefix("fn ")?.split('(').next())
        .filter(section)
        .collect();
    let missing: Vec<_> = named.difference(&found).collect();
    assert!(missing.is_empty(), "no such test: {missing:?}");
    // Policy where the draft is silent, or the general rule that others are examples of.
    let silent = [
        "s4_2_negative_answers_fail",
        "s4_2_preferred_family",
        "s6_delay_of_each_attempt",
        "s6_failures_hurry",
        "s6_limit_in_flight",
        "s6_2_incompatible_records_are_ignored",
        "s6_simultaneous_events",
    ];
    let unnamed: Vec<_> = found.difference(&named).filter(|name| !silent.contains(name)).collect();
    assert!(unnamed.is_empty(), "not in the table: {unnamed:?}");
}
