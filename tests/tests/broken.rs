//! The kit can fail: flows that break one promise each, and for every case of the kit one that it
//! notices.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

#[path = "broken/fault.rs"]
mod fault;
#[path = "broken/flow.rs"]
mod flow;
#[path = "broken/reading.rs"]
mod reading;
#[path = "broken/rows.rs"]
mod rows;
#[path = "broken/wakers.rs"]
mod wakers;
#[path = "broken/writing.rs"]
mod writing;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fault::Fault;
use flow::Broken;
use mimic_core::Shared;
use mimic_core::io::memory_pair;
use mimic_tests::conformance;
use mimic_tests::conformance::{End, Ends, Failure, Fixture, Kind, Side, cases, pairs, run_with};
use rows::{CLAIMS, ROWS, Row};

/// For a wake-up that never comes; a case is given twenty times as long.
const PATIENCE: Duration = Duration::from_millis(100);
/// For one that comes, on a machine that is busy.
const SOUND: Duration = Duration::from_secs(5);

/// Both ends break it, over a memory that is sound.
fn fixture(kind: fn(Kind) -> Kind, fault: Fault) -> impl Fixture {
    let known = match fault {
        // It has to claim what it does not keep.
        Fault::Addresses => Kind::default(),
        _ => Kind::default().without_addresses(),
    };
    let fallen = Arc::<AtomicBool>::default();
    pairs(kind(known), move || {
        let fallen = fallen.clone();
        async move {
            let (client, server) = memory_pair::<Shared>(4096);
            let [client, server] = [client, server].map(|memory| {
                End::shared(Broken::new(memory, fault, fallen.clone()))
                    .opened_by(|flow| Some(Box::new(flow.downcast::<Broken>().ok()?.open()?)))
            });
            Ok(Ends { client, server })
        }
    })
}

/// Whether the case says this of the fault. If not, what it says.
fn notices(kind: fn(Kind) -> Kind, case: &str, fault: Fault, text: &str) -> Result<(), String> {
    let said = |patience| match run_with(move || fixture(kind, fault), Side::Client, case, patience) {
        Ok(()) => Err(format!("{case} does not notice {fault:?}")),
        Err(failure) if failure.to_string().contains(text) => Ok(()),
        Err(failure) => Err(format!("{case} notices {fault:?}, and does not say {text:?}: {failure}")),
    };
    // What moves much needs its time; and a stall of the machine is no answer.
    let big = cases().iter().any(|known| known.name() == case && known.is_big());
    if big { said(SOUND) } else { said(PATIENCE).or_else(|_| said(SOUND)) }
}

/// Many at a time: most of them wait.
fn all_notice(rows: &[Row]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(&(kind, case, fault, text)) = rows.get(next.fetch_add(1, SeqCst)) {
                    let begun = Instant::now();
                    if let Err(text) = notices(kind, case, fault, text) {
                        wrong.lock().unwrap().push(text);
                    }
                    println!("{:5} ms  {case}: {fault:?}", begun.elapsed().as_millis());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn every_case_notices_a_fault() {
    let names = || cases().iter().map(|case| case.name());
    let unnoticed: Vec<_> = names().filter(|name| !ROWS.iter().any(|(case, ..)| case == name)).collect();
    assert!(unnoticed.is_empty(), "cases that no broken flow fails: {unnoticed:?}");
    let unknown: Vec<_> = ROWS.iter().filter(|(case, ..)| !names().any(|name| name == *case)).collect();
    assert!(unknown.is_empty(), "there are no such cases: {unknown:?}");
    let rows = ROWS.iter().map(|&(case, fault, text)| -> Row { (|kind| kind, case, fault, text) });
    all_notice(&rows.collect::<Vec<_>>());
}

/// Or a case would notice what it is not about: all but a few begin with a greeting.
#[test]
fn the_greeting_notices_no_fault() {
    let from_the_start = [Fault::EarlyEnd, Fault::Spins, Fault::Panics];
    // It does nothing else but to look at what is below.
    let case = "attributes::the_layers_below_come_to_an_end";
    for &(_, fault, _) in ROWS {
        if fault != Fault::Ouroboros && !from_the_start.contains(&fault) {
            run_with(move || fixture(|kind| kind, fault), Side::Client, case, SOUND).unwrap();
        }
    }
}

#[test]
fn what_a_flow_says_that_it_cannot_do_is_asserted_too() {
    all_notice(CLAIMS);
}

/// What breaks nothing passes every case: it is not the wrapping that the kit notices.
fn sound() -> impl Fixture {
    fixture(|kind| kind, Fault::Nothing)
}

conformance!(what_breaks_nothing, super::sound);

#[test]
fn a_case_that_there_is_not_is_a_failure() {
    let failure: Failure = run_with(sound, Side::Client, "reads::nothing", PATIENCE).unwrap_err();
    assert!(failure.to_string().contains("there is no case \"reads::nothing\""), "{failure}");
}

#[test]
fn a_pair_that_cannot_be_made_is_a_failure() {
    let fixture = || pairs(Kind::default(), || async { Err(mimic_core::ErrorKind::ConnectionRefused.into()) });
    let failure = run_with(fixture, Side::Client, "reads::the_end_stays", PATIENCE).unwrap_err();
    assert!(failure.to_string().contains("no pair: "), "{failure}");
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = cases().iter().map(|case| case.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 100, "{count} cases");
}
