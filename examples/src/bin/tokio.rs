//! The example on tokio.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use mimic_core::Context;
use mimic_examples::Runtime;
use tokio::runtime::Builder;

#[derive(Debug)]
struct Tokio;

impl Runtime for Tokio {
    const NAME: &'static str = "tokio";

    fn context() -> Context {
        mimic_tokio::context()
    }

    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let output = runtime.block_on(work);
        // Dropping it would wait for the look-ups that a deadline has given up.
        runtime.shutdown_background();
        Ok(output)
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        // Dropping the handle detaches the task.
        drop(tokio::spawn(work));
    }
}

fn main() -> ExitCode {
    mimic_examples::main::<Tokio>()
}
