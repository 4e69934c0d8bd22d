//! Every flow of mimic, put through the conformance kit.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod flows;

use mimic_tests::conformance;

conformance!(memory, crate::flows::memory::memory);
conformance!(tokio_tcp, crate::flows::tokio::tcp);
