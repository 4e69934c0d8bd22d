//! Contexts of every shape, as core's own model test has them: what `resolve` does is what a plain
//! recursive model of the promises says, call by call, and what `explain` foretold without running
//! any.

use mimic_core::{Context, Shared};

use super::model::check;
use super::model::explained::Count;
use super::model::graph::Graph;
use super::model::real::{self, Log, R, To};
use super::tasks::once;

/// More take longer and find nothing else.
const OPERATIONS: usize = 24;

/// A way to build a context, and what to ask of it.
pub fn engine(data: &[u8]) {
    let Some((&[how, a, b], rest)) = data.split_first_chunk() else { return };
    let (raw, _) = rest.as_chunks();
    let raw = &raw[..raw.len().min(OPERATIONS)];
    let graph = Graph::new([3, 6, 16][usize::from(how % 3)], u16::from_be_bytes([a, b]), raw);
    match check::<Shared>(&graph, &mut Count::default()) {
        Ok(true) => {}
        Ok(false) => return,
        Err(fault) => panic!("{fault}\n{graph:?}"),
    }

    let log = Log::default();
    let ctx: Context = real::build(&graph, &log);
    let _ = ctx.explain(R(graph.root)).dot().to_string();
    // Given up half-way: nothing panics.
    let mut future = Box::pin(ctx.resolve(R(graph.root), To(7, log)));
    for _ in 0..how / 4 % 8 {
        if once(&mut future).is_some() {
            break;
        }
    }
}
