//! See `mimic_tests::fuzz::happy_eyeballs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimic_tests::fuzz::happy_eyeballs(data));
