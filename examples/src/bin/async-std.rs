//! The example on async-std.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use async_std::task;
use mimic_core::Context;
use mimic_examples::Runtime;

#[derive(Debug)]
struct AsyncStd;

impl Runtime for AsyncStd {
    const NAME: &'static str = "async-std";

    fn context() -> Context {
        // async-std runs on the same reactor as smol, so the adapter is the same too.
        mimic_smol::context()
    }

    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
        Ok(task::block_on(work))
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        // Dropping the handle detaches the task.
        drop(task::spawn(work));
    }
}

fn main() -> ExitCode {
    mimic_examples::main::<AsyncStd>()
}
