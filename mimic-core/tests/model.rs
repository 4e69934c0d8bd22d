//! The engine against a reference: random contexts, resolved by both, and what `explain` says of them.
//!
//! A context is a random program: values, functions, candidates and layers with needs of every kind, cycles and
//! missing keys among them, clones, merges, given and kept dialers. `model/reference.rs` says what must come of it;
//! compared is everything that shows: who is called with which inputs in which order, who is dialled with which
//! target, the output or the error with its layer, target and phase, and what the report lists.
//!
//! `MIMIC_MODELS=100000 cargo test --release -p mimic-core --test model` tries that many; `MIMIC_SEED=n` others. One
//! that fails is made as small as it can be, and printed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a test that fails panics; nothing here is public"
)]

mod model {
    pub mod explained;
    pub mod graph;
    pub mod real;
    pub mod reference;
    pub mod seen;
}

use mimic_core::{Ctx, Local, Shared};
use model::explained::{self, Count};
use model::graph::{Graph, graphs};
use model::real::{self, Build, Log, R};
use model::reference::Reference;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Resolves and explains one graph, and compares.
fn check<M: Build>(graph: &Graph, count: &mut Count) -> Result<(), TestCaseError> {
    let log = Log::default();
    let ctx: Ctx<M> = real::build(graph, &log);
    let (reference, calls) = Reference::build(graph);
    same("what building called", &log.take(), &calls)?;

    let before = ctx.explain(R(graph.root));
    same("what explaining called", &log.take(), &Vec::new())?;

    let (expected, resolve, plan) = reference.resolve(graph.root);
    let (seen, report) = real::resolve(&ctx, graph.root, &log);
    same("resolve", &seen, &expected)?;
    same("a kept dialer", &real::keep(&ctx, graph.root, &log), &reference.keep(graph.root))?;

    let said = explained::before(&before, &reference, &resolve, &plan, graph.root)
        .and_then(|()| report.map_or(Ok(()), |report| explained::after(&report, &plan)));
    count.add(&before, &expected, &plan);
    said.map_err(|fault| TestCaseError::fail(format!("{fault}\n{before}\n\nresolve: {expected:#?}")))
}

fn same<T: std::fmt::Debug + PartialEq>(what: &str, real: &T, expected: &T) -> Result<(), TestCaseError> {
    if real == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{what}: mimic\n{real:#?}\nthe reference\n{expected:#?}")))
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
        let mut count = count.borrow_mut();
        check::<Shared>(&graph, &mut count)?;
        // The code is the same; what is written once per mode is registering.
        if graph.ops.len() % 4 == 0 { check::<Local>(&graph, &mut Count::default()) } else { Ok(()) }
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
