//! What the fuzzers in `fuzz/` call with bytes, and `tests/corpora.rs` with the corpora: each reads
//! its input as a script, does what it says, and panics if a promise was broken. Public API only.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken promise panics, and scripts are made of bytes"
)]

mod bridges;
mod endpoint;
mod engine;
mod happy_eyeballs;
#[path = "../../../mimic-core/tests/model/mod.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "it is a test's, which does more")]
mod model;
mod script;
mod tasks;
mod tls;
mod tls_peers;

pub use bridges::bridges;
pub use endpoint::endpoint;
pub use engine::engine;
pub use happy_eyeballs::happy_eyeballs;
pub use tls::{tls_client, tls_server};

/// What a fuzzer calls.
pub type Target = fn(&[u8]);

/// Every target with its name, which is that of its corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("bridges", bridges),
    ("endpoint", endpoint),
    ("engine", engine),
    ("happy_eyeballs", happy_eyeballs),
    ("tls_client", tls_client),
    ("tls_server", tls_server),
];
