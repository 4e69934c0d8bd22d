//! Instruction counts, by callgrind: the same on every run, so a change of them is a change of the code.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// What is counted, by the names of the program `counts`.
const ALL: [&str; 9] = [
    "direct-write",
    "direct-read",
    "boxed-write",
    "boxed-read",
    "through-tokio",
    "through-futures",
    "resolve",
    "with-and-resolve",
    "kept-dial",
];

/// How much more than recorded is too much.
const TOLERANCE: f64 = 1.1;

/// The counts of one, recorded.
fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/counts.txt"))
}

/// Compares with what is recorded, or records.
pub(crate) fn check(record: bool) -> ExitCode {
    let recorded = std::fs::read_to_string(file()).unwrap_or_default();
    let mut lines = String::new();
    let mut too_many = false;
    for what in ALL {
        let now = instructions(what);
        writeln!(lines, "{what} {now:.1}").unwrap();
        let then = recorded.lines().find_map(|line| line.strip_prefix(what)?.trim().parse::<f64>().ok());
        match then {
            _ if record => println!("{what}: {now:.1} instructions"),
            Some(then) => {
                // One or two instructions of a call are the compiler's choice.
                let worse = now > (then * TOLERANCE).max(then + 2.0);
                too_many |= worse;
                println!("{what}: {now:.1} instructions, {then} recorded{}", if worse { ": TOO MANY" } else { "" });
            }
            None => {
                println!("{what}: {now:.1} instructions, NOT RECORDED");
                too_many = true;
            }
        }
    }
    if record {
        std::fs::write(file(), lines).unwrap();
    }
    if too_many { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Of one: the difference of two runs.
fn instructions(what: &str) -> f64 {
    let (few, many) = (1_000, 3_000);
    (total(what, many) - total(what, few)) / f64::from(many - few)
}

fn total(what: &str, times: u32) -> f64 {
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_counts"), what])
        .arg(times.to_string())
        .output()
        .expect("valgrind is installed");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{told}");
    let collected = told.lines().find_map(|line| line.split_once("Collected :")).expect("a count");
    collected.1.trim().parse().expect("a number")
}
