//! What the role `Process` must do, on the executors of smol and of async-std.

#![cfg(unix)]
#![allow(clippy::unwrap_used, dead_code, reason = "tests; `process_left.rs` uses the rest")]

#[macro_use]
#[path = "../../tests/process/mod.rs"]
mod process;
mod executors;

mod adapter {
    pub(crate) use mimic_smol::*;

    pub(crate) use crate::executors::local;
}

mod on_smol {
    process!(crate::executors::on_smol);
}

mod on_async_std {
    process!(crate::executors::on_async_std);
}
