//! The engine against a reference: random contexts, resolved by both, and what `explain` says of
//! them.
//!
//! A context is a random program: values, functions, candidates and layers with needs of every
//! kind, cycles and missing keys among them, clones, merges, given and kept dialers.
//! `model/reference.rs` says what must come of it; compared is everything that shows: who is called
//! with which inputs in which order, who is dialled with which target, the output or the error with
//! its layer, target and phase, and what the report lists.
//!
//! `MIMIC_MODELS=100000 cargo test --release -p mimic-core --test model` tries that many;
//! `MIMIC_SEED=n` others. One that fails is made as small as it can be, and printed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a test that fails panics; nothing here is public"
)]

#[path = "model/mod.rs"]
mod model;

use mimic_core::{Local, Shared};
use model::check;
use model::explained::Count;
use model::graph::{Graph, Raw};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Random graphs; they shrink to short programs of plain registrations.
fn graphs() -> impl Strategy<Value = Graph> {
    let sizes = prop_oneof![Just(3u32), Just(6), Just(16)];
    (sizes, any::<u16>(), proptest::collection::vec(any::<Raw>(), 1..60))
        .prop_map(|(keys, values, raw)| Graph::new(keys, values, &raw))
}

#[test]
fn the_engine_does_what_the_reference_does_and_explain_says_so() {
    let models = env("MIMIC_MODELS").unwrap_or(if cfg!(miri) { 4 } else { 4000 });
    let seed = env("MIMIC_SEED").unwrap_or(0);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: u32::try_from(models).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 1 << 20,
        ..Config::default()
    };
    let begun = std::time::Instant::now();
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let count = std::cell::RefCell::new(Count::default());
    let result = runner.run(&graphs(), |graph| {
        prop_assume!(check::<Shared>(&graph, &mut count.borrow_mut()).map_err(TestCaseError::fail)?);
        // The code is the same; what is written once per mode is registering.
        if graph.ops.len() % 4 == 0 {
            check::<Local>(&graph, &mut Count::default()).map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\nseed {seed}");
    }
    let count = count.into_inner();
    println!("{models} models in {:.1?}: {count:?}", begun.elapsed());
    // They are worth something only if they get everywhere.
    if models >= 1000 {
        count.assert_everything_is_reached();
    }
}
