//! Random graphs, mimic, the reference, and what is compared; for `model.rs`, and for the fuzzer of
//! the engine.

pub mod explained;
pub mod graph;
pub mod real;
pub mod reference;
pub mod seen;

use mimic_core::Ctx;

use explained::Count;
use graph::Graph;
use real::{Build, Log, R};
use reference::Reference;

/// Resolves and explains one graph, and compares. `false` if it makes too many dials to be tried:
/// where everybody dials two, they are soon.
pub fn check<M: Build>(graph: &Graph, count: &mut Count) -> Result<bool, String> {
    let (reference, calls) = Reference::build(graph);
    let (expected, resolve, plan) = reference.resolve(graph.root);
    if reference.is_large || resolve.is_large() {
        return Ok(false);
    }
    let log = Log::default();
    let ctx: Ctx<M> = real::build(graph, &log);
    same("what building called", &log.take(), &calls)?;

    let before = ctx.explain(R(graph.root));
    same("what explaining called", &log.take(), &Vec::new())?;

    let (seen, report) = real::resolve(&ctx, graph.root, &log);
    same("resolve", &seen, &expected)?;
    same("a kept dialer", &real::keep(&ctx, graph.root, &log), &reference.keep(graph.root))?;

    let said = explained::before(&before, &reference, &resolve, &plan, graph.root)
        .and_then(|()| report.map_or(Ok(()), |report| explained::after(&report, &plan)));
    count.add(&before, &expected, &plan);
    said.map(|()| true).map_err(|fault| format!("{fault}\n{before}\n\nresolve: {expected:#?}"))
}

fn same<T: std::fmt::Debug + PartialEq>(what: &str, real: &T, expected: &T) -> Result<(), String> {
    if real == expected {
        return Ok(());
    }
    Err(format!("{what}: mimic\n{real:#?}\nthe reference\n{expected:#?}"))
}
