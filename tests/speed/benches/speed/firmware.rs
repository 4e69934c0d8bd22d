//! The row on a microcontroller: instructions, in QEMU.

use std::path::Path;
use std::process::Command;

use crate::table::{Goal, Row, Table};

pub(crate) fn rows(table: &mut Table) {
    let work = "firmware: a round trip of 64 B between two stacks in one memory";
    if !table.wants(work) {
        return;
    }
    if Command::new("qemu-system-arm").arg("--version").output().is_err() {
        assert!(std::env::var_os("MIMIC_REQUIRE_TOOLS").is_none(), "qemu-system-arm is missing");
        println!("SKIPPED: {work}: qemu-system-arm is missing");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/embassy-qemu/pingpong");
    // Another workspace, with a directory of its own.
    let ran = Command::new(script).env_remove("CARGO_TARGET_DIR").output().expect("it is there");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    let instructions = |how: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(how)).expect("a line for each");
        line.trim().parse::<f64>().expect("a number")
    };
    let (ours, theirs) = (instructions("by-mimic"), instructions("by-hand"));
    table.add(Row {
        work: work.into(),
        mimic: format!("{ours} instructions"),
        baseline: format!("{theirs} instructions"),
        value: ours / theirs,
        spread: None,
        unit: "of the instructions",
        goal: Goal::AtMost(1.05),
    });
}
