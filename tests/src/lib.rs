//! The conformance kit that every flow passes, and tests across crates: one client on every
//! runtime, and the README.

#![forbid(unsafe_code)]

pub mod conformance;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
