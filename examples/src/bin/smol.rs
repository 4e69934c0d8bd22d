//! The example on smol.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use mimic_core::Context;
use mimic_examples::Runtime;
use smol::Executor;

/// Of our own: the global one of smol opens descriptors for child processes at its first task,
/// which panics when a server has none left.
static TASKS: Executor<'static> = Executor::new();

#[derive(Debug)]
struct Smol;

impl Runtime for Smol {
    const NAME: &'static str = "smol";

    fn context() -> Context {
        mimic_smol::context()
    }

    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
        Ok(smol::block_on(TASKS.run(work)))
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        TASKS.spawn(work).detach();
    }
}

fn main() -> ExitCode {
    mimic_examples::main::<Smol>()
}
