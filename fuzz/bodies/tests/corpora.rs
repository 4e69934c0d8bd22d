//! Every input that the fuzzers found worth keeping, once more: what was broken stays mended.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::fs;
use std::path::Path;

use mimic_fuzz_bodies::TARGETS;

#[test]
fn every_input_of_the_corpora_is_replayed() {
    for (name, target) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "the corpus of {name} is gone");
        for file in files {
            let input = fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                panic!("{name} fails: {}", file.display());
            }
        }
    }
}

/// Inputs of all lengths that nobody chose: the targets take whatever comes.
#[test]
fn targets_take_whatever_comes() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for (name, target) in TARGETS {
        for round in 0..200 {
            let mut input = Vec::new();
            for _ in 0..round {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                input.push(state.to_be_bytes()[0]);
            }
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                panic!("{name} fails: {input:?}");
            }
        }
    }
}
