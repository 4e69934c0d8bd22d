//! What is measured, shared by the programs that measure it: `cargo bench -p mimic-speed` runs them
//! all.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a program that measures stops at a failure")]

pub mod calls;
pub mod graph;
pub mod http;
pub mod net;
pub mod nets;
pub mod place;
pub mod race;
