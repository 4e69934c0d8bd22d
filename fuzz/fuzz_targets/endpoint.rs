//! See `mimic_tests::fuzz::endpoint`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimic_tests::fuzz::endpoint(data));
