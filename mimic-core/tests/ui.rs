//! What the compiler says of mistakes: the messages that the crate takes care of.
//!
//! The messages of other compilers differ in words and layout, so the test runs with the pinned one
//! alone (the `rust-version` of the workspace, as CI does) and is reported as ignored by any other.
//! To see what another says: `cargo test -p mimic-core --test ui -- --ignored`. To accept what
//! changed: `TRYBUILD=overwrite`.

#[rustversion::attr(not(stable(1.95)), ignore = "the expected messages are those of Rust 1.95")]
#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
